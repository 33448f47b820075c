"""Duplicates among many pieces."""

import pickle
import random
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.metrics.duplicates import SHINGLES, Fingerprint, find_duplicates, fingerprint, fingerprints, likeness

NEAR = 0.8
Line = list[tuple[int, int, int]]  # onset, duration, pitch


def piece(*lines: Line, drums: Line | None = None, ticks: int = 24) -> Score:
    score = Score(ticks)
    for line, drum in [*((line, False) for line in lines), *([(drums, True)] if drums else [])]:
        track = Track("", 0, drum)
        for onset, duration, pitch in line:
            track.notes.append(Note(onset, duration, pitch, 80))
        score.tracks.append(track)
    return score


def tune(seed: int, notes: int = 100, beat: int = 6) -> Line:
    assign, onset, line = random.Random(seed), 0, []
    for _ in range(notes):
        length = beat * assign.choice([1, 2, 4])
        line.append((onset, length, assign.randint(40, 90)))
        onset += length
    return line


def moved(line: Line, semitones: int = 0, factor: int = 1, later: int = 0) -> Line:
    return [(onset * factor + later, length * factor, pitch + semitones) for onset, length, pitch in line]


notes = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 48), st.integers(30, 90)), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(notes, notes, st.integers(-20, 20), st.integers(1, 7), st.integers(0, 99), st.sampled_from([24, 48, 96, 480]))
def test_key_tempo_grid_and_leading_silence_do_not_matter(
    one: Line, other: Line, semitones: int, factor: int, later: int, ticks: int
) -> None:
    first = fingerprint(piece(one, other, drums=one))
    lines = [moved(line, semitones, factor, later) for line in (one, other)]
    second = fingerprint(piece(*lines, drums=moved(one, 0, factor, later), ticks=ticks))
    assert first.relative == second.relative and np.array_equal(first.shingles, second.shingles)
    same = (semitones, factor, later, ticks) == (0, 1, 0, 24)
    assert (first.exact == second.exact) == same


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(notes, max_size=3), st.none() | notes), max_size=5))
def test_many_pieces_have_the_fingerprints_that_each_has_alone(pieces: list[tuple[list[Line], Line | None]]) -> None:
    scores = [piece(*lines, drums=drums) for lines, drums in pieces]
    for score, mark in zip(scores, fingerprints(scores), strict=True):
        alone = fingerprint(score)
        assert (mark.exact, mark.relative) == (alone.exact, alone.relative)
        assert np.array_equal(mark.shingles, alone.shingles)


def test_notes_voices_and_drums_do_matter() -> None:
    line, low = tune(0, 20), moved(tune(0, 20), -12)
    marks = [
        fingerprint(score)
        for score in (
            piece(line, low),
            piece(low, line),
            piece(line + low),
            piece(line[:-1], low),
            piece([*line[:-1], (line[-1][0], 1, line[-1][2])], low),
            piece(line, drums=low),
            piece(line, moved(low, 1)),
        )
    ]
    assert len({mark.relative for mark in marks}) == len({mark.exact for mark in marks}) == len(marks)
    drums = [fingerprint(piece(drums=moved(line, up))) for up in (0, 1)]
    assert drums[0].relative != drums[1].relative and likeness(drums[0].shingles, drums[1].shingles) == 0


