"""Models from settings: messages name the model that the user set, whatever its class."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT

from etude.config.check import construct, target
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models import building
from etude.models.building import NOT_ARGUMENTS, build_model, outline_model
from etude.representations.base.vocabulary import ItemSpec

TOKENS = SimpleNamespace(
    kind="tokens", item_spec=ItemSpec(17), vocabulary=17, frame=4, steps=4, controls=[[10, 11], [12, 13]]
)
ROLLS = SimpleNamespace(kind="rolls", shape=(4, 24, 20), steps=4)


def build_mine(base: str, representation: Any, **changes: Any) -> Any:
    """The model ``mine``, on the class of ``base``."""
    settings = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", [f"model=[{base}]"])))
    section = {**settings.model(base), **changes}
    return build_model(section, "mine", representation)


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        ("lstm", {"hidden": [8, 4], "layers": 3}, "hidden = [8, 4] names 2 widths, but layers = 3."),
        ("gru", {"hidden": [8, 4], "layers": 1}, "hidden = [8, 4] names 2 widths, but layers = 1."),
        ("lstm_attention", {"hidden": 8, "heads": 3}, "heads = 3 must divide hidden = 8."),
        ("transformer", {"hidden": 8, "heads": 3}, "hidden = 8 must be a multiple of twice heads = 3."),
        ("conditional", {"hidden": 8, "heads": 3}, "hidden = 8 must be a multiple of twice heads = 3."),
        ("voices", {"hidden": 8, "heads": 3}, "hidden = 8 must be a multiple of twice heads = 3."),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused_by_the_model_s_own_name(
    base: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(EtudeError) as error:
        build_mine(base, TOKENS, **changes)
    assert str(error.value) == f"models.mine: {message}"


def test_windows_that_do_not_fit_are_refused_by_the_model_s_own_name() -> None:
    with pytest.raises(EtudeError, match=r"^models\.mine: its bars have 4 quarter notes, but .* to a multiple of 4\.$"):
        build_mine("wgan", ROLLS)


def test_a_representation_of_another_kind_is_refused() -> None:
    with pytest.raises(
        EtudeError, match=r"^models\.mine\.representation = remi: LSTM reads tokens or frames, .* rolls\."
    ):
        build_mine("lstm", ROLLS)
    with pytest.raises(
        EtudeError, match=r"Voices reads tokens, .* gives tokens without item_spec and frame and steps\."
    ):
        build_mine("voices", SimpleNamespace(kind="tokens", item_spec=ItemSpec(17)))


LARGE = {
    "tokens": SimpleNamespace(
        kind="tokens",
        item_spec=ItemSpec(17, parts=(*((token,) for token in range(16)), (2, 3, 4))),
        vocabulary=17,
        frame=4,
        steps=4,
        controls=[[10, 11], [12, 13]],
    ),
    "rolls": SimpleNamespace(kind="rolls", shape=(4, 16, 20), steps=4),
    "chorale": SimpleNamespace(kind="chorale", vocabulary=40, voices={"Soprano": 68, "Bass": 70}),
    "leadsheet": SimpleNamespace(kind="leadsheet", density=[1.0, 2.0], steps=4),
}


BASES = sorted(file.stem for file in (ROOT / "conf/model").glob("*.yaml"))


@cache
def all_models() -> Settings:
    return Settings.of(yaml.safe_load(compile_params(ROOT / "conf", [f"model=[{','.join(BASES)}]"])))


def section_of(base: str) -> tuple[Any, dict[str, Any], Any]:
    """The class of a model, its section, and what it may read."""
    section = {**all_models().model(base), "hidden": 48}
    kind = target(section, f"models.{base}")
    return kind, section, LARGE[kind.reads[0]]


@pytest.mark.parametrize("base", BASES)
def test_an_outline_has_the_tensors_of_the_model_and_draws_nothing(base: str) -> None:
    kind, section, read = section_of(base)
    if base == "ngram":
        del section["hidden"]
    values = {name: value for name, value in section.items() if name not in NOT_ARGUMENTS}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    plain = construct(kind, values, "models.mine", **{name: getattr(read, name) for name in kind.takes})
    after = torch.get_rng_state()

    torch.set_rng_state(state)
    found = outline_model(section, base, read)
    assert torch.equal(torch.get_rng_state(), state)
    tensors = {name: (tensor.shape, tensor.dtype) for name, tensor in plain.state_dict().items()}
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in found.state_dict().items()} == tensors
    assert all(parameter.is_meta for parameter in found.parameters())

    built = build_model(section, base, read)
    assert torch.equal(torch.get_rng_state(), after), "the weights are the first that are drawn"
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, built.state_dict()[name]), name


@pytest.mark.parametrize("hidden", [99840, 96_000_000, 96 * 10**10, 96 * 10**30])
@pytest.mark.parametrize("base", ["lstm", "gru", "lstm_attention", "transformer", "voices", "gan", "wgan", "deepbach"])
def test_a_model_larger_than_the_machine_is_refused_before_any_memory_is_taken(
    base: str, hidden: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "total_memory", lambda: 32 * 10**9)
    _, section, read = section_of(base)
    with pytest.raises(
        EtudeError, match=rf"^models\.mine: .* Lower a size of models\.mine: .*hidden = {hidden}\b"
    ) as error:
        build_model({**section, "hidden": hidden}, "mine", read)
    if hidden < 10**9:
        assert "parameters. " in str(error.value) and "of memory, this machine has 32 GB." in str(error.value)


def test_a_training_needs_four_times_the_memory_of_a_model_that_is_only_used(monkeypatch: pytest.MonkeyPatch) -> None:
    _, section, read = section_of("lstm")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    size = sum(4 * parameter.numel() for parameter in build_model(section, "lstm", read).parameters())
    monkeypatch.setattr(building, "total_memory", lambda: 3 * size)
    build_model(section, "lstm", read, to_train=False)
    with pytest.raises(EtudeError, match=r"A training needs at least .* kB of memory, this machine has"):
        build_model(section, "lstm", read)
