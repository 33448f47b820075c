"""Stage control: sample pieces with requested attributes, and measure how many of them have these attributes."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of
from etude.artifacts.shards import Shards, cut
from etude.artifacts.token_store import Store
from etude.audio.render import write_sound_of
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import SUMS, Json, read_json, whole_folder, write_json
from etude.metrics.distance import round_floats
from etude.metrics.likelihood import batches
from etude.representations.attributes import UNITS, Attributes, measure
from etude.sampling.control_tokens import meets
from etude.sampling.tokens import Wanted, sample_wanted
from etude.stages import main
from etude.tasks.capabilities import CONDITION, is_able, name_able
from etude.tasks.conditioning import control_requests
from etude.tasks.trained_model import TrainedModel

BATCH = 64  # pieces at a time; a piece is the same in any batch
TRUNCATED = "truncated.json"  # next to the pieces of a shard: how many of them needed repair
PLAYED = "energy"  # the report plays an mp3 of each example of this attribute
UNCONDITIONED = "none"  # the folder of the pieces without requested attributes


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Sample pieces from one model for each control attribute, and without any.

    Writes data/control/MODEL and reports/control/MODEL.json. Returns the path of the report.
    """
    made = catalog.data("control", model_name)
    folder, report = session.write(made), session.write(catalog.report("control", model_name))
    if not is_able(settings, model_name, CONDITION):
        raise EtudeError(f"model={model_name} takes no control attributes. {name_able(settings, session, CONDITION)}")
    loaded = TrainedModel.load(settings, session, model_name)
    representation: Attributes = loaded.representation
    wanted, count = settings.control, settings.control.pieces
    config = replace(loaded.config, seed=wanted.seed, batch_size=BATCH, bars=wanted.bars, seconds=None)
    controls: list[Json] = [{}, *control_requests(wanted.keys)]
    common = {"settings": settings, "session": replace(session, progress=False), "model": model_name, "count": count}
    together = [controls[:1], *(list(part) for part in cut(controls[1:], max(1, BATCH // count)))]
    tasks = [{**common, "config": config, "controls": part} for part in together]
    decides = {"config": vars(config), "count": count, "controls": controls, "model": loaded.trained}
    shards = Shards(session, made, key_of(decides, "control", settings, model_name))
    with shards.lock():
        done = shards.map(control_shard, tasks, "control")
        shards.complete()
        truncated = sum(read_json(shard / TRUNCATED, made.made_by) for shard in done)
        with whole_folder(folder) as part:
            for shard in done:
                shutil.copytree(shard, part, dirs_exist_ok=True, ignore=shutil.ignore_patterns(TRUNCATED, SUMS))
            unconditioned, *pieces = (
                [ScoreTick(part / file_of(control, number)) for number in range(count)] for control in controls
            )
            rows = [
                judge_request(representation, control, found, unconditioned)
                for control, found in zip(controls[1:], pieces, strict=True)
            ]
            for row in rows:
                if row["control"] == PLAYED:
                    row["sound"] = write_sound_of(part / row["example"], settings.mix).relative_to(part).as_posix()
    metrics = summary(rows) | {"control/pieces": count, "control/repaired": truncated}
    metrics |= {
        f"control/test_{name}": value for name, value in measure_nats(loaded.model, loaded.tokens(session)).items()
    }
    write_json(report, round_floats({"model": model_name, "metrics": metrics, "controls": rows}))
    return report


def control_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Sample the pieces of some requests, on one thread: the workers share the requests out."""
    loaded = TrainedModel.load(task["settings"], task["session"], task["model"], threads=1)
    wanted = [Wanted(control, place) for control in task["controls"] for place in range(task["count"])]
    found = sample_wanted(loaded.model, loaded.representation, loaded.observed, task["config"], wanted)
    for one, piece in zip(wanted, found, strict=True):
        file = folder / file_of(one.control, one.place)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(piece.score.dumps_midi())
    write_json(folder / TRUNCATED, sum(not piece.complete for piece in found))


def file_of(control: Mapping[str, Any], number: int) -> str:
    """The file of a piece, relative to the folder of all: ``key_D_major/00.mid``."""
    folder = "_".join(f"{name}_{value}" for name, value in control.items()).replace(" ", "_") or UNCONDITIONED
    return f"{folder}/{number:02d}.mid"


def judge_request(
    representation: Attributes, control: Json, made: Sequence[ScoreTick], without: Sequence[ScoreTick]
) -> Json:
    """Measure how many pieces have the requested attribute.

    Args:
        representation: its levels decide.
        control: one attribute and the requested value.
        made: the pieces sampled with this request.
        without: pieces of the same model without a request.

    Returns:
        ``control`` and ``value``; ``met`` and ``met_without``: the share of pieces that have the requested attribute;
        ``example``: the file of the first piece that has it. An attribute measured in levels also has its ``unit``,
        ``starts`` and ``ends`` (the limits of the level; None where there is none), ``mean`` and ``mean_without``.
    """
    ((name, value),) = control.items()
    pieces = {"": made, "_without": without}
    right = {end: [meets(representation, score, control) for score in scores] for end, scores in pieces.items()}
    row: Json = {"control": name, "value": value, "example": file_of(control, int(np.argmax(right[""])))}
    row |= {f"met{end}": float(np.mean(values)) for end, values in right.items()}
    if name in UNITS:
        scale = representation.scale
        assert scale is not None
        row["unit"] = UNITS[name]
        row["starts"], row["ends"] = scale.span(name, representation.level(name, value))
        for end, scores in pieces.items():
            row[f"mean{end}"] = _mean([scale.value(measure(score), name) for score in scores])
    return row


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else None


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Shares of pieces that have the requested attribute: means over all requests, and over those of each attribute."""
    found = {}
    for end in ("", "_without"):
        found[f"control/met{end}"] = float(np.mean([row[f"met{end}"] for row in rows]))
        for name in dict.fromkeys(row["control"] for row in rows):
            shares = [row[f"met{end}"] for row in rows if row["control"] == name]
            found[f"control/met_{name}{end}"] = float(np.mean(shares))
    return found


def measure_nats(model: Any, store: Store) -> dict[str, float]:
    """Negative log-likelihood of the test pieces in nats per note, with all attributes given and with none."""
    notes = sum(fact["notes"] for fact in store.manifest["pieces"]["test"])
    total = {"nats_per_note_given": 0.0, "nats_per_note": 0.0}
    with torch.no_grad():
        for _, items in batches(list(store.pieces("test")), model.item_spec):
            total["nats_per_note_given"] += float(model.nats_given(items).double().sum())
            total["nats_per_note"] += float(model.nats(items).double().sum())
    return {name: nats / notes if notes else float("nan") for name, nats in total.items()}


if __name__ == "__main__":
    main(run)
