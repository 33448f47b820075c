"""DeepBach: each cell given all others, and nothing of the cell itself."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from etude.metrics.voice_leading import parallels, sounding
from etude.models.deepbach import (
    SIZES,
    DeepBach,
    add_bounds,
    batches,
    count_parallels,
    find_sounding,
    pad_pieces,
    reverse_rows,
)
from etude.representations.base.grammar import BOS, EOS, PAD
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.chorale import SHARPS

VOCABULARY, VOICES = 12, {"Soprano": 68, "Alto": 69, "Bass": 70}


def model(layers: int = 1) -> DeepBach:
    torch.manual_seed(0)
    return DeepBach(VOCABULARY, VOICES, 6, 8, layers, 0.3, 32, 0).eval()


def piece(seed: int, frames: int = 12) -> torch.Tensor:
    """Frames with many holds, so that what sounds depends on cells far back."""
    random = np.random.default_rng(seed)
    cells = random.choice([HOLD, HOLD, REST, *range(FIRST, VOCABULARY)], size=(frames, 3))
    known = np.stack([random.integers(0, size, frames) for size in (4, 4, 17, 15, 2, 2)], axis=1)
    return torch.from_numpy(np.concatenate([cells, known], axis=1))


def logits(made: DeepBach, frames: torch.Tensor, voice: int) -> torch.Tensor:
    with torch.no_grad():
        return made(*pad_pieces([add_bounds(frames, 3)], 3), voice)[0, 1:-1]


@hypothesis(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 11), st.integers(0, 2), st.integers(HOLD, VOCABULARY - 1), st.booleans())
def test_the_cell_itself_does_not_change_its_logits(seed: int, time: int, voice: int, token: int, deep: bool) -> None:
    made = model(2 if deep else 1)
    frames = piece(seed)
    other = frames.clone()
    other[time, voice] = token
    assert torch.equal(logits(made, frames, voice)[time], logits(made, other, voice)[time])


@pytest.mark.parametrize("voice", range(3))
def test_every_other_cell_and_column_changes_them(voice: int) -> None:
    made = model()
    frames = piece(3)
    before = logits(made, frames, voice)[6]
    for time in (0, 5, 6, 7, 11):
        for column in range(9):
            if (time, column) == (6, voice):
                continue
            other = frames.clone()
            least, size = (HOLD, VOCABULARY - HOLD) if column < 3 else (0, SIZES[column - 3])
            other[time, column] = least + (other[time, column] - least + 1) % size
            assert not torch.equal(before, logits(made, other, voice)[6]), (time, column)


def test_padding_changes_nothing_and_costs_nothing() -> None:
    made = model()
    short, long = add_bounds(piece(1, 7), 3), add_bounds(piece(2, 20), 3)
    with torch.no_grad():
        alone, best = made.nats(*pad_pieces([short], 3))
        both, best_of_both = made.nats(*pad_pieces([long, short], 3))
    assert torch.allclose(alone[0], both[1, :9], atol=1e-6)
    assert torch.equal(best[0, 1:8], best_of_both[1, 1:8])
    assert both[1, 9:].abs().sum() == 0 and both[:, 0].abs().sum() == 0, "padding and start cost nothing"
    assert alone[0, -1].abs().sum() == 0 and (alone[0, 1:-1] > 0).all()


def test_costs_are_those_of_the_logits() -> None:
    made = model()
    frames = piece(5)
    with torch.no_grad():
        costs, best = made.nats(*pad_pieces([add_bounds(frames, 3)], 3))
    for voice in range(3):
        log_probabilities = logits(made, frames, voice).log_softmax(-1)
        expected = -log_probabilities[range(12), frames[:, voice] - HOLD]
        assert torch.allclose(costs[0, 1:-1, voice], expected, atol=1e-5)
        assert torch.equal(best[0, 1:-1, voice], log_probabilities.argmax(-1) + HOLD)


def test_what_sounds_is_the_last_token_that_is_no_hold() -> None:
    cells = torch.tensor([[[HOLD], [7], [HOLD], [REST], [HOLD], [9]]])
    assert find_sounding(cells)[0, :, 0].tolist() == [PAD, 7, 7, REST, REST, 9]


def test_rows_are_reversed_up_to_their_length() -> None:
    rows = torch.arange(8.0).view(2, 4, 1)
    assert reverse_rows(rows, torch.tensor([4, 2]))[..., 0].tolist() == [[3, 2, 1, 0], [5, 4, 6, 7]]
    assert torch.equal(reverse_rows(reverse_rows(rows, torch.tensor([3, 1])), torch.tensor([3, 1])), rows)


def test_pieces_have_bounds_and_are_sorted_by_length() -> None:
    pieces = [piece(seed, frames).numpy().astype(np.uint16) for seed, frames in enumerate((5, 0, 3, 9))]
    ((cells, known, lengths),) = batches(pieces, 3)
    assert lengths.tolist() == [5, 7, 11] and cells.shape == (3, 11, 3) and known.shape == (3, 11, 6)
    assert cells[:, 0].unique().tolist() == [BOS] and cells[2, 10].tolist() == [EOS] * 3
    assert cells[0, 4].tolist() == [EOS] * 3 and cells[0, 5:].unique().tolist() == [PAD]
    assert np.array_equal(cells[0, 1:4].numpy(), pieces[2][:, :3])


def test_training_transposes_windows_with_their_keys_as_far_as_the_vocabulary_goes() -> None:
    made = model()
    cells = torch.tensor([[[FIRST, HOLD]], [[FIRST + 2, FIRST + 1]], [[HOLD, REST]]])  # (3, 1, 2)
    known = torch.zeros(3, 1, 6, dtype=torch.long)
    known[..., SHARPS] = 7 - 3  # three flats, as E flat major
    moved, keys = made.move_pitches(cells, known, torch.tensor([2, -1, 0]).view(3, 1, 1))
    assert moved.tolist() == [[[FIRST + 2, HOLD]], [[FIRST + 1, FIRST]], [[HOLD, REST]]]
    assert keys[:, 0, SHARPS].tolist() == [7 - 1, 7 + 2, 7 - 3], "F major, D major, and as it was"
    low, _ = made.move_pitches(cells[:1], known[:1], torch.tensor([-9]).view(1, 1, 1))
    assert torch.equal(low, cells[:1]), "nothing below the lowest pitch"


@given(
    arrays(np.int64, st.tuples(st.integers(2, 9), st.just(3)), elements=st.integers(HOLD, HOLD + 13)),
    st.integers(0, 2),
    st.data(),
)
def test_the_parallels_that_a_token_would_make_are_those_that_it_makes(
    grid: np.ndarray, voice: int, data: st.DataObject
) -> None:
    """Counted by the metric in the piece with that token, at the step into its cell and at the end of its note."""
    frame = data.draw(st.integers(0, len(grid) - 1))
    found = count_parallels(add_bounds(torch.from_numpy(grid), 3)[None], voice, 14)[0, frame + 1]
    starts = np.flatnonzero(grid[frame + 1 :, voice] != HOLD)
    others = [other for other in range(3) if other != voice]
    for token in range(14):
        changed = grid.copy()
        changed[frame, voice] = HOLD + token
        silent = sounding(np.concatenate([np.full((1, 3), REST), changed]), 50)  # a step for each frame
        pairs = [silent[:, [voice, other]] for other in others]
        steps = np.sum([parallels(pair[:-1], pair[1:]) for pair in pairs], axis=0)
        there = steps[frame + 1 + starts[0]] if len(starts) else 0
        assert found[token].tolist() == [steps[frame], there]
