"""Readers of notation compared: etude's own, Verovio, music21 and, where it is installed, partitura.

    python benchmarks/readers.py [--scores 200] [--corpus 10]

Each reads random scores whose notes are known (tests/scores/random_scores.py), the inputs of public bug reports
(tests/scores/inputs), and every so many scores of the corpora that music21 bundles, for which the truth is not known:
there it is counted how often each agrees with each other. Repeats are played where a file is to be compared with the
truth, and left as they are written in the corpora. Grace and cue notes do not count, nor does the time before the first
note; times are rounded to 1/24 of a quarter note. READERS.md has the tables.
"""

import argparse
import base64
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scores.random_abc import abc
from scores.random_humdrum import humdrum
from scores.random_musicxml import musicxml
from scores.random_scores import make_score, sounding
from symusic.core import ScoreTick

from etude.config.sections import Reading
from etude.datasets import corpus
from etude.scores import second_reader
from etude.scores.abc import tune
from etude.scores.isolation import Lost, isolate
from etude.scores.readers import pieces_of, read

INPUTS = Path(__file__).parents[1] / "tests/scores/inputs"
SECONDS, MEMORY = 60.0, 4 << 30  # for one file
Notes = Counter[tuple[int, int, int]]
Triple = tuple[float, float, int]  # onset and end in quarter notes, pitch


def counted(notes: Iterable[Triple]) -> Notes:
    """The notes from the first onset on."""
    return second_reader.counted(list(notes))


def by_etude(path: Path, part: str | None, repeats: str) -> Notes:
    """As ingest reads it."""
    piece, _ = read(path, part, Reading(None, False, 120.0, True, 480, None, None, repeats))
    ticks = piece.ticks_per_quarter
    return counted((note.time / ticks, note.end / ticks, note.pitch) for track in piece.tracks for note in track.notes)


def by_verovio(path: Path, part: str | None, repeats: str) -> Notes:
    """Without grace notes and broken chords, which Verovio plays."""
    import verovio

    if path.suffix != ".abc":
        return counted(second_reader.by_verovio(path, expand=repeats == "played"))
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions({"inputFrom": "abc", "expandNever": repeats == "written", "expandAlways": repeats == "played"})
    if not toolkit.loadData(tune(path, part)):
        raise ValueError("refused")
    score = ScoreTick.from_midi(base64.b64decode(toolkit.renderToMIDI()))
    ticks = score.ticks_per_quarter
    return counted((note.time / ticks, note.end / ticks, note.pitch) for track in score.tracks for note in track.notes)


def by_music21(path: Path, part: str | None, repeats: str) -> Notes:
    """With its own way to sounding pitch, to repeats and to ties."""
    from music21 import converter
    from music21.abcFormat import ABCFile
    from music21.abcFormat.translate import abcToStreamScore

    if path.suffix == ".abc":
        score: Any = abcToStreamScore(ABCFile().readstr(tune(path, part)))
    else:
        score = converter.parse(path, forceSource=True).toSoundingPitch()
    if repeats == "played":
        score = score.expandRepeats()
    return counted(second_reader.notes_of(score))


def by_partitura(path: Path, part: str | None, repeats: str) -> Notes:
    """Parts unfolded with all their repeats."""
    partitura: Any = import_module("partitura")
    score = partitura.load_score(str(path))
    if repeats == "played":
        score = partitura.score.unfold_part_maximal(score, ignore_leaps=False)
    found = []
    for part_of in score.parts:
        for note in partitura.utils.music.note_array_from_part(part_of):
            onset, length = float(note["onset_quarter"]), float(note["duration_quarter"])
            if length > 0:
                found.append((onset, onset + length, int(note["pitch"])))
    return counted(found)


READERS: dict[str, Callable[[Path, str | None, str], Notes]] = {
    "etude": by_etude, "Verovio": by_verovio, "music21": by_music21, "partitura": by_partitura,
}  # fmt: skip
KNOWN = {"partitura": (".musicxml", ".xml", ".mxl", ".krn")}  # what a reader reads, where it is not all


