"""Parts: what bass, chords, arpeggios, pads, voices and drums play."""

from itertools import pairwise

import numpy as np
import pytest
from arranging.sheets import sheet, style

from etude.arranging.form import given_form
from etude.arranging.lead_sheet import ENDING, Note, Song, lay_out
from etude.arranging.parts import degree, play
from etude.arranging.styles import KIT, Groove, Part, Style
from etude.music.chord_text import Chord, chord_named


def song(chords: str = "C | Am | F G | G7", bars: int = 8, **layout: int) -> Song:
    made = sheet(bars, chords=chords)
    return lay_out(made, given_form("AB", bars), 1, layout.get("intro", 2), layout.get("ending", 1))


def played(part: Part, made: Song, seed: int = 1) -> list[Note]:
    return play(made, part, np.random.default_rng(seed))


def test_the_bass_has_the_bass_of_each_chord_where_it_starts() -> None:
    made = song("C/E | Am | F G | . G7")
    notes = {note.start: note.pitch % 12 for note in played(style("swing").parts["Bass"], made)}
    assert all(notes[chord.start] == chord.bass for chord in made.chords)


def test_an_approach_is_a_step_from_the_next_bass() -> None:
    part = Part("bass", range=(28, 45), soft={"": {"4/4": ("1---a---",)}})
    notes = played(part, song("C | F", intro=0, ending=0))
    steps = [abs(after.pitch - before.pitch) for before, after in pairwise(notes) if after.start % 1920 == 0]
    assert steps and set(steps) <= {1, 2}


def test_a_chord_that_goes_on_keeps_the_pattern_and_an_approach_rubs_against_no_note() -> None:
    turns = Part("bass", range=(28, 45), soft={"": {"4/4": ("1---", "5---")}})
    made = song("C | . | . | .", intro=0, ending=0, bars=4)
    assert [note.pitch % 12 for note in played(turns, made)][:3] == [0, 7, 0]
    part = Part("bass", range=(28, 45), soft={"": {"4/4": ("1---a---",)}})
    leading = song("E7 | Am", intro=0, ending=0, bars=4)
    for note in played(part, leading):
        chord = leading.chord_at(note.start)
        assert chord is not None and (
            note.pitch % 12 in chord.classes or all((note.pitch - own) % 12 not in (1, 11) for own in chord.classes)
        )


def test_degrees_are_those_of_the_chord() -> None:
    def of(symbol: str, sign: str) -> int:
        return degree(Chord(symbol, 0, 1, *chord_named(symbol)), sign)

    assert [of("Am7", sign) for sign in "1357"] == [9, 0, 4, 7]
    assert of("Bdim", "5") == 5 and of("Gsus4", "3") == 0 and of("C", "7") == 7


def test_chords_are_struck_where_the_pattern_says_and_where_they_change() -> None:
    part = Part("chords", range=(48, 72), soft={"": {"4/4": ("x---............",)}})
    made = song("C | F", intro=0, ending=0)
    assert {note.start % 1920 for note in played(part, made)} == {0}
    held = Part("chords", range=(48, 72), soft={"": {"4/4": ("x---------------",)}})
    both = song("C F", intro=0, ending=0)
    assert {note.start % 1920 for note in played(held, both)} == {0, 960}
    for note in played(held, both):
        chord = both.chord_at(note.start)
        assert chord is not None and note.pitch % 12 in chord.classes and note.end <= chord.end


def test_an_arpeggio_goes_through_the_chord() -> None:
    part = Part("arpeggio", range=(48, 70), voices=3, soft={"": {"4/4": ("1234",)}})
    made = song("C", intro=0, ending=0)
    low, middle, high, again = [note.pitch for note in played(part, made)[:4]]
    assert (
        low < middle < high and (again == low + 12 or again == low) and {low % 12, middle % 12, high % 12} == {0, 4, 7}
    )


@pytest.mark.parametrize("kind", ["chords", "arpeggio", "pad", "voice", "second", "bass"])
def test_no_part_sounds_above_the_melody(kind: str) -> None:
    made = song()
    signs = {"chords": "x---x---", "arpeggio": "12345678", "bass": "1-3-5-8-"}.get(kind)
    groove: Groove = {"": {"4/4": (signs,)}} if signs else {}
    notes = played(Part(kind, range=(28, 100), soft=groove), made)
    assert notes
    assert all(note.pitch < made.ceiling(note.start, note.end) for note in notes)


def test_around_a_low_melody_the_others_are_free() -> None:
    low = sheet(8)
    low.melody.pitch[:] -= 30
    made = lay_out(low, given_form("AB", 8), 1, 0, 0)
    assert made.lies_low and not song().lies_low
    pitches = [note.pitch for note in played(Part("pad", range=(55, 76)), made)]
    assert pitches and min(pitches) >= 55 > int(low.melody.pitch.max())


def test_a_second_voice_moves_with_the_melody_in_thirds_and_sixths() -> None:
    made = song(intro=0)
    onsets = dict(zip(made.melody.onset.tolist(), made.melody.pitch.tolist(), strict=True))
    notes = played(Part("second", range=(40, 90)), made)
    assert len(notes) > len(onsets) / 2
    assert {onsets[note.start] - note.pitch for note in notes} <= {3, 4, 5, 7, 8, 9}


def test_parts_enter_with_the_energy_of_a_phrase() -> None:
    made = song()
    late = Part("pad", range=(48, 70), enters=0.7)
    first = min(note.start for note in played(late, made))
    assert first == next(one.bar.start for one in made.bars if one.energy >= 0.7)


def kit(made: Style) -> Part:
    return made.parts["Drums"]


def test_drums_announce_phrases_and_mark_them() -> None:
    made, part = song(), kit(style("pop"))
    notes = played(part, made)
    toms = {KIT["high_tom"], KIT["floor_tom"]}
    leading = [one.bar for one in made.bars if one.leads_to is not None]
    assert len(leading) == 2
    for note in notes:
        if note.pitch in toms:
            assert any(bar.start + bar.length // 2 <= note.start < bar.end for bar in leading)
    for bar in leading:
        assert any(note.pitch in toms and bar.start <= note.start < bar.end for note in notes)
    loud = [one.bar.start for one in made.bars if one.number == 0 and one.energy >= 0.6]
    assert {note.start for note in notes if note.pitch == KIT["crash"]} == set(loud)


def test_everything_rings_in_the_ending() -> None:
    made = song(ending=2)
    start = next(one.bar.start for one in made.bars if one.kind == ENDING)
    for name in ("Bass", "Piano", "Strings"):
        last = [note for note in played(style("pop").parts[name], made) if note.start >= start]
        assert last and all((note.start, note.end) == (start, made.end) for note in last)


def test_ghost_notes_depend_on_the_seed_alone() -> None:
    part = kit(style("folk"))
    made = song(bars=16)
    assert played(part, made, 1) == played(part, made, 1) != played(part, made, 2)


def test_no_pitch_overlaps_itself() -> None:
    for name, part in style("bossa").parts.items():
        ends: dict[int, int] = {}
        for note in played(part, song()):
            assert ends.get(note.pitch, 0) <= note.start, name
            ends[note.pitch] = note.end
