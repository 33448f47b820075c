"""Models from settings: messages name the model that the user set, whatever its class."""

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from conftest import ROOT

from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models.building import build_model
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
