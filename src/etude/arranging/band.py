"""A lead sheet and a style become a band's song."""

from dataclasses import dataclass

import numpy as np
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TempoTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.arranging.form import found_form, given_form
from etude.arranging.humanise import humanise
from etude.arranging.lead_sheet import ENDING, LeadSheet, Note, Song, lay_out
from etude.arranging.learned import Accompanist, play_learned
from etude.arranging.parts import play
from etude.arranging.styles import LEARNED, Style
from etude.core.seeds import seed_of
from etude.music.chords import MARKER
from etude.music.key import sharps_of
from etude.music.tune import MELODY

KIT = "drums"
SLOWED = 4  # steps in which the end gets slower
LEAD = 73  # flute


@dataclass(frozen=True)
class Arrangement:
    """A song of a band.

    ``written`` has all notes on the grid, ``performed`` as they are played; both have one track a part, the melody
    first, with its General MIDI program, and chord symbols as markers.
    """

    song: Song
    written: ScoreTick
    performed: ScoreTick


def arrange(
    sheet: LeadSheet,
    style: Style,
    form: str | None = None,
    choruses: int = 1,
    intro: int | None = None,
    ending: int | None = None,
    humanised: float = 1.0,
    seed: int = 1,
    accompanist: Accompanist | None = None,
) -> Arrangement:
    """Arrange a lead sheet for the band of a style.

    Args:
        sheet: melody, bars, chords.
        style: who plays what.
        form: as ``AABA``; None: as the melody shows it.
        choruses: how many times the tune is played.
        intro: bars before it; None: as the style has it.
        ending: bars after it, likewise.
        humanised: how much the performance differs from what is written; 0: not at all, without swing too.
        seed: of ghost notes and of the performance.
        accompanist: the model that plays the parts of a style that are learned.

    Raises:
        EtudeError: the form does not fit the tune, or there is no model for a part that is learned.
    """
    tune = sheet.bars[int(sheet.pickup) :]
    phrases = given_form(form, len(tune)) if form else found_form(sheet.melody, tune, sheet.quarter)
    song = lay_out(
        sheet,
        phrases,
        choruses,
        style.intro if intro is None else intro,
        style.ending if ending is None else ending,
    )
    if not song.tempos or song.tempos[0][0] > 0:
        song.tempos.insert(0, (0, style.tempo))
    melody = [
        Note(onset, onset + length, pitch, velocity)
        for onset, length, pitch, velocity in zip(
            *(column.tolist() for column in vars(song.melody).values()), strict=True
        )
    ]
    parts, kinds = {MELODY: melody}, {MELODY: "melody"}
    for number, (name, part) in enumerate(style.parts.items()):
        if part.play == LEARNED:
            notes = play_learned(song, part, _empty(song), accompanist, seed)
        else:
            notes = play(song, part, np.random.default_rng(seed_of(f"part {number}", seed)))
        if notes:
            parts[name], kinds[name] = notes, part.play
    programs = {name: part.program for name, part in style.parts.items()}
    programs[MELODY] = style.lead if style.lead is not None else sheet.program or LEAD
    written = _score(song, parts, kinds, programs)
    if not humanised:
        return Arrangement(song, written, written)
    played = humanise(song, parts, kinds, humanised, style.swing, seed)
    performed = _score(song, played, kinds, programs)
    _slow_down(performed, song, style.ritardando)
    return Arrangement(song, written, performed)


def _empty(song: Song) -> ScoreTick:
    """Tempos, meters, key and chord symbols of a song."""
    score = ScoreTick(song.quarter)
    for tick, tempo in song.tempos:
        score.tempos.append(TempoTick(tick, tempo))
    meter, after = (0, 1), 0
    for bar in (one.bar for one in song.bars):
        if (bar.beats, bar.unit) != meter or bar.start != after:  # after a bar that was cut short
            meter = (bar.beats, bar.unit)
            score.time_signatures.append(TimeSignatureTick(bar.start, *meter))
        after = bar.start + 4 * song.quarter * bar.beats // bar.unit
    tonic, mode = song.key
    score.key_signatures.append(KeySignatureTick(0, sharps_of(tonic, mode), int(mode == "minor")))
    for chord in song.chords:
        score.markers.append(TextMetaTick(chord.start, MARKER + chord.symbol))
    return score


def _score(song: Song, parts: dict[str, list[Note]], kinds: dict[str, str], programs: dict[str, int]) -> ScoreTick:
    score = _empty(song)
    for name, notes in parts.items():
        track = TrackTick(name, programs[name], kinds[name] == KIT)
        for note in notes:
            track.notes.append(NoteTick(note.start, note.end - note.start, note.pitch, note.velocity))
        score.tracks.append(track)
    return score


def _slow_down(score: ScoreTick, song: Song, share: float) -> None:
    """Let the last bar before the ending get slower, to ``share`` below its tempo."""
    ending = next((place for place, one in enumerate(song.bars) if one.kind == ENDING), len(song.bars))
    if not share or ending == 0:
        return
    bar, tempo = song.bars[ending - 1].bar, song.tempo_at(song.bars[ending - 1].bar.start)
    score.tempos = type(score.tempos)([mark for mark in score.tempos if mark.time < bar.start])
    for step in range(SLOWED):
        tick = bar.start + bar.length * step // SLOWED
        score.tempos.append(TempoTick(tick, tempo * (1 - share * (step + 1) / SLOWED)))
