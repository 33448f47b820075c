"""Code digests: what an edit reaches. That a stage loads nothing else is shown in tests/test_pipeline.py."""

import ast
import importlib.util
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from etude.artifacts.context import Session
from etude.config import code
from etude.config.code import SECTIONS, closure, compile_code, digest_of_code, names_of, roots
from etude.config.sections import Settings
from etude.core.errors import EtudeError

SETTINGS = Settings.from_params(ROOT / "params.yaml")
INSTANCES = [
    (stage, name)
    for stage, section in SECTIONS.items()
    for name in (names_of(section, SETTINGS) if section else [None])
]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, which each test leaves as it was: what is parsed once stays known."""
    copy = tmp_path_factory.mktemp("package") / "etude"
    shutil.copytree(code.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def package(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the package to edit."""
    monkeypatch.setattr(code, "PACKAGE", copied)
    forget()
    yield copied
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
    assert touched(package, "report/report.html.j2", "<html", "<html ") == {"report"}
    of_player = touched(package, "report/player.html.j2", "<figure", "<figure ")
    assert of_player == {"report", *(f"arrange@{name}" for name in SETTINGS.models)}, "named by two templates"
    assert not any(
        name.startswith(("train", "tokenize"))
        for name in touched(package, "metrics/voice_leading.py", "\n\n\n", f"{new}\n\n")
    )
    compared = touched(package, "metrics/distributions.py", "\n\n\n", f"{new}\n\n")
    assert {"reference", "evaluate@lstm"} <= compared, "samples are never compared with a stale reference"
    key = touched(package, "music/key.py", "\n\n\n", f"{new}\n\n")
    assert {"harmonize@voices", "harmonize@deepbach"} <= key and "train@lstm" not in key


def test_a_syntax_error_is_named_with_its_file_and_line(package: Path) -> None:
    text = (package / "core/seeds.py").read_text()
    (package / "core/seeds.py").write_text("a = 1\ndef (\n")
    with pytest.raises(EtudeError, match=r"core/seeds\.py, line 2: invalid syntax"):
        compile_code(SETTINGS)
    (package / "core/seeds.py").write_text(text)


@pytest.mark.parametrize("broken", ["", "5", "[1, 2]", '["a", [], [], "other"]'])
def test_facts_are_kept_next_to_the_bytecode(package: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the same source are read again; others, and what is damaged, are replaced."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", None)
    file, parse, parsed = package / "core/seeds.py", code._parse, []

    def watched(file: Path, changed: int) -> ast.Module:
        parsed.append(file)
        return parse(file, changed)

    monkeypatch.setattr(code, "_parse", watched)
    kept = Path(importlib.util.cache_from_source(str(file))).with_suffix(".json")

    def facts() -> code._Facts:
        code._facts_of.cache_clear()
        return code._facts("etude.core.seeds")

    kept.unlink(missing_ok=True)
    made = facts()
    assert made.digest and parsed == [file] and kept.is_file()
    assert code._digest("etude.core.seeds") == made.digest and len(parsed) == 1
    assert facts().digest == made.digest and len(parsed) == 1, "it was read"
    kept.write_text(broken)
    assert facts().digest == made.digest and len(parsed) == 2
    text = file.read_text()
    file.write_text(f"{text}\nimport etude.core.files\n")
    assert facts().digest != made.digest and [0, "etude.core.files", []] in [list(one) for one in facts().imports]
    file.write_text(text)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    kept.unlink()
    assert facts().digest == made.digest and not kept.exists()


def test_each_data_file_of_the_package_is_named_by_code() -> None:
    strings = {text for module in code._modules() for text in code._facts(module).strings}
    every = code._all_data_files(code.PACKAGE)
    files = {file.name for file in every}
    assert len(files) == len(every), "a name stands for one file"
    named = {file.name for file in code._data_files(strings, code.PACKAGE)}
    assert named == files - {"py.typed"}, "an edit would reach nothing"


def test_a_class_attribute_of_a_base_names_the_sampler() -> None:
    assert "etude.sampling.gibbs" in roots("generate", SETTINGS, "deepbach")
    assert "etude.sampling.windows" in roots("generate", SETTINGS, "wgan")
    assert "etude.sampling.tokens" in roots("generate", SETTINGS, "lstm")
    assert "etude.metrics.pseudo_likelihood" in roots("evaluate", SETTINGS, "deepbach")


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(EtudeError, match=r"no module etude\.nothing"):
        closure(["etude.nothing"])


def test_equal_code_gives_equal_keys() -> None:
    assert digest_of_code("train", SETTINGS, "lstm") == digest_of_code("train", SETTINGS, "lstm")
    assert digest_of_code("train", SETTINGS, "lstm") != digest_of_code("train", SETTINGS, "voices")
    assert isinstance(Session, type)


def test_trained_models_that_come_with_etude_are_no_code(tmp_path: Path) -> None:
    for place in ("report/page.html.j2", "pretrained/voices/tokenizer.json", "conf/config.yaml"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("text")
    found = code._data_files(["page.html.j2", "tokenizer.json", "config.yaml"], tmp_path)
    assert [file.name for file in found] == ["page.html.j2"]
