"""Stage ingest: cleaning, limits, refusals."""

import dataclasses
import json
from pathlib import Path

import pytest
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.provenance import built_from
from etude.session import Session
from etude.settings import Settings
from etude.stages.ingest import bars, clean, refusal, run

ROOT = Path(__file__).parents[2]
SETTINGS = Settings.from_params(ROOT / "params.yaml")
VOICES = list(SETTINGS.dataset["voices"])


def piece(lines: list[list[tuple[int, int, int]]], sign: tuple[int, int] = (4, 4)) -> Score:
    """A piece from (onset, duration, pitch) in ticks of a 24th quarter."""
    score = Score(24)
    score.time_signatures.append(TimeSignature(0, *sign))
    for name, line in zip(VOICES, lines, strict=False):
        track = Track(name, 0, False)
        for note in line:
            track.notes.append(Note(*note, 80))
        score.tracks.append(track)
    return score


def scale(pitch: int, length: int = 8) -> Score:
    return piece([[(24 * at, 24, pitch - 5 * voice + at) for at in range(length)] for voice in range(4)])


def notes(score: Score, track: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in score.tracks[track].notes]


def download(root: Path, files: dict[str, bytes], titles: dict[str, str] | None = None) -> None:
    folder = root / "data" / "download"
    (folder / "files").mkdir(parents=True)
    pieces = []
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
        path = folder / "files" / name
        entry: dict[str, str | None] = {
            "id": Path(name).stem,
            "file": f"files/{name}",
            "source": f"here/{name}",
            "sha256": digest(path),
        }
        pieces.append(entry | {"title": (titles or {}).get(name)})
    (folder / "manifest.json").write_text(json.dumps({"settings": built_from(SETTINGS, "download"), "pieces": pieces}))


def test_clean_drops_what_midi_cannot_hold() -> None:
    dirty = piece([[(24, 24, 60), (0, 48, 60), (0, 12, 60), (0, 0, 64), (0, 24, 62)]])
    tidy, count = clean(dirty)
    assert notes(tidy) == [(0, 24, 60), (0, 24, 62), (24, 24, 60)]
    assert count == {"zero_length": 1, "duplicates": 1, "cut": 1}
    assert len(dirty.tracks[0].notes) == 5  # the piece that was given stays as it was
    assert clean(tidy) == (tidy, {"zero_length": 0, "duplicates": 0, "cut": 0})


def test_bars_count_the_last_one_whole_and_follow_the_metre() -> None:
    assert bars(piece([[(0, 96, 60)]])) == 1
    assert bars(piece([[(0, 97, 60)]])) == 2
    assert bars(piece([[(0, 97, 60)]], sign=(3, 4))) == 2
    changing = piece([[(0, 96 + 48 + 96, 60)]])
    for time, numerator in ((96, 2), (144, 4)):
        changing.time_signatures.append(TimeSignature(time, numerator, 4))
    assert bars(changing) == 3
    assert bars(piece([[]])) == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"max_notes": 31}, "max_notes = 31"), ({"min_notes": 33}, "min_notes = 33"), ({"max_bars": 1}, "max_bars = 1")],
)
def test_limits_name_their_key(limits: dict[str, int], words: str) -> None:
    assert words in str(refusal(scale(60), dataclasses.replace(SETTINGS.ingest, **limits)))
    assert refusal(scale(60), SETTINGS.ingest) is None


def test_a_silent_voice_is_refused() -> None:
    lines = [[(24 * at, 24, 60 + at) for at in range(20)], [], [], []]
    assert "Alto, Tenor, Bass" in str(refusal(piece(lines), SETTINGS.ingest))


def test_long_rests_of_all_voices_are_refused_others_not() -> None:
    def with_rest(quarters: int) -> Score:
        line = [(24 * at + (24 * quarters if at > 9 else 0), 24, 60) for at in range(20)]
        return piece([line, line, line, line])

    limit = SETTINGS.ingest.max_rest
    assert refusal(with_rest(int(limit)), SETTINGS.ingest) is None
    assert "all voices rest for 5 quarters, more than ingest.max_rest = 4" in str(
        refusal(with_rest(int(limit) + 1), SETTINGS.ingest)
    )


def test_the_rest_goes_on_and_workers_change_nothing(tmp_path: Path) -> None:
    good, other = scale(60).dumps_midi(), scale(67).dumps_midi()
    files = {"a.mid": good, "b.mid": good, "c.mid": b"MThd nonsense", "d.mxl": b"PK", "e.mid": other}
    files["f.mid"] = b"0" * 9000
    settings = dataclasses.replace(SETTINGS, ingest=dataclasses.replace(SETTINGS.ingest, max_bytes=8000))
    for workers in (1, 2):
        root = tmp_path / str(workers)
        download(root, files, titles={"b.mid": "A title"})
        run(settings, Session(root=root, workers=workers, progress=False))
    assert digest(tmp_path / "1" / "data" / "ingest") == digest(tmp_path / "2" / "data" / "ingest")
    folder = tmp_path / "1" / "data" / "ingest"
    manifest = read_json(folder / "manifest.json", "etude ingest")
    assert [entry["id"] for entry in manifest["pieces"]] == ["b", "e"]  # of twins the one with a title
    reasons = {entry["source"]: entry["reason"] for entry in manifest["refused"]}
    assert list(reasons) == ["here/a.mid", "here/c.mid", "here/d.mxl", "here/f.mid"]
    assert reasons["here/a.mid"] == "the same notes as b, which is kept"
    assert "max_bytes = 8000" in reasons["here/f.mid"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())
    entry = manifest["pieces"][0]
    assert (entry["notes"], entry["bars"], entry["tracks"], entry["title"]) == (32, 2, VOICES, "A title")
    assert digest(folder / entry["file"]) == entry["sha256"]
    assert notes(Score(folder / entry["file"])) == notes(scale(60))


def test_a_damaged_file_is_refused_and_nothing_left_is_an_error(tmp_path: Path) -> None:
    download(tmp_path, {"a.mid": scale(60).dumps_midi()})
    (tmp_path / "data" / "download" / "files" / "a.mid").write_bytes(scale(61).dumps_midi())
    with pytest.raises(EtudeError, match=r"refused all 1 files.*differs from its digest.*etude download"):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
    assert not (tmp_path / "data" / "ingest").exists()


def test_without_a_download_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="etude download"):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
