"""The facts about a piece that was read: what its file states, and what reading changed."""

import math
from collections.abc import Mapping, Sequence

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import ScoreTick as Score

from etude.music.markers import fermatas
from etude.scores.written import MODES

Facts = dict[str, object]  # as JSON holds them

SHARPS = ("F", "C", "G", "D", "A", "E", "B")


def key_name(sharps: int, mode: str) -> str:
    """The name of a key, as ``Bb major`` or ``A dorian``; ``sharps`` of its signature, or minus the flats."""
    place = sharps - MODES[mode[:3]] + 1
    return SHARPS[place % 7] + "b" * -(place // 7) + "#" * (place // 7) + f" {mode}"


# What reading and cleaning count in the manifest's "changed", in the words of the report
CHANGES = {
    "grace_notes": "grace notes, which do not sound",
    "cue_notes": "cue notes, which do not sound",
    "transposed": "notes of transposing instruments, brought to sounding pitch",
    "played_again": "bars that repeats add",
    "not_repeated": "bars that repeats would add (ingest.repeats=played adds them)",
    "unresolved_jumps": "signs of D.S. or to the Coda without the place that they name",
    "added_time_signatures": "irregular bars with a time signature of their own",
    "filled": "tied notes lengthened to the bar line, where a measure is not full",
    "bars_off": "bar lines that the piece lacks",
    "merged": "tracks or voices joined with another of their instrument",
    "rounded": "notes moved onto the grid",
    "guessed_drums": "percussion notes by their name or place on the staff, as their MIDI number is not stated",
    "unknown_meters": "time signatures that are none",
    "microtones": "microtones, rounded to semitones",
    "long_rests": "bars with more rests than their meter has, shortened to it",
    "unknown_symbols": "signs that are not understood",
    "repaired_bytes": "places of a MIDI file whose bytes break its rules, read as players read them",
    "clipped": "MIDI events with a number above 127, which is 127",
    "ended": "MIDI notes that are never released, ended where their key is struck again, with their channel or track",
    "lengthened": "MIDI notes without a length, given one",
    "shared_programs": "MIDI channels whose program stands in another track",
    "timecode": "MIDI files whose times are seconds, at 120 BPM",
    "pedal": "notes lengthened by the sustain pedal",
    "out_of_range": "notes before time 0 or out of the range of MIDI, dropped",
    "zero_length": "notes without a length, dropped",
    "duplicates": "notes struck twice at one time in one track, dropped",
    "cut": "notes cut where their own pitch is struck again",
    "empty_tracks": "tracks without notes, dropped",
    "tempos": "tempos beyond 10-400 BPM, brought into it",
    "time_signatures": "time signatures that repeat, contradict or are none, dropped",
    "key_signatures": "key signatures that are none, dropped",
}


def opening(score: Score) -> Facts:
    """``key``, ``time_signature`` and ``tempo`` (BPM) at a piece's start; ``None``: not stated."""
    key = score.key_signatures[0] if len(score.key_signatures) else None
    sign = score.time_signatures[0] if len(score.time_signatures) else None
    tempo = score.tempos[0].qpm if len(score.tempos) else math.inf
    return {
        "key": None if key is None else _name(key),
        "time_signature": None if sign is None else f"{sign.numerator}/{sign.denominator}",
        "tempo": round(tempo, 3) if math.isfinite(tempo) else None,
    }


def _name(key: KeySignature) -> str | None:
    return key_name(key.key, "minor" if key.tonality else "major") if abs(key.key) <= 7 else None


def facts(score: Score, stated: bool, others: Sequence[str], changed: Mapping[str, int], **more: object) -> Facts:
    """The facts about a piece that was read.

    Args:
        score: the piece, with a tempo and a time signature at time 0.
        stated: whether the file states a tempo.
        others: the names of the parts that were left out.
        changed: how often the piece is other than the file; the names are those of ``CHANGES``.
        more: further facts of a format.

    Returns:
        The facts of ``opening``, ``tempo_stated``, ``left_out_parts``, ``chord_symbols``, ``fermatas``, ``changed``
        (counts above 0) and ``more``.
    """
    held = len(fermatas(score))
    known: Facts = {
        "tempo_stated": stated,
        "left_out_parts": list(others),
        "chord_symbols": len(score.markers) - held,
        "fermatas": held,
        "changed": {name: int(count) for name, count in changed.items() if count},
    }
    return opening(score) | known | more
