"""Repetition, compression, phrases and distinct bars against brute force and known values."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from metrics.made_pieces import Note, line, made, piece, table
from symusic.core import ScoreTick

from etude.metrics.notes import Notes, top_lines
from etude.metrics.structure import LAGS, UNITS, bars_of, distinct_bars, longest_repeats, lz78_ratio, structure

few = hypothesis(deadline=None, max_examples=50)
SIMILAR = ("similarity_1", "similarity_2", "similarity_4", "similarity_8")


def of(*scores: ScoreTick) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in structure(table(*scores)).items()}


@few
@given(st.lists(made(longest=400), max_size=3))
def test_similarity_is_the_mean_over_pairs_of_bars(scores: list[ScoreTick]) -> None:
    notes = table(*scores)
    found, pitched = structure(notes), notes.pitched
    for place in range(len(scores)):
        measure, own = int(notes.measure[place]), pitched.piece == place
        bars: list[set[tuple[int, int]]] = [set() for _ in range(-(-int(notes.length[place]) // measure))]
        for start, pitch in zip(pitched.start[own].tolist(), pitched.pitch[own].tolist(), strict=True):
            bars[start // measure].add((start % measure, pitch))
        for lag in LAGS:
            pairs = [(a, b) for a, b in zip(bars, bars[lag:], strict=False) if a | b]
            expected = np.mean([len(a & b) / len(a | b) for a, b in pairs]) if pairs else math.nan
            assert found[f"similarity_{lag}"][place] == pytest.approx(expected, nan_ok=True)


def test_what_comes_back_after_two_bars() -> None:
    a, b = [60, 62, 64, 65], [72, 74, 76, 77]
    found = of(piece(line(*a, *b, *a, *b)), piece(line(*a, *a[:2], *b[:2])), piece(line(*a)))
    assert found["similarity_1"] == pytest.approx([0, 2 / 6, math.nan], nan_ok=True)
    assert found["similarity_2"] == pytest.approx([1, math.nan, math.nan], nan_ok=True)
    assert all(math.isnan(value) for value in found["similarity_8"])


def test_bars_in_which_a_note_is_held_do_not_reach_into_the_next_piece() -> None:
    held, other = piece([(0, 40, 60)]), piece(line(60))
    assert of(held, other)["similarity_1"] == pytest.approx([0, math.nan], nan_ok=True)
    drums = piece(drums=line(*[36] * 12))
    assert all(math.isnan(value) for value in of(drums, other)["similarity_1"])


def brute_repeat(notes: Notes, place: int) -> float:
    """Every pair of runs of every line."""
    lines = top_lines(notes)
    best = 0.0
    for track in set(lines.track[lines.piece == place].tolist()):
        own = lines.track == track
        steps = list(zip(np.diff(lines.start[own]).tolist(), np.diff(lines.pitch[own]).tolist(), strict=True))
        for first, second in combinations(range(len(steps)), 2):
            length = 0
            while second + length < len(steps) and steps[first + length] == steps[second + length]:
                length += 1
            length = min(length, second - first - 1)  # the last note of the first run is before the second run
            if length:
                best = max(best, length + 1)
    return best


tunes = st.lists(st.tuples(st.sampled_from([0.5, 1.0]), st.sampled_from([60, 62, 64])), max_size=18)


@few
@given(st.lists(st.lists(tunes, max_size=3), max_size=2))
def test_the_longest_repeat_is_that_of_all_pairs_of_runs(voices: list[list[list[tuple[float, int]]]]) -> None:
    scores = []
    for tracks in voices:
        placed: list[list[Note]] = []
        for tune in tracks:
            starts = np.cumsum([0.0, *(length for length, _ in tune)]).tolist()
            placed.append([(start, length, pitch) for start, (length, pitch) in zip(starts, tune, strict=False)])
        scores.append(piece(*placed))
    notes = table(*scores)
    found = longest_repeats(notes)
    for place in range(len(scores)):
        if notes.count()[place]:
            assert found[place] == brute_repeat(notes, place)
        else:
            assert math.isnan(found[place])


def test_a_repeat_in_another_key_counts_and_one_that_overlaps_does_not() -> None:
    tune = [60, 62, 64, 60, 67]
    later = [pitch + 5 for pitch in tune]
    found = longest_repeats(
        table(piece(line(*tune, *later)), piece(line(60, 60, 60)), piece(line(*[60] * 8)), piece(line(60)))
    )
    assert found.tolist() == [5, 0, 4, 0]
    assert longest_repeats(table(piece(line(*tune), line(*later)))).tolist() == [0], "each line by itself"


def test_repetitive_music_compresses() -> None:
    draw = np.random.default_rng(0)
    repeated, random = [60, 62] * 30, draw.integers(40, 90, 60).tolist()
    found = of(piece(line(*repeated)), piece(line(*random)), piece(line(60, 60, 60)), piece(line(60)), ScoreTick(24))
    values = found["compression_ratio"]
    assert 0 < values[0] < 0.75 < 1 < values[1]
    assert values[2] > 0 and math.isnan(values[3]) and math.isnan(values[4])
    moved = of(piece(line(*(pitch + 7 for pitch in repeated), start=1)))["compression_ratio"]
    assert moved == pytest.approx(values[:1]), "in any key, from any beat"


def test_phrases_of_lz78_from_paper() -> None:
    # 0 | 1 | 01 | 011: one symbol each, and the number of one of 1, 2, 3 and 4 phrases
    assert lz78_ratio([0, 1, 0, 1, 0, 1, 1]) == pytest.approx((4 + math.log2(1 * 2 * 3 * 4)) / 7)
    # 0 | 1 | 0: the last is an earlier one
    assert lz78_ratio([0, 1, 0]) == pytest.approx((2 + math.log2(1 * 2 * 3)) / 3)
    assert math.isnan(lz78_ratio([])) and math.isnan(lz78_ratio([5, 5, 5]))


def test_phrases_go_from_fermata_to_fermata() -> None:
    held = piece(line(*[60] * 16), line(*[48] * 16), fermatas=[6, 6, 16, 12])
    found = of(held, piece(line(60)), piece(line(60, 62), fermatas=[0]), piece(line(60), fermatas=[1000]))
    assert found["phrase_length"] == pytest.approx([16 / 3, math.nan, math.nan, math.nan], nan_ok=True)


def test_edges_of_structure() -> None:
    assert {name: len(values) for name, values in of().items()} == dict.fromkeys(UNITS, 0)
    assert all(math.isnan(value) for (value,) in of(ScoreTick(24)).values())
    drums = of(piece(drums=line(*[36, 38] * 8)))
    assert (
        all(math.isnan(drums[name][0]) for name in (*SIMILAR, "longest_repeat")) and drums["compression_ratio"][0] > 0
    )
    one = of(piece(line(60)))
    assert one.pop("longest_repeat") == [0] and all(math.isnan(value) for (value,) in one.values())


@few
@given(st.lists(made(longest=400), min_size=2, max_size=3))
def test_each_piece_is_measured_by_itself(scores: list[ScoreTick]) -> None:
    whole = of(*scores)
    for place, score in enumerate(scores):
        for name, (value,) in of(score).items():
            assert whole[name][place] == pytest.approx(value, nan_ok=True)


# --- distinct bars


def count(*scores: ScoreTick) -> dict[str, float]:
    return distinct_bars(bars_of(table(*scores)))


def test_distinct_bars() -> None:
    a, b = [60, 62, 64, 65], [60, 62, 64, 67]
    up = [pitch + 5 for pitch in a]
    scores = [piece(line(*a, *b, *a)), piece(line(*up, *a))]
    assert count(*scores) == {"bars": 5, "distinct_bars": 3, "distinct_any_key": 2, "distinct_share": 0.4}
    bars = bars_of(table(*scores))
    assert distinct_bars(bars, np.array([1])) == {
        "bars": 2,
        "distinct_bars": 2,
        "distinct_any_key": 1,
        "distinct_share": 0.5,
    }
    assert distinct_bars(bars, np.array([0, 0]))["bars"] == 6
    assert count(scores[1], scores[0]) == count(*scores)


def test_bars_differ_in_voice_onset_length_and_pitch() -> None:
    scores = [
        piece([(0, 1, 60)], [(0, 1, 64)]),
        piece([(0, 1, 64)], [(0, 1, 60)]),
        piece([(0, 2, 60)], [(0, 1, 64)]),
        piece([(0, 1, 60)], [(1, 1, 64)]),
        piece([(0, 1, 60)], [(0, 1, 65)]),
    ]
    assert count(*scores)["distinct_any_key"] == 5
    later = piece([(4, 1, 60)], [(4, 1, 64)])
    assert count(scores[0], later)["distinct_bars"] == 1, "which bar of the piece it is does not matter"


def test_drums_are_not_transposed() -> None:
    kick, snare = line(36, 36), line(38, 38)
    low, high = line(60, 62), line(65, 67)
    assert count(piece(low, drums=kick), piece(high, drums=kick))["distinct_any_key"] == 1
    assert count(piece(low, drums=kick), piece(low, drums=snare))["distinct_any_key"] == 2
    assert count(piece(drums=kick), piece(drums=snare))["distinct_any_key"] == 2
    assert count(piece(line(36, 36)), piece(drums=kick))["distinct_bars"] == 2


@few
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(30, 60)), min_size=1), st.integers(-20, 20))
def test_a_moved_bar_is_the_same_in_any_key(notes: list[Note], semitones: int) -> None:
    moved = [(start, length, pitch + semitones) for start, length, pitch in notes]
    found = distinct_bars(bars_of(table(piece(notes), piece(moved), bars=1)))
    assert found["distinct_any_key"] == 1 and found["distinct_bars"] == (1 if semitones == 0 else 2)


def test_no_bars_have_no_share() -> None:
    for scores in ((), (ScoreTick(24),)):
        found = count(*scores)
        assert found["bars"] == found["distinct_any_key"] == 0 and math.isnan(found["distinct_share"])
