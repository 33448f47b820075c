"""Locked notes are given cells, as fixed parts of a file are."""

from pathlib import Path

import numpy as np
from studio.served import melody
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.studio.models import Models
from etude.studio.pieces import score_of
from etude.tasks.harmony import place_on_grid
from etude.tasks.harmony_constraints import allowed_tokens, allowed_with
from etude.tasks.requests import HarmonizeFiles


def test_notes_that_stay_allow_what_a_file_of_fixed_parts_allows(models: Models, tmp_path: Path) -> None:
    harmonizer = models.harmonizer("voices")
    source = score_of(melody((55, 57, 59, 60)))  # below the range of the soprano: it is transposed
    on_grid = place_on_grid(harmonizer.representation, harmonizer.observed, source, source.tracks[0])
    assert on_grid.shift > 0
    alto = TrackTick("Alto", 69)
    alto.notes.append(NoteTick(24, 36, 50, 80))
    fixed = ScoreTick(24)
    fixed.tracks.append(alto)
    fixed.dump_midi(tmp_path / "alto.mid")
    for chords in (None, "G | C"):
        files = HarmonizeFiles(fixed=str(tmp_path / "alto.mid"), chords=chords and chords.split(" |")[0])
        expected = allowed_tokens(harmonizer, on_grid, source, files, models.settings.ingest)
        found = allowed_with(harmonizer, on_grid, source, {"Alto": alto}, "locked", files.chords)
        assert np.array_equal(expected, found)
        assert (found[4:10, 1].sum(axis=1) == 1).all() and found[0, 1].sum() > 1
