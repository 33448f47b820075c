"""Features of Voices compared with plain loops over the past."""

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.models.voice_features import (
    AGES,
    INTERVALS,
    LONGEST_MATCH,
    MAX_INTERVAL,
    NEXT,
    VoiceFeatures,
    encode_interval,
    find_repeat_matches,
    make_hints,
    observe,
)
from etude.representations.base.grammar import PAD
from etude.representations.base.grid import FIRST, HOLD, REST

VOCABULARY, FRAME = 30, 3
FEATURES = VoiceFeatures(VOCABULARY, voices=FRAME, beat=2, previous_pitches=2)
KEYS, MELODY = torch.tensor([0]), torch.zeros(1, 50, 4 + 2 * NEXT, dtype=torch.long)  # nothing is known
GRIDS = st.integers(1, 12).flatmap(
    lambda frames: st.lists(
        st.lists(st.sampled_from([HOLD, HOLD, REST, FIRST, 9, 17, 29]), min_size=FRAME, max_size=FRAME),
        min_size=frames,
        max_size=frames,
    )
)


@hypothesis(deadline=None, max_examples=60)
@given(GRIDS)
def test_what_is_observed_is_what_a_walk_through_the_past_finds(grid: list[list[int]]) -> None:
    known = observe(torch.tensor([grid]), 2)
    tonic_pitch, pitch = 0, [0] * FRAME
    age: list[int | None] = [None] * FRAME
    previous: list[list[int]] = [[0, 0] for _ in range(FRAME)]
    for frame, cells in enumerate(grid):
        assert known.tonic_pitch[0, frame] == tonic_pitch
        for voice, token in enumerate(cells):
            if token != HOLD:
                previous[voice] = [pitch[voice], previous[voice][0]] if age[voice] is not None else previous[voice]
                pitch[voice], age[voice] = token, 0
            elif age[voice] is not None:
                age[voice] = age[voice] + 1  # type: ignore[operator]
        tonic_pitch = tonic_pitch or (cells[-1] if cells[-1] >= FIRST else 0)
        assert known.token[0, frame + 1].tolist() == cells
        assert known.pitch[0, frame + 1].tolist() == pitch
        assert known.age[0, frame + 1].tolist() == [AGES - 2 if a is None else min(a, AGES - 2) for a in age]
        assert [[past[0, frame + 1, v].item() for past in known.previous_pitches] for v in range(FRAME)] == previous


@hypothesis(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from([HOLD, FIRST, 9]), min_size=2, max_size=2), min_size=1, max_size=50), st.data()
)
def test_repeat_matches_are_what_a_search_through_the_past_finds(grid: list[list[int]], data: Any) -> None:
    known = observe(torch.tensor([grid]), 1)
    start = data.draw(st.integers(0, len(grid) - 1))
    found = find_repeat_matches(known, 2, start)
    after = [
        tuple(zip(*rows, strict=True)) for rows in zip(known.token[0].tolist(), known.pitch[0].tolist(), strict=True)
    ]

    def search(frame: int, voices: list[int]) -> tuple[int, int]:
        best = (0, 0)
        for lag in range(4, frame, 2):
            length = 0
            while (
                length < LONGEST_MATCH
                and frame - lag - length > 0
                and all(after[frame - length][v] == after[frame - lag - length][v] for v in voices)
            ):
                length += 1
            best = max(best, (length, -lag))
        return best[0], frame + 1 + best[1]

    for frame in range(start, len(grid)):
        for voice in range(2):
            for match, voices in zip(found, ([0, 1], [voice]), strict=True):
                length, next_to = search(frame, voices)
                assert match.frames[0, frame - start, voice] == length
                assert match.token[0, frame - start, voice] == (after[next_to][voice][0] if length else 0)


