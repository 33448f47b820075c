"""What the page shows of a piece besides its notes: bars, key, chords by name and Roman numeral, broken rules."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from symusic.core import KeySignatureTick, ScoreTick

from etude.arranging.chords import chords_of_symbols, name_of
from etude.core.files import Json
from etude.music.bars import bars_of, end_of
from etude.music.chord_text import Chord
from etude.music.chords import Tones, tones_of
from etude.music.columns import columns_of_all
from etude.music.key import Mode
from etude.music.recognise import beats_of, recognise
from etude.music.roman import roman_numeral
from etude.scores.engraving import key_of, tonic_of
from etude.studio.pieces import piece_of
from etude.studio.rules import faults_of
from etude.studio.symbols import symbols_of_page

STEPS = 4  # frames a quarter note in which voices are judged, where no model says otherwise


def describe(
    score: ScoreTick,
    voices: Mapping[str, int] | None = None,
    steps: int = STEPS,
    chords_in: tuple[int, Mode] | None = None,
) -> Json:
    """A piece for the page: ``piece``, ``bars`` [start, end, beats, unit], ``key``, ``chords``, ``judged``.

    Its chords are its chord symbols, and where it has none those that are recognised. Where it is judged it has
    ``faults`` (see ``faults_of``) and their ``counts`` by kind. ``symbols`` are the chord symbols as text (see
    ``symbols_of_page``).

    Args:
        score: the piece.
        voices: name -> program of the voices whose leading is judged; None: of none.
        steps: frames a quarter note in which it is judged.
        chords_in: tonic and mode in which its chords are read, where it is a part of a longer piece; None: its own.
    """
    bars = bars_of(score)
    sharps, _ = key_of(score)
    own, name = key_named(score)
    faults = [] if voices is None else faults_of(score, voices, steps, bars)
    return {
        "piece": piece_of(score),
        "bars": [[bar.start, bar.end, bar.beats, bar.unit] for bar in bars],
        "key": {"tonic": own[0], "mode": own[1], "name": name, "sharps": sharps},
        "chords": _chords(score, chords_in or own),
        "symbols": symbols_of_page(score),
        "judged": voices is not None,
        "faults": faults,
        "counts": dict(Counter(fault["kind"] for fault in faults)),
    }


def key_named(score: ScoreTick) -> tuple[tuple[int, Mode], str]:
    """The tonic and mode in which a piece starts, and their name, as ``Bb major``."""
    sharps, minor = key_of(score)
    key = tonic_and_mode(KeySignatureTick(0, sharps, minor))
    return key, f"{tonic_of(sharps, minor).replace('-', 'b')} {key[1]}"


def tonic_and_mode(sign: KeySignatureTick) -> tuple[int, Mode]:
    """The tonic's pitch class and the mode of a key signature."""
    return (sign.key * 7 + (9 if sign.tonality else 0)) % 12, "minor" if sign.tonality else "major"


def chords_for_page(chords: Sequence[Chord], key: tuple[int, Mode]) -> list[Json]:
    """Chords for the page: ``start``, ``end``, ``name``, ``roman`` numeral, and ``degree``, semitones above the tonic.

    Args:
        chords: in order of time.
        key: the tonic's pitch class and the mode.
    """
    made = []
    for chord, after in zip(chords, [*chords[1:], None], strict=True):
        follows = _tones(after) if after is not None and after.start == chord.end else None
        made.append(
            {
                "start": chord.start,
                "end": chord.end,
                "name": chord.symbol,
                "roman": roman_numeral(_tones(chord), key, follows),
                "degree": (chord.root - key[0]) % 12,
            }
        )
    return made


def _tones(chord: Chord) -> Tones:
    return Tones(chord.root, chord.classes, chord.bass)


def _chords(score: ScoreTick, key: tuple[int, Mode]) -> list[Json]:
    held, found = chords_of_symbols(score), _sounding_chords(score, key)
    edges = [0, *(edge for chord in held for edge in (chord.start, chord.end)), end_of(score)]
    free = [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
    between = [
        replace(chord, start=max(start, chord.start), end=min(end, chord.end))
        for start, end in free
        for chord in found
        if max(start, chord.start) < min(end, chord.end)
    ]
    return chords_for_page(sorted([*held, *between], key=lambda chord: chord.start), key)


def _sounding_chords(score: ScoreTick, key: tuple[int, Mode]) -> list[Chord]:
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
            made.append(Chord(name, start, end, tones.root, tones.classes, tones.bass))
    return made
