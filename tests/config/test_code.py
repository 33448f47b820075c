"""Code digests: what an edit reaches, and that a stage loads nothing that it does not declare."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, make_project, tiny

from etude.artifacts.context import Session
from etude.config import code
from etude.config.code import NEUTRAL, SECTIONS, closure, compile_code, digest_of_code, names_of, roots
from etude.config.sections import Settings
from etude.core.errors import EtudeError

SETTINGS = Settings.from_params(ROOT / "params.yaml")
INSTANCES = [
    (stage, name)
    for stage, section in SECTIONS.items()
    for name in (names_of(section, SETTINGS) if section else [None])
]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package to edit."""
    copy = tmp_path / "etude"
    shutil.copytree(code.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", copy)
    forget()
    yield copy
    monkeypatch.undo()
    forget()


def forget() -> None:
    code._modules.cache_clear()


def touched(package: Path, file: str, old: str, new: str) -> set[str]:
    """The instances whose digest an edit changes, as DVC names them."""
    before = unedited(package)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new, 1))
    after = flat(compile_code(SETTINGS))
    (package / file).write_text(text)
    return {name for name in before if before[name] != after[name]}


@cache
def unedited(package: Path) -> dict[str, str]:
    """The digests of a copy of the package as it is between two edits."""
    return flat(compile_code(SETTINGS))


def flat(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for stage, value in yaml.safe_load(text).items():
        found |= (
            {f"{stage}@{name}": digest for name, digest in value.items()} if isinstance(value, dict) else {stage: value}
        )
    return found


def of_model(*names: str) -> set[str]:
    stages = ("train", "generate", "evaluate", "control", "harmonize")
    return {f"{stage}@{name}" for stage in stages for name in names if (stage, name) in INSTANCES}


def test_the_committed_digests_are_those_of_the_code() -> None:
    assert (ROOT / "code.yaml").read_text() == compile_code(SETTINGS), "run: dvc repro params"


def test_comments_docstrings_and_layout_change_nothing(package: Path) -> None:
    assert touched(package, "models/sequence.py", "\n\n\nclass", "\n\n\n# a comment\nclass") == set()
    assert touched(package, "stages/train.py", '"""Stage train', '"""The stage train') == set()
    assert touched(package, "core/seeds.py", "\n\n\ndef", "\n\n\n\n\ndef") == set()


def test_an_edit_reaches_what_imports_it_and_nothing_else(package: Path) -> None:
    new = "\nNEW = 1\n"
    assert touched(package, "models/deepbach.py", "\n\n\nclass", f"{new}\n\nclass") == of_model("deepbach")
    assert touched(package, "models/lstm.py", "\n\n\nclass", f"{new}\n\nclass") == of_model("lstm")
    assert touched(package, "representations/octuple.py", "\n\n\nclass", f"{new}\n\nclass") == set()
    assert touched(package, "config/sections.py", "\n\n\n@dataclass", f"{new}\n\n@dataclass") == set()
    assert touched(package, "core/progress.py", "\n\n\n", f"{new}\n\n") == set()
    assert touched(package, "tracking/describe.py", "\n\n\n", f"{new}\n\n") == {"track"}
    assert touched(package, "report/report.html.j2", "<html", "<html ") >= {"report"}
    assert not any(
        name.startswith(("train", "tokenize"))
        for name in touched(package, "metrics/voice_leading.py", "\n\n\n", f"{new}\n\n")
    )
    overlap = touched(package, "metrics/overlap.py", "\n\n\n", f"{new}\n\n")
    assert {"reference", "evaluate@lstm"} <= overlap, "samples are never compared with a stale reference"
    key = touched(package, "music/key.py", "\n\n\n", f"{new}\n\n")
    assert {"harmonize@voices", "harmonize@deepbach"} <= key and "train@lstm" not in key


def test_a_class_attribute_of_a_base_names_the_sampler() -> None:
    assert "etude.sampling.gibbs" in roots("generate", SETTINGS, "deepbach")
    assert "etude.sampling.windows" in roots("generate", SETTINGS, "wgan")
    assert "etude.sampling.tokens" in roots("generate", SETTINGS, "lstm")
    assert "etude.metrics.pseudo_likelihood" in roots("evaluate", SETTINGS, "deepbach")


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(EtudeError, match=r"no module etude\.nothing"):
        closure(["etude.nothing"])


STAGES = [
    ("split", None),
    ("augment", None),
    ("tokenize", "voicegrid"),
    ("train", "voices"),
    ("generate", "voices"),
    ("harmonize", "voices"),
]
# Each stage in a process of its own, which begins with the libraries loaded and with nothing of etude.
LOADED = """
import importlib, json, os, sys
from pathlib import Path
import miditok, mlflow, numpy, pytorch_lightning, scipy, symusic, torch
assert not any(name.split(".")[0] == "etude" for name in sys.modules)
root, *stages = sys.argv[1:]
for one in stages:
    if not os.fork():
        from etude.artifacts.context import Session
        from etude.config.sections import Settings
        stage, *names = one.split()
        session = Session(root=Path(root), workers=1, samples=0, progress=False)
        settings = Settings.from_params(session.root / "params.yaml")
        importlib.import_module(f"etude.stages.{stage}").run(settings, session, *names)
        names = sorted(name for name in sys.modules if name.split(".")[0] == "etude")
        print("LOADED" + json.dumps([one, names]), flush=True)
        sys.exit()
    if os.wait()[1]:
        sys.exit(f"{one} failed")
"""


@pytest.fixture(scope="module")
def loaded(run_project: Path) -> dict[str, set[str]]:
    """The modules of the package that each of ``STAGES`` loads."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{run_project}/mlflow.db",
        "OMP_NUM_THREADS": "1",
    }
    stages = [" ".join(part for part in one if part) for one in STAGES]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(run_project), *stages],
        cwd=run_project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = (json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("LOADED"))
    return {one: set(names) for one, names in found}


@pytest.mark.parametrize(("stage", "name"), STAGES)
def test_a_stage_loads_no_module_that_it_does_not_declare(
    stage: str, name: str | None, run_project: Path, loaded: dict[str, set[str]]
) -> None:
    settings = Settings.from_params(run_project / "params.yaml")
    declared = closure(roots(stage, settings, name))
    names = loaded[f"{stage} {name}" if name else stage]
    assert f"etude.stages.{stage}" in names
    own = {module for module in names if not module.startswith(tuple(NEUTRAL))}
    assert own <= declared, sorted(own - declared)


@pytest.fixture(scope="module")
def run_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with made-up pieces; its stages run in their order, each in a process of its own."""
    root = tmp_path_factory.mktemp("loads")
    every = tiny()
    settings = replace(
        every,
        models={"voices": every.models["voices"]},
        tokenize={"voicegrid": every.tokenize["voicegrid"]},
        harmonizers={"voices": every.harmonizers["voices"]},
        conditioners={},
    )
    make_project(root, replace(settings, tokenize={}))
    (root / "params.yaml").write_text(yaml.safe_dump(settings.as_dict()))
    return root


def test_equal_code_gives_equal_keys() -> None:
    assert digest_of_code("train", SETTINGS, "lstm") == digest_of_code("train", SETTINGS, "lstm")
    assert digest_of_code("train", SETTINGS, "lstm") != digest_of_code("train", SETTINGS, "voices")
    assert isinstance(Session, type)
