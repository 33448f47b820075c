"""Clips: cut alike, from the first note, of one length and one loudness, the same bytes for the same score."""

import numpy as np
import pytest
from conftest import make_piece, smoke
from symusic.core import ScoreTick, TempoTick

from etude.audio.synthesis import TAIL
from etude.core.errors import EtudeError
from etude.listening.clips import (
    CEILING,
    LEAD,
    LOUDNESS,
    SAMPLE_RATE,
    Cut,
    common_cut,
    common_loudness,
    encode,
    end_at,
    length_of,
    opening,
    sound_of,
)

BAR = 96  # ticks of 4/4; 3 seconds at 80 BPM


def test_the_length_counts_from_the_first_note_and_follows_the_tempo() -> None:
    piece = make_piece(1, beats=16)
    assert length_of(piece) == pytest.approx(12)
    later = piece.shift_time(BAR)
    later.tempos = piece.tempos
    assert length_of(later) == pytest.approx(12) and length_of(ScoreTick(24)) == 0
    piece.tempos.append(TempoTick(2 * BAR, qpm=160))
    assert length_of(piece) == pytest.approx(9)


@pytest.mark.parametrize(
    ("seconds", "found"), [(12.0, (12.0, True)), (30.0, (12.0, True)), (11.9, (11.9, False)), (10.0, (10.0, False))]
)
def test_a_cut_is_at_a_bar_line_or_at_the_very_second(seconds: float, found: tuple[float, bool]) -> None:
    cut = common_cut([make_piece(1, beats=16), make_piece(2, beats=24)], seconds)
    assert (cut.seconds, cut.at_line) == (pytest.approx(found[0]), found[1])


def test_pieces_of_other_tempos_share_no_bar_line_and_are_cut_alike() -> None:
    slow, fast = make_piece(1, beats=32), make_piece(2, beats=32)
    fast.tempos[0].qpm = 97
    assert common_cut([slow, fast], 20) == Cut(pytest.approx(length_of(fast)), False)  # type: ignore[arg-type]
    assert common_cut([slow, fast], 15) == Cut(15, False) and common_cut([slow, slow], 16).at_line


def test_an_opening_has_the_first_bars_and_a_short_piece_stays() -> None:
    piece = make_piece(2, beats=16)
    assert opening(piece, 2).end() == 2 * BAR and opening(piece, 4) == piece and opening(piece, 9) == piece


def test_notes_that_sound_on_end_at_the_cut() -> None:
    piece = end_at(make_piece(3, beats=16), 100)
    ends = [note.end for track in piece.tracks for note in track.notes]
    assert max(ends) == 100 and len(piece.tempos) == 1


@pytest.mark.parametrize("at_line", [True, False])
def test_sounds_of_a_cut_start_at_once_and_end_together(at_line: bool) -> None:
    mix, cut = smoke().mix, Cut(3.0 if at_line else 2.6, at_line)
    late = make_piece(1, beats=8).shift_time(4 * BAR)
    late.tempos.append(TempoTick(0, qpm=80))
    sounds = [sound_of(piece, mix, cut) for piece in (make_piece(1, beats=8), make_piece(2, beats=4), late)]
    assert {sound.shape for sound in sounds} == {(1, round((LEAD + cut.seconds + TAIL) * SAMPLE_RATE))}
    end = round((LEAD + cut.seconds) * SAMPLE_RATE)
    for sound in sounds:
        heard = np.flatnonzero(np.abs(sound[0]) > 1e-3)
        assert LEAD * SAMPLE_RATE - 1 <= heard[0] < 2 * LEAD * SAMPLE_RATE and np.abs(sound[0, -100:]).max() < 1e-3
        assert bool(sound[0, end:].any()) == at_line, "a release after a bar line, silence after a fade"


def test_clips_are_equally_loud_and_equally_large_whatever_their_pieces() -> None:
    mix = smoke().mix
    loud, soft = make_piece(1, beats=8), make_piece(2, beats=8)
    del soft.tracks[1:]
    for note in soft.tracks[0].notes:
        note.velocity = 20
    sounds = [sound_of(piece, mix, Cut(6, True)) for piece in (loud, soft)]
    made, again = (list(encode(sounds, [6.0, 6.0])) for _ in range(2))
    assert abs(made[0].loudness - made[1].loudness) < 0.5 and abs(made[0].loudness - LOUDNESS) < 0.3
    assert len(made[0].mp3) == len(made[1].mp3) and [clip.mp3 for clip in made] == [clip.mp3 for clip in again]
    assert len(made[0].mp3) * 8 / (LEAD + 6 + TAIL) == pytest.approx(64_000, rel=0.02)


def test_peaks_lower_the_loudness_of_all_and_silence_has_none() -> None:
    clicks = np.zeros((1, 2 * SAMPLE_RATE))
    clicks[0, ::3200] = 0.5
    tone = 0.1 * np.sin(np.arange(2 * SAMPLE_RATE)[None] / 20)
    assert common_loudness([tone]) == LOUDNESS > common_loudness([tone, clicks])
    (found,) = encode([tone], [2.0])
    assert found.loudness == pytest.approx(LOUDNESS, abs=0.3) and CEILING < 0
    with pytest.raises(EtudeError, match="silent"):
        list(encode([np.zeros((1, SAMPLE_RATE))], [1.0]))
