"""Broken rules with their places: as many as the metrics count."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from etude.metrics.voice_leading import RANGES, count, parallels
from etude.music.bars import Bar
from etude.studio.rules import FIFTHS, OCTAVES, Fault, find_faults, place_of

KINDS = {  # of the page -> of the metric
    "leap": "leaps",
    "overlap": "overlaps",
    "hidden fifth": "hidden_fifths",
    "hidden octave": "hidden_octaves",
}
PITCHES = st.sampled_from([0, *range(40, 80)])


@given(arrays(np.int64, st.tuples(st.integers(1, 8), st.just(4)), elements=PITCHES))
def test_there_are_as_many_faults_as_the_metrics_count(pitches: np.ndarray) -> None:
    found = Counter(fault.kind for fault in find_faults(pitches))
    counted = count(pitches, 4)
    assert {kind: found[kind] for kind in KINDS} == {kind: counted[metric] for kind, metric in KINDS.items()}
    assert found[FIFTHS] + found[OCTAVES] == parallels(pitches[:-1], pitches[1:]).sum()
    for kind, metric in (
        ("crossing", "crossings"),
        ("wide spacing", "wide_spacings"),
        ("out of range", "out_of_range"),
    ):
        assert found[kind] <= counted[metric] and bool(found[kind]) == bool(counted[metric])


def test_a_parallel_is_named_by_its_voices_and_the_frame_into_which_it_moves() -> None:
    chord, next_chord = [72, 67, 64, 48], [74, 69, 64, 47]
    assert find_faults(np.array([chord, chord, next_chord])) == []
    contrary = [[72, 65, 60, 53], [71, 65, 60, 55]]  # a fifth and an octave above it, no parallel
    assert not [fault for fault in find_faults(np.array(contrary)) if fault.kind in (FIFTHS, OCTAVES)]
    faults = find_faults(np.array([[72, 65, 60, 48], [74, 67, 60, 50]]))
    assert [fault for fault in faults if fault.kind in (FIFTHS, OCTAVES)] == [
        Fault(FIFTHS, 1, (0, 1)),
        Fault(OCTAVES, 1, (0, 3)),
    ]
    low, high = RANGES[3]
    assert Fault("out of range", 0, (3,)) in find_faults(np.array([[72, 65, 60, low - 1]]))
    assert find_faults(np.zeros((0, 4), dtype=np.int64)) == [] and high > low


def test_places_are_said_as_musicians_do() -> None:
    bars = [Bar(0, 48, 2, 4), Bar(48, 120, 6, 8)]
    assert place_of(0, bars) == "bar 1, beat 1" and place_of(36, bars) == "bar 1, beat 2.5"
    assert place_of(60, bars) == "bar 2, beat 2" and place_of(500, bars).startswith("bar 2, beat")
