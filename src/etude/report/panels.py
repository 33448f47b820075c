"""The charts of the page: which measures are drawn, from which values, under which titles."""

from etude.core.files import Json
from etude.metrics.descriptors import UNITS
from etude.report.charts import curves, strips
from etude.report.inputs import ReportInputs
from etude.report.tables import in_order, plain

Panel = dict[str, str]  # ``title``, and ``chart`` as HTML
MEASURES = {  # the titles of the measures of a training history, in the order of the page
    "valid/nats_per_note": "nats per note, valid pieces",
    "valid/nats_per_frame": "nats per frame, valid pieces",
    "train/nats_per_token": "nats per token, train batches",
    "train/nats_per_frame": "nats per frame, train batches",
    "train/generator_loss": "generator loss, train batches",
    "train/discriminator_loss": "discriminator loss, train batches",
    "train/wasserstein": "Wasserstein distance as the critic sees it, train batches",
    "train/gradient_penalty": "gradient penalty of the critic, train batches",
    "valid/roll_distance": "distance of generated rolls to valid rolls",
    "valid/pseudo_nats_per_cell": "nats per cell given all other cells, valid pieces",
    "train/pseudo_nats_per_cell": "nats per cell given all other cells, train batches",
    "train/learning_rate": "learning rate",
}


def training_panels(inputs: ReportInputs) -> list[Panel]:
    """The charts of training, one a measure, likelihood first."""
    order = list(inputs.train)
    known = {name for training in inputs.train.values() for row in training.history for name in row if "/" in name}
    panels = []
    for measure in sorted(known, key=lambda name: (name not in MEASURES, [*MEASURES, name].index(name), name)):
        lines: dict[str, list[tuple[float, float]]] = {}
        levels: dict[str, float] = {}
        for model_name, training in inputs.train.items():
            points = [(row["step"], row[measure]) for row in training.history if row.get(measure) is not None]
            if points and training.in_steps:
                lines[model_name] = points
            elif training.result.get(measure) is not None:
                levels[model_name] = training.result[measure]
        if lines or levels:
            title = MEASURES.get(measure, measure)
            panels.append({"title": title, "chart": curves(title, lines, levels, order)})
    return panels


def descriptor_panels(inputs: ReportInputs) -> tuple[list[Panel], list[str]]:
    """The charts of descriptors, in the order of ``UNITS``; and the names of those without a chart.

    A descriptor has no chart where it has no values, or one and the same value everywhere.
    """
    real, order = inputs.reference["descriptors"], list(inputs.train)
    panels, without = [], []
    for name in in_order(real):
        ours = {model_name: _values(inputs.evaluate[model_name]["descriptors"].get(name)) for model_name in order}
        theirs = _values(real[name])
        if len({value for values in (theirs, *ours.values()) for value in values if value is not None}) < 2:
            without.append(plain(name))
        else:
            chart = strips(plain(name), theirs, ours, order, UNITS.get(name, ""))
            panels.append({"title": plain(name), "chart": chart})
    return panels, without


def _values(descriptor: Json | None) -> list[float | None]:
    return list(descriptor["values"]) if descriptor else []
