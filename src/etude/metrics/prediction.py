"""How good the predictions behind a likelihood are: calibration, and precision and recall of the next note."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from etude.metrics.descriptors import ratio
from etude.metrics.likelihood import batches
from etude.models.sequence import SequenceModel

BINS = 10  # of confidence, equally wide


class NoteTokens(Protocol):
    """A representation whose tokens say which notes they start."""

    voices: dict[str, int]

    @property
    def pitches(self) -> NDArray[np.int64]:
        """The pitch that each token starts, -1 for none: (V,)."""

    def note_items(self, items: NDArray[np.integer], bar: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The voice of each item, and its position in the bar in steps of the grid: each (T,), -1 unknown."""


@dataclass(frozen=True)
class Predictions:
    """All predicted items of some pieces, one row an item; of frames one row a key."""

    confidence: NDArray[np.float64]  # probability of the most probable value
    right: NDArray[np.bool_]  # whether that value is the true one
    nats: NDArray[np.float64]  # cost of the true value
    real: NDArray[np.int64]  # the pitch that the item starts, -1 for none
    predicted: NDArray[np.int64]  # the same of the most probable pitch, or none
    voice: NDArray[np.int64]  # -1: unknown
    position: NDArray[np.int64]  # in the bar, in steps of the grid; -1: unknown


@torch.no_grad()
def predict(
    model: SequenceModel,
    pieces: Sequence[NDArray[np.integer]],
    representation: NoteTokens | None,
    bars: Sequence[int],
) -> Predictions:
    """Predict each item of each piece from all before it.

    Args:
        model: in eval mode.
        pieces: as stored.
        representation: says which notes tokens start; None where it cannot: then no item has a note.
        bars: steps of the grid in a bar of each piece.
    """
    device = next(model.parameters(), torch.empty(0)).device
    groups = None if representation is None or model.item_spec.keys else _pitch_groups(representation.pitches)
    rows: list[tuple[NDArray[Any], ...]] = []
    for places, items in batches(pieces, model.item_spec):
        items = items.to(device)
        probabilities = model.predict(items).cpu()
        after, counted = items[:, 1:].cpu(), model.real(items)[:, 1:].cpu()
        if model.item_spec.keys:
            rows.append(_of_frames(probabilities, after, counted))
            continue
        confidence, best = probabilities.max(dim=-1)
        own = probabilities.gather(-1, after[..., None])[..., 0]
        likely = torch.full_like(best, -1)
        table = torch.full((model.item_spec.size,), -1)
        if groups is not None and representation is not None:
            places_of_pitch, pitches = groups
            likely = pitches[
                torch.zeros(*best.shape, len(pitches)).index_add_(-1, places_of_pitch, probabilities).argmax(-1)
            ]
            table = torch.from_numpy(representation.pitches)
        for row, place in enumerate(places):
            kept = counted[row].numpy()
            voice, position = np.full((2, len(kept)), -1)
            if representation is not None:
                whole = representation.note_items(pieces[place], bars[place])
                voice, position = (_padded(column[1:], len(kept)) for column in whole)
            cost = -own[row].double().clamp(min=1e-38).log()
            columns = (confidence[row].double(), best[row] == after[row], cost, table[after[row]], likely[row])
            rows.append(tuple(column[kept] for column in (*(one.numpy() for one in columns), voice, position)))
    kinds = (np.float64, np.bool_, np.float64, *[np.int64] * 4)
    return Predictions(
        *(
            np.concatenate([np.zeros(0, kind), *parts])
            for kind, parts in zip(kinds, zip(*rows, strict=True) if rows else [[]] * 7, strict=True)
        )
    )


