"""Pieces per second of ingest, augment and tokenize on 1 and 2 workers, compared with a plain loop of the libraries.

    python benchmarks/data_stages.py [--pieces 4000] [--notes 100] [--rounds 3]

Each stage and the plain way are measured in turn, in several rounds; the best of each counts. Only ratios within a run
are meaningful. In the best round the workers have already started, as they have for most of a long run.

The plain way, on one worker: a loop of symusic that reads, bounds, cleans, compares and writes each file as ingest
does, but without isolation and digests of the source files; MidiTok's ``augment_dataset``; its ``tokenize_dataset``.
The time of the loop without near duplicates, more than half of it for small pieces, is given as well.
"""

import argparse
import contextlib
import hashlib
import io
import json
import math
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import miditok
import yaml
from miditok.data_augmentation import augment_dataset
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

sys.path.insert(0, str(Path(__file__).parent))
from pieces import write_pieces

from etude.artifacts.context import Session
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.project import require_project
from etude.stages import augment, download, ingest, split, tokenize

NEAR = 0.8  # as ingest.near
OFFSETS = [-2, -1, 1, 2]  # semitones, in both ways
PLAIN: dict[str, Any] = {
    "velocity_offsets": [],
    "duration_offsets": [],
    "save_data_aug_report": False,
    "parallel_workers_size": 1,
}


def settings_for(folder: Path) -> Settings:
    """dataset=folder over ``folder``, transposed by OFFSETS, REMI."""
    given = ["dataset=folder", f"dataset.path={folder}", "tokenize=[remi]", "augment.transpose=[-2,2]"]
    text = compile_params(require_project() / "conf", [*given, "augment.stretch=[1.0]"])
    return Settings.of(yaml.safe_load(text))


