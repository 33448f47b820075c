"""The four-part chorales of J. S. Bach, from the corpus that the music21 package bundles (no network)."""

import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.core.progress import follow
from etude.datasets import Dataset, Entry, LeftOut, corpus, piece
from etude.scores.parts import find_voices
from etude.scores.reading import Facts, key_name
from etude.scores.written import MODE_NAMES

# Copies of a movement name an edition or an arrangement after the number in the list of titles.
EDITION = re.compile(r"-(sc|inst|lpz|lz|w)$")


class Bach(Dataset):
    """Every chorale of the corpus in which soprano, alto, tenor and bass occur exactly once."""

    LICENCE = f"The music is in the public domain (Bach died in 1750). {corpus.LICENCE}"
    CITATION = f"{corpus.CITATION} Titles after the list of Margaret Greentree (music21.corpus.chorales)."

    def source(self) -> str:
        """The folder of the installed package."""
        return f"{corpus.version()}, corpus/bach"

    def pieces(self, folder: Path, left_out: list[LeftOut], show: bool) -> Iterator[Entry]:
        """The chorales in the order of their files.

        Instrument parts stay in the files. The manifest lists them as ``left_out_parts``, and ingest leaves them out.
        """
        if self.reading.voices is None:
            raise EtudeError("dataset.reading.voices = null: the chorales are chosen by their voices. Name the voices.")
        titles = _titles()
        taken: set[str] = set()
        files = sorted(
            (file for file in corpus.find("bach").glob("bwv*") if file.is_file()),
            key=lambda file: (file.stem, file.suffix),
        )
        for file in follow(files, "download", len(files), show):
            name = f"music21/corpus/bach/{file.name}"
            if file.suffix not in (".mxl", ".xml"):
                left_out.append({"source": name, "reason": "the corpus has the same chorale as MusicXML"})
                continue
            try:
                root = _musicxml(file)
                facts = _facts(root)
            except (OSError, zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, ValueError) as error:
                left_out.append({"source": name, "reason": f"damaged: no MusicXML can be read from it ({error})"})
                continue
            parts = [part.findtext("part-name") or "" for part in root.iter("score-part")]
            kept, others = find_voices(parts, list(self.reading.voices))
            if kept is None:
                reason = (
                    f"not four parts named {', '.join(self.reading.voices)}, each once: it has "
                    f"{', '.join(map(_line, parts))}"
                )
                left_out.append({"source": name, "reason": reason})
                continue
            if file.stem in taken:
                left_out.append({"source": name, "reason": f"the corpus has {file.stem} in another file format"})
                continue
            taken.add(file.stem)
            shutil.copyfile(file, folder / file.name)
            entry = piece(folder, file.name, file.stem, name, title=_title(file.stem, titles), left_out_parts=others)
            if entry["sha256"] != digest(file):
                raise EtudeError(f"The copy of {file} differs from it. Is the disk full? Run etude download again.")
            yield entry | facts


def _titles() -> dict[str, str]:
    """BWV number -> the title of the chorale's text."""
    from music21.corpus.chorales import ChoraleListRKBWV

    return {str(bwv): entry["title"] for bwv, entry in ChoraleListRKBWV().byBWV.items()}


def _title(stem: str, titles: dict[str, str]) -> str | None:
    bwv = stem.removeprefix("bwv")
    short = EDITION.sub("", bwv)
    return titles.get(bwv) or titles.get(short) or titles.get(f"{short}-l")  # the list has 18.5-l, the file 18.5-lz


def _musicxml(file: Path) -> ElementTree.Element:
    """The root of a MusicXML file, compressed or not."""
    if file.suffix == ".xml":
        return ElementTree.parse(file).getroot()
    with zipfile.ZipFile(file) as archive:
        container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
        paths = [entry.get("full-path") for entry in container.iter() if entry.tag.endswith("rootfile")]
        return ElementTree.fromstring(archive.read(str(paths[0])))


def _facts(root: ElementTree.Element) -> Facts:
    """Key, time signature and tempo (BPM) at the start; ``None`` where the score states none."""
    key, time = root.find(".//key"), root.find(".//time")
    tempo = root.find(".//sound[@tempo]")
    name = None
    if key is not None and key.findtext("fifths") is not None:
        name = key_name(int(key.findtext("fifths") or 0), MODE_NAMES.get((key.findtext("mode") or "")[:3], "major"))
    return {
        "key": name,
        "time_signature": None if time is None else f"{time.findtext('beats')}/{time.findtext('beat-type')}",
        "tempo": None if tempo is None else float(tempo.get("tempo") or 0),
    }


def _line(text: str) -> str:
    return " ".join(text.split())
