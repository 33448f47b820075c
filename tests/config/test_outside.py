"""Classes and metrics of other installed packages: what may be named, and what their code decides."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, smoke
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
    for path in ("tunes.leaps.leaps", "tunes.layers.UNITS", "tunes.walks.Walks", "os.system", "pathlib.Path", 3, None):
        with pytest.raises(EtudeError, match=r"must name a class of etude.* Declared are: tunes\.rnn\.RNN\.$"):
            target({"_target_": path}, "models.rnn")


@pytest.mark.parametrize(
    ("where", "path", "message"),
    [
        ("models.x", "etude.artifacts.shards.FileLock", "must name a class of etude that is a model"),
        ("models.x", "etude.cli.entry.main", "must name a class of etude that is a model"),
        ("models.x", "etude.datasets.bach.Bach", "must name a class of etude that is a model"),
        ("models.x", "etude.models.LSTM", "must name a class of etude that is a model"),
        ("models.x", "etude.models..lstm.LSTM", "must name a class of etude that is a model"),
        ("models.x", "etude.models.lstm.LSTM\n", "must name a class of etude that is a model"),
        ("models.x", "etude.models.gan.nn", "is defined in that module"),
        ("models.x", "etude.models.weights.Path", "is defined in that module"),
        ("models.x", "etude.models.conditional.Transformer", "is defined in that module"),
        ("models.x", "etude.models.weights.save_weights", "is defined in that module"),
        ("models.x", "etude.models.voices.Block", "is not a model"),
        ("models.x", "etude.models.voices.Sizes", "is not a model"),
        ("models.x", "etude.models.sequence.SequenceModel", "is not a model"),
        ("models.x", "etude.models.recurrent.Recurrent", "others build on .it has no cell"),
        ("dataset", "etude.datasets.folder.Path", "is defined in that module"),
        ("dataset", "etude.datasets.Dataset", "must name a class of etude that is a dataset"),
        ("dataset", "etude.datasets.archives.Archive", "is not a dataset"),
        ("dataset", "etude.datasets.archived.Archived", "is not a dataset|others build on"),
        ("dataset", "etude.models.lstm.LSTM", "must name a class of etude that is a dataset"),
        ("tokenize.x", "etude.representations.base.midi_tokens.MidiTokens", "others build on .it has no tokenizer"),
        ("tokenize.x", "etude.representations.base.compound.Compound", "others build on"),
        ("tokenize.x", "etude.representations.base.survey.Survey", "is not a representation"),
        ("tokenize.x", "etude.representations.tune.Remi", "is defined in that module"),
    ],
)
def test_a_class_is_of_its_module_and_of_the_kind_of_its_section(where: str, path: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message) as error:
        target({"_target_": path}, where)
    assert str(error.value).startswith(f"{where}._target_ = ")


def test_all_classes_of_conf_are_of_their_kind() -> None:
    found = list((ROOT / "conf").glob("[mdt]*/*.yaml"))
    named = [(file.parent.name, path) for file in found for path in re.findall(r"_target_: (\S+)", file.read_text())]
    assert len(named) > 30
    for group, path in named:
        assert target({"_target_": path}, {"model": "models.x", "tokenize": "tokenize.x"}.get(group, group))


def test_a_class_that_a_module_only_imports_is_refused_before_a_stage_starts() -> None:
    with pytest.raises(EtudeError, match=r"etude\.models\.conditional has no class Transformer"):
        settings_with("etude.models.conditional.Transformer")
    with pytest.raises(EtudeError, match=r"must name a class of etude that is a model"):
        settings_with("etude.artifacts.shards.FileLock")


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
