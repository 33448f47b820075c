"""What a piece is as a tune: its melody, the chords to it, and what else plays."""

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from symusic.core import ScoreTick, TempoTick, TrackTick

from etude.music.bars import bar_lines, end_of
from etude.music.chord_text import tones_named
from etude.music.chords import MARKER, VELOCITY, VOICE, Symbol, block_chords, text_of, voicing
from etude.music.columns import Columns, columns_of, concatenate
from etude.music.melody import skyline
from etude.music.recognise import beats_of, recognise, symbols_of_track

MELODY = "Melody"  # the track of a tune, and of a band; that of a tune's chords is ``etude.music.chords.VOICE``
PROGRAMS = {MELODY: 73, VOICE: 0}  # flute, and piano
CHORDS = "chord"  # the start of the name of a track of block chords
SUNG = re.compile(r"\b(melod|vocal|voice|lead|sing(er|ing)?\b)", re.IGNORECASE)  # names of tracks with the melody
GENERAL = re.compile(r"Lead \d.*|Voice Oohs|Synth Voice")  # instruments of General MIDI, whose names say nothing of it


def is_sung(name: str) -> bool:
    """Whether the name of a track says that it has the melody. The instruments of General MIDI do not say so."""
    return SUNG.search(name) is not None and GENERAL.fullmatch(name) is None


def sung_track(tracks: Iterable[TrackTick]) -> TrackTick | None:
    """The first track with notes, but drums, whose name says that it has the melody."""
    return next((one for one in tracks if is_sung(one.name) and len(one.notes) and not one.is_drum), None)


def melody_of(score: ScoreTick) -> TrackTick:
    """The melody of a piece, one note at a time: the top line of the track that has it.

    That is the first track whose name says so (``sung_track``); else the one with most notes of the top line of all.
    Drums are none. A piece without notes gives a track without notes.
    """
    pitched = [track for track in score.tracks if len(track.notes) and not track.is_drum]
    if not pitched:
        return TrackTick(MELODY)
    chosen = sung_track(pitched) or pitched[_highest([columns_of(track) for track in pitched])]
    line = chosen.copy()
    line.notes = skyline(columns_of(chosen)).notes()
    return line


def _highest(tracks: list[Columns]) -> int:
    """The place of the track with most notes of the top line of all tracks, the first of equal ones."""
    top = skyline(concatenate(tracks))
    line = set(zip(top.onset.tolist(), top.pitch.tolist(), strict=True))
    owned = [len(line & set(zip(one.onset.tolist(), one.pitch.tolist(), strict=True))) for one in tracks]
    return int(np.argmax(owned))


def others_of(score: ScoreTick, melody: TrackTick) -> Columns:
    """The notes of a piece but drums and the melody's own: those of its track that are not in it stay."""
    sung = set(zip(melody.notes.numpy()["time"].tolist(), melody.notes.numpy()["pitch"].tolist(), strict=True))
    found = [columns_of(TrackTick())]
    for track in score.tracks:
        if track.is_drum or not len(track.notes):
            continue
        notes = columns_of(track)
        if (track.name, track.program) == (melody.name, melody.program):
            points = zip(notes.onset.tolist(), notes.pitch.tolist(), strict=True)
            notes = notes[np.array([point not in sung for point in points])]
        found.append(notes)
    return concatenate(found)


def chord_track(score: ScoreTick, melody: TrackTick) -> TrackTick | None:
    """The first track of block chords next to a melody: one with notes whose name starts with "chord"."""
    others = [track for track in score.tracks if track.name != melody.name]
    return next((one for one in others if len(one.notes) and one.name.casefold().startswith(CHORDS)), None)


def chords_of(score: ScoreTick, melody: TrackTick) -> list[Symbol]:
    """The chords of a piece: its markers; else its track of chords; else those recognised in its other tracks.

    A marker that is no chord symbol counts as ``N``, no chord.
    """
    found: dict[int, Symbol] = {}
    for marker in sorted(score.markers, key=lambda marker: marker.time):
        if marker.text.startswith(MARKER):
            tones = tones_named(marker.text.removeprefix(MARKER))
            found[marker.time] = Symbol(
                marker.time, text_of(tones), () if tones is None else voicing(tones.root, tones.classes, tones.bass)
            )
    if found:
        return list(found.values())
    if (track := chord_track(score, melody)) is not None:
        return symbols_of_track(columns_of(track))
    others = others_of(score, melody)
    return recognise(others, beats_of(score), columns_of(melody)) if len(others.onset) else []


def tune_of(score: ScoreTick) -> ScoreTick:
    """The tune of a piece: two tracks, melody and block chords, at one velocity and the piece's mean tempo.

    Chords are struck again on each bar line. Meters and key signatures are those of the piece; its markers are left
    out.
    """
    melody = melody_of(score)
    symbols = chords_of(score, melody)
    end = end_of(score)
    lines = np.array(bar_lines(score))
    struck: list[Symbol] = []
    for symbol, until in zip(symbols, [*(later.time for later in symbols[1:]), end], strict=False):
        again = lines[(lines > symbol.time) & (lines < until)].tolist()
        struck += [replace(symbol, time=time) for time in (symbol.time, *again) if time < end]
    chords = block_chords(struck, end)
    notes = columns_of(melody)
    tune = ScoreTick(score.ticks_per_quarter)
    for name, columns in ((MELODY, notes), (VOICE, chords)):
        track = TrackTick(name, PROGRAMS[name], False)
        loud = np.full(len(columns.onset), VELOCITY, np.int8)
        track.notes = Columns(columns.onset, columns.length, columns.pitch, loud).notes()
        tune.tracks.append(track)
    tune.time_signatures, tune.key_signatures = score.time_signatures, score.key_signatures
    tune.tempos.append(TempoTick(0, round(mean_tempo(score, end))))
    return tune


def mean_tempo(score: ScoreTick, end: int) -> float:
    """The tempo at which a piece takes as long as it does up to ``end`` (ticks), in BPM; 120 where it states none."""
    if not len(score.tempos):
        return 120.0
    tempos = sorted((tempo.time, tempo.qpm) for tempo in score.tempos)
    edges = [0, *(time for time, _ in tempos[1:] if time < end), max(end, 1)]
    minutes = sum((after - start) / qpm for start, after, (_, qpm) in zip(edges, edges[1:], tempos, strict=False))
    return max(end, 1) / minutes