def _padded(column: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    return np.pad(column, (0, length - len(column)), constant_values=-1)


def _pitch_groups(pitches: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
    """The group of each token by its pitch (V,), and the pitch of each group."""
    kinds, groups = np.unique(pitches, return_inverse=True)
    return torch.from_numpy(groups.ravel()), torch.from_numpy(kinds)


def _of_frames(sounding: torch.Tensor, after: torch.Tensor, counted: torch.Tensor) -> tuple[NDArray[Any], ...]:
    """Rows of a batch of frames, one a key of each frame; a key is expected to sound above a probability of 0.5."""
    p = sounding[counted].double().numpy()  # (frames, keys)
    real = after[counted].numpy() > 0
    expected = p > 0.5
    confidence = np.maximum(p, 1 - p)
    cost = -np.log(np.clip(np.where(real, p, 1 - p), 1e-30, None))
    key = np.broadcast_to(np.arange(p.shape[1]), p.shape)
    nothing = np.full(p.size, -1)
    return (
        confidence.ravel(), (real == expected).ravel(), cost.ravel(), np.where(real, key, -1).ravel(),
        np.where(expected, key, -1).ravel(), nothing, nothing,
    )  # fmt: skip


def calibration(found: Predictions) -> dict[str, Any]:
    """How far confidence and accuracy are apart: the reliability curve, and the expected calibration error.

    Returns:
        ``bins``: for each of ``BINS`` ranges of confidence its mean confidence, its accuracy and its number of items;
        empty ranges are left out. ``error``: the mean absolute difference of confidence and accuracy over the bins,
        weighted by items, in [0, 1]; 0 is perfect, nan without items. ``overconfidence``: the mean confidence minus
        the accuracy, in [-1, 1]; below 0 the model is right more often than it expects.

    Source: C. Guo et al., On calibration of modern neural networks, 2017.
    """
    place = np.minimum((found.confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    confidence, accuracy = (
        ratio(np.bincount(place, values, BINS), count) for values in (found.confidence, found.right)
    )
    some = count > 0
    total = count.sum()
    apart = (confidence - accuracy)[some] * count[some]
    return {
        "bins": [
            {"confidence": float(c), "accuracy": float(a), "items": int(n)}
            for c, a, n in zip(confidence[some], accuracy[some], count[some], strict=True)
        ],
        "error": float(np.abs(apart).sum() / total) if total else float("nan"),
        "overconfidence": float(apart.sum() / total) if total else float("nan"),
    }


def next_note(found: Predictions) -> dict[str, float]:
    """Precision and recall of the predicted next note, by pitch: values as in scikit-learn.

    An item predicts the pitch that is most probable, or that no note starts, if that is more probable. ``micro``: over
    all notes, precision over those that are predicted, recall over those of the pieces; nan without any. ``macro``: the
    mean over the pitches that the pieces or the predictions have, a pitch that is never predicted with precision 0, one
    that the pieces lack with recall 0; nan without pitches. ``accuracy``: share of items with the right pitch, or
    rightly none; nan without items. Each in [0, 1].
    Source: sklearn.metrics.precision_score, recall_score.
    """
    noted = (found.real >= 0) | (found.predicted >= 0)
    kinds = np.unique(np.concatenate([found.real[noted], found.predicted[noted]]))
    kinds = kinds[kinds >= 0]
    hits = found.real[(found.real >= 0) & (found.real == found.predicted)]
    right, real, predicted = (
        np.array([(column == kind).sum() for kind in kinds]) for column in (hits, found.real, found.predicted)
    )
    precision, recall = (np.nan_to_num(ratio(right, whole)) for whole in (predicted, real))
    nan = float("nan")
    total = len(found.real)
    return {
        "precision_micro": float(right.sum() / predicted.sum()) if len(kinds) and predicted.sum() else nan,
        "recall_micro": float(right.sum() / real.sum()) if len(kinds) and real.sum() else nan,
        "precision_macro": float(precision.mean()) if len(kinds) else nan,
        "recall_macro": float(recall.mean()) if len(kinds) else nan,
        "accuracy": float((found.real == found.predicted).sum() / total) if total else nan,
    }


def by_place(found: Predictions, column: NDArray[np.int64], names: Mapping[int, str]) -> dict[str, dict[str, float]]:
    """Of the notes of each voice or position: their number, the mean cost of the item that starts one, and accuracy.

    Args:
        found: predictions.
        column: the voice or position of each item.
        names: of the values of ``column`` to count; values without notes are left out.

    Returns:
        name -> ``notes``, ``nats`` (mean nats of an item in which such a note starts) and ``accuracy`` (share of these
        whose predicted pitch is right).
    """
    table = {}
    for value, name in names.items():
        own = (column == value) & (found.real >= 0)
        if own.any():
            table[name] = {
                "notes": int(own.sum()),
                "nats": float(found.nats[own].mean()),
                "accuracy": float((found.real[own] == found.predicted[own]).mean()),
            }
    return table


def measure(
    model: SequenceModel,
    pieces: Sequence[NDArray[np.integer]],
    representation: Any,
    bars: Sequence[int],
) -> dict[str, Any]:
    """``calibration``, ``next_note``, ``voices`` and ``positions`` of a model on some pieces; see ``predict``."""
    knows = representation if hasattr(representation, "note_items") else None
    found = predict(model, pieces, knows, bars)
    voices = dict(enumerate(representation.voices)) if knows is not None else {}
    positions = {place: str(place) for place in range(int(found.position.max(initial=-1)) + 1)}
    return {
        "calibration": calibration(found),
        "next_note": next_note(found),
        "voices": by_place(found, found.voice, voices),
        "positions": by_place(found, found.position, positions),
    }


def flat(measured: Mapping[str, Any]) -> dict[str, float]:
    """The main numbers of ``measure`` as metrics: ``test/calibration_error``, ``test/precision_micro`` ...; or none."""
    if not measured:
        return {}
    return {
        "test/calibration_error": measured["calibration"]["error"],
        **{f"test/next_note_{name}": value for name, value in measured["next_note"].items()},
    }
