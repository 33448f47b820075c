"""The commands of ``etude`` as a table: what each does, which names it runs for, and where it writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etude.config.code import SECTIONS


@dataclass(frozen=True)
class Command:
    """One command."""

    what: str
    by_hand: bool = False  # writes below runs/, not over the pipeline's results
    stage: bool = True


COMMANDS = {
    "download": Command("fetch the untouched source files of a dataset, verified by digest"),
    "ingest": Command("turn source files into clean MIDI with a manifest; list what is refused"),
    "split": Command("split the pieces into train, valid and test by tune family; audit leaks"),
    "augment": Command("transpose and stretch the train pieces"),
    "tokenize": Command("encode the pieces, one folder a representation"),
    "train": Command("train models; each training is one MLflow run", by_hand=True),
    "generate": Command("sample pieces, continue or fill in one of yours: prime=theme.mid bars=5-8", by_hand=True),
    "reference": Command("measure the real test pieces, and real against real", by_hand=True),
    "evaluate": Command("nats per note, and muspy descriptors of the samples against real pieces", by_hand=True),
    "control": Command("evaluate conditional generation: sample with control attributes, and check them", by_hand=True),
    "harmonize": Command("harmonise the test melodies, or one of yours: input=... output=...", by_hand=True),
    "arrange": Command("render each model's best pieces: stems, mix, mp3", by_hand=True),
    "report": Command("write reports/index.html and the results as tables", by_hand=True),
    "track": Command("sync results to MLflow"),
    "ui": Command("show the runs in MLflow's pages, on 127.0.0.1:5000 or at MLFLOW_TRACKING_URI", stage=False),
    "log-model": Command("log a trained model to MLflow, which serves it: model=lstm", stage=False),
    "compare": Command("one page that plays the samples of several runs side by side: RUN RUN ...", stage=False),
    "all": Command("all stages for one composition of settings, in a folder below runs/", stage=False),
    "rebuild": Command("rebuild what is out of date by DVC, several stages side by side: jobs=2", stage=False),
    "verify": Command("compare results on disk, and the arithmetic of this CPU, with the committed ones", stage=False),
}
STAGES = [name for name, command in COMMANDS.items() if command.stage]
BY_HAND = [name for name, command in COMMANDS.items() if command.by_hand]


def names_for(command: str, values: Mapping[str, Any]) -> list[str | None]:
    """The names that a command runs for: those of its section, or the chosen models if the section is empty."""
    section = SECTIONS.get(command)
    if section is None:
        return [None]
    return list(values[section] or values["models"])


USAGE = f"""\
etude: a reproducible laboratory for symbolic music generation

    etude STAGE [key=value ...]     run one stage; the keys are those of conf/ (etude STAGE --cfg job shows them)
    etude STAGE -m key=a,b ...      run it for each combination; trainings become children of one MLflow run
    etude train cv=5 model=lstm     train and test on five folds by tune family in turn; mean and spread
    etude STAGE --help              the groups of settings and their options
    etude STAGE key=value           a key of the stage's own section needs no section before it: etude generate bars=8
    etude all dataset=folder dataset.path=~/my_midi     all stages on your own music, in a folder of its own below runs/
    etude all experiment=full       all models at full size
    etude harmonize input=melody.mid output=chorale.mid     write the other voices of a chorale to a melody
    dvc repro                       run all stages that are out of date, one at a time

Commands, the stages in the order of the pipeline:
{chr(10).join(f"    {name:{max(map(len, COMMANDS))}}  {command.what}" for name, command in COMMANDS.items())}"""
