"""Comparing melodies."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.metrics import melody as module
from etude.metrics.melody import Melody, compare, intervals, melody, required_notes, similarity, tune

TUNE = [60, 62, 64, 60, 67, 65, 64, 62, 64, 65, 67, 69, 71, 72, 67, 64, 65, 62, 60, 60, 67, 69, 67, 65]


def line(pitches: list[int], lengths: list[int] | None = None) -> Score:
    score, track, onset = Score(24), Track("Soprano", 0, False), 0
    for pitch, length in zip(pitches, lengths or [24] * len(pitches), strict=True):
        track.notes.append(Note(onset, length, pitch, 80))
        onset += length
    score.tracks.append(track)
    return score


def of(pitches: list[int], lengths: list[int] | None = None) -> Melody:
    return melody(tune(line(pitches, lengths), first=True), 24)


def tracks(**found: list[tuple[int, int, int]]) -> Score:
    """Tracks of (onset, duration, pitch) by name, "Drums" on drums."""
    score = Score(24)
    for name, notes in found.items():
        track = Track(name, 0, name == "Drums")
        for onset, duration, pitch in notes:
            track.notes.append(Note(onset, duration, pitch, 80))
        score.tracks.append(track)
    return score


def test_intervals_take_the_highest_note_of_an_onset() -> None:
    score = line([60, 62, 59])
    score.tracks[0].notes.append(Note(24, 24, 55, 80))
    assert intervals(tune(score, first=True)) == [2, -3]
    assert intervals(tune(line([]), first=True)) == intervals(tune(line([60]), first=True)) == []
    assert len(tune(Score(24), first=True)) == len(tune(Score(24), first=False)) == 0


def test_which_line_is_the_melody() -> None:
    low, high = [(0, 24, 50), (24, 24, 52)], [(0, 24, 70), (24, 24, 69)]
    assert tune(tracks(Low=low, High=high), first=True)[:, 1].tolist() == [50, 52]
    assert tune(tracks(Low=low, High=high), first=False)[:, 1].tolist() == [70, 69]
    assert tune(tracks(Vocals=low, High=high), first=False)[:, 1].tolist() == [50, 52]
    assert tune(tracks(**{"Voice Oohs": low, "Lead 1": high}), first=False)[:, 1].tolist() == [70, 69]
    assert tune(tracks(Silent=[], High=high), first=True)[:, 1].tolist() == [70, 69]
    assert tune(tracks(Melody=[], High=high), first=False)[:, 1].tolist() == [70, 69]
    drums = [(0, 24, 90), (12, 24, 90)]
    assert tune(tracks(Drums=drums, High=high), first=True)[:, 1].tolist() == [70, 69]
    assert not len(tune(tracks(Drums=drums), first=False))
    # a note that starts below a sounding one is no part of the top line; one that starts at its end is
    assert tune(tracks(High=[(0, 24, 70)], Low=[(6, 6, 50), (24, 6, 52)]), first=False)[:, 1].tolist() == [70, 52]


def test_weights_are_lengths_up_to_a_quarter() -> None:
    assert of([60, 62, 64], [12, 24, 96]).tolist() == [[60, 12], [62, 24], [64, 24]]
    assert of([]).shape == (0, 2)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(55, 79), min_size=1, max_size=40), st.integers(-20, 20))
def test_a_transposed_melody_is_the_same(pitches: list[int], semitones: int) -> None:
    one, other = of(pitches), of([pitch + semitones for pitch in pitches])
    assert similarity(one, other) == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(55, 79), st.sampled_from([6, 12, 24])), max_size=20), min_size=3))
def test_few_melodies_are_all_compared_as_each_pair_is(tunes: list[list[tuple[int, int]]]) -> None:
    melodies = [of([p for p, _ in tune], [d for _, d in tune]) for tune in tunes]
    found = compare(melodies)
    assert found.pairs.tolist() == [list(pair) for pair in itertools.combinations(range(len(tunes)), 2)]
    assert ((found.similarity >= 0) & (found.similarity <= 1)).all()
    for (one, other), value in zip(found.pairs.tolist(), found.similarity, strict=True):
        longer, shorter = (one, other) if len(tunes[one]) > len(tunes[other]) else (other, one)
        assert value == similarity(melodies[longer], melodies[shorter])


def random_tune(seed: int, notes: int = 50) -> tuple[list[int], list[int]]:
    """A tune that wanders in a scale as folk songs do: its runs of intervals are common."""
    rng, place, scale = random.Random(seed), 7, [60 + 12 * octave + step for octave in (0, 1) for step in range(12)]
    scale = [pitch for pitch in scale if pitch % 12 in (0, 2, 4, 5, 7, 9, 11)]
    pitches = []
    for _ in range(notes):
        place = min(13, max(0, place + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3])))
        pitches.append(scale[place])
    return pitches, [rng.choice([12, 24, 24]) for _ in pitches]


def planted(count: int) -> tuple[list[Melody], set[tuple[int, int]]]:
    """Random tunes, and to each of the last fifth a variant: transposed, some notes changed, some ornamented."""
    rng, melodies, pairs = random.Random(0), [of(*random_tune(seed)) for seed in range(count)], set()
    for origin in range(count - count // 5, count):
        pitches: list[int] = []
        lengths: list[int] = []
        for pitch, length in zip(*random_tune(origin), strict=True):
            chance = rng.random()
            if chance < 0.1:
                pitches, lengths = [*pitches, pitch, pitch + 2], [*lengths, length - 6, 6]
            else:
                pitches, lengths = [*pitches, pitch - 4 if chance > 0.9 else pitch], [*lengths, length]
        pairs.add((origin, len(melodies)))
        melodies.append(of([pitch + 5 for pitch in pitches], lengths))
    return melodies, pairs


def test_many_melodies_are_compared_where_they_share_rare_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    melodies, pairs = planted(120)
    every = compare(melodies).similar(0.55)
    assert pairs <= {(one, other) for one, other, _ in every}
    monkeypatch.setattr(module, "ALL_PAIRS", 0)
    done: list[int] = []
    assert compare(melodies, done.append).similar(0.55) == every
    assert done == list(range(1, len(melodies) + 1))
    assert len(compare(melodies).pairs) < len(melodies) ** 2 / 10
    # the places change with the order of the melodies, the pairs do not
    order = random.Random(1).sample(range(len(melodies)), len(melodies))
    found = compare([melodies[place] for place in order]).similar(0.55)
    assert sorted((*sorted((order[one], order[other])), value) for one, other, value in found) == every


def test_frequent_runs_choose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALL_PAIRS", 0)
    scale = [of(list(range(60 + place % 12, 84, 2)) * 3) for place in range(600)]
    assert not len(compare(scale).pairs)
    assert compare([]).similar(0.55) == [] and not len(compare([of([]), of([60])]).pairs)


def test_short_tunes_need_more_than_a_similarity(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [of(TUNE[:10]), of(TUNE)]
    assert required_notes(2) < 10 < required_notes(200) < len(TUNE)
    assert compare(pair).similar(0.55) == [(0, 1, 1.0)]
    monkeypatch.setattr(module, "ALL_PAIRS", 0)
    others = [of(*random_tune(seed)) for seed in range(200)]
    assert [0, 1] in compare([*pair, *others]).pairs.tolist()
    assert (0, 1, 1.0) not in compare([*pair, *others]).similar(0.55)
    assert (0, 1, 1.0) in compare([of(TUNE), of([*TUNE, 60]), *others]).similar(0.55)


def test_variants_of_a_tune_are_alike_and_other_tunes_are_not() -> None:
    theme = of(TUNE)
    passing = [pitch for pitch in TUNE for pitch in (pitch, pitch + 2)]
    assert similarity(theme, of(passing, [18, 6] * len(TUNE))) > 0.6
    assert similarity(theme, of(TUNE, [48, 24] * (len(TUNE) // 2))) == 1  # triple time
    assert similarity(theme, of(TUNE + TUNE)) == 1  # a repeat written out
    changed = [*TUNE[:8], 61, *TUNE[9:]]
    assert 0.85 < similarity(theme, of(changed)) < 1
    rng = random.Random(0)
    others = [of([60 + rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) for _ in TUNE]) for _ in range(10)]
    assert max(similarity(theme, other) for other in others) < 0.5


def test_a_silent_voice_is_like_nothing() -> None:
    assert similarity(of([]), of(TUNE)) == 0
    assert similarity(of(TUNE), of([])) == 0


def test_known_score() -> None:
    # 3 notes match, one is left out: 3 * 24 - 24, of 3 * 24
    assert similarity(of([60, 67, 62]), of([60, 67, 71, 62])) == (72 - 24) / 72
