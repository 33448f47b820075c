"""The four-part chorales of J. S. Bach, from the corpus that the music21 package bundles (no network)."""

import importlib.metadata
import importlib.util
import re
import shutil
import zipfile
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

from etude.datasets.scores import KEY_NAMES, find_voices
from etude.errors import EtudeError
from etude.outputs import digest
from etude.progress import follow
from etude.settings import Count, Positive, Range

LICENCE = (
    "The music is in the public domain (Bach died in 1750). The encodings come with music21's corpus, which is "
    "distributed with the permission of the encoders and, to the best knowledge of music21's authors, out of copyright "
    "or licensed for use in the United States; commercial use may be restricted (music21/corpus/license.txt)."
)
CITATION = (
    "Michael Scott Cuthbert and Christopher Ariza: music21: A Toolkit for Computer-Aided Musicology and Symbolic Music "
    "Data. Proceedings of ISMIR 2010, pages 637-642. Titles after the list of Margaret Greentree "
    "(music21.corpus.chorales)."
)
# Copies of a movement that carry the name of an edition or an arrangement after the number that the list of titles has.
EDITION = re.compile(r"-(sc|inst|lpz|lz|w)$")


class Bach:
    """Every chorale of the corpus in which soprano, alto, tenor and bass occur exactly once."""

    def __init__(
        self, name: str, voices: dict[str, Annotated[int, Range(0, 127)]], tempo: Positive, limit: Count | None
    ) -> None:
        """Take the section ``dataset`` of the settings; its keys are explained in conf/dataset/bach.yaml."""
        for voice, program in voices.items():
            if sum(program == other for other in voices.values()) > 1:
                raise EtudeError(
                    f"dataset.voices.{voice} = {program} is also another voice's program: each voice needs its own, by "
                    "which its tokens are told apart."
                )
        self.name, self.voices, self.tempo, self.limit = name, voices, tempo, limit

    def fetch(self, folder: Path, show: bool) -> dict[str, Any]:
        """Copy the untouched source files to ``folder`` and return the manifest.

        It says what was taken, and what was left out for which reason.

        Instrument parts stay in the files; the manifest names them (``left_out_parts``), and ingest leaves them out.
        """
        corpus = _corpus()
        titles = _titles()
        pieces: list[dict[str, Any]] = []
        left_out: list[dict[str, str]] = []
        sources = sorted(
            (file for file in corpus.glob("bwv*") if file.is_file()), key=lambda file: (file.stem, file.suffix)
        )
        for source in follow(sources, "download", len(sources), show):
            if self.limit is not None and len(pieces) == self.limit:
                break
            name = f"music21/corpus/bach/{source.name}"
            if source.suffix not in (".mxl", ".xml"):
                left_out.append({"source": name, "reason": "the corpus has the same chorale as MusicXML"})
                continue
            try:
                root = _musicxml(source)
                facts = _facts(root)
            except (OSError, zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, ValueError) as error:
                left_out.append({"source": name, "reason": f"damaged: no MusicXML can be read from it ({error})"})
                continue
            parts = [part.findtext("part-name") or "" for part in root.iter("score-part")]
            kept, others = find_voices(parts, list(self.voices))
            if kept is None:
                reason = (
                    f"not four parts named {', '.join(self.voices)}, each once: it has {', '.join(map(_line, parts))}"
                )
                left_out.append({"source": name, "reason": reason})
                continue
            if any(piece["id"] == source.stem for piece in pieces):
                left_out.append({"source": name, "reason": f"the corpus has {source.stem} in another file format"})
                continue
            copy = folder / source.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            if digest(copy) != digest(source):
                raise EtudeError(f"The copy of {source} differs from it. Is the disk full? Run etude download again.")
            pieces.append(
                {
                    "id": source.stem,
                    "file": copy.name,
                    "sha256": digest(copy),
                    "source": name,
                    "title": _title(source.stem, titles),
                    "left_out_parts": others,
                    **facts,
                }
            )
        return {
            "dataset": self.name,
            "source": f"music21 {importlib.metadata.version('music21')}, corpus/bach",
            "licence": LICENCE,
            "citation": CITATION,
            "pieces": pieces,
            "left_out": left_out,
        }


def _corpus() -> Path:
    """The folder of the Bach corpus, found without importing music21 (a second)."""
    spec = importlib.util.find_spec("music21")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "corpus" / "bach"
        if folder.is_dir():
            return folder
    raise EtudeError(
        "dataset bach: the installed music21 package has no corpus/bach. Install music21 from the package index with "
        "its corpus: make repro"
    )


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


def _facts(root: ElementTree.Element) -> dict[str, Any]:
    """Key, time signature and tempo (quarters a minute) at the beginning; ``None`` where the score names none."""
    key, time = root.find(".//key"), root.find(".//time")
    tempo = root.find(".//sound[@tempo]")
    name = None
    if key is not None and key.findtext("fifths") is not None:
        name = KEY_NAMES.get((int(key.findtext("fifths") or 0), key.findtext("mode") or "major"))
    return {
        "key": name,
        "time_signature": None if time is None else f"{time.findtext('beats')}/{time.findtext('beat-type')}",
        "tempo": None if tempo is None else float(tempo.get("tempo") or 0),
    }


def _line(text: str) -> str:
    return " ".join(text.split())
