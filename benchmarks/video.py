"""Videos: seconds of video that are made in a second, sound included, and bytes of a minute. Nothing stays of them.

The piece has four tracks: a melody, chords, a bass and drums. Other programs that run meanwhile count against it.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.audio.render import render
from etude.config.compile import settings_of
from etude.config.sections import Mix
from etude.core.project import working_root
from etude.video.encode import CODECS, RATE
from etude.video.film import Words
from etude.video.piece import Shooting, film_of, shoot

BAND = {"Melody": 73, "Piano": 0, "Bass": 33, "Drums": 0}  # General MIDI programs
TICKS = 24


def song(seconds: float, seed: int, tempo: float = 110) -> ScoreTick:
    """A pop song of four tracks: a melody and a bass in eighths, chords in quarters, drums in eighths."""
    rng = np.random.default_rng(seed)
    score = ScoreTick(TICKS)
    score.tempos.append(TempoTick(0, tempo))
    for name, program in BAND.items():
        track = TrackTick(name, program, name == "Drums")
        for quarter in range(round(seconds * tempo / 60)):
            root, at = (0, 9, 5, 7)[quarter // 4 % 4], quarter * TICKS
            if name == "Piano":
                for step in (0, 3 if root == 9 else 4, 7):
                    track.notes.append(NoteTick(at, TICKS, 60 + root % 12 + step, 70))
                continue
            for half in (0, TICKS // 2):
                pitch = {
                    "Melody": int(72 + rng.choice([0, 2, 4, 7, 9])),
                    "Bass": 36 + root % 12,
                    "Drums": 42 if half else (36, 38)[quarter % 2],
                }[name]
                track.notes.append(NoteTick(at + half, TICKS // 2, pitch, 90))
        score.tracks.append(track)
    return score


def measure(seconds: float, rounds: int, settings: Mix, how: Shooting, folder: Path) -> None:
    """Print a table: seconds of the clock for each view and kind of file, the best of some rounds."""
    score = song(seconds, seed=1)
    print(f"{seconds:.0f} s, {len(BAND)} tracks, {score.note_num()} notes; {how.width}x{how.height} at {how.fps};")
    print(f"seconds of the clock, and of the CPU for sound and file; best of {rounds}:\n")
    print("| view | file | sound | frames alone | with file | CPU | seconds of video a second | MB a minute |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for view in ("roll", "score"):
        for ending in CODECS:
            best: list[float] = []
            for _ in range(rounds):
                busy, marks = time.process_time(), [time.perf_counter()]
                audio = render(score, settings).mix
                marks.append(time.perf_counter())
                shown = replace(how, view=view)
                length = shoot(folder / f"song{ending}", score, audio, RATE, shown, Words("Song", "Benchmark"))
                marks.append(time.perf_counter())
                if not best or marks[2] - marks[0] < sum(best[:2]):
                    best = [*np.diff(marks).tolist(), time.process_time() - busy]
            film = film_of(score, audio, RATE, shown, Words("Song", "Benchmark"))
            start = time.perf_counter()
            for _ in film:
                pass
            alone = time.perf_counter() - start
            size = (folder / f"song{ending}").stat().st_size / 1e6 / length * 60
            cells = " | ".join(f"{value:.1f}" for value in (best[0], alone, *best[1:], length / sum(best[:2]), size))
            print(f"| {view} | `{ending}` | {cells} |", flush=True)


def main() -> int:
    """Read the arguments, measure, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="length of the piece")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--fps", type=int, default=30)
    options = parser.parse_args()
    mix = replace(settings_of(working_root()).mix, sample_rate=RATE)
    how = Shooting(width=options.width, height=options.height, fps=options.fps)
    with TemporaryDirectory() as folder:
        measure(options.seconds, options.rounds, mix, how, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