def test_silence_order_of_notes_and_pickling() -> None:
    assert fingerprint(piece()).exact == fingerprint(piece([])).exact and not len(fingerprint(piece([])).shingles)
    assert fingerprint(piece([], tune(0))).exact == fingerprint(piece(tune(0))).exact
    one, other = fingerprint(piece(tune(0))), fingerprint(piece(tune(0)[::-1]))
    assert one.exact == other.exact
    assert likeness(pickle.loads(pickle.dumps(one)).shingles, other.shingles) == 1
    assert len(pickle.dumps(fingerprint(piece(tune(0, 5000))))) < 8 * SHINGLES + 500


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(100, 400), st.floats(0, 0.95))
def test_a_run_of_changed_notes_leaves_a_piece_near_and_other_pieces_are_not(seed: int, count: int, at: float) -> None:
    line = tune(seed, count)
    start = int(at * count)
    run = range(start, start + count // 20)
    changed = [
        (on, off, pitch + 1 + place % 3 if place in run else pitch) for place, (on, off, pitch) in enumerate(line)
    ]
    one, other, third = (fingerprint(piece(notes)) for notes in (line, changed, tune(seed + 1, count)))
    assert NEAR <= likeness(one.shingles, other.shingles) < 1
    assert likeness(one.shingles, third.shingles) < 0.1
    found = find_duplicates(["a", "b", "c"], [one, other, third], [0, 0, 0], NEAR)
    assert found == {"b": ("a", "near", likeness(one.shingles, other.shingles))}


def test_the_sketch_of_a_long_piece_estimates_its_likeness() -> None:
    line, other = tune(0, 4000), tune(1, 4000)
    mixed = line[:3600] + moved(other[:400], later=line[3600][0])
    one, two = (fingerprint(piece(notes)).shingles for notes in (line, mixed))
    assert abs(likeness(one, two) - 3600 / 4400) < 0.06
    assert likeness(one, two) == likeness(two, one) and likeness(one, one) == 1
    assert likeness(one, one[:0]) == 0


def test_each_kind_is_found_and_the_order_decides_which_stays() -> None:
    line = tune(5)
    changed = [*line[:50], (line[50][0], line[50][1], 20), *line[51:]]
    pieces = {"z": line, "exact": line, "key": moved(line, 3), "slow": moved(line, 0, 2), "near": changed, "o": tune(6)}
    marks = {name: fingerprint(piece(notes)) for name, notes in pieces.items()}
    names = list(pieces)

    def find(order: dict[str, int], names: list[str]) -> dict[str, tuple[str, str, float]]:
        return find_duplicates(names, [marks[name] for name in names], [order.get(name, 1) for name in names], NEAR)

    alike = likeness(marks["z"].shingles, marks["near"].shingles)
    found = find({"z": 0}, names)
    assert found == {
        "exact": ("z", "exact", 1.0),
        "key": ("z", "transposed", 1.0),
        "near": ("z", "near", alike),
        "slow": ("z", "transposed", 1.0),
    }
    # what equals a piece that is removed goes to the piece that stays
    found = find({"near": 0}, names)
    assert found == {name: ("near", "near", alike) for name in ("exact", "key", "slow", "z")}
    for seed in range(5):
        assert find({"near": 0}, random.Random(seed).sample(names, len(names))) == found
    assert list(find({}, names)) == ["key", "near", "slow", "z"]  # by id: "exact" stays
    exact = [marks[name] for name in names]
    assert set(find_duplicates(names, exact, [0] * 6, 2.0)) == {"key", "slow", "z"}  # not "near"


def test_no_two_remaining_pieces_are_near() -> None:
    """A chain of pieces, each near to the next; and all pairs are found that a comparison of all pairs finds."""
    assign = random.Random(0)
    lines = [tune(seed, 60) for seed in range(20)]
    for place in range(200):
        line = list(lines[assign.randrange(len(lines))])
        for _ in range(assign.randint(0, 4)):
            at = assign.randrange(len(line))
            line[at] = (line[at][0], line[at][1], assign.randint(40, 90))
        lines.append(moved(line, place % 5))
    names = [f"{place:03}" for place in range(len(lines))]
    marks = dict(zip(names, [fingerprint(piece(line)) for line in lines], strict=True))
    found = find_duplicates(names, list(marks.values()), names, NEAR)
    stay: list[str] = []
    for name in names:
        related = [(likeness(marks[name].shingles, marks[other].shingles), other) for other in stay]
        near = max(related, key=lambda pair: pair[0], default=(0.0, ""))
        assert (name in found) == (near[0] >= NEAR)
        if name in found:
            kept, _, alike = found[name]
            assert kept in stay and alike == likeness(marks[name].shingles, marks[kept].shingles) >= NEAR
        else:
            stay.append(name)
    assert 20 < len(stay) < 150


def test_short_pieces_are_not_near() -> None:
    line = tune(0, 24)
    marks = [fingerprint(piece(line)), fingerprint(piece([*line[:-1], (line[-1][0], 6, 30)]))]
    assert likeness(marks[0].shingles, marks[1].shingles) >= NEAR
    assert find_duplicates(["a", "b"], marks, [0, 0], NEAR) == {}


def test_thousands_of_pieces_take_no_quadratic_step() -> None:
    draw = np.random.default_rng(0)
    marks = [Fingerprint(b"%d" % n, b"%d" % n, np.unique(draw.integers(0, 2**63, 97, np.uint64))) for n in range(20000)]
    started = time.process_time()
    assert find_duplicates([str(n) for n in range(20000)], marks, [0] * 20000, NEAR) == {}
    assert time.process_time() - started < 10


def test_a_fingerprint_takes_little_time() -> None:
    score = piece(*(tune(voice, 50) for voice in range(4)))
    fingerprint(score)
    started = time.process_time()
    for _ in range(50):
        fingerprint(score)
    assert (time.process_time() - started) / 50 < 0.003
