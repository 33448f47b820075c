"""Lists and mappings as they are typed: quotes, commas, colons, apostrophes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.tasks.typed_lists import read_list, read_mapping

NAMES = st.text(st.characters(blacklist_characters="\"'\0", blacklist_categories=("Cs", "Cc", "Z")), min_size=1)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[a.mid,b.wav]", ["a.mid", "b.wav"]),
        ("a.mid, my bass é.wav", ["a.mid", "my bass é.wav"]),
        ("['a, b.wav', \"it's.wav\", don't.mid]", ["a, b.wav", "it's.wav", "don't.mid"]),
        ("[~/a.mid, C:/b #1.wav,]", ["~/a.mid", "C:/b #1.wav"]),
        ("[]", []),
    ],
)
def test_lists(text: str, items: list[str]) -> None:
    assert read_list("tracks", text) == items


def test_mappings() -> None:
    assert read_mapping("gain", "{bass.wav: -3, 'a, b: c.wav':2,drums:0.5}") == {
        "bass.wav": "-3",
        "a, b: c.wav": "2",
        "drums": "0.5",
    }
    assert read_mapping("loop", "drums: true") == {"drums": "true"} and read_mapping("gain", "") == {}


@given(st.lists(NAMES, min_size=1, unique=True))
def test_quoted_names_come_back(names: list[str]) -> None:
    quoted = ", ".join(f'"{name}"' for name in names)
    assert read_list("tracks", f"[{quoted}]") == names
    assert read_mapping("gain", "{" + ", ".join(f'"{name}": 1' for name in names) + "}") == dict.fromkeys(names, "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a: 1]", "must start with {"),
        ("{a: 1", "must start with { and end with }"),
        ("{a}", "a is no name with a value"),
        ("{a: 1, a: 2}", "names a twice"),
        ("{'a: 1}", "a quote ' is not closed"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        read_mapping("gain", text)
