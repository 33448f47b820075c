"""Lead sheets and styles that these tests write."""

from typing import Any

import yaml
from conftest import ROOT
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.arranging.lead_sheet import LeadSheet, lead_sheet_of
from etude.arranging.styles import Style
from etude.music.bars import bars_of
from etude.music.chord_text import read_chords, repeated

STYLES = sorted(file.stem for file in (ROOT / "conf/style").glob("*.yaml"))
LINE = (72, 74, 76, 72, 79, 76, 74, 71)  # of a tune, again and again


def style_values(name: str) -> dict[str, Any]:
    """The values of a style file."""
    values: dict[str, Any] = yaml.safe_load((ROOT / f"conf/style/{name}.yaml").read_text(encoding="utf-8"))
    return values


def style(name: str, **changed: Any) -> Style:
    """A style of conf/style, with some keys changed."""
    return Style.of({**style_values(name), **changed})


def tune(bars: int = 16, meter: tuple[int, int] = (4, 4), upbeat: int = 0, quarter: int = 24) -> ScoreTick:
    """A tune of as many notes a bar as its meter has beats, the last of every fourth bar longer; an upbeat of notes."""
    piece = ScoreTick(quarter)
    piece.tempos.append(TempoTick(0, 100))
    piece.time_signatures.append(TimeSignatureTick(0, *meter))
    track = TrackTick("Tune", 40)
    beat, length = 4 * quarter // meter[1], 4 * quarter * meter[0] // meter[1]
    first = length if upbeat else 0
    for place in range(upbeat):
        track.notes.append(NoteTick(length - (upbeat - place) * beat, beat, 67, 70))
    for bar in range(bars):
        count = meter[0] - 1 if bar % 4 == 3 and meter[0] > 2 else meter[0]
        for place in range(count):
            last = count < meter[0] and place == count - 1
            pitch = LINE[(bar % 4 + place) % len(LINE)] + (5 if bars // 2 <= bar < 3 * bars // 4 else 0)
            track.notes.append(NoteTick(first + bar * length + place * beat, 2 * beat if last else beat, pitch, 70))
    piece.tracks.append(track)
    return piece


def sheet(
    bars: int = 16,
    meter: tuple[int, int] = (4, 4),
    upbeat: int = 0,
    chords: str = "C | Am | F | G7",
    quarter: int = 24,
) -> LeadSheet:
    """The lead sheet of ``tune``, with chords that are repeated."""
    piece = tune(bars, meter, upbeat, quarter)
    lines = bars_of(piece)[int(upbeat > 0) :]
    found = read_chords(repeated(chords, len(lines)), lines, (0, "major")) if chords else []
    return lead_sheet_of(piece, piece.tracks[0], found)
