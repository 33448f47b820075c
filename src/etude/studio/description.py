"""What the page shows of a piece besides its notes: bars, key, chords by name and Roman numeral, broken rules."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from symusic.core import ScoreTick

from etude.arranging.chords import name_of
from etude.core.files import Json
from etude.music.bars import bars_of
from etude.music.chord_text import Chord
from etude.music.chords import tones_of
from etude.music.columns import columns_of_all
from etude.music.key import Mode
from etude.music.recognise import beats_of, recognise
from etude.music.roman import roman_numeral
from etude.scores.engraving import key_of, tonic_of
from etude.studio.pieces import piece_of
from etude.studio.rules import faults_of

STEPS = 4  # frames a quarter note in which voices are judged, where no model says otherwise


def describe(score: ScoreTick, voices: Mapping[str, int] | None = None, steps: int = STEPS) -> Json:
    """A piece for the page: ``piece``, ``bars`` [start, end, beats, unit], ``key``, ``chords``, ``judged``.

    Where it is judged it has ``faults`` (see ``faults_of``) and their ``counts`` by kind.

    Args:
        score: the piece.
        voices: name -> program of the voices whose leading is judged; None: of none.
        steps: frames a quarter note in which it is judged.
    """
    bars = bars_of(score)
    key, name = key_named(score)
    faults = [] if voices is None else faults_of(score, voices, steps, bars)
    return {
        "piece": piece_of(score),
        "bars": [[bar.start, bar.end, bar.beats, bar.unit] for bar in bars],
        "key": {"tonic": key[0], "mode": key[1], "name": name},
        "chords": _sounding_chords(score, key),
        "judged": voices is not None,
        "faults": faults,
        "counts": dict(Counter(fault["kind"] for fault in faults)),
    }


def key_named(score: ScoreTick) -> tuple[tuple[int, Mode], str]:
    """The tonic and mode in which a piece starts, and their name, as ``Bb major``."""
    sharps, minor = key_of(score)
    mode: Mode = "minor" if minor else "major"
    return ((sharps * 7 + (9 if minor else 0)) % 12, mode), f"{tonic_of(sharps, minor).replace('-', 'b')} {mode}"


def chord_for_page(chord: Chord, key: tuple[int, Mode]) -> Json:
    """A chord for the page: its ``start`` and ``end``, ``name``, ``roman`` numeral, and ``degree`` above the tonic."""
    return {
        "start": chord.start,
        "end": chord.end,
        "name": chord.symbol,
        "roman": roman_numeral(chord.root, chord.classes, chord.bass, key),
        "degree": (chord.root - key[0]) % 12,
    }


def _sounding_chords(score: ScoreTick, key: tuple[int, Mode]) -> list[Json]:
    """The chords that are recognised in all tracks but drums."""
    pitched = [track for track in score.tracks if not track.is_drum and len(track.notes)]
    if not pitched:
        return []
    beats = beats_of(score)
    symbols = recognise(columns_of_all(pitched), beats)
    starts = [*(symbol.time for symbol in symbols), score.end()]
    made = []
    for symbol, (start, end) in zip(symbols, pairwise(starts), strict=True):
        tones = tones_of(symbol.text)
        if tones is not None and end > start:
            name = name_of(tones.root, tones.classes, tones.bass, key)
            made.append(chord_for_page(Chord(name, start, end, tones.root, tones.classes, tones.bass), key))
    return made
