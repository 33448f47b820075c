"""Classes and metrics of other installed packages: what may be named, and what their code decides."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import smoke
from outside import install

from etude.config import code, outside
from etude.config.check import target
from etude.config.code import closure, digest_of_code, roots
from etude.config.sections import Settings
from etude.core.errors import EtudeError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package ``tunes`` of docs/extending.md, installed; its model is split into two modules."""
    place, _ = install(tmp_path)
    file = place / "tunes/rnn.py"
    text = file.read_text()
    (place / "tunes/layers.py").write_text("from torch import nn\n\nUNITS = nn.RNN\nsampler = 'frames'\n")
    file.write_text(
        text.replace("nn.RNN(", "UNITS(").replace("from torch import", "from .layers import UNITS\nfrom torch import")
    )
    monkeypatch.syspath_prepend(place)
    code._outside.cache_clear()
    yield place
    for name in [name for name in sys.modules if name.partition(".")[0] == "tunes"]:
        del sys.modules[name]
    code._outside.cache_clear()


def settings_with(target: str = "tunes.rnn.RNN") -> Settings:
    own = {**smoke().models["lstm"], "_target_": target}
    return smoke(models={**smoke().models, "rnn": own})


def test_only_what_a_package_declares_may_be_named(site: Path) -> None:
    kind = target({"_target_": "tunes.rnn.RNN"}, "models.rnn")
    assert kind.__name__ == "RNN" and kind.reads == ("tokens", "frames")
    assert target({"_target_": "tunes.walks.Walks"}, "dataset").LICENCE == "CC0"
    for path in ("tunes.leaps.leaps", "tunes.layers.UNITS", "os.system", "pathlib.Path"):
        with pytest.raises(EtudeError, match=r"must name a class of etude.*Declared are: tunes\.rnn\.RNN, tunes\.w"):
            target({"_target_": path}, "models.rnn")


def test_nothing_is_imported_before_it_is_asked_for(site: Path) -> None:
    (site / "tunes/__init__.py").write_text("raise SystemExit('imported')")
    assert "tunes.rnn" in roots("train", settings_with(), "rnn")
    digest_of_code("train", settings_with(), "rnn")
    assert "tunes" not in sys.modules


def test_the_code_of_a_package_counts_where_it_runs(site: Path) -> None:
    made = settings_with()
    assert {"tunes", "tunes.rnn", "tunes.layers", "etude.models.sequence"} <= closure(roots("train", made, "rnn"))
    stages = [("train", "rnn"), ("evaluate", "rnn"), ("train", "lstm"), ("evaluate", "lstm"), ("reference", None)]

    def digests() -> dict[tuple[str, str | None], str]:
        return {one: digest_of_code(one[0], made, one[1]) for one in stages}

    def touched(file: str, old: str, new: str) -> set[tuple[str, str | None]]:
        before, text = digests(), (site / file).read_text()
        assert old in text
        (site / file).write_text(text.replace(old, new))
        after = digests()
        (site / file).write_text(text)
        return {one for one in stages if before[one] != after[one]}

    assert touched("tunes/layers.py", "nn.RNN", "nn.GRU") == {("train", "rnn"), ("evaluate", "rnn")}
    assert touched("tunes/rnn.py", '"""Plain', '"""Rather plain') == set(), "a docstring"
    assert touched("tunes/walks.py", "(28, 42)", "(28, 43)") == set(), "no model imports it"
    every = {("evaluate", "rnn"), ("evaluate", "lstm"), ("reference", None)}
    assert touched("tunes/leaps.py", "> 7", "> 4") == every


def test_without_a_package_the_digests_are_as_before(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_package = digest_of_code("reference", smoke())
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(site)])
    assert digest_of_code("reference", smoke()) != with_package
    assert not any(name.startswith("tunes") for name in roots("reference", smoke()))


def test_a_class_attribute_is_found_through_imports_of_a_package(site: Path) -> None:
    (site / "tunes/base.py").write_text("from etude.models.wgan import WGAN\n\n\nclass Base(WGAN):\n    pass\n")
    (site / "tunes/rnn.py").write_text("from .base import Base as Other\n\n\nclass RNN(Other):\n    pass\n")
    code._outside.cache_clear()
    assert "etude.sampling.windows" in roots("generate", settings_with(), "rnn")


def test_two_packages_with_one_name_and_a_bad_entry_are_reported(site: Path) -> None:
    other = site / "more-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: more\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[etude.models]\nrnn = more.rnn:RNN\n")
    outside._declared.cache_clear()
    importlib.invalidate_caches()
    with pytest.raises(EtudeError, match=r"(more and tunes|tunes and more) both declare rnn in the group"):
        outside.declared("etude.models")
    (other / "entry_points.txt").write_text("[etude.models]\nother = more.rnn\n")
    outside._declared.cache_clear()
    with pytest.raises(EtudeError, match=r'other = "more\.rnn" of more must name a class or a function'):
        outside.declared("etude.models")
    outside._declared.cache_clear()


def test_a_declared_module_that_is_gone_is_reported(site: Path) -> None:
    (site / "tunes/rnn.py").unlink()
    code._outside.cache_clear()
    with pytest.raises(EtudeError, match=r"models\.rnn\._target_ = 'tunes\.rnn\.RNN': there is no module tunes\.rnn"):
        roots("train", settings_with(), "rnn")
