"""Bars and bar lines."""

from report.test_pianoroll import piece
from symusic.core import ScoreTick

from etude.music.bars import Bar, bar_lines, bars_of


def test_bar_lines_follow_the_signatures() -> None:
    assert bar_lines(piece((0, 24, 60))) == [0, 96]
    assert bar_lines(piece((0, 97, 60))) == [0, 96, 192]
    assert bar_lines(piece((0, 144, 60), signatures=((0, 3, 4),))) == [0, 72, 144]
    changing = piece((0, 200, 60), signatures=((0, 4, 4), (96, 3, 4)))
    assert bar_lines(changing) == [0, 96, 168, 240]
    assert bar_lines(piece((0, 150, 60), signatures=((0, 4, 4), (120, 3, 4)))) == [0, 96, 120, 192]
    assert bar_lines(ScoreTick(24)) == [0, 96]


def test_bars_have_their_meters_and_go_on_as_far_as_they_are_counted() -> None:
    changing = piece((0, 100, 60), signatures=((0, 6, 8), (96, 2, 2)))
    assert bars_of(changing) == [Bar(0, 72, 6, 8), Bar(72, 96, 6, 8), Bar(96, 192, 2, 2)]
    assert [bar.meter for bar in bars_of(changing)] == ["6/8", "6/8", "2/2"] and bars_of(changing)[1].length == 24
    later = piece((0, 24, 60), signatures=((120, 3, 4),))
    assert bar_lines(later) == [0, 96]
    assert bars_of(later, 3) == [Bar(0, 96, 4, 4), Bar(96, 120, 4, 4), Bar(120, 192, 3, 4)]
