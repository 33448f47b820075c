"""A band that plays along bar by bar: the parts of a style, on the chords of the bar, under its top line."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from symusic.core import ScoreTick, TrackTick

from etude.arranging.band import KIT, LEAD
from etude.arranging.chords import recognised
from etude.arranging.humanise import humanise
from etude.arranging.lead_sheet import TUNE, LeadSheet, Song, SongBar, lead_sheet_of
from etude.arranging.lead_sheet import Note as SongNote
from etude.arranging.parts import play
from etude.arranging.piece import lead_sheet, top_of
from etude.arranging.styles import LEARNED, Style
from etude.core.errors import EtudeError, closest
from etude.core.project import PACKAGE, conf_folder
from etude.core.seeds import seed_of
from etude.live.bars import TICKS, Bar, score_of
from etude.live.sounding import Part, Sound
from etude.music.bars import Bar as SongPlace
from etude.music.tune import MELODY
from etude.representations.base.survey import DRUMS

PHRASE = 4  # bars, after which fills come
SOFT, FULL = 0.55, 0.8  # energy of a phrase, and of each second one


def style_names() -> tuple[str, ...]:
    """The styles of conf/style."""
    return tuple(sorted(file.stem for file in _folder().glob("*.yaml")))


def _folder() -> Path:
    return conf_folder(PACKAGE) / "style"


@cache
def read(name: str) -> Style:
    """A style of conf/style. Raises EtudeError where there is none of that name."""
    if name not in style_names():
        raise EtudeError(f'There is no style "{name[:60]}". {closest(name, style_names())}')
    values = yaml.safe_load((_folder() / f"{name}.yaml").read_text(encoding="utf-8"))
    return Style.of({"name": name, **values})


class StyleBand:
    """Plays the parts of a style to each bar, whose chords are those that its voices sound.

    It knows the bar before, no bar after: phrases have four bars, and a fill before each.
    """

    def __init__(self, voices: Mapping[str, int], tempo: float, seed: int) -> None:
        """Args: the voices of the model; its tempo in BPM; the seed of ghost notes and of small differences in time."""
        self.voices, self.tempo, self.seed = dict(voices), tempo, seed

    def play(self, past: Sequence[Bar], bar: Bar, style: str, number: int) -> tuple[Sound, ...]:
        """See Band; the top line is played by the style's own lead."""
        band = read(style)
        pair = [past[-1] if past else Bar((), bar.length, bar.meter), bar]
        score = score_of([*pair, Bar((), bar.length, bar.meter)], self.voices, self.tempo)
        if not any(len(track.notes) for track in score.tracks if not track.is_drum):
            return ()
        top = top_of(score)
        sheet = self._sheet(score, top)
        song = self._song(sheet, pair, number)
        start, end = song.bars[1].bar.start, song.bars[1].bar.end
        parts: dict[str, list[SongNote]] = {MELODY: _melody(song)}
        kinds = {MELODY: "melody"}
        for place, (name, part) in enumerate(band.parts.items()):
            if part.play == LEARNED:
                continue
            rng = np.random.default_rng(seed_of(f"live {place}", self.seed, number))
            parts[name], kinds[name] = play(song, part, rng), part.play
        played = humanise(song, parts, kinds, 1.0, band.swing, seed_of("live", self.seed, number))
        programs = {name: DRUMS if kinds.get(name) == KIT else part.program for name, part in band.parts.items()}
        programs[MELODY] = LEAD if band.lead is None else band.lead
        made = []
        for name, notes in played.items():
            for note in notes:
                if start <= note.start < end:
                    onset = round((note.start - start) * TICKS / song.quarter)
                    length = max(1, round((note.end - note.start) * TICKS / song.quarter))
                    made.append(
                        Sound(min(onset, bar.length - 1), length, note.pitch, note.velocity, Part(name, programs[name]))
                    )
        return tuple(sorted(made))

    def _sheet(self, score: ScoreTick, top: TrackTick) -> LeadSheet:
        found = recognised(score, top)
        if found:
            return lead_sheet_of(score, top, found)
        return lead_sheet(score, top)[0]

    def _song(self, sheet: LeadSheet, pair: Sequence[Bar], number: int) -> Song:
        """Three bars: the one before, the one that is played, and one more for what leads to it."""
        scale = sheet.quarter // TICKS
        lengths = [bar.length * scale for bar in pair]
        empty = 0 if pair[0].notes else lengths[0]  # a lead sheet leaves empty bars out
        bars, at = [], 0
        for place, length in enumerate([*lengths, lengths[1]]):
            count = (number - 1 + place) % PHRASE
            phrase = max(0, number - 1 + place) // PHRASE
            energy = FULL if phrase % 2 else SOFT
            beats, unit = pair[min(place, 1)].meter
            leads = (SOFT if phrase % 2 else FULL) if count == PHRASE - 1 else None
            bars.append(SongBar(SongPlace(at, at + length, beats, unit), TUNE, count, "A", energy, leads))
            at += length
        melody = replace(sheet.melody, onset=sheet.melody.onset + np.int32(empty))
        chords = [replace(one, start=one.start + empty, end=one.end + empty) for one in sheet.chords]
        if chords:
            chords[-1] = replace(chords[-1], end=at)
            chords[0] = replace(chords[0], start=min(chords[0].start, lengths[0]))
        return Song(bars, melody, sheet.program, chords, sheet.key, [(0, self.tempo)], sheet.quarter)


def _melody(song: Song) -> list[SongNote]:
    columns = (song.melody.onset, song.melody.length, song.melody.pitch, song.melody.velocity)
    return [
        SongNote(onset, onset + length, pitch, velocity)
        for onset, length, pitch, velocity in zip(*(column.tolist() for column in columns), strict=True)
    ]
