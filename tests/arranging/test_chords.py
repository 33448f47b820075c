"""Chords of lead sheets: from symbols, from a track of chords, for a melody."""

from itertools import pairwise

import pytest
from arranging.sheets import tune
from symusic.core import NoteTick, ScoreTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.arranging.chords import chords_of_symbols, chords_of_track, harmonise, name_of
from etude.music.bars import bars_of
from etude.music.chord_text import chord_named
from etude.music.columns import columns_of
from etude.music.key import MODES, Mode
from etude.music.tune import chord_track


def test_symbols_last_until_the_next_in_either_notation() -> None:
    piece = tune(4)
    for time, text in ((0, "chord:C:min7"), (96, "chord:F#m"), (192, "chord:N"), (288, "chord:Bb/D"), (300, "fermata")):
        piece.markers.append(TextMetaTick(time, text))
    found = [(one.start, one.end, one.root, sorted(one.classes), one.bass) for one in chords_of_symbols(piece)]
    assert found == [(0, 96, 0, [0, 3, 7, 10], 0), (96, 192, 6, [1, 6, 9], 6), (288, 384, 10, [2, 5, 10], 2)]
    piece.markers[0].text = "chord:what?"
    assert len(chords_of_symbols(piece)) == 2 and chords_of_symbols(tune(1)) == []


def blocks(*chords: tuple[int, tuple[int, ...]]) -> TrackTick:
    track = TrackTick("Chords", 0)
    for start, pitches in chords:
        for pitch in pitches:
            track.notes.append(NoteTick(start, 96, pitch, 60))
    return track


def test_a_track_of_chords_is_read_with_its_roots() -> None:
    track = blocks((0, (48, 52, 55)), (96, (45, 48, 52, 55)), (192, (52, 55, 60)), (240, (47, 50, 53, 55)))
    found = [(chord.symbol, chord.start, chord.end, chord.root) for chord in chords_of_track(track, (0, "major"))]
    assert found == [("C", 0, 96, 0), ("Am7", 96, 192, 9), ("C/E", 192, 240, 0), ("G7/B", 240, 336, 7)]
    piece = tune(4)
    piece.tracks.append(track)
    assert chord_track(piece, piece.tracks[0]).name == "Chords"  # type: ignore[union-attr]
    assert chord_track(tune(4), tune(4).tracks[0]) is None


def test_names_mean_the_same_when_they_are_read() -> None:
    for text in ("C", "Am", "F#m7", "Bbmaj7", "Bdim", "Eb+", "Gsus4", "D7", "C/E", "Bm7b5", "Csus2"):
        root, classes, bass = chord_named(text)
        for tonic in range(12):
            for mode in MODES:
                assert chord_named(name_of(root, classes, bass, (tonic, mode))) == (root, classes, bass), text


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ((0, "major"), "C A7/C# D7/F# G#dim Fm/Ab Ab Db/F Bb F#m7b5 Eb C+/G# G#dim7/F"),
        ((6, "minor"), "F#m C#7/E# E#dim G#m7b5 B/D# F#m/A"),
        ((11, "major"), "B F#7/A# C#m D#m G#m7 A#dim"),
        ((1, "minor"), "C#m G#7/B# B#dim7 F#m/A"),
        ((8, "major"), "Ab Db/F Eb7/G Bbm7 Gdim Fm"),
        ((10, "minor"), "Bbm F7/A Ebm/Gb Adim Cb"),
    ],
)
def test_chords_are_spelled_in_their_key(key: tuple[int, Mode], names: str) -> None:
    assert [name_of(*chord_named(name), key) for name in names.split()] == names.split()


def test_a_melody_gets_chords_that_fit_and_close() -> None:
    track = TrackTick("Tune")
    for place, pitch in enumerate((60, 64, 67, 64, 65, 69, 72, 69, 67, 71, 74, 71, 72, 67, 64, 60)):
        track.notes.append(NoteTick(24 * place, 24, pitch, 80))
    piece = ScoreTick(24)
    piece.tracks.append(track)
    found = harmonise(columns_of(track), bars_of(piece), (0, "major"), 24)
    assert [chord.symbol for chord in found] == ["C", "F", "G", "C"]
    assert found[0].start == 0 and found[-1].end == 16 * 24
    assert all(before.end == after.start for before, after in pairwise(found))
    assert harmonise(columns_of(track), bars_of(piece), (0, "minor"), 24)[-1].symbol == "Cm"


def test_a_close_in_six_eight_may_have_two_chords_in_a_bar() -> None:
    piece, track = ScoreTick(24), TrackTick("Jig", 73)
    piece.time_signatures.append(TimeSignatureTick(0, 6, 8))
    bars = [(60, 64, 67, 72, 67, 64), (65, 69, 72, 65, 69, 72), (65, 69, 72, 67, 71, 74), (72, 76, 79, 72, 67, 64)]
    for place, pitch in enumerate(pitch for bar in bars for pitch in bar):
        track.notes.append(NoteTick(12 * place, 12, pitch, 80))
    piece.tracks.append(track)
    found = harmonise(columns_of(track), bars_of(piece), (0, "major"), 24)
    assert [(one.symbol, one.start // 36) for one in found] == [("C", 0), ("F", 2), ("F", 4), ("G", 5), ("C", 6)]
    piece.time_signatures[0] = TimeSignatureTick(0, 12, 8)
    starts = {one.start for one in harmonise(columns_of(track), bars_of(piece), (0, "major"), 24)}
    assert starts <= {0, 72, 144, 216}, "the middle of a bar is a pulse"
