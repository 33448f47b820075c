"""What drawn voices must keep to: given notes, the ranges of train, chords."""

import numpy as np
import pytest
from conftest import make_piece
from sampling.tunes import tune
from tasks.test_harmony import CONFIG, GRIDS, MODELS, OBSERVED

from etude.core.errors import EtudeError
from etude.metrics.voice_leading import SILENCE, sounding
from etude.music.chord_text import Chord
from etude.music.key import Mode
from etude.music.melody import find_melody
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.sampling.constraints import enter_together, keep_given, keep_to_chords
from etude.sampling.harmonies import HarmonyTask
from etude.tasks.harmony import grid_of, harmonize, place_on_grid

C_MAJOR: tuple[int, Mode] = (0, "major")


def test_given_cells_stay_and_nothing_is_held_beyond_them() -> None:
    grid = np.full((6, 4), REST)
    grid[1:3, 2] = FIRST + 3, HOLD
    given = np.zeros(grid.shape, dtype=bool)
    given[1:3, 2] = True
    observed = np.ones((4, FIRST + 8), dtype=bool)
    allowed = keep_given(grid, given, observed)
    assert np.flatnonzero(allowed[1, 2]).tolist() == [FIRST + 3] and np.flatnonzero(allowed[2, 2]).tolist() == [HOLD]
    assert not allowed[3, 2, HOLD] and allowed[4, 2, HOLD] and allowed[3, 1, HOLD]
    assert not allowed[0, :, HOLD].any(), "nothing is held before the begin"
    assert allowed.any(axis=-1).all()


@pytest.mark.parametrize("name", MODELS)
def test_chords_a_bass_line_and_fixed_notes_are_kept(name: str) -> None:
    model, kind = MODELS[name]
    grid, observed = GRIDS[kind], OBSERVED[kind]
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(16)])
    melody = place_on_grid(grid, observed, source, find_melody(source))
    given = np.zeros(melody.grid.shape, dtype=bool)
    given[:, 0] = True
    own = melody.grid.copy()
    bass = grid_of(grid, make_piece(3, 32))[:64, 3]
    own[:32, 3], given[:32, 3] = bass[:32], True
    alto = observed[1, FIRST:].nonzero()[0][0] + FIRST
    own[20:24, 1], given[20:24, 1] = (alto, HOLD, HOLD, HOLD), True
    chords = [Chord("C", 32, 40, 0, frozenset({0, 4, 7}), 0), Chord("G", 48, 64, 7, frozenset({7, 11, 2}), 7)]
    allowed = keep_to_chords(keep_given(own, given, observed), given, chords, grid.low)
    rng = [np.random.default_rng(place) for place in range(3)]
    for harmony in harmonize(model, grid, [HarmonyTask(melody.piece, allowed, CONFIG, rng)])[0]:
        assert (harmony.grid[given] == own[given]).all()
        assert harmony.grid[24, 1] != HOLD
        pitches = sounding(harmony.grid, grid.low)
        for chord in chords:
            below = pitches[chord.start : chord.end, 1:]
            assert np.isin(below[below != SILENCE] % 12, list(chord.classes)).all()
            assert (below[0] != SILENCE).all() and below[0, 2] % 12 == chord.bass
            assert (harmony.grid[chord.start, 1:] >= FIRST).all()


def test_a_chord_beyond_a_voice_is_said() -> None:
    observed = np.zeros((4, FIRST + 4), dtype=bool)
    observed[:, [HOLD, REST, FIRST]] = True  # one pitch, 60
    allowed = np.tile(observed, (4, 1, 1))
    with pytest.raises(EtudeError, match="no note of D is in the range of the voice 2"):
        keep_to_chords(allowed, np.zeros((4, 4), dtype=bool), [Chord("D", 0, 4, 2, frozenset({2, 6, 9}), 2)], 60)


def test_drawn_voices_enter_with_the_melody_and_given_ones_stay() -> None:
    grid = np.full((4, 3), REST)
    grid[1, 0] = FIRST + 2
    given = np.zeros(grid.shape, dtype=bool)
    given[:, 0] = given[:, 1] = True
    before = keep_given(grid, given, np.ones((3, FIRST + 4), dtype=bool))
    after = enter_together(before, grid, given)
    assert not after[1, 2, :FIRST].any() and after[1, 2, FIRST:].all()
    after[1, 2] = before[1, 2]
    assert np.array_equal(after, before)
