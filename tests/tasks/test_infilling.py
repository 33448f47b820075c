"""Filling in: what is not to be drawn again stays note for note."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import make_piece
from symusic.core import ScoreTick
from tasks.test_harmony import CONFIG, GRIDS, MODELS, OBSERVED

from etude.core.errors import EtudeError
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.infilling import fill_bars


def notes(piece: ScoreTick) -> set[tuple[str, int, int, int]]:
    return {(t.name, n.time, n.duration, n.pitch) for t in piece.tracks for n in t.notes}


def sample_pieces(
    name: str, source: ScoreTick, bars: tuple[int, int], voices: list[str], count: int = 3
) -> list[ScoreTick]:
    model, kind = MODELS[name]
    rngs = [np.random.default_rng(place) for place in range(count)]
    return fill_bars(Harmonizer(name, model, GRIDS[kind], OBSERVED[kind]), source, bars, voices, CONFIG, rngs)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("quarter", [24, 480])
def test_only_the_requested_bars_and_voices_are_new(name: str, quarter: int) -> None:
    source = make_piece(2, 20).resample(quarter)
    bar = 4 * quarter
    pieces = sample_pieces(name, source, (2, 3), ["Alto", "Bass"])
    assert len({frozenset(notes(piece)) for piece in pieces}) == 3
    for piece in pieces:
        assert [track.name for track in piece.tracks] == [track.name for track in source.tracks]
        gone, new = notes(source) - notes(piece), notes(piece) - notes(source)
        assert gone and new
        assert {voice for voice, *_ in gone | new} == {"Alto", "Bass"}
        assert all(bar <= time < 3 * bar for _, time, _, _ in gone), "what starts elsewhere stays"
        assert all(bar <= time for _, time, _, _ in new)
        for track in piece.tracks:
            times = sorted((note.time, note.end) for note in track.notes)
            assert all(end <= onset for (_, end), (onset, _) in pairwise(times)), "one at a time"


def test_one_bar_at_either_end_and_bars_that_are_not_there() -> None:
    source = make_piece(2, 16)
    for bars in ((1, 1), (4, 4), (4, 9)):
        (piece,) = sample_pieces("deepbach", source, bars, ["Tenor"], 1)
        assert {voice for voice, *_ in notes(source) ^ notes(piece)} == {"Tenor"}
        assert piece.end() <= source.end()
    with pytest.raises(EtudeError, match="it ends before bar 5 starts"):
        sample_pieces("deepbach", source, (5, 6), ["Tenor"])


def test_all_voices_at_once_and_the_same_seed_the_same_notes() -> None:
    source = make_piece(2, 16)
    every = [track.name for track in source.tracks]
    first, again = (sample_pieces("voices", source, (2, 2), every, 1)[0] for _ in range(2))
    assert notes(first) == notes(again) != notes(source)
