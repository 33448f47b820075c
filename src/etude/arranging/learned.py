"""A part that a trained model plays: it gets the song as a lead sheet, and gives the notes of an accompaniment."""

from collections.abc import Callable

from symusic.core import ScoreTick, TextMetaTick, TrackTick

from etude.arranging.lead_sheet import ENDING, Note, Song
from etude.arranging.styles import Part
from etude.core.errors import EtudeError
from etude.music.chords import MARKER, Tones, text_of

Accompanist = Callable[[ScoreTick, str | None, int], TrackTick]  # lead sheet, texture, seed -> accompaniment


def play_learned(song: Song, part: Part, sheet: ScoreTick, accompanist: Accompanist | None, seed: int) -> list[Note]:
    """The notes of a model in the bars in which the part plays. What starts with the ending rings through it.

    Args:
        song: its bars, chords and melody.
        part: its texture, and the least energy with which it plays.
        sheet: the song's meters, tempos and key, without notes.
        accompanist: the model.
        seed: of its sampling.

    Raises:
        EtudeError: there is no model, or it cannot play the song.
    """
    if accompanist is None:
        raise EtudeError(
            "The style has a part that a trained model plays (play: accompaniment). Train one, with etude train "
            "dataset=pop909 model=accompaniment, or choose another style."
        )
    if not song.chords:
        return []
    piece = sheet.copy()
    piece.markers.clear()
    for start, text in _symbols(song):
        piece.markers.append(TextMetaTick(start, MARKER + text))
    melody = TrackTick("Melody")
    melody.notes = song.melody.notes()
    piece.tracks.clear()
    piece.tracks.append(melody)
    made = accompanist(piece, part.texture, seed)
    notes = []
    close = next((one.bar.start for one in song.bars if one.kind == ENDING), song.end)  # from there on all rings
    for note in made.notes:
        if note.time > close:
            continue
        energy = song.bars[song.place_of(note.time)].energy
        if energy >= part.enters and note.time < song.end:
            louder = round(note.velocity * part.velocity / 80 * (0.8 + 0.3 * energy))
            end = song.end if note.time == close else min(note.end, song.end)
            notes.append(Note(note.time, end, note.pitch, min(127, max(1, louder))))
    return sorted(notes)


def _symbols(song: Song) -> list[tuple[int, str]]:
    """The song's chords in Harte's notation, N where there is none."""
    found, end = [], 0
    for chord in song.chords:
        if chord.start > end:
            found.append((end, "N"))
        found.append((chord.start, text_of(Tones(chord.root, chord.classes, chord.bass))))
        end = chord.end
    return found
