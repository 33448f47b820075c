"""Folk tunes in ABC notation, from the corpus that the music21 package bundles (no network)."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etude.config.check import Count
from etude.core.errors import EtudeError, closest
from etude.core.progress import follow
from etude.datasets import Dataset, Entry, LeftOut, Names, corpus, piece
from etude.scores.readers import pieces_of

COLLECTIONS = {"essen": "essenFolksong", "oneills": "oneills1850", "ryans": "ryansMammoth"}  # -> their folders


class Folk(Dataset):
    """Essen (Central European songs), O'Neill (Irish tunes), Ryan (American fiddle tunes); a file holds many tunes."""

    LICENCE = (
        f"The tunes are traditional. {corpus.LICENCE} Essen: the legal status of the database is unclear; its keeper "
        "permits non-commercial distribution and use of these files in music21 (corpus/essenFolksong/license.txt)."
    )
    CITATION = (
        f"{corpus.CITATION} Essen: the folksong database of Helmut Schaffrath and Ewa Dahlig-Turek (esac-data.org), as "
        "ABC by Seymour Shlien. O'Neill: Francis O'Neill, Music of Ireland: 1850 Melodies, 1903, as ABC by the "
        "transcribers whom the files name. Ryan: William Bradbury Ryan, Ryan's Mammoth Collection, 1883, as ABC by Ray "
        "Davies."
    )

    def __init__(self, name: str, limit: Count | None, reading: dict[str, Any], collections: list[str]) -> None:
        """Take the section ``dataset`` of the settings; ``collections`` are some of essen, oneills and ryans."""
        super().__init__(name, limit, reading)
        for collection in collections:
            if collection not in COLLECTIONS:
                raise EtudeError(
                    f"dataset.collections: {collection!r} is not a collection. {closest(collection, COLLECTIONS)}"
                )
        if not collections:
            raise EtudeError(f"dataset.collections = [] names no collection. {closest('', COLLECTIONS)}")
        self.collections = collections

    def source(self) -> str:
        """The folders of the installed package."""
        return f"{corpus.version()}, corpus/{{{','.join(sorted(COLLECTIONS[name] for name in {*self.collections}))}}}"

    def pieces(self, folder: Path, left_out: list[LeftOut], show: bool) -> Iterator[Entry]:
        """The tunes in the order of their files and of their places in each."""
        names = Names()
        places = [corpus.find(COLLECTIONS[name]) for name in sorted({*self.collections})]
        files = [file for place in places for file in sorted(place.glob("*.abc"))]
        for file in follow(files, "download", len(files), show):
            place = f"{file.parent.name}/{file.name}"
            (folder / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, folder / place)
            tunes = pieces_of(folder / place)
            stem, source, sha256 = names(file.stem), f"music21/corpus/{place}", None
            for part, title in tunes:
                alone = len(tunes) == 1
                facts = {"part": part, "title": title, "sha256": sha256}
                name = stem if alone else names(f"{stem}-{part:0>4}")
                entry = piece(folder, place, name, source if alone else f"{source}, tune {part}", **facts)
                sha256 = entry["sha256"]
                yield entry
