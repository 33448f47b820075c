"""A model's accompaniments next to those of people and of simple methods, on lead sheets of test pieces."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.token_store import Store
from etude.baselines import block_chords
from etude.baselines.accompaniment_counts import AccompanimentCounts
from etude.baselines.phrase_retrieval import PhraseRetrieval
from etude.config.sections import Evaluate
from etude.core.files import Json
from etude.metrics import originality
from etude.metrics.accompaniment import Accompanied, measure_set, of_rows
from etude.metrics.notes import tabulate
from etude.models.accompaniment import Accompaniment
from etude.representations.leadsheet import KIND, NOTE, TEMPO, LeadSheet, segments
from etude.sampling.accompaniment import Steering, open_task, sample_accompaniments
from etude.tasks.trained_model import TrainedModel

BARS = 8  # of a passage
PASSAGES = 1  # of a piece at most
SEARCHED = 64  # passages at most that are searched for copies
SIDE_BY_SIDE = 64
LONGEST = 10_000  # bars of a piece that are searched
HUMAN, BLOCKS, RETRIEVAL = "human", "block chords", "retrieval"

Rows = NDArray[np.integer]


def passages_of(pieces: Sequence[Rows]) -> list[NDArray[np.uint16]]:
    """The passages of pieces in rows on which accompaniments are compared: see ``segments``."""
    return [passage for rows in pieces for passage in segments(rows, BARS, PASSAGES)]


def distinct(pieces: Iterable[Rows]) -> list[Rows]:
    """The pieces in rows without those that differ from an earlier one in their tempos alone, as copies do."""
    found: dict[bytes, Rows] = {}
    for rows in pieces:
        found.setdefault(np.ascontiguousarray(rows[rows[:, KIND] != TEMPO]).tobytes(), rows)
    return list(found.values())


def accompany_passages(
    model: Accompaniment, passages: Sequence[Rows], steering: Steering, seed: int
) -> list[NDArray[np.int64]]:
    """A model's accompaniment of each passage, whatever its control attributes: notes (notes, 3) each."""
    found = []
    for start in range(0, len(passages), SIDE_BY_SIDE):
        part = passages[start : start + SIDE_BY_SIDE]
        tasks = [open_task(model, rows, (seed, start + place)) for place, rows in enumerate(part)]
        found += [made.notes for made in sample_accompaniments(model, tasks, steering)]
    return found


def with_notes(passage: Accompanied, notes: NDArray[np.int64]) -> Accompanied:
    """The passage with another accompaniment: notes (notes, 3) of step, pitch and length."""
    return replace(passage, accompaniment=np.stack([notes[:, 0], notes[:, 0] + notes[:, 2], notes[:, 1]], axis=1))


def compare(loaded: TrainedModel, store: Store, settings: Evaluate) -> Json:
    """Measure accompaniments of the passages of the test pieces.

    Args:
        loaded: a trained model, sampled as its settings say.
        store: the encoded pieces.
        settings: the window in which copies of train accompaniments are searched.

    Returns:
        ``passages`` and ``pieces``, their numbers, ``searched``, the number of passages that are searched for copies,
        and ``bars`` of each passage; ``rows``: name -> the metrics of
        ``etude.metrics.accompaniment.measure_set``, and of ``originality``: ``copied_median``, ``copied_high`` (the
        97.5 % quantile), shares of a window that a train accompaniment has too, and ``flagged``, the number above what
        any accompaniment by people has, of those searched; ``nats_per_note_counts``: of the counting
        baseline on test.
    """
    model, representation, config = loaded.model, loaded.representation, loaded.config
    steering = Steering(1.0 if config.temperature is None else config.temperature, config.top_p)
    train, test = distinct(store.pieces("train")), list(store.pieces("test"))
    passages = passages_of(test)
    if not passages:
        return {"passages": 0, "searched": 0, "pieces": len(test), "bars": BARS, "rows": {}}
    retrieval = PhraseRetrieval(train)
    real = [of_rows(rows) for rows in passages]
    made = {
        HUMAN: [_notes(rows) for rows in passages],
        BLOCKS: [block_chords.accompany(rows) for rows in passages],
        RETRIEVAL: [retrieval.accompany(rows) for rows in passages],
        loaded.name: accompany_passages(model, passages, steering, config.seed),
    }
    rows: dict[str, Json] = {}
    for name, notes in made.items():
        rows[name] = measure_set([with_notes(one, own) for one, own in zip(real, notes, strict=True)], real)
    for name, figures in _copies(made, train, representation, settings.window).items():
        rows[name] |= figures
    counts = AccompanimentCounts(representation.steps)
    counts.count(train)
    return {
        "passages": len(passages), "searched": len(searched(len(passages))), "pieces": len(test), "bars": BARS,
        "rows": rows,
        "nats_per_note_counts": counts.nats_per_note(test),
    }  # fmt: skip


