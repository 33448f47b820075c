"""Names that become folders: what is one, and that no settings lead out of a project by one."""

from typing import Any

import pytest
from conftest import smoke
from hypothesis import given
from hypothesis import strategies as st

from etude.config.names import LONGEST, check_name, is_name
from etude.core.errors import EtudeError


@pytest.mark.parametrize("name", ["lstm", "Für_Elise", "夜曲", "my-model.2", "1", "_", "a..b", "x" * LONGEST])
def test_names(name: str) -> None:
    assert check_name(name, "key") == name


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", ".a", "a/b", "../a", "/a", "a\\b", "a b", "a\n", "a\0", "é" * 51, "x" * 101, None, 3, ["a"], "a:b"],
)
def test_what_is_no_name(value: Any) -> None:
    with pytest.raises(EtudeError, match=r"^key: .* is no name\. Give one of letters, digits") as error:
        check_name(value, "key")
    assert len(str(error.value)) < 300


@given(st.text(max_size=120))
def test_a_name_stays_one_part_of_a_path(text: str) -> None:
    if is_name(text):
        assert "/" not in text and "\0" not in text and text not in (".", "..") and len(text.encode()) <= LONGEST


@pytest.mark.parametrize("name", ["../../..", "a/b", "", None, ".hidden"])
def test_no_name_of_the_settings_leads_elsewhere(name: Any) -> None:
    base = smoke()
    with pytest.raises(EtudeError, match=r"^dataset\.name: .* is no name"):
        smoke(dataset={"name": name})
    with pytest.raises(EtudeError, match=r"^models: the name of a section: .* is no name"):
        smoke(models={**base.models, "../x" if name is None else name: base.models["lstm"]})
    with pytest.raises(EtudeError, match=r"^tokenize: the name of a section: .* is no name"):
        smoke(tokenize={**base.tokenize, "../x" if name is None else name: base.tokenize["remi"]})
    with pytest.raises(EtudeError, match=r"^models\.lstm\.representation: .* is no name"):
        smoke(models={**base.models, "lstm": {**base.models["lstm"], "representation": name}})
