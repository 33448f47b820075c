"""Stage augment: transposition inside the voices' ranges, stretch as tempo."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.outputs import digest, read_json
from etude.provenance import built_from
from etude.session import Session
from etude.settings import Augment, Settings
from etude.stages.augment import alter, augment, run, transpose_key, transpositions, voice_ranges

SETTINGS = Settings.from_params(Path(__file__).parents[2] / "params.yaml")
ALL = Augment(seed=0, transpose=True, stretch=[0.9, 1.0, 1.1])


def piece(*lines: list[int], key: int = 0) -> Score:
    score = Score(24)
    score.tempos.append(Tempo(0, 80))
    score.time_signatures.append(TimeSignature(0, 3, 4))
    score.key_signatures.append(KeySignature(0, key, 1))
    for place, line in enumerate(lines):
        track = Track(f"voice {place}", place, False)
        for at, pitch in enumerate(line):
            track.notes.append(Note(24 * at, 24, pitch, 80))
        score.tracks.append(track)
    return score


def pitches(score: Score) -> list[list[int]]:
    return [[note.pitch for note in track.notes] for track in score.tracks]


PIECES = {"a": piece([60, 67], [40, 45]), "b": piece([62, 63], [44, 48])}


def test_ranges_are_those_of_each_voice() -> None:
    assert voice_ranges(PIECES) == [(60, 67), (40, 48)]
    assert transpositions(PIECES["a"], voice_ranges(PIECES)) == [0]
    assert transpositions(PIECES["b"], voice_ranges(PIECES)) == [-2, -1, 0]


@examples(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.lists(st.integers(30, 90), min_size=1, max_size=5)] * 2), min_size=1, max_size=4))
def test_copies_stay_inside_and_none_is_missing(lines: list[tuple[list[int], list[int]]]) -> None:
    pieces = {str(place): piece(*line) for place, line in enumerate(lines)}
    ranges = voice_ranges(pieces)
    for name, score in pieces.items():
        inside = [
            semitones
            for semitones in range(-100, 100)
            if all(
                low <= pitch + semitones <= high
                for voice, (low, high) in zip(pitches(score), ranges, strict=True)
                for pitch in voice
            )
        ]
        assert transpositions(score, ranges) == inside and 0 in inside
        made = [entry["semitones"] for entry, _ in augment(pieces, ALL) if entry["origin"] == name]
        assert made == inside


def test_a_copy_names_its_origin_and_only_pitch_key_and_tempo_change() -> None:
    copies = {entry["id"]: (entry, copy) for entry, copy in augment(PIECES, ALL)}
    assert len(copies) == 4
    for entry, copy in copies.values():
        origin = PIECES[entry["origin"]]
        assert pitches(copy) == [[pitch + entry["semitones"] for pitch in line] for line in pitches(origin)]
        assert copy.tempos[0].qpm == pytest.approx(80 * entry["stretch"])
        assert [note.time for note in copy.tracks[0].notes] == [note.time for note in origin.tracks[0].notes]
        assert copy.time_signatures == origin.time_signatures and entry["stretch"] in ALL.stretch
        assert [track.name for track in copy.tracks] == [track.name for track in origin.tracks]
    entry, copy = copies["a_+0_1"]
    assert copy == PIECES["a"] and (entry["semitones"], entry["stretch"]) == (0, 1.0)


def test_the_draw_depends_on_seed_and_copy_alone() -> None:
    # ranges 60 to 81 and 40 to 50: every piece but the last has room
    many = {f"p{place}": piece([60, 62 + place], [40, 50 - place % 5]) for place in range(20)}
    ids = {entry["id"] for entry, _ in augment(many, ALL)}
    assert {entry["stretch"] for entry, _ in augment(many, ALL)} == {0.9, 1.0, 1.1}
    few = {"p19": many["p19"], "p3": many["p3"]}
    assert {entry["id"] for entry, _ in augment(few, ALL)} <= ids
    assert {entry["id"] for entry, _ in augment(many, dataclasses.replace(ALL, seed=1))} != ids


def test_without_transposition() -> None:
    still = dataclasses.replace(ALL, transpose=False)
    made = [(entry["origin"], entry["semitones"], entry["stretch"]) for entry, _ in augment(PIECES, still)]
    assert len(made) == 4 and all(semitones == 0 for _, semitones, _ in made)
    assert {stretch for origin, _, stretch in made if origin == "a"} & {0.9, 1.1}
    assert {(origin, 0, 1.0) for origin in PIECES} <= set(made)
    plain = dataclasses.replace(still, stretch=[1.0])
    assert [entry["id"] for entry, _ in augment(PIECES, plain)] == ["a_+0_1", "b_+0_1"]


@pytest.mark.parametrize(
    ("fifths", "semitones", "moved"),
    [(0, 2, 2), (0, -1, 5), (-1, 1, 6), (-3, 0, -3), (4, 12, 4), (2, -2, 0), (-6, 0, -6)],
)
def test_the_key_signature_moves_too(fifths: int, semitones: int, moved: int) -> None:
    assert transpose_key(fifths, semitones) == moved
    copy = alter(piece([60], key=fifths), semitones, 1.0)
    assert (copy.key_signatures[0].key, copy.key_signatures[0].tonality) == (moved, 1)


def test_the_stage_takes_train_pieces_only_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ingest"
    (folder / "midi").mkdir(parents=True)
    (tmp_path / "data" / "split").mkdir()
    names = ["a", "b", "c"]
    for place, name in enumerate(names):
        piece([60, 67 - place], [40, 45]).dump_midi(folder / "midi" / f"{name}.mid")
    files = {name: f"midi/{name}.mid" for name in names}
    entries = [{"id": name, "file": file, "sha256": digest(folder / file)} for name, file in files.items()]
    made = {"settings": built_from(SETTINGS, "ingest"), "pieces": entries}
    (folder / "manifest.json").write_text(json.dumps(made))
    sides = {"settings": built_from(SETTINGS, "split"), "train": ["a", "b"], "valid": ["c"], "test": []}
    (tmp_path / "data" / "split" / "split.json").write_text(json.dumps(sides))
    digests = []
    for _ in range(2):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
        digests.append(digest(tmp_path / "data" / "augment"))
    assert digests[0] == digests[1]
    out = tmp_path / "data" / "augment"
    copies = read_json(out / "manifest.json", "etude augment")["copies"]
    assert {copy["origin"] for copy in copies} == {"a", "b"}
    assert {path.name for path in (out / "midi").iterdir()} == {Path(copy["file"]).name for copy in copies}
    first = next(copy for copy in copies if copy["id"] == "a_+0_1")
    assert Score(out / first["file"]).tracks == Score(folder / "midi" / "a.mid").tracks
