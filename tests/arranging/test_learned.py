"""A part that a model plays: what the model gets, and which of its notes are taken."""

import pytest
from arranging.sheets import sheet, style, style_values
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.arranging.band import arrange
from etude.arranging.styles import Style
from etude.core.errors import EtudeError

VALUES = style_values("pop")
PIANO = {
    **VALUES["parts"]["Piano"],
    "play": "accompaniment",
    "texture": "broken",
    "enters": 0.5,
}
VALUES["parts"] = {"Piano": PIANO, "Bass": VALUES["parts"]["Bass"]}


def test_the_model_gets_a_lead_sheet_and_plays_where_the_part_does() -> None:
    asked: list[tuple[ScoreTick, str | None, int]] = []

    def play(lead_sheet: ScoreTick, texture: str | None, seed: int) -> TrackTick:
        asked.append((lead_sheet, texture, seed))
        track = TrackTick("PIANO")
        quarter = lead_sheet.ticks_per_quarter
        for time in range(0, lead_sheet.markers[-1].time + 4 * quarter, quarter):
            track.notes.append(NoteTick(time, 10, 55, 80))
        return track

    made = arrange(sheet(8, chords="C/E | Am7"), Style.of(VALUES), form="AB", seed=5, accompanist=play)
    ((piece, texture, seed),) = asked
    assert (texture, seed) == ("broken", 5) and [track.name for track in piece.tracks] == ["Melody"]
    assert [marker.text for marker in piece.markers][:3] == ["chord:C:maj/3", "chord:G:7", "chord:C:maj/3"]
    assert len(piece.time_signatures) == 1 and piece.tracks[0].notes[0].time == made.song.melody.onset[0]
    close = next(one.bar for one in made.song.bars if one.kind == "ending")
    piano = next(track for track in made.written.tracks if track.name == "Piano")
    first = next(one.bar.start for one in made.song.bars if one.energy >= 0.5)
    assert piano.notes[0].time == first
    last = [note for note in piano.notes if note.time >= close.start]
    assert [(note.time, note.end) for note in last] == [(close.start, made.song.end)], "what closes rings"


def test_without_a_model_such_a_style_is_refused() -> None:
    assert Style.of(VALUES).learned == ["Piano"] and not style("pop").learned
    with pytest.raises(EtudeError, match=r"a part that a trained model plays .* or choose another style"):
        arrange(sheet(8), Style.of(VALUES))