def attempt(name: str, files: list[tuple[Path, str | None]], repeats: str) -> list[tuple[Notes | None, float]]:
    """The notes by one reader, ``None`` where it refuses the file, hangs or ends its process; and the seconds."""

    def work(file: tuple[Path, str | None]) -> tuple[Notes, float]:
        start = time.perf_counter()
        return READERS[name](*file, repeats), time.perf_counter() - start

    own = [file for file in files if file[0].suffix in KNOWN.get(name, (file[0].suffix,))]
    return [(None, 0.0) if isinstance(found, Lost) else found for found in isolate(work, own, SECONDS, MEMORY)]


def with_truth(title: str, files: list[tuple[Path, Notes]]) -> None:
    """Print how many files each reader reads rightly."""
    print(f"\n{title}\n\n| reader | right | wrong | refused | ms a file |\n|---|---:|---:|---:|---:|")
    for name in READERS:
        answers = attempt(name, [(path, None) for path, _ in files], "played")
        if answers:
            read_files = [
                (notes == truth, took)
                for (notes, took), (_, truth) in zip(answers, files, strict=True)
                if notes is not None
            ]
            right = sum(same for same, _ in read_files)
            ms = 1000 * sum(took for _, took in read_files) / max(1, len(read_files))
            print(
                f"| {name} | {right} | {len(read_files) - right} | {len(answers) - len(read_files)} | {ms:.0f} |",
                flush=True,
            )


def without_truth(title: str, files: list[Path]) -> None:
    """Print how often each two readers agree."""
    parts = [(path, pieces_of(path)[0][0]) for path in files]
    found = {name: answers for name in READERS if (answers := attempt(name, parts, "written"))}
    print(f"\n{title}: {len(files)} files\n\n| readers | alike | ms a file |\n|---|---:|---:|")
    for name, answers in found.items():
        print(f"| {name} | | {1000 * sum(took for _, took in answers) / max(1, len(answers)):.0f} |")
    for one, other in combinations(found, 2):
        pairs = zip(found[one], found[other], strict=True)
        print(f"| {one} and {other} | {sum(a is not None and a == b for (a, _), (b, _) in pairs)} | |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scores", type=int, default=200, help="random scores of each format")
    parser.add_argument("--corpus", type=int, default=10, help="every so many files of the corpora")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for module in ("verovio", "music21.converter", "music21.abcFormat.translate"):
        import_module(module)
    try:
        import_module("partitura")
    except ImportError:
        del READERS["partitura"]
    expected = json.loads((INPUTS / "expected.json").read_text(encoding="utf-8"))
    for title, suffixes in (("MusicXML", (".musicxml", ".mxl")), ("ABC", (".abc",)), ("Humdrum", (".krn",))):
        files = [INPUTS / name for name in expected if name.endswith(suffixes)]
        known = [
            (path, counted((at, at + length, pitch) for at, length, pitch, *_ in expected[path.name]["notes"]))
            for path in files
        ]
        with_truth(f"Inputs, {title}", known)
    with tempfile.TemporaryDirectory() as folder:
        for title, (write, suffix) in {
            "MusicXML": (musicxml, ".musicxml"), "ABC": (abc, ".abc"), "Humdrum": (humdrum, ".krn"),
        }.items():  # fmt: skip
            made = []
            for seed in range(options.scores):
                score = make_score(seed)
                path = Path(folder) / f"{seed}{suffix}"
                path.write_text(str(write(score)), encoding="utf-8")
                notes = [note for part in sounding(score, "played").parts for note in part]
                made.append((path, counted((float(on), float(on + length), pitch) for on, length, pitch in notes)))
            with_truth(f"{options.scores} random scores, {title}", made)
    for title, folder, pattern in (
        ("Bach's chorales, MusicXML", "bach", "*.mxl"),
        ("Mozart, Haydn, Schumann and others, MusicXML", ".", "[hjmsvw]*/**/*.mxl"),
        ("Palestrina, Humdrum", "palestrina", "*.krn"),
        ("Folk tunes, ABC", ".", "[er][sy][sa]*/*.abc"),
    ):
        without_truth(title, sorted(corpus.find(folder).glob(pattern))[:: options.corpus])


if __name__ == "__main__":
    main()
