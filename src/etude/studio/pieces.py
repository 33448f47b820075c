"""Pieces as the page and its links write them: plain JSON, checked, to scores and back; and files that are given."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from symusic.core import (
    KeySignatureTick,
    NoteTick,
    ScoreTick,
    TempoTick,
    TextMetaTick,
    TimeSignatureTick,
    TrackTick,
)

from etude.config.sections import Ingest
from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.music.melody import find_melody
from etude.scores.reading import CHANGES
from etude.studio.symbols import symbols_of_page
from etude.tasks.score_files import read_score

QUARTERS = 512  # that a piece lasts at most: 128 bars of 4/4
NOTES = 2500  # of a piece at most: what a request of 64 KB holds
TRACKS, SIGNS, LETTERS = 32, 500, 200  # of a piece; of each kind; of a text
TICKS = 10080  # of a quarter note at most
ENDINGS = (".mid", ".midi", ".musicxml", ".xml", ".mxl", ".abc", ".krn")


def score_of(value: Any, what: str = "piece") -> ScoreTick:
    """The score of a piece as JSON: the opposite of ``piece_of``.

    Args:
        value: ``quarter`` (ticks), ``tempos`` [tick, BPM], ``meters`` [tick, beats, unit], ``keys`` [tick, sharps, 1 in
            minor], ``marks`` [tick, text], ``tracks`` with ``name``, ``program``, ``drums`` and ``notes`` [tick,
            length, pitch, velocity].
        what: its name in messages.

    Raises:
        EtudeError: it is no such piece, or longer than the studio takes.
    """
    if not isinstance(value, dict):
        raise EtudeError(f"{what} must be a piece, with quarter and tracks. Load the page again.")
    if strange := value.keys() - {"quarter", "tempos", "meters", "keys", "marks", "tracks"}:
        raise EtudeError(f"{what} has no key {sorted(map(str, strange))[0][:LETTERS]}. Load the page again.")
    (quarter,) = _whole([value.get("quarter")], [(1, TICKS)], f"{what}.quarter")
    end = QUARTERS * quarter
    score = ScoreTick(quarter)
    for tick, tempo in _rows(value, "tempos", what):
        _whole([tick], [(0, end)], f"{what}.tempos")
        if isinstance(tempo, bool) or not isinstance(tempo, int | float) or not 5 <= tempo <= 500:
            raise EtudeError(f"{what}.tempos: a tempo must be between 5 and 500 BPM.")
        score.tempos.append(TempoTick(tick, qpm=tempo))
    for row in _rows(value, "meters", what, 3):
        tick, beats, unit = _whole(row, [(0, end), (1, 64), (1, 64)], f"{what}.meters")
        if unit & (unit - 1):
            raise EtudeError(f"{what}.meters: {beats}/{unit} is no meter.")
        score.time_signatures.append(TimeSignatureTick(tick, beats, unit))
    for row in _rows(value, "keys", what, 3):
        score.key_signatures.append(KeySignatureTick(*_whole(row, [(0, end), (-7, 7), (0, 1)], f"{what}.keys")))
    for tick, text in _rows(value, "marks", what):
        _whole([tick], [(0, end)], f"{what}.marks")
        score.markers.append(TextMetaTick(tick, _text(text, f"{what}.marks")))
    tracks = value.get("tracks")
    if not isinstance(tracks, list) or len(tracks) > TRACKS:
        raise EtudeError(f"{what}.tracks must be a list of at most {TRACKS} tracks.")
    for place, track in enumerate(tracks):
        score.tracks.append(_track(track, f"{what}.tracks[{place}]", end))
    _require_short(score, what)
    return score


def _track(value: Any, where: str, end: int) -> TrackTick:
    if not isinstance(value, dict) or value.keys() - {"name", "program", "drums", "notes"}:
        raise EtudeError(f"{where} must have name, program, drums and notes, and nothing else.")
    (program,) = _whole([value.get("program")], [(0, 127)], f"{where}.program")
    if not isinstance(value.get("drums"), bool):
        raise EtudeError(f"{where}.drums must be true or false.")
    track = TrackTick(_text(value.get("name"), f"{where}.name"), program, value["drums"])
    notes = value.get("notes")
    if not isinstance(notes, list) or len(notes) > NOTES:
        raise EtudeError(f"{where}.notes must be a list of at most {NOTES} notes.")
    for note in notes:
        if not isinstance(note, list) or len(note) != 4:
            raise EtudeError(f"{where}.notes: a note is [tick, length, pitch, velocity].")
        track.notes.append(NoteTick(*_whole(note, [(0, end), (1, end), (0, 127), (1, 127)], f"{where}.notes")))
    return track


def _rows(value: Json, key: str, what: str, width: int = 2) -> list[list[Any]]:
    rows = value.get(key, [])
    if not isinstance(rows, list) or len(rows) > SIGNS:
        raise EtudeError(f"{what}.{key} must be a list of at most {SIGNS} entries.")
    if any(not isinstance(row, list) or len(row) != width for row in rows):
        raise EtudeError(f"{what}.{key}: each entry must be a list of {width}.")
    return rows


def _whole(values: Sequence[Any], limits: Sequence[tuple[int, int]], where: str) -> list[int]:
    for number, (low, high) in zip(values, limits, strict=True):
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise EtudeError(f"{where}: a number must be whole, from {low} to {high}.")
    return list(values)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > LETTERS:
        raise EtudeError(f"{where}: a text of at most {LETTERS} letters is missing.")
    return "".join(letter if letter.isprintable() else " " for letter in value)


def piece_of(score: ScoreTick) -> Json:
    """A score as JSON, see ``score_of``. Equal scores give equal values."""
    return {
        "quarter": score.ticks_per_quarter,
        "tempos": [[int(mark.time), float(mark.qpm)] for mark in score.tempos],
        "meters": [[int(sign.time), sign.numerator, sign.denominator] for sign in score.time_signatures],
        "keys": [[int(sign.time), sign.key, sign.tonality] for sign in score.key_signatures],
        "marks": [[int(mark.time), mark.text] for mark in score.markers],
        "tracks": [
            {
                "name": track.name,
                "program": track.program,
                "drums": track.is_drum,
                "notes": [[int(note.time), int(note.duration), note.pitch, note.velocity] for note in track.notes],
            }
            for track in score.tracks
        ],
    }


def read_given(name: str, data: bytes, limits: Ingest) -> Json:
    """A score file that somebody gives: ``title``, ``piece``, its ``melody`` alone, and ``notes`` on what was changed.

    The melody is the first track with notes, or the top line of it where it has several notes at a time; None where
    there is none. ``symbols`` are the chord symbols over it (see ``symbols_of_page``).

    Args:
        name: of the file; its ending says how it is read.
        data: its bytes.
        limits: within which it is read.

    Raises:
        EtudeError: the ending is not known, the file cannot be read, or the piece is longer than the studio takes.
    """
    plain = "".join(letter for letter in Path(name).name if letter.isprintable())[-LETTERS:]
    ending = Path(plain).suffix.lower()
    if ending not in ENDINGS:
        raise EtudeError(f"{plain or 'The file'} must be MIDI, MusicXML, ABC or Humdrum: {', '.join(ENDINGS)}.")
    title = Path(plain).stem.strip() or "Piece"
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"given{ending}"
        file.write_bytes(data)
        try:
            score, changed = read_score(file, limits)
        except EtudeError as error:
            raise EtudeError(str(error).replace(str(file), plain)) from None
    score.tracks = type(score.tracks)([track for track in score.tracks if len(track.notes)])
    for track in score.tracks:
        track.name = _text(track.name[:LETTERS], plain)
    score.markers = type(score.markers)([mark for mark in score.markers if len(mark.text) <= LETTERS][:SIGNS])
    _require_short(score, plain)
    notes = [f"{what}: {changed[key]}" for key, what in CHANGES.items() if key in changed]
    alone, more = _melody(score)
    piece = piece_of(score)
    score_of(piece, plain)  # what the page sends back must pass
    melody, symbols = (None, None) if alone is None else (piece_of(alone), symbols_of_page(alone))
    return {"title": title, "piece": piece, "melody": melody, "symbols": symbols, "notes": notes + more}


def _melody(score: ScoreTick) -> tuple[ScoreTick | None, list[str]]:
    alone, notes = score.copy(), []
    try:
        try:
            line = find_melody(score)
        except EtudeError:
            line = find_melody(score, top_line=True)
            notes = ["the melody is the top line: several notes sound at a time"]
    except EtudeError:
        return None, ["it has no melody: no notes but percussion"]
    alone.tracks = type(alone.tracks)([line])
    return alone, notes


def _require_short(score: ScoreTick, what: str) -> None:
    quarters = score.end() / score.ticks_per_quarter
    if quarters > QUARTERS:
        raise EtudeError(
            f"{what} lasts {quarters:.0f} quarter notes; the studio takes {QUARTERS} at most. Give a part of it."
        )
    if score.note_num() > NOTES:
        raise EtudeError(f"{what} has {score.note_num()} notes; the studio takes {NOTES} at most. Give a part of it.")
    if len(score.tracks) > TRACKS:
        raise EtudeError(f"{what} has {len(score.tracks)} tracks; the studio takes {TRACKS} at most.")
