"""Which measure of pieces sees what: real music, degraded in known ways, is measured as the samples of a model are.

    python benchmarks/power.py            # of the pipeline's data, in about two minutes: writes benchmarks/power.json
    python benchmarks/power.py show       # the table in Markdown, as docs/evaluation.md has it

Sets of as many valid pieces as a model has samples are compared with the test pieces, as they are and degraded. A
measure sees a degradation where the mean of the degraded sets lies beyond the 95 % of the sets as they are, on the side
that is worse; of kinds that come in strengths it must also rank these in order.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from symusic.core import NoteTick, ScoreTick

from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.config.sections import Evaluate, Settings
from etude.core.files import Json, write_json
from etude.metrics import distributions, originality, sets
from etude.metrics.comparison import Measured, Train
from etude.metrics.distance import distances, mean_known, overall, round_floats
from etude.metrics.features import Space
from etude.metrics.structure import distinct_bars

FILE = Path(__file__).with_name("power.json")
DRAWS = 100  # sets of pieces as they are, and of each degradation
Degrade = Callable[[ScoreTick, np.random.Generator], ScoreTick]


def wrong_notes(share: float) -> Degrade:
    """Move a share of the notes by one to three semitones, up or down."""

    def degrade(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
        made = score.copy()
        for track in made.tracks:
            for note in track.notes:
                if rng.random() < share:
                    note.pitch = int(np.clip(note.pitch + rng.choice([-3, -2, -1, 1, 2, 3]), 0, 127))
        return made

    return degrade


def shuffled_bars(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
    """Put the bars in another order; a note that sounds across a bar line moves with the bar in which it starts."""
    first = min(score.time_signatures, key=lambda sign: sign.time, default=None)
    top, bottom = (first.numerator, first.denominator) if first else (4, 4)
    bar = max(1, score.ticks_per_quarter * 4 * top // bottom)
    order = rng.permutation(-(-max(1, score.end()) // bar))
    made = score.copy()
    for track in made.tracks:
        for note in track.notes:
            number, onset = divmod(note.time, bar)
            note.time = int(order[number]) * bar + onset
        track.notes.sort(key=lambda note: note.time, inplace=True)
    return made


def halved_durations(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
    """End each note after half its time, so that silence follows."""
    made = score.copy()
    for track in made.tracks:
        for note in track.notes:
            note.duration = max(1, note.duration // 2)
    return made


def doubled_speed(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
    """Write everything in notes of half the length."""
    made = score.copy()
    for track in made.tracks:
        for note in track.notes:
            note.time, note.duration = note.time // 2, max(1, note.duration // 2)
    return made


def random_melody(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
    """Give the notes of each track in another order of pitches; rhythm and the set of pitches stay."""
    made = score.copy()
    for track in made.tracks:
        pitches = rng.permutation([note.pitch for note in track.notes]).tolist()
        for note, pitch in zip(track.notes, pitches, strict=True):
            note.pitch = pitch
    return made


def first_bars_again(score: ScoreTick, rng: np.random.Generator) -> ScoreTick:
    """Repeat the first two bars to the end."""
    first = min(score.time_signatures, key=lambda sign: sign.time, default=None)
    top, bottom = (first.numerator, first.denominator) if first else (4, 4)
    span = 2 * max(1, score.ticks_per_quarter * 4 * top // bottom)
    made = score.copy()
    for track in made.tracks:
        notes = [note for note in track.notes if note.time < span]
        again = [
            NoteTick(note.time + start, min(note.duration, span - note.time), note.pitch, note.velocity)
            for start in range(0, max(1, score.end()), span)
            for note in notes
            if note.time + start < score.end()
        ]
        track.notes.clear()
        for note in again:
            track.notes.append(note)
    return made


KINDS: dict[str, Degrade] = {
    "wrong notes, 1 %": wrong_notes(0.01),
    "wrong notes, 5 %": wrong_notes(0.05),
    "wrong notes, 20 %": wrong_notes(0.2),
    "pitches shuffled": random_melody,
    "bars shuffled": shuffled_bars,
    "durations halved": halved_durations,
    "twice the speed": doubled_speed,
    "two bars repeated": first_bars_again,
}
SETS = ("4 pieces for all", "train pieces copied")  # what is done to a set as a whole
STRENGTHS = ("wrong notes, 1 %", "wrong notes, 5 %", "wrong notes, 20 %")  # of one kind, in order
ORDER = "in order"
FITTING = ("frechet", "mmd", "classifier")
# what measures are relied on to see, or to rank in order: an exit status of 1 where one does not
CLAIMS: dict[str, tuple[str, ...]] = {
    ORDER: (
        "precision", "density", "coverage", "classifier", "interval, Jensen-Shannon", "chord, Jensen-Shannon",
        "chord_transition, Jensen-Shannon",
    ),
    "wrong notes, 5 %": (
        *FITTING, "precision", "density", "interval, Jensen-Shannon", "chord, Jensen-Shannon",
        "chord_transition, Jensen-Shannon",
    ),
    "wrong notes, 20 %": (
        *FITTING, "distance of descriptors", "precision", "recall", "density", "coverage",
        "pitch_class, Jensen-Shannon",
    ),
    "pitches shuffled": (*FITTING, "precision", "coverage", "interval, Jensen-Shannon", "longest_repeat, distance"),
    "bars shuffled": (*FITTING, "chord_transition, Jensen-Shannon", "longest_repeat, distance"),
    "durations halved": (*FITTING, "distance of descriptors", "duration, Jensen-Shannon", "polyphony, Jensen-Shannon"),
    "twice the speed": (*FITTING, "distance of descriptors", "duration, Jensen-Shannon", "density, Jensen-Shannon"),
    "two bars repeated": (
        *FITTING, "similarity_2, distance", "longest_repeat, distance", "compression_ratio, distance",
        "distinct bars, fewer",
    ),
    "4 pieces for all": ("frechet", "mmd", "recall", "coverage", "distinct bars, fewer"),
    "train pieces copied": ("copied, median score", "copied, highest score"),
}  # fmt: skip


def measures(pieces: Sequence[int], measured: Measured, real: "Real") -> dict[str, float]:
    """Every measure of a set, so that a higher value is worse."""
    chosen = np.asarray(pieces)
    descriptors = {name: values[chosen] for name, values in measured.descriptors.items()}
    structure = {name: values[chosen] for name, values in measured.structure.items()}
    vectors = real.space.standardise(measured.vectors[chosen])
    ours, theirs = real.space.project(vectors), real.space.project(real.vectors)
    found = {"distance of descriptors": overall(descriptors, real.test.descriptors)}
    as_sets = sets.measure(ours, theirs)
    rng = np.random.default_rng(0)
    as_sets["classifier"] = sets.classify(vectors, real.vectors, 0, rng)[0]
    for name, value in as_sets.items():
        found[name] = -value if sets.MEASURES[name][1] == "higher" else value
    for name, counts in real.counts.items():
        found[f"{name}, Jensen-Shannon"] = distributions.jensen_shannon(
            distributions.pool(measured.observed[name], pieces), counts
        )
    for name, value in distances(structure, real.test.structure).items():
        found[f"{name}, distance"] = value
    found["distinct bars, fewer"] = -distinct_bars(measured.bars, chosen)["distinct_share"]
    scores = np.array([real.copied[place] for place in pieces])
    found["copied, median score"] = float(np.nanmedian(scores))
    found["copied, highest score"] = float(np.nanmax(scores))
    return found


class Real:
    """The test pieces, and what degraded sets are measured by."""

    def __init__(self, train: Measured, test: Measured) -> None:
        """Args: the train and the test pieces."""
        self.test = test
        self.space = Space.fit(train.vectors)
        self.vectors = self.space.standardise(test.vectors)
        self.counts = {name: distributions.pool(observed) for name, observed in test.observed.items()}
        self.copied: list[float] = []  # scores of the pieces that are measured now


def power(
    train: Mapping[str, ScoreTick],
    valid: Mapping[str, ScoreTick],
    test: Mapping[str, ScoreTick],
    settings: Evaluate,
    size: int,
    draws: int = DRAWS,
) -> Json:
    """Measure sets of valid pieces as they are and degraded: measure -> kind -> mean, and whether it sees the kind.

    Args:
        train: for standardising, and to be copied.
        valid: pieces that are degraded.
        test: what sets are compared with.
        settings: resolution, bars, window and seed.
        size: pieces of a set.
        draws: number of sets.
    """  # fmt: skip
    learned, real_pieces = (Measured.of(list(pieces.values()), settings) for pieces in (train, test))
    real = Real(learned, real_pieces)
    reference = Train.of(list(train.values()), [(name, name) for name in train], len(train)).reference
    rng = np.random.default_rng(settings.seed)
    size = min(size, len(valid))
    chosen = [rng.permutation(len(valid))[:size].tolist() for _ in range(draws)]

    def rows(pieces: Sequence[ScoreTick], picked: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        measured = Measured.of(pieces, settings)
        copied = originality.compare(measured.points, reference, settings.window)
        real.copied = [one.score for one in copied]
        found = [measures(places, measured, real) for places in picked]
        return {name: np.array([row[name] for row in found]) for name in found[0]}

    whole = list(valid.values())
    plain = rows(whole, chosen)
    limits = {name: float(np.nanpercentile(values, 97.5)) for name, values in plain.items()}
    table: dict[str, Json] = {name: {"as it is": float(mean_known(values))} for name, values in plain.items()}
    kinds: dict[str, dict[str, np.ndarray]] = {}
    for kind, degrade in KINDS.items():
        drawn = np.random.default_rng(settings.seed)
        kinds[kind] = rows([degrade(score, drawn) for score in whole], chosen)
    few = [[places[place % 4] for place in range(size)] for places in chosen]
    kinds[SETS[0]] = rows(whole, few)
    kinds[SETS[1]] = rows(list(train.values()), [rng.permutation(len(train))[:size].tolist() for _ in range(draws)])
    for kind, found in kinds.items():
        for name, values in found.items():
            mean = float(mean_known(values))
            table[name][kind] = {"value": mean, "sees": bool(mean > limits[name])}
    for name, row in table.items():
        steps = [row["as it is"], *(row[kind]["value"] for kind in STRENGTHS)]
        row[ORDER] = all(one < other for one, other in pairwise(steps))
        row["limit"] = limits[name]
    made: Json = round_floats({"size": size, "draws": draws, "measures": table})
    return made


def as_markdown(found: Json) -> str:
    """The table: a row a measure, a column a kind; a dot where the measure sees it."""
    kinds = [*KINDS, *SETS]
    lines = [
        f"| measure | {' | '.join(kinds)} | ranks wrong notes |",
        "| --- |" + " :-: |" * (len(kinds) + 1),
    ]
    for name, row in found["measures"].items():
        cells = ["●" if row[kind]["sees"] else "–" for kind in kinds]
        lines.append(f"| {name} | {' | '.join(cells)} | {'yes' if row['in order'] else 'no'} |")
    return "\n".join(lines) + "\n"


def broken_claims(found: Json) -> list[str]:
    """The claims that are not met, each as a sentence."""
    table = found["measures"]
    return [
        f"{name} does not {'rank wrong notes in order' if kind == ORDER else f'see {kind!r}'}."
        for kind, names in CLAIMS.items()
        for name in names
        if not (table[name][kind] if kind == ORDER else table[name][kind]["sees"])
    ]


def main() -> int:
    """Write the results, or show them."""
    if sys.argv[1:] == ["show"]:
        print(as_markdown(json.loads(FILE.read_text(encoding="utf-8"))), end="")
        return 0
    session = Session()
    settings = Settings.from_params(session.root / "params.yaml")
    source, _ = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    train, valid, test = (dict(source.scores(splits[name])) for name in ("train", "valid", "test"))
    found = power(train, valid, test, settings.evaluate, settings.generate.pieces)
    write_json(FILE, found)
    print(as_markdown(found), end="")
    broken = broken_claims(found)
    print("\n".join(broken), file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
