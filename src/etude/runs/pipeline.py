"""All stages one after the other for one composition of settings, in a folder of its own that goes on where it stopped.

``dvc repro`` does this for the committed settings; this is for another dataset, your own MIDI first of all.
"""

import importlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.files import digest, digest_of
from etude.stages import STAGES

PACKAGE = Path(__file__).parent
# stage -> what it leaves, {} is the representation or the variant; an output stands there whole or not at all
OUTPUTS = {
    "download": "data/download",
    "ingest": "data/ingest",
    "split": "data/split",
    "augment": "data/augment",
    "tokenize": "data/tokenize/{}",
    "train": "models/{}",
    "generate": "data/generate/{}",
    "reference": "reports/reference.json",
    "evaluate": "reports/evaluate/{}.json",
    "control": "reports/control/{}.json",
    "harmonize": "reports/harmonize/{}.json",
    "arrange": "reports/arrange/{}.json",
    "report": "reports/index.html",
}


def folder_of(settings: Settings, root: Path, *more: str) -> Path:
    """Where everything of these settings goes: below runs/, named after the dataset, the settings and the code.

    ``more`` is what else decides the results; the first of it stands in the name.
    """
    code = {file.relative_to(PACKAGE).as_posix(): digest(file) for file in sorted(PACKAGE.rglob("*.py"))}
    key = digest_of({"settings": settings.as_dict(), "code": code, "more": more})
    return root / "runs" / "-".join([settings.dataset["name"], *more[:1], key[:8]])


def steps(settings: Settings, stages: Iterable[str] = OUTPUTS) -> Iterator[tuple[str, str | None, str]]:
    """Every stage with the representation or variant that it runs for, and what it leaves, in order."""
    values = settings.as_dict()
    for stage in stages:
        section = STAGES[stage][1]
        for name in values[section] if section else [None]:
            yield stage, name, OUTPUTS[stage].format(name)


def run_missing(settings: Settings, inside: Session, stages: Iterable[str]) -> None:
    """Run those of the stages whose outputs are not there yet, in the folder of ``inside``."""
    for stage, name, place in steps(settings, stages):
        if inside.write(place).exists():
            print(f"{stage}: {place} is there")
        else:
            run_stage(stage, settings, inside, name)


def run_stage(stage: str, settings: Settings, inside: Session, name: str | None) -> None:
    """Run one stage, for the representation or variant ``name`` where it has any."""
    importlib.import_module(f"etude.stages.{stage}").run(settings, inside, *([name] if name else []))


def run(settings: Settings, session: Session) -> Path:
    """Run the stages whose outputs are not there yet. Returns the page with the report.

    The source files are always brought again, in case they are your own and have changed: then all is made anew.
    """
    folder = folder_of(settings, session.root)
    inside = replace(session, out=folder, run=folder)
    before = folder / "data/download"
    known = digest(before) if before.is_dir() else None
    run_stage("download", settings, inside, None)
    if known is not None and digest(before) != known:
        print("etude: the source files have changed: all is made anew")
        for stale in ("data", "models", "reports"):
            for child in sorted((folder / stale).glob("*")):
                if child != before:
                    shutil.rmtree(child) if child.is_dir() else child.unlink()
    run_missing(settings, inside, [stage for stage in OUTPUTS if stage != "download"])
    return folder / OUTPUTS["report"]
