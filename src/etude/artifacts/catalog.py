"""Every place that a command writes, and the command that makes it: each is written here and in dvc.yaml, nowhere else.

A stage leaves its folder in data/STAGE/NAME and its figures in reports/STAGE/NAME.json; only train writes models/NAME.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Artifact:
    """A file or folder that a command makes; ``Session.read`` and ``Session.write`` say where it is on this disk."""

    place: str  # relative to the project, or to the folder of a run
    made_by: str
    stage: str = ""  # whose output it is in dvc.yaml
    name: str | None = None  # of the stage instance, where the stage runs once for each of several

    def __str__(self) -> str:
        return self.place

    def __truediv__(self, name: str) -> "Artifact":
        """A file in the folder."""
        return replace(self, place=f"{self.place}/{name}")


def command(stage: str, name: str | None = None) -> str:
    """The command that runs a stage, for one model or representation if it runs once for each."""
    key = "tokenize" if stage == "tokenize" else "model"
    return f"etude {stage} {key}={name}" if name else f"etude {stage}"


def data(stage: str, name: str | None = None) -> Artifact:
    """The folder of pieces, arrays or sound that a stage leaves."""
    return Artifact(f"data/{_path(stage, name)}", command(stage, name), stage, name)


def record(stage: str, name: str | None = None) -> Artifact:
    """What the folder of a data stage was built from."""
    return Artifact(f"data/built_from/{_path(stage, name)}.json", command(stage, name), stage, name)


def report(stage: str, name: str | None = None) -> Artifact:
    """The figures that a stage measures."""
    return Artifact(f"reports/{_path(stage, name)}.json", command(stage, name), stage, name)


def _path(stage: str, name: str | None) -> str:
    return f"{stage}/{name}" if name else stage


def tokens(representation: str) -> Artifact:
    """The encoded pieces."""
    return data("tokenize", representation)


def model(model_name: str) -> Artifact:
    """The weights of a training, its settings, history and result."""
    return Artifact(f"models/{model_name}", command("train", model_name), "train", model_name)


COPIES = "copies"  # in the folder of arrange: the least original excerpt, and that of the train piece nearest to it
CARD = "README.md"  # in the folder of a model that is handed on: what it is and how good
CONFIG = "config.json"  # in the folder of a model: what it is, and the digests of the files next to it


def samples(model_name: str) -> Artifact:
    """The sampled pieces."""
    return data("generate", model_name)


def evaluation(model_name: str) -> Artifact:
    """The likelihood of a model, and its samples measured."""
    return report("evaluate", model_name)


def metrics(model_name: str) -> Artifact:
    """The main figures of a model, flat, for DVC."""
    return Artifact(f"reports/metrics/{model_name}.json", command("evaluate", model_name), "evaluate", model_name)


def figure(model_name: str) -> Artifact:
    """The descriptors of a model's samples as a picture."""
    return Artifact(f"reports/evaluate/{model_name}.png", command("evaluate", model_name))


def experiment(name: str) -> Artifact:
    """The result file of an experiment that is compared with the literature."""
    return Artifact(f"reports/experiments/{name}.json", f"etude all experiment={name}")


DOWNLOAD, INGEST, SPLIT, AUGMENT = (data(stage) for stage in ("download", "ingest", "split", "augment"))
REFERENCE, EXAMPLE = report("reference"), data("reference")
PAGE = Artifact("reports/index.html", command("report"))
TABLES = Artifact("reports/results.md", command("report"))
RESULTS = Artifact("reports/results.json", command("report"))
DESCRIPTORS = Artifact("reports/descriptors.csv", command("report"))
CARDS = Artifact("reports/cards", command("report"))
EXCERPTS = Artifact("docs/samples", command("report"))
PUBLISHED = Artifact("mlruns/published.json", command("track"))
LISTEN = Artifact("reports/listen/analysis.json", "etude listen analyse")
FULL = Artifact("reports/full", "etude all experiment=full")
EXPERIMENTS = Artifact("reports/experiments.md", "etude all experiment=NAME")
ARITHMETIC = Artifact("reports/arithmetic.json", "etude verify record=true")
