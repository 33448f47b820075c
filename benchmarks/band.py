"""Each style over tunes of the folk collections in its meter: whether the band keeps to its lead sheets.

    python benchmarks/band.py [--tunes 50]

Measured as written, before a performance is made of it (etude.metrics.arrangement): how often the bass has the chord's
bass where the chord changes, whether every hit of a drum is on the grid of sixteenths and triplets, whether each phrase
that drums play in is announced by a fill, how long another part sounds above the melody. Status 1 where a tune fails,
a part is silent, or a goal is missed. BAND.md has the table.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import yaml

from etude.arranging.piece import arrange_piece
from etude.arranging.styles import Style
from etude.config.compile import compile_params
from etude.config.sections import Reading, Settings
from etude.core.errors import EtudeError
from etude.datasets import corpus
from etude.datasets.folk import COLLECTIONS
from etude.metrics.arrangement import Band, is_playable, measure_band
from etude.music.bars import bars_of
from etude.scores.readers import pieces_of, read

ROOT = Path(__file__).parents[1]
GOALS = {"bass_roots": 0.9, "on_grid": 1.0, "fills": 1.0}  # at least
ABOVE = 0.05  # at most
METERS = {"waltz": ("3/4",), "folk": ("6/8", "2/4", "4/4", "3/4")}  # of a style; others: 4/4
READING = Reading(None, False, 112.0, True, 24, 80, None, "written")


def tunes(meters: tuple[str, ...], count: int) -> list[tuple[str, object]]:
    """So many tunes of the collections in some meters, drawn by a seed: name and piece."""
    files = [file for name in sorted(COLLECTIONS.values()) for file in sorted(corpus.find(name).glob("*.abc"))]
    places = [(file, part) for file in files for part, _ in pieces_of(file)]
    random.Random(1).shuffle(places)
    found = []
    for file, part in places:
        try:
            score, _ = read(file, part, READING)
        except EtudeError:
            continue
        bars = bars_of(score)
        if len(bars) >= 8 and bars[0].meter in meters and any(len(track.notes) > 16 for track in score.tracks):
            found.append((f"{file.stem} {part}", score))
            if len(found) == count:
                break
    return found


def main() -> int:
    """Measure all styles. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tunes", type=int, default=50)
    count = parser.parse_args().tunes
    settings = Settings.of(yaml.safe_load(compile_params(ROOT / "conf")))
    wrong = 0
    columns = "style | meter | tunes | failed | bass on changes | drums on grid | fills | above the melody | silent"
    print(f"| {columns} |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for file in sorted((ROOT / "conf/style").glob("*.yaml")):
        style = Style.of(yaml.safe_load(file.read_text(encoding="utf-8")))
        meters = METERS.get(style.name, ("4/4",))
        measured: list[Band] = []
        failed, found = 0, tunes(meters, count)
        for name, score in found:
            try:
                made, _ = arrange_piece(score, settings.arrange, style, name=name)
                if not (is_playable(made.written) and is_playable(made.performed)):
                    raise EtudeError(f"{name} is not playable.")
                measured.append(measure_band(made, style))
            except EtudeError as error:
                failed += 1
                print(f"{style.name}: {error}", file=sys.stderr)
        shares = {
            name: [value for band in measured if (value := getattr(band, name)) is not None]
            for name in (*GOALS, "above")
        }
        silent = sum(bool(band.silent) for band in measured)
        cells = [f"{100 * np.mean(values):.1f} %" if values else "–" for values in shares.values()]
        print(f"| {style.name} | {', '.join(meters)} | {len(found)} | {failed} | {' | '.join(cells)} | {silent} |")
        missed = any(values and np.mean(values) < GOALS[name] for name, values in shares.items() if name in GOALS)
        wrong += bool(failed or silent or missed or max(shares["above"], default=0) > ABOVE or len(found) < count)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
