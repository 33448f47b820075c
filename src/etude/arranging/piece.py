"""A piece arranged: its melody, its chords wherever they come from, and the band of a style."""

from dataclasses import replace

from symusic.core import ScoreTick, TrackTick

from etude.arranging.band import Arrangement, arrange
from etude.arranging.chords import chords_of_symbols, chords_of_track, harmonise, recognised
from etude.arranging.lead_sheet import LeadSheet, key_of, lead_sheet_of
from etude.arranging.learned import Accompanist
from etude.arranging.styles import Style
from etude.config.sections import Arrange, Mix
from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.chord_text import read_chords, repeated
from etude.music.columns import columns_of, concatenate
from etude.music.melody import find_melody, skyline
from etude.music.tune import MELODY, chord_track, melody_of, sung_track


def lead_sheet(score: ScoreTick, melody: TrackTick, chords: str | None = None) -> tuple[LeadSheet, str]:
    """The lead sheet of a melody in its piece, and where its chords come from.

    Chords are those given as text, which are played again from their start where the tune is longer; else the symbols
    of the piece; else its track of chords; else what its other tracks sound; else chords for the melody.

    Args:
        score: the piece.
        melody: the track, one note at a time.
        chords: as text, bar by bar; the first bar is the first whole one.

    Raises:
        EtudeError: a chord cannot be read, or there are more bars of them than of the tune.
    """
    bars = bars_of(score)
    if chords is not None:
        bare = lead_sheet_of(score, melody)
        first = next(number for number, bar in enumerate(bars) if bar.end > int(columns_of(melody).onset.min()))
        tune = bars[first + int(bare.pickup) :]
        found = read_chords(repeated(chords, len(tune)), tune, bare.key)
        if not found:
            raise EtudeError(
                f'chords = "{chords}" names no chord. Give some, as "C | Am | F | G", or leave chords out.'
            )
        return lead_sheet_of(score, melody, found), "as given"
    if symbols := chords_of_symbols(score):
        return lead_sheet_of(score, melody, symbols), "the chord symbols of the piece"
    notes = columns_of(melody)
    key = key_of(score, notes)
    if (track := chord_track(score, melody)) is not None:
        return lead_sheet_of(score, melody, chords_of_track(track, key)), f"its track {track.name}"
    if found := recognised(score, melody):
        return lead_sheet_of(score, melody, found), "recognised in its other tracks"
    chosen = harmonise(notes, bars, key, score.ticks_per_quarter)
    return lead_sheet_of(score, melody, chosen), "chosen for the melody"


def arrange_piece(
    score: ScoreTick,
    config: Arrange,
    style: Style,
    chords: str | None = None,
    top_line: bool = False,
    name: str = "it",
    accompanist: Accompanist | None = None,
) -> tuple[Arrangement, str]:
    """Arrange a piece, whose melody is as ``sung_or_first`` finds it, or, with ``top_line``, ``top_line_of``.

    Args:
        score: the piece.
        config: form, choruses, intro, ending, humanise and seed.
        style: the band.
        chords: as text; None: those of the piece, see ``lead_sheet``.
        top_line: take the highest notes of a melody, or of a piece, that has several at a time.
        name: of the piece, for messages.
        accompanist: the model that plays the parts of a style that are learned.

    Returns:
        The arrangement, and where its chords come from.

    Raises:
        EtudeError: there is no melody, or what is requested does not fit it.
    """
    try:
        melody = top_line_of(score) if top_line else sung_or_first(score)
        sheet, where = lead_sheet(score, melody, chords)
        layout = (config.form, config.choruses, config.intro, config.ending)
        made = arrange(sheet, style, *layout, config.humanise, config.seed, accompanist)
    except EtudeError as error:
        raise EtudeError(f"{name}: {error}") from None
    return made, where


def sung_or_first(score: ScoreTick) -> TrackTick:
    """The melody of a given piece: the track whose name says that it sings, else the first one with notes.

    Raises:
        EtudeError: there is none, or it has more than one note at a time.
    """
    named = sung_track(score.tracks)
    if named is None:
        return find_melody(score)
    alone = score.copy()
    alone.tracks = type(alone.tracks)([named])
    return find_melody(alone)


def top_line_of(score: ScoreTick) -> TrackTick:
    """The highest notes of the track whose name says that it sings; where none does, those of all tracks.

    Raises:
        EtudeError: there are no notes but percussion.
    """
    return top_of(score) if sung_track(score.tracks) is None else melody_of(score)


def top_of(score: ScoreTick) -> TrackTick:
    """The highest notes of all tracks of a piece but the drums.

    Raises:
        EtudeError: there are no notes.
    """
    pitched = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    if not pitched:
        raise EtudeError("it has no notes but percussion. Give a melody.")
    line = pitched[0].copy()
    line.notes = skyline(concatenate([columns_of(track) for track in pitched])).notes()
    return line


def placed(mix: Mix, style: Style) -> Mix:
    """The settings of the mix, with the places that a style gives its parts, where the settings give them none."""
    gain = {MELODY: style.lead_gain, **{name: part.gain for name, part in style.parts.items()}}
    pan = {name: part.pan for name, part in style.parts.items()}
    send = {name: part.send for name, part in style.parts.items() if part.send is not None}
    return replace(mix, gain={**gain, **mix.gain}, pan={**pan, **mix.pan}, send={**send, **mix.send})
