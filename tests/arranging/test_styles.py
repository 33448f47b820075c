"""Styles: the files of conf/style, and what is wrong with others."""

import pytest
from arranging.sheets import STYLES, style, style_values

from etude.arranging.styles import Style
from etude.core.errors import EtudeError


def test_there_are_eight_styles_and_each_is_whole() -> None:
    assert STYLES == ["ballad", "bossa", "chorale", "folk", "pop", "rock", "swing", "waltz"]
    for name in STYLES:
        made = style(name)
        assert made.name == name and {"3/4", "4/4", "6/8"} <= set(made.meters)
        assert any(part.play == "bass" for part in made.parts.values())


def test_a_level_without_patterns_plays_the_other() -> None:
    part = style("pop").parts["Bass"]
    assert part.groove(0.5) == part.soft and part.groove(0.6) == part.full
    values = style_values("pop")
    del values["parts"]["Bass"]["full"]
    assert Style.of(values).parts["Bass"].groove(0.9) == part.soft


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("swing",), 0.9, r"style\.swing = 0\.9 is out of range"),
        (("parts",), {}, r"style\.parts names no instrument"),
        (("parts", "Bass", "play"), "base", r"style\.parts\.Bass\.play = base is not known\. Did you mean .bass"),
        (("parts", "Bass", "range"), [40, 30], r"style\.parts\.Bass\.range = \[40, 30\] must be two MIDI pitches"),
        (
            ("parts", "Bass", "soft"),
            {"4/4": "1--x"},
            r'style\.parts\.Bass\.soft\.4/4 = "1--x": "x" is none of its signs',
        ),
        (("parts", "Bass", "soft"), {"4/4": "1--"}, r"has 3 steps, and a bar of 4/4 has 4 pulses"),
        (("parts", "Bass", "soft"), {"4/4": 1535}, r'soft\.4/4 = 1535 is a number to YAML\. Put .* quotes: "1535"'),
        (("parts", "Bass", "soft"), {"4/4": []}, r"style\.parts\.Bass\.soft\.4/4 has no pattern"),
        (("parts", "Bass", "soft"), {4: "1---"}, r"style\.parts\.Bass\.soft\.4 is no meter\. Write one as 4/4"),
        (("intro",), 65, r"style\.intro = 65 is out of range"),
        (("parts", "Bass", "soft"), {"four": "1---"}, r'"four" is no meter'),
        (("parts", "Drums", "soft"), {"kik": {"4/4": "x..."}}, r"kik is no instrument of the kit\. Did you mean .kick"),
        (("parts", "Piano", "loud"), True, r"style\.parts\.Piano\.loud is not a setting"),
    ],
)
def test_what_is_wrong_is_named(keys: tuple[str, ...], value: object, message: str) -> None:
    values = style_values("pop")
    place = values
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(EtudeError, match=message):
        Style.of(values)


def test_a_part_that_needs_patterns_has_some() -> None:
    values = style_values("pop")
    for level in ("soft", "full"):
        del values["parts"]["Bass"][level]
    with pytest.raises(EtudeError, match=r"style\.parts\.Bass has no pattern"):
        Style.of(values)


def test_the_message_names_the_file_and_the_key() -> None:
    for values, said in (
        ({**style_values("pop"), "swing": 0.9}, "conf/style/pop.yaml: style.swing = 0.9 is out of range"),
        ({**style_values("pop"), "name": "mine", "swing": 0.9}, 'The style "mine": style.swing = 0.9 is out of range'),
        ({**style_values("pop"), "file": "my/a.yaml", "tempo": 0}, "my/a.yaml: style.tempo = 0.0 is out of range"),
        ({key: value for key, value in style_values("pop").items() if key != "tempo"},
         "conf/style/pop.yaml: style.tempo is missing. Set it there."),
    ):  # fmt: skip
        with pytest.raises(EtudeError) as raised:
            Style.of(values)
        assert str(raised.value).startswith(said)


@pytest.mark.parametrize("name", ["Melody", "melody "])
def test_no_part_has_the_name_of_the_given_tune(name: str) -> None:
    values = style_values("pop")
    values["parts"][name] = values["parts"].pop("Strings")
    with pytest.raises(EtudeError, match=r"style\.parts\.[Mm]elody +has the name of the track with the given tune"):
        Style.of(values)
    values["parts"]["Melody 2"] = values["parts"].pop(name)
    assert "Melody 2" in Style.of(values).parts
