"""All stages one after the other for one composition of settings, in a folder of its own that goes on where it stopped.

``dvc repro`` does this for the committed settings; this is for another dataset, your own MIDI first of all.
"""

import importlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from etude.outputs import digest, digest_of
from etude.session import Session
from etude.settings import Settings
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
    "arrange": "reports/arrange/{}.json",
    "report": "reports/index.html",
}


def folder_of(settings: Settings, root: Path) -> Path:
    """Where everything of these settings goes: below runs/, named after the dataset, the settings and the code."""
    code = {file.relative_to(PACKAGE).as_posix(): digest(file) for file in sorted(PACKAGE.rglob("*.py"))}
    key = digest_of({"settings": settings.as_dict(), "code": code})
    return root / "runs" / f"{settings.dataset['name']}-{key[:8]}"


def steps(settings: Settings) -> Iterator[tuple[str, str | None, str]]:
    """Every stage with the representation or variant that it runs for, and what it leaves, in order."""
    values = settings.as_dict()
    for stage, place in OUTPUTS.items():
        section = STAGES[stage][1]
        for name in values[section] if section else [None]:
            yield stage, name, place.format(name)


def run(settings: Settings, session: Session) -> Path:
    """Run the stages whose outputs are not there yet. Returns the page with the report.

    The source files are always brought again, in case they are your own and have changed: then all is made anew.
    """
    folder = folder_of(settings, session.root)
    inside = replace(session, out=folder, run=folder)
    before = folder / "data/download"
    known = digest(before) if before.is_dir() else None
    for stage, name, place in steps(settings):
        if stage != "download" and (folder / place).exists():
            print(f"{stage}: {place} is there")
            continue
        importlib.import_module(f"etude.stages.{stage}").run(settings, inside, *([name] if name else []))
        if stage == "download" and known is not None and digest(before) != known:
            print("etude: the source files have changed: all is made anew")
            for stale in ("data", "models", "reports"):
                for child in sorted((folder / stale).glob("*")):
                    if child != before:
                        shutil.rmtree(child) if child.is_dir() else child.unlink()
    return folder / OUTPUTS["report"]
