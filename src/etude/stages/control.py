"""Stage control: pieces made to order, and whether they are what was wished for."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from symusic.core import ScoreTick

from etude import sampling
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of
from etude.artifacts.shards import Shards
from etude.artifacts.token_store import Store
from etude.audio.render import write_sound_of
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, whole, write_json
from etude.metrics.distance import round_floats
from etude.metrics.likelihood import batches
from etude.representations.attributes import UNITS, Attributes, measure
from etude.stages import main
from etude.tasks.capabilities import CONDITION, is_able, name_able
from etude.tasks.conditioning import control_requests, meets
from etude.tasks.trained_model import TrainedModel

BATCH = 64  # pieces at a time, which are the same in any batch
TORN = "torn.json"  # beside the pieces of a shard: how many of them needed repair
PLAYED = "energy"  # the attribute whose examples get an mp3, which the report plays
NOTHING = "none"  # the folder of the pieces without a wish


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Draw pieces from one variant for each wish, and for none; write data/control/V and reports/control/V.json.

    Returns the report.
    """
    folder, report = session.write(f"data/control/{model_name}"), session.write(f"reports/control/{model_name}.json")
    if not is_able(settings, model_name, CONDITION):
        raise EtudeError(f"model={model_name} takes no control attributes. {name_able(settings, session, CONDITION)}")
    again = f"etude control model={model_name}"
    loaded = TrainedModel.load(settings, session, model_name)
    representation: Attributes = loaded.representation
    count = settings.control.pieces
    config = replace(loaded.config, seed=settings.control.seed, batch_size=min(count, BATCH))
    orders: list[dict[str, Any]] = [{}, *control_requests(settings.control.keys)]
    common = {"settings": settings, "session": replace(session, progress=False), "model": model_name, "count": count}
    tasks = [{**common, "plan": replace(config, control=control)} for control in orders]
    decides = {"plan": vars(config), "count": count, "orders": orders, "model": loaded.trained}
    shards = Shards(session, f"control-{model_name}", key_of(decides, "control", settings, model_name), again)
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
    for row in told:
        if row["control"] == PLAYED:
            row["sound"] = write_sound_of(folder / row["example"], settings.arrange).relative_to(folder).as_posix()
    metrics = summary(told) | {"control/pieces": count, "control/repaired": truncated}
    metrics |= {f"control/test_{name}": value for name, value in worth(loaded.model, loaded.store).items()}
    write_json(report, round_floats({"model": model_name, "metrics": metrics, "controls": told}))
    return report


def control_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Draw the pieces of one wish. One thread does it, however many workers there are, as there are many wishes."""
    loaded = TrainedModel.load(task["settings"], task["session"], task["model"], threads=1)
    found = sampling.sample_pieces(loaded.model, loaded.representation, loaded.store, task["plan"], task["count"])
    for number, piece in enumerate(found):
        piece.score.dump_midi(folder / f"{number:02d}.mid")
    write_json(folder / TORN, sum(not piece.complete for piece in found))


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
    right = {split: [meets(representation, score, control) for score in found[split]] for split in found}
    told: dict[str, Any] = {"control": name, "value": value, "example": named(control, int(np.argmax(right["made"])))}
    told["met"], told["met_without"] = (float(np.mean(right[split])) for split in ("made", "without"))
    if name in UNITS:
        scale = representation.scale
        assert scale is not None
        level = representation.level(name, value)
        means = {split: [scale.value(measure(score), name) for score in found[split]] for split in found}
        told["unit"] = UNITS[name]
        told["starts"], told["ends"] = scale.span(name, level)
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
