"""CPU seconds of the measures of pieces and sets, the descriptors compared with muspy's own, on one core.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py [--pieces 200] [--rounds 3]

Needs data/ingest as ``dvc repro`` leaves it. Takes the first pieces by name, at the resolution, bars and window of
params.yaml; for measures of sets one half of them is compared with the other. muspy measures piece by piece, with and
without the conversion to ``muspy.Music``. Contestants take turns; the median of the rounds counts. It ends with an
error where a value differs from muspy's own.
"""

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from muspy import metrics as muspy_metrics

from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest
from etude.config.sections import Settings
from etude.core.project import require_project
from etude.metrics import distributions, originality, sets
from etude.metrics.comparison import LONGEST
from etude.metrics.descriptors import descriptors, difference_to_muspy, pitch_class_times, to_muspy
from etude.metrics.features import UNITS, Space, features
from etude.metrics.notes import Notes, tabulate
from etude.metrics.structure import bars_of, distinct_bars, structure
from etude.music.key import MODES, best_keys

ROUNDING = 1e-9  # by which values may differ


def of_muspy(music: Any, bar: int, key: int) -> list[float]:
    """All metrics of muspy of one piece."""
    plain = (
        "n_pitches_used", "n_pitch_classes_used", "pitch_range", "pitch_entropy", "pitch_class_entropy",
        "scale_consistency", "polyphony", "polyphony_rate", "empty_beat_rate", "drum_pattern_consistency",
    )  # fmt: skip
    found = [getattr(muspy_metrics, name)(music) for name in plain]
    found += [muspy_metrics.empty_measure_rate(music, bar), muspy_metrics.groove_consistency(music, bar)]
    found += [muspy_metrics.drum_in_pattern_rate(music, "duple")]
    return [*found, muspy_metrics.pitch_in_scale_rate(music, key // 2, MODES[key % 2])]


def parts(scores: list[Any], settings: Any) -> dict[str, Callable[[], Any]]:
    """What is measured, by name."""
    notes = tabulate(scores, settings.resolution, settings.bars)
    points = tabulate(scores, originality.STEPS, LONGEST)
    half = len(scores) // 2
    ours, theirs = (tabulate(part, settings.resolution, settings.bars) for part in (scores[:half], scores[half:]))
    sampled = tabulate(scores[:half], originality.STEPS, LONGEST)
    observed, real = distributions.observe(ours), distributions.observe(theirs)
    counts = {name: distributions.pool(one) for name, one in real.items()}
    vectors = features(theirs)
    space = Space.fit(vectors)
    a, b = space.standardise(features(ours)), space.standardise(vectors)
    reference = originality.Reference.of(tabulate(scores[half:], originality.STEPS, LONGEST))
    music, keys = [to_muspy(notes, place) for place in range(len(scores))], best_keys(pitch_class_times(notes))

    def with_muspy(convert: bool) -> None:
        for place in range(len(scores)):
            one = to_muspy(notes, place) if convert else music[place]
            of_muspy(one, int(notes.measure[place]), max(0, int(keys[place])))

    def of_scores() -> Notes:
        return tabulate(scores, settings.resolution, settings.bars)

    return {
        "notes: the table of all pieces": of_scores,
        "descriptors": lambda: descriptors(notes),
        "descriptors, the table included": lambda: descriptors(of_scores()),
        "muspy": lambda: with_muspy(False),
        "muspy, the conversion included": lambda: with_muspy(True),
        "structure": lambda: structure(notes),
        "distinct bars": lambda: distinct_bars(bars_of(notes)),
        "features, which include descriptors and structure": lambda: features(notes),
        "distributions: counting": lambda: distributions.observe(notes),
        f"distributions: comparing, {settings.bootstrap:,} resamples": lambda: distributions.compare(
            observed, counts, half, settings.bootstrap, settings.seed
        ),
        f"sets: comparing, {settings.permutations:,} permutations": lambda: sets.compare(
            a, b, space.project, list(UNITS), settings.permutations, settings.seed
        ),
        "originality: the reference": lambda: originality.Reference.of(points),
        f"originality: {half} pieces against {len(scores) - half}, windows of {settings.window} notes": lambda: (
            originality.compare(sampled, reference, settings.window)
        ),
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    root = require_project()
    settings = Settings.from_params(root / "params.yaml")
    source, _ = read_ingest(settings, Session(root=root, progress=False))
    scores = [score for _, score in source.scores(sorted(source.entries)[: given.pieces])]
    how = settings.evaluate
    notes = tabulate(scores, how.resolution, how.bars)
    apart = difference_to_muspy(notes, descriptors(notes))
    if apart > ROUNDING:
        raise SystemExit(f"The descriptors differ from muspy's own by {apart:g}.")
    work = parts(scores, how)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(given.rounds):
        for name, run in work.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    middle = {name: median(found) for name, found in seconds.items()}
    print(f"{len(scores)} pieces, {len(notes.start):,} notes; the largest difference to muspy is {apart:.1g}.\n")
    print("| what | CPU seconds, median | lowest | highest |\n| --- | ---: | ---: | ---: |")
    for name, found in seconds.items():
        print(f"| {name} | {middle[name]:.3f} | {min(found):.3f} | {max(found):.3f} |")
    alone, whole = (
        np.array(seconds[theirs]) / np.array(seconds[ours])
        for theirs, ours in (
            ("muspy", "descriptors"),
            ("muspy, the conversion included", "descriptors, the table included"),
        )
    )
    print(f"\nmuspy / etude: {np.median(alone):.0f}, and {np.median(whole):.0f} with conversion and table.")


if __name__ == "__main__":
    main()
