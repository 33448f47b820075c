"""Players: together they fit on the page."""

import numpy as np
import pytest
from symusic.core import ScoreTick

from etude.report import players
from etude.report.players import SECONDS, Piece, make_players


def test_many_players_get_short_excerpts(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=(2, 6 * 16000)).astype(np.float32) / 9
    pieces = [Piece(f"piece {n}", "", ScoreTick(24), noise, 16000) for n in range(3)]
    complete, seconds = make_players(pieces)
    assert seconds == SECONDS and [player.title for player in complete] == ["piece 0", "piece 1", "piece 2"]
    monkeypatch.setattr(players, "SOUND_BYTES", 10)
    short, seconds = make_players(pieces)
    assert seconds == 5 and all(len(a.audio) < len(b.audio) for a, b in zip(short, complete, strict=True))
