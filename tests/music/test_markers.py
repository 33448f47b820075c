"""Fermatas as markers."""

from symusic.core import ScoreTick as Score
from symusic.core import TextMetaTick as TextMeta

from etude.music.markers import fermatas, mark_fermatas


def test_fermatas_are_sorted_markers_and_survive_midi() -> None:
    score = Score(24)
    score.markers.append(TextMeta(48, "chord:Am"))
    mark_fermatas(score, [96, 24, 96])
    assert [(marker.time, marker.text) for marker in score.markers] == [
        (24, "fermata"),
        (48, "chord:Am"),
        (96, "fermata"),
    ]
    assert fermatas(score) == fermatas(Score.from_midi(score.dumps_midi())) == [24, 96]
    assert fermatas(Score(24)) == []
