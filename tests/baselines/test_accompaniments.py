"""Simple accompaniments: block chords, retrieval, and the counting baseline."""

import math

import numpy as np
import pytest
from lead_sheets import make_song
from symusic.core import TextMetaTick

from etude.baselines import block_chords
from etude.baselines.accompaniment_counts import AccompanimentCounts
from etude.baselines.phrase_retrieval import PhraseRetrieval, chords_at, fit
from etude.core.errors import EtudeError
from etude.music.chords import harte
from etude.representations.leadsheet import FIRST, KIND, NOTE, SECOND, STEP, LeadSheet

SHEET = LeadSheet(4, "MELODY", "PIANO")


def notes_of(rows: np.ndarray) -> np.ndarray:
    return rows[rows[:, KIND] == NOTE][:, [STEP, FIRST, SECOND]].astype(int)


def test_block_chords_are_held_until_the_next() -> None:
    song = make_song(1, 3)
    song.markers.clear()
    for time, text in ((0, "N"), (96, "C:maj/3"), (144, "F:min7")):
        song.markers.append(TextMetaTick(time, f"chord:{text}"))
    found = block_chords.accompany(SHEET.encode(song))
    expected = [(16, p, 8) for p in harte("C:maj/3")] + [(24, p, 24) for p in harte("F:min7")]
    assert found.tolist() == [list(note) for note in expected]
    song.markers.clear()
    song.tracks.pop(1)
    assert block_chords.accompany(SHEET.encode(song)).shape == (0, 3), "a melody alone has no chords to play"


def test_a_phrase_of_train_is_found_again() -> None:
    train = [SHEET.encode(make_song(seed)) for seed in range(5)]
    retrieval = PhraseRetrieval(train)
    assert np.array_equal(retrieval.accompany(train[3]), notes_of(train[3]))


def test_a_retrieved_phrase_is_fitted_to_the_chords() -> None:
    source = (np.array([0] * 8 + [9] * 8), np.array([0b10010001] * 8 + [0b1000010001] * 8))  # C, A minor
    wanted = (np.array([7] * 16), np.array([1 << 7 | 1 << 11 | 1 << 2] * 16))  # G
    assert fit(64, 4, (source, 0), (wanted, 0), 16) == (59, 4), "the third stays the third"
    assert fit(60, 4, (source, 8), (wanted, 0), 16) == (59, 4), "the minor third becomes the major one"
    assert fit(65, 4, (source, 0), (wanted, 0), 16)[0] % 12 in (11, 0), "a fourth stays or moves by a semitone"
    low = fit(21, 20, (source, 8), (wanted, 0), 16)
    assert low[0] >= 21 and low[1] == 16
    changing = (np.array([7] * 4 + [0] * 12), np.array([1 << 7 | 1 << 11 | 1 << 2] * 4 + [0b10010001] * 12))
    assert fit(64, 8, (source, 0), (changing, 0), 16) == (59, 4), "it ends where a chord starts that does not have it"
    assert fit(64, 8, (source, 0), (changing, 1), 16)[1] == 3
    assert chords_at(SHEET.encode(make_song(1, 2)).astype(int), 32)[0].min() >= 0


def test_meters_that_train_lacks_are_refused() -> None:
    retrieval = PhraseRetrieval([SHEET.encode(make_song(1))])
    with pytest.raises(EtudeError, match=r"no phrase of bars of 12 and 12 steps .* bar 1"):
        retrieval.accompany(SHEET.encode(make_song(1, beats=3)))
    odd = retrieval.accompany(SHEET.encode(make_song(1, bars=3)))
    assert odd[:, 0].max() < 48 and len({tuple(note[:2]) for note in odd.tolist()}) == len(odd)


def test_counts_predict_what_they_have_seen() -> None:
    train = [SHEET.encode(make_song(seed)) for seed in range(5)]
    counts, none = AccompanimentCounts(4), AccompanimentCounts(4)
    counts.count(train)
    seen, other = counts.nats_per_note(train), counts.nats_per_note([SHEET.encode(make_song(9))])
    assert seen < other < none.nats_per_note(train)
    song = make_song(1, 1)
    song.tracks[1].notes.clear()
    assert math.isnan(counts.nats_per_note([SHEET.encode(song)]))
