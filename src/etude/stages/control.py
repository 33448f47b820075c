"""Stage control: pieces made to order, and whether they are what was wished for."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from symusic.core import ScoreTick

from etude import models, representations, sampling, wishes
from etude.encoding.store import Store
from etude.metrics.distance import rounded
from etude.metrics.likelihood import batches
from etude.outputs import read_json, whole, write_json
from etude.provenance import key_of
from etude.representations.attributes import UNITS, Attributes, measured
from etude.session import Session
from etude.settings import Settings
from etude.shards import Shards
from etude.stages import main

CANNOT = "It is not told by control tokens what a piece is like, so that it takes no wishes."
BATCH = 64  # pieces at a time, which are the same in any batch
CODE = (
    "stages/control.py",
    "augmentation.py",
    "pieces.py",
    "seeds.py",
    "encoding",
    "models",
    "representations",
    "sampling",
)
TORN = "torn.json"  # beside the pieces of a shard: how many of them needed repair
NOTHING = "none"  # the folder of the pieces without a wish


def run(settings: Settings, session: Session, variant: str) -> Path:
    """Draw pieces from one variant for each wish, and for none; write data/control/V and reports/control/V.json.

    A variant that takes no wishes says so in its report, and makes no piece.

    Returns the report.
    """
    folder, report = session.write(f"data/control/{variant}"), session.write(f"reports/control/{variant}.json")
    if variant not in wishes.variants(settings):
        with whole(folder) as part:
            part.mkdir()
        write_json(report, {"variant": variant, "takes_wishes": False, "reason": CANNOT})
        return report
    trained_by, again = f"etude train model={variant}", f"etude control model={variant}"
    weights = session.read(f"models/{variant}", trained_by)
    trained = read_json(weights / "settings.json", trained_by)
    name = trained["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    models.set_threads(settings.trainer.threads)
    representation: Attributes = representations.load(store)
    model = models.load(settings, variant, weights, store, representation)
    count = settings.control.pieces
    plan = replace(settings.generate.of(variant), seed=settings.control.seed, batch_size=min(count, BATCH))
    orders: list[dict[str, Any]] = [{}, *wishes.asked(settings.control.keys)]
    common = {"settings": settings, "variant": variant, "weights": weights, "store": store.folder, "count": count}
    tasks = [{**common, "plan": replace(plan, wish=wish)} for wish in orders]
    decides = {"plan": vars(plan), "count": count, "orders": orders, "model": trained}
    shards = Shards(session, f"control-{variant}", key_of(decides, CODE), again)
    with shards.gathered():
        done = shards.map(control_shard, tasks, "wish")
        shards.complete()
        torn = sum(read_json(made / TORN, again) for made in done)
        with whole(folder) as part:
            part.mkdir()
            for wish, made in zip(orders, done, strict=True):
                shutil.copytree(made, (part / named(wish, 0)).parent, ignore=shutil.ignore_patterns(TORN))
        without, *pieces = ([ScoreTick(folder / named(wish, number)) for number in range(count)] for wish in orders)
    told = [judged(representation, wish, found, without) for wish, found in zip(orders[1:], pieces, strict=True)]
    metrics = summary(told) | {"control/pieces": count, "control/repaired": torn}
    metrics |= {f"control/test_{name}": value for name, value in worth(model, store).items()}
    write_json(report, rounded({"variant": variant, "takes_wishes": True, "metrics": metrics, "wishes": told}))
    return report


def control_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Draw the pieces of one wish. One thread does it, however many workers there are, as there are many wishes."""
    store = Store(task["store"])
    models.set_threads(1)
    representation = representations.load(store)
    model = models.load(task["settings"], task["variant"], task["weights"], store, representation)
    found = sampling.drawn(model, representation, store, task["plan"], task["count"])
    for number, piece in enumerate(found):
        piece.score.dump_midi(folder / f"{number:02d}.mid")
    write_json(folder / TORN, sum(not piece.whole for piece in found))


def named(wish: Mapping[str, Any], number: int) -> str:
    """The file of a piece: ``key_D_major/00.mid``."""
    folder = "_".join(f"{name}_{value}" for name, value in wish.items()).replace(" ", "_") or NOTHING
    return f"{folder}/{number:02d}.mid"


def judged(
    representation: Attributes, wish: dict[str, Any], made: Sequence[ScoreTick], without: Sequence[ScoreTick]
) -> dict[str, Any]:
    """How well a wish is met.

    Args:
        representation: by whose levels it is judged.
        wish: of one attribute.
        made: the pieces that were made to order.
        without: pieces of the same model without a wish.

    Returns:
        ``wish`` and ``value``; ``met`` and ``met_without``: the share of pieces that are what was wished for, and
        ``example``, the file of the first that is. Of what is measured in levels also its ``unit``, ``begins`` and
        ``ends`` (the limits of the level; None where there is none), ``mean`` and ``mean_without`` of the pieces.
    """
    ((name, value),) = wish.items()
    found = {"made": made, "without": without}
    right = {side: [wishes.met(representation, score, wish) for score in found[side]] for side in found}
    told: dict[str, Any] = {"wish": name, "value": value, "example": named(wish, int(np.argmax(right["made"])))}
    told["met"], told["met_without"] = (float(np.mean(right[side])) for side in ("made", "without"))
    if name in UNITS:
        scale = representation.scale
        assert scale is not None
        level = representation.level(name, value)
        means = {side: [scale.value(measured(score), name) for score in found[side]] for side in found}
        told["unit"] = UNITS[name]
        told["begins"], told["ends"] = scale.span(name, level)
        told["mean"], told["mean_without"] = (_mean(means[side]) for side in ("made", "without"))
    return told


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def summary(told: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Shares of pieces that are what was wished for: means over all wishes, and over those of each attribute."""
    found = {}
    for end in ("", "_without"):
        found[f"control/met{end}"] = float(np.mean([one[f"met{end}"] for one in told]))
        for name in dict.fromkeys(one["wish"] for one in told):
            shares = [one[f"met{end}"] for one in told if one["wish"] == name]
            found[f"control/met_{name}{end}"] = float(np.mean(shares))
    return found


def worth(model: Any, store: Store) -> dict[str, float]:
    """Nats per note of the test pieces, with all attributes known and with none."""
    notes = sum(fact["notes"] for fact in store.manifest["pieces"]["test"])
    total = {"nats_per_note_given": 0.0, "nats_per_note": 0.0}
    with torch.no_grad():
        for _, items in batches(list(store.pieces("test")), model.alphabet):
            total["nats_per_note_given"] += float(model.nats_given(items).double().sum())
            total["nats_per_note"] += float(model.nats(items).double().sum())
    return {name: nats / notes if notes else float("nan") for name, nats in total.items()}


if __name__ == "__main__":
    main(run)
