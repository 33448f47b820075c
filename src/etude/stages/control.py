"""Stage control: pieces made to order, and whether they are what was wished for."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from symusic.core import ScoreTick

from etude import models, representations, sampling
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of
from etude.artifacts.shards import Shards
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.files import read_json, whole, write_json
from etude.metrics.distance import rounded
from etude.metrics.likelihood import batches
from etude.representations.attributes import UNITS, Attributes, measured
from etude.stages import main
from etude.tasks import conditioning as controls

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


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Draw pieces from one variant for each wish, and for none; write data/control/V and reports/control/V.json.

    A variant that takes no wishes says so in its report, and makes no piece.

    Returns the report.
    """
    folder, report = session.write(f"data/control/{model_name}"), session.write(f"reports/control/{model_name}.json")
    if model_name not in controls.model_names(settings):
        with whole(folder) as part:
            part.mkdir()
        write_json(report, {"model": model_name, "conditional": False, "reason": CANNOT})
        return report
    trained_by, again = f"etude train model={model_name}", f"etude control model={model_name}"
    weights = session.read(f"models/{model_name}", trained_by)
    trained = read_json(weights / "settings.json", trained_by)
    name = trained["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    models.set_threads(settings.trainer.threads)
    representation: Attributes = representations.load(store)
    model = models.load(settings, model_name, weights, store, representation)
    count = settings.control.pieces
    config = replace(settings.generate.of(model_name), seed=settings.control.seed, batch_size=min(count, BATCH))
    orders: list[dict[str, Any]] = [{}, *controls.asked(settings.control.keys)]
    common = {"settings": settings, "model": model_name, "weights": weights, "store": store.folder, "count": count}
    tasks = [{**common, "plan": replace(config, control=control)} for control in orders]
    decides = {"plan": vars(config), "count": count, "orders": orders, "model": trained}
    shards = Shards(session, f"control-{model_name}", key_of(decides, CODE), again)
    with shards.gathered():
        done = shards.map(control_shard, tasks, "control")
        shards.complete()
        truncated = sum(read_json(made / TORN, again) for made in done)
        with whole(folder) as part:
            part.mkdir()
            for control, made in zip(orders, done, strict=True):
                shutil.copytree(made, (part / named(control, 0)).parent, ignore=shutil.ignore_patterns(TORN))
        without, *pieces = (
            [ScoreTick(folder / named(control, number)) for number in range(count)] for control in orders
        )
    told = [judged(representation, control, found, without) for control, found in zip(orders[1:], pieces, strict=True)]
    metrics = summary(told) | {"control/pieces": count, "control/repaired": truncated}
    metrics |= {f"control/test_{name}": value for name, value in worth(model, store).items()}
    write_json(report, rounded({"model": model_name, "conditional": True, "metrics": metrics, "controls": told}))
    return report


def control_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Draw the pieces of one wish. One thread does it, however many workers there are, as there are many wishes."""
    store = Store(task["store"])
    models.set_threads(1)
    representation = representations.load(store)
    model = models.load(task["settings"], task["model"], task["weights"], store, representation)
    found = sampling.sample_pieces(model, representation, store, task["plan"], task["count"])
    for number, piece in enumerate(found):
        piece.score.dump_midi(folder / f"{number:02d}.mid")
    write_json(folder / TORN, sum(not piece.whole for piece in found))


def named(control: Mapping[str, Any], number: int) -> str:
    """The file of a piece: ``key_D_major/00.mid``."""
    folder = "_".join(f"{name}_{value}" for name, value in control.items()).replace(" ", "_") or NOTHING
    return f"{folder}/{number:02d}.mid"


def judged(
    representation: Attributes, control: dict[str, Any], made: Sequence[ScoreTick], without: Sequence[ScoreTick]
) -> dict[str, Any]:
    """How well a wish is met.

    Args:
        representation: by whose levels it is judged.
        control: of one attribute.
        made: the pieces that were made to order.
        without: pieces of the same model without a wish.

    Returns:
        ``control`` and ``value``; ``met`` and ``met_without``: the share of pieces that are what was wished for, and
        ``example``, the file of the first that is. Of what is measured in levels also its ``unit``, ``starts`` and
        ``ends`` (the limits of the level; None where there is none), ``mean`` and ``mean_without`` of the pieces.
    """
    ((name, value),) = control.items()
    found = {"made": made, "without": without}
    right = {split: [controls.met(representation, score, control) for score in found[split]] for split in found}
    told: dict[str, Any] = {"control": name, "value": value, "example": named(control, int(np.argmax(right["made"])))}
    told["met"], told["met_without"] = (float(np.mean(right[split])) for split in ("made", "without"))
    if name in UNITS:
        scale = representation.scale
        assert scale is not None
        level = representation.level(name, value)
        means = {split: [scale.value(measured(score), name) for score in found[split]] for split in found}
        told["unit"] = UNITS[name]
        told["begins"], told["ends"] = scale.span(name, level)
        told["mean"], told["mean_without"] = (_mean(means[split]) for split in ("made", "without"))
    return told


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def summary(told: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Shares of pieces that are what was wished for: means over all wishes, and over those of each attribute."""
    found = {}
    for end in ("", "_without"):
        found[f"control/met{end}"] = float(np.mean([one[f"met{end}"] for one in told]))
        for name in dict.fromkeys(one["control"] for one in told):
            shares = [one[f"met{end}"] for one in told if one["control"] == name]
            found[f"control/met_{name}{end}"] = float(np.mean(shares))
    return found


def worth(model: Any, store: Store) -> dict[str, float]:
    """Nats per note of the test pieces, with all attributes known and with none."""
    notes = sum(fact["notes"] for fact in store.manifest["pieces"]["test"])
    total = {"nats_per_note_given": 0.0, "nats_per_note": 0.0}
    with torch.no_grad():
        for _, items in batches(list(store.pieces("test")), model.item_spec):
            total["nats_per_note_given"] += float(model.nats_given(items).double().sum())
            total["nats_per_note"] += float(model.nats(items).double().sum())
    return {name: nats / notes if notes else float("nan") for name, nats in total.items()}


if __name__ == "__main__":
    main(run)
