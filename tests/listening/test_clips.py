"""Clips: cut at a bar line, from the first note, of one length and one loudness, the same bytes for the same score."""

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
    common_loudness,
    encode,
    end_at,
    excerpt,
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


@pytest.mark.parametrize(("seconds", "found"), [(9.0, 9.0), (8.9, 6.0), (11.9, 11.25), (12.0, 12.0), (30.0, 12.0)])
def test_an_excerpt_ends_at_the_last_bar_line_or_beat(seconds: float, found: float) -> None:
    piece = make_piece(1, beats=16)
    part = excerpt(piece, seconds)
    assert part.seconds == pytest.approx(found) and part.score.end() == round(found / 3 * BAR)
    for whole, cut in zip(piece.tracks, part.score.tracks, strict=True):
        assert [note.pitch for note in cut.notes] == [
            note.pitch for note in whole.notes if note.time < part.score.end()
        ]


def test_no_clip_gets_shorter_than_ten_seconds_by_its_bar_lines() -> None:
    piece = make_piece(1, beats=16)
    assert excerpt(piece, 10.1).seconds == pytest.approx(10.1, abs=0.04) and excerpt(piece, 10.6).seconds == 10.5


def test_an_opening_has_the_first_bars_and_a_short_piece_stays() -> None:
    piece = make_piece(2, beats=16)
    assert opening(piece, 2).end() == 2 * BAR and opening(piece, 4) == piece and opening(piece, 9) == piece


def test_notes_that_sound_on_end_at_the_cut() -> None:
    piece = end_at(make_piece(3, beats=16), 100)
    ends = [note.end for track in piece.tracks for note in track.notes]
    assert max(ends) == 100 and len(piece.tempos) == 1


def test_a_piece_without_notes_is_no_excerpt() -> None:
    with pytest.raises(EtudeError, match="no notes"):
        excerpt(ScoreTick(24), 10)


def test_sounds_have_one_length_start_at_once_and_end_in_silence() -> None:
    arrange = smoke().arrange
    late = make_piece(1, beats=8).shift_time(4 * BAR)
    late.tempos.append(TempoTick(0, qpm=80))
    sounds = [
        sound_of(excerpt(piece, 5), arrange, 5) for piece in (make_piece(1, beats=8), make_piece(2, beats=4), late)
    ]
    assert {sound.shape for sound in sounds} == {(1, round((LEAD + 5 + TAIL) * SAMPLE_RATE))}
    for sound in sounds:
        heard = np.flatnonzero(np.abs(sound[0]) > 1e-3)
        assert heard[0] < 2 * LEAD * SAMPLE_RATE and np.abs(sound[0, -100:]).max() < 1e-3


def test_clips_are_equally_loud_and_equally_large_whatever_their_pieces() -> None:
    arrange = smoke().arrange
    loud, soft = make_piece(1, beats=8), make_piece(2, beats=8)
    del soft.tracks[1:]
    for note in soft.tracks[0].notes:
        note.velocity = 20
    sounds = [sound_of(excerpt(piece, 6), arrange, 6) for piece in (loud, soft)]
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
