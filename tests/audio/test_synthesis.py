"""Stems: lengths, programs, silence, the same bytes in another process."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.audio import synthesis
from etude.audio.synthesis import TAIL, soundfont, track_names
from etude.core.errors import EtudeError

RATE = 8000


def synthesize(score: ScoreTick, rate: int) -> dict[str, np.ndarray]:
    """With the soundfont that comes with etude."""
    return synthesis.synthesize(score, rate, soundfont())


def piece(*tracks: tuple[str, int, int], qpm: float = 60) -> ScoreTick:
    """Two quarter notes of a pitch on each track: (name, program, pitch)."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, qpm))
    for name, program, pitch in tracks:
        track = TrackTick(name, program)
        for onset in (0, 24):
            track.notes.append(NoteTick(onset, 24, pitch, 90))
        score.tracks.append(track)
    return score


def test_each_track_alone_and_all_of_one_length() -> None:
    both = synthesize(piece(("Soprano", 68, 72), ("Bass", 70, 48)), RATE)
    assert list(both) == ["Soprano", "Bass"]
    for stem in both.values():
        assert stem.shape == (2, round((2 + TAIL) * RATE)) and stem.dtype == np.float32
        assert np.abs(stem[:, :RATE]).max() > 0.01
        assert np.abs(stem[:, -RATE // 4 :]).max() < 1e-3  # the release has died away
    assert np.array_equal(both["Bass"], synthesize(piece(("Bass", 70, 48)), RATE)["Bass"])


def test_the_pitch_sounds() -> None:
    stem = synthesize(piece(("Flute", 73, 69)), RATE)["Flute"]
    spectrum = np.abs(np.fft.rfft(stem[0, : 2 * RATE]))
    assert abs(np.argmax(spectrum) / 2 - 440) < 6  # bins of half a hertz


def test_the_last_release_is_not_cut() -> None:
    stem = synthesize(piece(("Soprano", 68, 72)), RATE)["Soprano"]
    assert np.abs(stem[:, 2 * RATE : 2 * RATE + 200]).max() > 1e-3


def test_tempo_and_program_change_the_sound() -> None:
    assert synthesize(piece(("A", 68, 60), qpm=120), RATE)["A"].shape[1] == round((1 + TAIL) * RATE)
    oboe, organ = (synthesize(piece(("A", program, 60)), RATE)["A"] for program in (68, 19))
    assert not np.allclose(oboe, organ)


def test_silence() -> None:
    empty = synthesize(ScoreTick(24), RATE)
    assert list(empty) == ["Silence"] and empty["Silence"].shape[1] > 0 and not empty["Silence"].any()
    score = piece(("A", 68, 60))
    score.tracks.append(TrackTick("B", 70))
    both = synthesize(score, RATE)
    assert both["B"].shape == both["A"].shape and not both["B"].any() and both["A"].any()


def test_no_name_and_names_twice() -> None:
    score = piece(("", 0, 60), ("Violin", 40, 60), ("Violin", 40, 67), ("Violin 2", 40, 67))
    assert track_names(score) == ["Track 1", "Violin", "Violin 2", "Violin 2 2"]
    assert len(synthesize(score, RATE)) == 4


def test_another_process_renders_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "piece.mid"
    score = piece(("A", 68, 72), ("B", 48, 55))
    score.dump_midi(path)
    code = (
        "import sys, hashlib; from symusic import Score; from etude.audio.synthesis import soundfont, synthesize\n"
        f"parts = synthesize(Score(sys.argv[1]), {RATE}, soundfont()).values()\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())\n"
        "assert 'pretty_midi' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(synthesis.__file__).parents[2])},
    )  # fmt: skip
    here = b"".join(stem.tobytes() for stem in synthesize(ScoreTick.from_file(path), RATE).values())
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_without_the_soundfont(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesis, "SOUNDFONT", "absent.sf2")
    synthesis._packaged.cache_clear()
    try:
        with pytest.raises(EtudeError, match=r"absent\.sf2"):
            synthesize(piece(("A", 68, 60)), RATE)
    finally:
        synthesis._packaged.cache_clear()


def test_a_soundfont_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own font.sf2"
    whole = soundfont().read_bytes()
    own.write_bytes(whole)
    score = piece(("A", 68, 60))
    found = synthesis.synthesize(score, RATE, soundfont(str(own)))
    assert np.array_equal(found["A"], synthesize(score, RATE)["A"])
    own.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EtudeError, match=r"own font\.sf2 is damaged"):
        synthesis.synthesize(score, RATE, soundfont(str(own)))
    own.write_bytes(b"RIFF, or not")
    with pytest.raises(EtudeError, match=r"own font\.sf2 is no soundfont"):
        soundfont(str(own))
    with pytest.raises(EtudeError, match=r"mix\.soundfont = .*absent\.sf3 is no file"):
        soundfont(str(tmp_path / "absent.sf3"))


def test_drums_of_a_kit_that_the_soundfont_lacks_have_the_standard_one() -> None:
    score = piece(("Drums", 89, 38))
    score.tracks[0].is_drum = True
    standard = piece(("Drums", 0, 38))
    standard.tracks[0].is_drum = True
    found = synthesize(score, RATE)["Drums"]
    assert found.any() and np.array_equal(found, synthesize(standard, RATE)["Drums"])


def test_the_whistle_which_reads_beyond_its_samples_is_an_ocarina() -> None:
    found = synthesize(piece(("Whistle", 78, 90)), RATE)["Whistle"]
    assert found.any() and np.array_equal(found, synthesize(piece(("Whistle", 79, 90)), RATE)["Whistle"])