def plain_ingest(source: Path, out: Path, near: bool = True) -> None:
    """Do what ingest does, the plain way: file by file, note by note."""
    out.mkdir()
    seen: set[str] = set()
    kept_shingles: list[set[tuple[int, ...]]] = []
    holders: dict[tuple[int, ...], list[int]] = {}  # shingle -> the kept pieces that have it
    facts = []
    for path in sorted(source.rglob("*.mid")):
        try:
            score = Score(path)
        except Exception as error:
            facts.append({"source": path.name, "reason": str(error)})
            continue
        if (
            not 16 <= score.note_num() <= 20_000
            or len(score.tracks) > 32
            or score.end() > 4000 * score.ticks_per_quarter
        ):
            facts.append({"source": path.name, "reason": "too small or too large"})
            continue
        score = score.resample(24, min_dur=0)
        merged: dict[tuple[bool, int], list[Note]] = {}
        for track in score.tracks:
            merged.setdefault((track.is_drum, track.program), []).extend(track.notes)
        score.tracks.clear()
        tracks, rows = [], []
        for (is_drum, program), notes in sorted(merged.items()):
            lines: dict[int, list[Note]] = {}
            for note in sorted(notes, key=lambda note: (note.pitch, note.time, -note.duration)):
                line = lines.setdefault(note.pitch, [])
                if note.duration <= 0 or (line and line[-1].time == note.time):
                    continue
                if line and line[-1].time + line[-1].duration > note.time:
                    line[-1].duration = note.time - line[-1].time
                line.append(note)
            kept = sorted((note for line in lines.values() for note in line), key=lambda note: (note.time, note.pitch))
            track = Track(str(program), program, is_drum)
            for note in kept:
                track.notes.append(note)
            score.tracks.append(track)
            tracks.append(kept)
            rows.append([program, len(kept), min(lines, default=127), max(lines, default=0)])
        for tempo in score.tempos:
            tempo.qpm = min(400, max(10, tempo.qpm))
        start = min(kept[0].time for kept in tracks if kept)
        low = next(kept[0].pitch for kept in tracks if kept)
        unit = math.gcd(*(number for kept in tracks for note in kept for number in (note.time - start, note.duration)))
        same = [[((n.time - start) // unit, n.duration // unit, n.pitch - low) for n in kept] for kept in tracks]
        digest = hashlib.sha256(repr(same).encode()).hexdigest()
        if digest in seen:  # the same notes, in any key and at any speed
            facts.append({"source": path.name, "reason": "a duplicate"})
            continue
        seen.add(digest)
        if near:
            own = shingles(tracks)
            common = Counter(chain.from_iterable(holders.get(shingle, ()) for shingle in own))
            if any(n / (len(own) + len(kept_shingles[other]) - n) >= NEAR for other, n in common.items()):
                facts.append({"source": path.name, "reason": "a near duplicate"})
                continue
            for shingle in own:
                holders.setdefault(shingle, []).append(len(kept_shingles))
            kept_shingles.append(own)
        score.dump_midi(out / path.name)
        facts.append({"source": path.name, "notes": score.note_num(), "tracks": rows})
    (out / "manifest.json").write_text(json.dumps(facts))


def shingles(tracks: list[list[Note]]) -> set[tuple[int, ...]]:
    """All runs of four notes, invariant to key and tempo, as ``etude.metrics.duplicates`` defines them."""
    line = sorted({(note.time, note.pitch) for kept in tracks for note in kept})
    found = set()
    for a, b, c, d in zip(line, line[1:], line[2:], line[3:], strict=False):
        x, y, z = b[0] - a[0], c[0] - b[0], d[0] - c[0]
        unit = math.gcd(x, y, z) or 1
        found.add((x // unit, y // unit, z // unit, b[1] - a[1], c[1] - b[1], d[1] - c[1]))
    return found


def plain_tokenize(files: list[Path], out: Path) -> None:
    """Tokenize with MidiTok itself: one JSON file per piece."""
    config = miditok.TokenizerConfig(use_programs=True, use_time_signatures=True, use_tempos=True, use_velocities=False)
    miditok.REMI(config).tokenize_dataset(files, out, verbose=False, parallel_workers_size=1)


def clock(work: Callable[..., object], *arguments: Any, **named: Any) -> float:
    """Seconds that ``work`` takes, with its output hidden."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        work(*arguments, **named)
    return time.perf_counter() - start


def measure(pieces: int, notes: int, rounds: int) -> dict[str, dict[str, float]]:
    """Pieces per second: stage -> plain, 1 worker, 2 workers. For augment and tokenize copies are counted."""
    best: dict[str, dict[str, float]] = {stage: {} for stage in ("ingest", "augment", "tokenize")}

    def keep(stage: str, way: str, count: int, seconds: float) -> None:
        best[stage][way] = max(best[stage].get(way, 0.0), count / seconds)

    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        write_pieces(top / "source", pieces, notes // 4)
        settings = settings_for(top / "source")
        root = top / "project"
        root.mkdir()

        def session(workers: int) -> Session:
            return Session(root=root, workers=workers, progress=False)

        def in_turn(stage: str, ours: Callable[[Session], tuple[int, float]], plain: Callable[[], None]) -> None:
            for _ in range(rounds):
                for workers in (1, 2):
                    keep(stage, f"{workers} worker{'s' * (workers > 1)}", *ours(session(workers)))
                plain()

        def ingested(at: Session) -> tuple[int, float]:
            return pieces, clock(ingest.run, settings, at)

        def ingest_plainly() -> None:
            for way in ("without", "plain"):
                shutil.rmtree(top / "plain", ignore_errors=True)
                keep("ingest", way, pieces, clock(plain_ingest, top / "source", top / "plain", near=way == "plain"))

        def augmented(at: Session) -> tuple[int, float]:
            spent = clock(augment.run, settings, at)
            return len(json.loads((root / "data/augment/manifest.json").read_text())["copies"]), spent

        def augment_plainly() -> None:
            shutil.rmtree(top / "augmented", ignore_errors=True)
            shutil.copytree(top / "plain", top / "augmented")
            spent = clock(augment_dataset, top / "augmented", pitch_offsets=OFFSETS, **PLAIN)
            count = len(list((top / "augmented").glob("*.mid"))) - len(list((top / "plain").glob("*.mid")))
            keep("augment", "plain", count, spent)

        def tokenized(at: Session) -> tuple[int, float]:
            spent = clock(tokenize.run, settings, at, "remi")
            held_out = json.loads((root / "data/tokenize/remi/manifest.json").read_text())["pieces"]
            copies = json.loads((root / "data/augment/manifest.json").read_text())["copies"]
            return len(copies) + sum(len(split) for split in held_out.values()), spent

        def tokenize_plainly() -> None:
            shutil.rmtree(top / "tokens", ignore_errors=True)
            made = sorted((top / "augmented").glob("*.mid"))
            keep("tokenize", "plain", len(made), clock(plain_tokenize, made, top / "tokens"))

        clock(download.run, settings, session(2))
        in_turn("ingest", ingested, ingest_plainly)
        clock(split.run, settings, session(2))
        in_turn("augment", augmented, augment_plainly)
        in_turn("tokenize", tokenized, tokenize_plainly)
    return best


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=4000)
    parser.add_argument("--notes", type=int, default=100, help="per piece")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    found = measure(given.pieces, given.notes, given.rounds)
    print(f"{given.pieces} pieces of {given.notes} notes, best of {given.rounds} rounds; pieces per second\n")
    print("| stage | plain | 1 worker | 2 workers | 1 worker / plain | 2 workers / 1 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for stage, rates in found.items():
        plain, one, two = rates["plain"], rates["1 worker"], rates["2 workers"]
        print(f"| {stage} | {plain:,.0f} | {one:,.0f} | {two:,.0f} | {one / plain:.2f} | {two / one:.2f} |")
    print(f"\nThe plain ingest without near duplicates: {found['ingest']['without']:,.0f} pieces per second.")


if __name__ == "__main__":
    main()
