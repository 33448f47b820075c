"""Melodies with chords in tokens."""

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from lead_sheets import make_song

from etude.music.tune import PROGRAMS, tune_of
from etude.representations.base.round_trip import part_of, round_trip
from etude.representations.tune import Tune


def learned(*seeds: int) -> Tune:
    made = Tune(4, 16, None, 800)
    made.learn([made.survey(make_song(seed) for seed in seeds)], {"MELODY": 73, "PIANO": 0})
    return made


@hypothesis(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_a_song_comes_back_as_its_tune(seed: int, bars: int) -> None:
    song = make_song(seed, bars)
    made = learned(seed, 1, 2, 3)
    tune, back = tune_of(song), made.decode(made.encode(song))
    found = round_trip(tune, back, 4)
    assert found.notes == found.kept == back.note_num() and not found.extra and not found.duration_error
    assert [track.name for track in back.tracks] == list(PROGRAMS) and made.voices == PROGRAMS
    assert np.array_equal(made.encode(tune), made.encode(song)), "the tune of a tune is the same"
    assert part_of(song, made).note_num() == tune.note_num() < song.note_num()
    assert made.cells(song) == 2 * 16 * bars