def table(found: Json) -> str:
    """The comparison as text, for the terminal."""
    columns = {
        "chord_accuracy": "chords", "chord_accuracy_exact": "exact", "chord_tones": "chord tones",
        "consonant": "consonant", "unsupported": "unsupported", "notes_per_bar": "notes/bar", "jsd_pitch": "JSD pitch",
        "jsd_onset": "JSD onset", "copied_median": "copied",
    }  # fmt: skip
    lines = [" ".join([f"{'':14}", *(f"{title:>11}" for title in columns.values())])]
    known = [HUMAN, BLOCKS, RETRIEVAL]
    for name in [*known, *(name for name in found["rows"] if name not in known)] if found["rows"] else []:
        row = found["rows"][name]
        cells = [f"{row[key]:11.3f}" if row.get(key) is not None else f"{'':11}" for key in columns]
        lines.append(" ".join([f"{name:14}", *cells]))
    return "\n".join(lines)


def _notes(rows: Rows) -> NDArray[np.int64]:
    """The notes (notes, 3) of the accompaniment of a piece in rows."""
    return np.asarray(rows, np.int64)[rows[:, KIND] == NOTE][:, [1, 2, 3]]


def searched(passages: int) -> list[int]:
    """The places of the passages that are searched for copies: ``SEARCHED`` at most, evenly spread."""
    return sorted({int(place) for place in np.linspace(0, passages - 1, min(passages, SEARCHED)).round()})


def _copies(
    made: Mapping[str, Sequence[NDArray[np.int64]]], train: Sequence[Rows], representation: LeadSheet, window: int
) -> dict[str, dict[str, float]]:
    """What the accompaniments have in common with those of train."""

    def score(notes: NDArray[np.int64]) -> ScoreTick:
        found = representation.decode(representation.add(np.array([[0, 0, 4 * representation.steps, 4, 4]]), notes))
        found.tracks = type(found.tracks)(
            [track for track in found.tracks if track.name == representation.accompaniment]
        )
        return found

    reference = originality.Reference.of(tabulate([score(_notes(rows)) for rows in train], originality.STEPS, LONGEST))
    rows: dict[str, dict[str, float]] = {}
    chosen = searched(len(next(iter(made.values()))))
    line = None
    for name, accompaniments in made.items():
        if name == BLOCKS:  # which copy nobody
            continue
        points = tabulate([score(accompaniments[place]) for place in chosen], originality.STEPS, LONGEST)
        copied = originality.compare(points, reference, window)
        known = np.array([one.score for one in copied if not math.isnan(one.score)])
        line = line or originality.Line.of(copied)  # of people, the first
        rows[name] = {
            "copied_median": float(np.median(known)) if len(known) else math.nan,
            "copied_high": float(np.quantile(known, 0.975)) if len(known) else math.nan,
            "flagged": float(sum(originality.flagged(one, line) for one in copied)),
        }
    return rows