@hypothesis(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([HOLD, HOLD, REST, FIRST, 9, 17]), min_size=1, max_size=12), st.integers(0, 24), st.data()
)
def test_hints_are_what_a_walk_through_the_melody_finds(cells: list[int], key: int, data: Any) -> None:
    unknown = data.draw(st.integers(0, 3))
    hints = make_hints(
        torch.tensor([key, 0]), torch.tensor([[*cells, *[PAD] * unknown], [PAD] * (len(cells) + unknown)])
    )
    sounding: list[int] = []
    onsets = []
    for place, cell in enumerate(cells):
        if cell >= FIRST or (cell == REST and (not place or cells[place - 1] != REST)):
            onsets.append(place)
        sounding.append(cell if cell != HOLD else (sounding[-1] if place else HOLD))
    for place, cell in enumerate(cells):
        token, step, degree, pitch, *following = hints.melody[0, place].tolist()
        now = sounding[place]
        assert token == min(cell, FIRST) and pitch == (now if now >= FIRST else 0)
        both = place and now >= FIRST and sounding[place - 1] >= FIRST
        assert step == (1 + MAX_INTERVAL + now - sounding[place - 1] if both else 0)
        assert degree == (1 + 12 * ((key - 1) % 2) + (now - (key - 1) // 2) % 12 if key and now >= FIRST else 0)
        later = [*(onset for onset in onsets if onset > place), *[len(cells)] * NEXT][:NEXT]
        assert following[1::2] == [onset - place for onset in later]
        pitches = [sounding[onset] if onset < len(cells) else 0 for onset in later]
        assert following[::2] == [
            1 + MAX_INTERVAL + other - now if min(other, now) >= FIRST else 0 for other in pitches
        ]
    assert not hints.melody[0, len(cells) :].any() and not hints.melody[1].any()


def test_a_repeat_matches_until_a_voice_departs() -> None:
    random = np.random.default_rng(6)
    cells = random.integers(FIRST, VOCABULARY, (24, FRAME))
    cells[random.random(cells.shape) < 0.5] = HOLD
    grid = torch.from_numpy(np.concatenate([cells, cells]))[None]  # the same 24 frames again
    known = observe(grid, 2)
    joint = find_repeat_matches(known, 2, 0).joint
    assert torch.equal(joint.token[:, 36:], known.token[:, 37:])
    grid[0, -1, 0] = FIRST + (grid[0, -1, 0] - FIRST + 1) % 7  # the first voice of the last frame
    features, _ = FEATURES.of_cells(observe(grid, 2), KEYS, MELODY[:, :1], 47)
    assert (features["joint_match"] // FRAME % 2).tolist() == [[[0, 1, 1]]]


def test_intervals_are_counted_from_one_and_clipped() -> None:
    found = encode_interval(torch.tensor([9, 8, 5, 200, 5, HOLD, 9]), torch.tensor([9, 9, 9, 5, 200, 9, REST])).tolist()
    middle = MAX_INTERVAL + 1
    assert found == [middle, middle - 1, middle - 4, INTERVALS - 1, 1, 0, 0]


def test_each_step_has_its_place_in_the_bar() -> None:
    features, _ = FEATURES.of_cells(observe(torch.full((1, 20, FRAME), HOLD), 2), KEYS, MELODY[:, :20], 0)
    four, three = (features[f"place_in_{beats}_beats"][0, :, 0] // FRAME for beats in (4, 3))
    assert four.tolist() == [place % 8 for place in range(20)]
    assert three.tolist() == [place % 6 for place in range(20)]
    assert FEATURES.stride == 24 * FRAME


@hypothesis(deadline=None, max_examples=30)
@given(GRIDS)
def test_features_are_the_named_ones_and_below_their_sizes(grid: list[list[int]]) -> None:
    tokens = torch.tensor([[1, *(token for cells in grid for token in cells)]])
    hints = make_hints(torch.tensor([1]), torch.tensor(grid)[None, :, 0])
    inputs = FEATURES.compute(tokens, hints, len(grid), 0, 0)
    assert inputs.references.shape[-1] == FEATURES.references
    for sizes, values in (
        (FEATURES.frame_sizes(), inputs.frames),
        (FEATURES.hint_sizes(), inputs.hints),
        (FEATURES.cell_sizes(), inputs.cells),
    ):
        assert set(sizes) == set(values)
        assert all(values[name].min() >= 0 and values[name].max() < size for name, size in sizes.items())
