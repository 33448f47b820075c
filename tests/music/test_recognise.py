"""Chord recognition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lead_sheets import CHORDS, make_song
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.music.chords import DEGREE_OF, ROOTS, Symbol, block_chords, harte, symbols_of, text_of, tones_of
from etude.music.columns import columns_of, columns_of_all
from etude.music.recognise import KINDS, beats_of, chord_of, recognise, recognise_beats, symbols_of_track, tones_at


def score_of(symbols: list[Symbol], end: int, beats: int = 4) -> ScoreTick:
    score, track = ScoreTick(24), TrackTick("Chords")
    track.notes = block_chords(symbols, end).notes()
    score.tracks.append(track)
    score.time_signatures.append(TimeSignatureTick(0, beats, 4))
    return score


@given(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(KINDS)), min_size=1, max_size=6))
def test_block_chords_are_recognised_as_what_they_are(chords: list[tuple[int, str]]) -> None:
    chords = [chord for place, chord in enumerate(chords) if chord[1] != "aug"]  # an augmented triad has three roots
    texts = [f"{ROOTS[root]}:{kind}" for root, kind in chords]
    symbols = [Symbol(96 * place, text, harte(text)) for place, text in enumerate(texts)]
    score = score_of(symbols, 96 * len(symbols))
    found = recognise(columns_of_all(score.tracks), beats_of(score))
    expected = [text for place, text in enumerate(texts) if place == 0 or text != texts[place - 1]]
    assert [symbol.text for symbol in found] == expected
    assert all(symbol.time % 96 == 0 and symbol.pitches for symbol in found)


def test_broken_chords_with_a_bass_are_recognised_bar_by_bar() -> None:
    song = make_song(3, beats=3)
    found = recognise(columns_of(song.tracks[1]), beats_of(song))
    named = {symbol.time // 72: symbol.text for symbol in found}
    truth = {symbol.time // 72: symbol.text for symbol in symbols_of(song)}
    changed = [bar for bar in truth if bar == 0 or truth[bar] != truth[bar - 1]]
    triad = {text: text.replace(":7", ":maj") for text in CHORDS}  # the piano plays three of the tones
    assert {bar: triad[truth[bar]] for bar in changed} == named


def test_the_lowest_note_gives_the_inversion_and_silence_no_chord() -> None:
    score = score_of([Symbol(192, "C:maj/3", harte("C:maj/3"))], 288)
    found = recognise(columns_of_all(score.tracks), beats_of(score))
    assert [(symbol.time, symbol.text) for symbol in found] == [(0, "N"), (192, "C:maj/3")]
    assert recognise(columns_of_all([]), beats_of(ScoreTick(24))) == []
    assert len(recognise_beats(columns_of_all([]), beats_of(score))) == len(beats_of(score)) == 12


def test_beats_follow_the_meters() -> None:
    score = score_of([Symbol(0, "C", harte("C"))], 72 + 96)
    score.time_signatures.clear()
    score.time_signatures.append(TimeSignatureTick(0, 6, 8))
    score.time_signatures.append(TimeSignatureTick(72, 4, 4))
    beats = beats_of(score)
    assert beats.ticks.tolist() == [0, 36, 72, 96, 120, 144, 168]
    assert beats.cost[0] == beats.cost[2] == beats.cost.min() and beats.cost[3] == beats.cost.max()
    assert beats.cost[4] < beats.cost[3], "halfway through a bar a change costs less"


@pytest.mark.parametrize(
    ("pitches", "text"),
    [
        ((47, 50, 54, 59), "B:min"),
        ((52, 60, 64, 67), "C:maj/3"),
        ((57, 60, 64, 67), "A:min7"),
        ((60,), "C:1"),
        ((50, 55, 57), "D:sus4"),
    ],
)
def test_a_chord_of_pitches_has_all_of_them(pitches: tuple[int, ...], text: str) -> None:
    tones = chord_of(pitches)
    assert tones.classes == {pitch % 12 for pitch in pitches} and tones.bass == pitches[0] % 12
    assert tones.root == tones_of(text).root  # type: ignore[union-attr]


def test_a_track_of_block_chords_becomes_symbols() -> None:
    track = TrackTick()
    for start, end, pitches in ((24, 72, (48, 52, 55)), (72, 96, (48, 52, 55)), (120, 144, (50, 53, 57))):
        for pitch in pitches:
            track.notes.append(NoteTick(start, end - start, pitch, 80))
    found = [(symbol.time, symbol.text) for symbol in symbols_of_track(columns_of(track))]
    assert found == [(0, "N"), (24, "C:maj"), (96, "N"), (120, "D:min")]


@given(st.integers(0, 11), st.sets(st.integers(1, 11)), st.integers(0, 11))
def test_any_chord_has_a_symbol(root: int, steps: set[int], bass: int) -> None:
    text = f"{ROOTS[root]}:1({','.join(DEGREE_OF[step] for step in sorted(steps))})/{DEGREE_OF[bass]}"
    tones = tones_of(text)
    assert tones is not None and tones.relative == steps | {0} and tones.bass == (root + bass) % 12
    assert tones_of(text_of(tones)) == tones
    assert text_of(None) == "N" and tones_of("N") is None


def test_templates_are_numbered_by_kind_and_root() -> None:
    for chord in range(12 * len(KINDS)):
        tones = tones_at(chord)
        assert tones_of(f"{ROOTS[chord % 12]}:{KINDS[chord // 12]}") == tones
    assert np.unique([hash(tones_at(chord)) for chord in range(12 * len(KINDS))]).size == 12 * len(KINDS)
