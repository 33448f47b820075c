"""POP909: 909 Chinese pop songs, arranged for piano by musicians, with annotations of beats and chords."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from etude.config.check import Count
from etude.core.files import digest as digest_of_file
from etude.datasets import Entry, LeftOut, piece
from etude.datasets.archived import Archived


class Pop909(Archived):
    """Tracks MELODY (the singer), BRIDGE (the leading instrument) and PIANO; ticks are on the beat plus an offset.

    Next to NNN/NNN.mid are its annotations: beat_midi.txt (seconds, beat, downbeat) and chord_midi.txt (start, end,
    name); and key_audio.txt (start, end, name), which not every copy of the archive has.
    """

    ARCHIVE = "POP909-Dataset-{version}.zip"
    URL = "https://github.com/music-x-lab/POP909-Dataset/archive/{version}.zip"
    FILES = re.compile(r"POP909/((\d{3})/(?:\2\.mid|beat_midi\.txt|chord_midi\.txt))")
    EXTRA = re.compile(r"POP909/(\d{3}/key_audio\.txt)")
    SOURCE = "github.com/music-x-lab/POP909-Dataset, commit {version}"
    LICENCE = "MIT License, Copyright (c) 2020 Music X Lab (the file LICENSE of the archive)."
    CITATION = (
        "Ziyu Wang, Ke Chen, Junyan Jiang, Yiyi Zhang, Maoran Xu, Shuqi Dai, Guxian Bin and Gus Xia: POP909: A "
        "Pop-song Dataset for Music Arrangement Generation. Proceedings of ISMIR 2020."
    )

    def __init__(
        self,
        name: str,
        limit: Count | None,
        reading: dict[str, Any],
        version: str,
        digest: str | None,
        held_out: list[str],
    ) -> None:
        """Take the section ``dataset``: see ``Archived``. The split reads ``held_out``, ids of songs."""
        super().__init__(name, limit, reading, version, digest)
        self.held_out = held_out

    def entries(self, folder: Path, files: list[str], left_out: list[LeftOut]) -> Iterator[Entry]:
        """One piece per song; ``annotations`` holds the digests of the annotation files."""
        for file in files:
            if file.endswith(".mid"):
                song = PurePosixPath(file).parent
                notes = sorted((folder / song).glob("*.txt"))
                annotations = {f"{song}/{note.name}": digest_of_file(note) for note in notes}
                yield piece(folder, file, song.name, f"POP909/{file}", annotations=annotations)
