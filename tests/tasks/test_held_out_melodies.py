"""Fifty melodies of Bach that no model of the pipeline has learned from come out note for note."""

import contextlib
import dataclasses

import pytest
import yaml
from conftest import ROOT, make_piece
from symusic.core import ScoreTick
from tasks.test_harmony import CONFIG, Known, known, notes_of, task_of

from etude.config.check import construct
from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.datasets import corpus
from etude.music.melody import find_melody
from etude.scores.readers import read
from etude.tasks.harmony import harmonize, to_score

COUNT = 50
FEW = dataclasses.replace(CONFIG, candidates=1, sweeps=1, particles=1)


@pytest.fixture(scope="module")
def melodies() -> dict[str, ScoreTick]:
    """The smallest files of the corpus, as ingest reads them: they take the least time. The models have seen none."""
    values = yaml.safe_load((ROOT / "conf/dataset/bach.yaml").read_text(encoding="utf-8"))["reading"]
    reading = construct(Reading, values, "dataset.reading")
    found: dict[str, ScoreTick] = {}
    files = [file for file in corpus.find("bach").glob("bwv*") if file.suffix == ".mxl"]
    for path in sorted(files, key=lambda file: (file.stat().st_size, file.name)):
        with contextlib.suppress(EtudeError):
            found[path.stem] = read(path, None, reading)[0]
        if len(found) == COUNT:
            break
    return found


@pytest.fixture(scope="module")
def wide() -> Known:
    """Models whose voices have two octaves each."""
    return known([make_piece(seed, 32, transpose) for seed, transpose in enumerate((-7, 0, 7))])


@pytest.mark.parametrize("name", ["deepbach", "voices"])
def test_fifty_held_out_melodies_come_out_note_for_note(name: str, melodies: dict[str, ScoreTick], wide: Known) -> None:
    assert len(melodies) == COUNT
    sources, tasks, placed = [], [], []
    for score in melodies.values():
        for semitones, quarters in ((0, 16), (-14, 4)):  # as written, and below the range of the model's first voice
            source = score.copy()
            for track in source.tracks:
                track.shift_pitch(semitones, inplace=True)
            while len(source.tracks) > 1:
                del source.tracks[-1]
            end = max(source.tracks[0].notes[0].end, quarters * source.ticks_per_quarter)
            source = source.clip(0, end, clip_end=True)  # without the notes that end later
            task, melody = task_of(name, source, FEW, 0, wide)
            sources.append(source)
            tasks.append(task)
            placed.append(melody)
    model, kind = wide.models[name]
    grid = wide.grids[kind]
    for source, melody, (best, *_) in zip(sources, placed, harmonize(model, grid, tasks), strict=True):
        track = find_melody(source)
        made = to_score(best, grid, melody, source, track)
        back = ScoreTick.from_midi(made.dumps_midi())
        assert notes_of(back.tracks[0]) == notes_of(track)
        assert len(made.tracks) == 4
