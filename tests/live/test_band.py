"""A band that plays along bar by bar: on the chords of the bar, within it, the same again."""

from typing import Any

import pytest

from etude.live.band import StyleBand, read, style_names
from etude.live.bars import Bar, Note
from etude.representations.base.survey import DRUMS

VOICES = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}


def chord(*pitches: int, meter: tuple[int, int] = (4, 4)) -> Bar:
    length = 96 * meter[0] // meter[1]
    return Bar(tuple(Note(0, length, pitch, 80, voice) for voice, pitch in enumerate(pitches)), length, meter)


TONIC, DOMINANT = chord(72, 67, 64, 48), chord(71, 67, 62, 43)


def test_each_style_plays_within_the_bar_and_the_same_again() -> None:
    assert len(style_names()) >= 5
    for name in style_names():
        band = StyleBand(VOICES, 100, 1)
        sounds = band.play([TONIC], DOMINANT, name, 1)
        assert len(sounds) > 3 and sounds == StyleBand(VOICES, 100, 1).play([TONIC], DOMINANT, name, 1)
        assert all(0 <= one.onset < 96 and one.length >= 1 and 0 <= one.pitch <= 127 for one in sounds), name
        assert list(sounds) == sorted(sounds) and len({one.part for one in sounds}) >= 2
        melody = [one.pitch % 12 for one in sounds if one.part.name == "melody"]
        assert not melody or 11 in melody, "the top line of the bar"


def test_the_bass_follows_the_chord() -> None:
    name = next(one for one in style_names() if any(part.play == "bass" for part in read(one).parts.values()))
    bass = {part for part, settings in read(name).parts.items() if settings.play == "bass"}
    low = [
        {one.pitch % 12 for one in StyleBand(VOICES, 100, 1).play([past], bar, name, 1) if one.part.name in bass}
        for past, bar in ((DOMINANT, TONIC), (TONIC, DOMINANT))
    ]
    assert 0 in low[0] and 7 in low[1] and low[0] != low[1]


@pytest.mark.parametrize("bar", [Bar(()), chord(60), chord(60, 61, 62, 63), chord(72, 67, 64, 48, meter=(3, 4))])
@pytest.mark.parametrize("past", [[], [Bar(())], [TONIC]])
def test_any_bar_has_a_band_or_silence(bar: Bar, past: list[Bar]) -> None:
    for name in ("bossa", style_names()[-1]):
        sounds = StyleBand(VOICES, 100, 1).play(past, bar, name, 0)
        assert all(0 <= one.onset < bar.length for one in sounds)
        if not bar.notes and not any(one.notes for one in past):
            assert not sounds


def test_drums_have_the_program_of_drums() -> None:
    sounds: Any = [one for name in style_names() for one in StyleBand(VOICES, 100, 1).play([TONIC], TONIC, name, 3)]
    assert any(one.part.program == DRUMS for one in sounds)
