"""The video of the page: small, the same twice, none without notes."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_piece
from symusic.core import ScoreTick

from etude.report import video
from etude.report.players import Piece


def piece(score: ScoreTick) -> Piece:
    return Piece("model, 00", "", score, np.zeros((2, 16000), np.float32), 16000)


def test_a_piece_becomes_a_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "HOW", replace(video.HOW, width=160, height=90, fps=10, seconds=1.0))
    found, again = (video.make_video(piece(make_piece(1, beats=4))) for _ in range(2))
    assert found == again and found is not None and found.title == "model, 00"
    assert b"ftyp" in found.mp4[:16] and len(found.mp4) < 100_000


def test_without_notes_there_is_none() -> None:
    assert video.make_video(None) is None and video.make_video(piece(ScoreTick(24))) is None
