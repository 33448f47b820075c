"""Where the chords of a lead sheet come from: symbols in the piece, a track of chords, or the melody itself."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from etude.arranging.lead_sheet import key_of
from etude.arranging.patterns import is_compound
from etude.music.bars import Bar, end_of
from etude.music.chord_text import Chord, tones_named
from etude.music.chords import MARKER, Symbol, tones_of
from etude.music.columns import Columns, columns_of, concatenate
from etude.music.key import Mode, sharps_of
from etude.music.recognise import beats_of, recognise, symbols_of_track
from etude.scores.engraving import tonic_of

FIFTHS = (0, -5, 2, -3, 4, -1, -6, 1, -4, 3, -2, 5)  # of a note above its root, by semitones: a minor third is -3

# The chords of a key: semitones of the root above the tonic, quality, and how likely they are in comparison
CHOICES: dict[Mode, tuple[tuple[int, str, float], ...]] = {
    "major": (
        (0, "", 3.0), (2, "m", 1.4), (4, "m", 0.7), (5, "", 2.2), (7, "", 2.4), (9, "m", 1.8),
        (10, "", 0.15), (2, "", 0.15), (4, "", 0.15), (9, "", 0.1), (5, "m", 0.1),
    ),
    "minor": (
        (0, "m", 3.0), (3, "", 1.4), (5, "m", 1.8), (7, "", 1.8), (7, "m", 0.7), (8, "", 1.6), (10, "", 1.4),
        (2, "dim", 0.3), (5, "", 0.2),
    ),
}  # fmt: skip
STEPS = {"": (0, 4, 7), "m": (0, 3, 7), "dim": (0, 3, 6)}
FITS = (1.0, 0.9, 0.8)  # what a quarter note on root, third and fifth adds
CLASH = -1.0  # what it adds on another pitch
ACCENTED = 1.5  # factor of a note that starts with the chord
STAY_WITHIN, STAY_ACROSS = 2.0, 0.0  # for the same chord in the second half of a bar, and in the next bar
FIFTH_DOWN, BACKWARDS = 0.6, -0.5  # for a root that falls a fifth; for dominant to subdominant
CLOSE, HALF_CLOSE = 2.0, 0.5  # for the tonic at the end; for tonic or dominant at the end of four bars


def chords_of_symbols(score: ScoreTick) -> list[Chord]:
    """The chords that the markers of a piece name, each until the next; symbols that are no chord give none."""
    marks = sorted(
        (marker.time, marker.text.removeprefix(MARKER)) for marker in score.markers if marker.text.startswith(MARKER)
    )
    ends = [*(time for time, _ in marks[1:]), end_of(score)]
    made = []
    for (start, text), end in zip(marks, ends, strict=False):
        found = _classes(text)
        if found is not None and end > start:
            made.append(Chord(text, start, end, *found))
    return made


def _classes(text: str) -> tuple[int, frozenset[int], int] | None:
    tones = tones_named(text)
    return None if tones is None else (tones.root, tones.classes, tones.bass)


def chords_of_track(track: TrackTick, key: tuple[int, Mode]) -> list[Chord]:
    """The chords that a track plays as blocks: notes that start together; each lasts until the next.

    Args:
        track: of notes.
        key: tonic and mode, by which chords are spelled.
    """
    return _named(symbols_of_track(columns_of(track)), track.end(), key)


def recognised(score: ScoreTick, melody: TrackTick) -> list[Chord]:
    """The chords that sound in the other tracks of a piece, where its melody counts less.

    Without other tracks but drums there are none.
    """
    others = [
        columns_of(track) for track in score.tracks if len(track.notes) and not track.is_drum and not _is(track, melody)
    ]
    if not others:
        return []
    notes = columns_of(melody)
    return _named(recognise(concatenate(others), beats_of(score), notes), end_of(score), key_of(score, notes))


def _is(track: TrackTick, melody: TrackTick) -> bool:
    """Whether a track is the melody itself, not one whose highest notes are the melody."""
    return (track.name, track.program, len(track.notes)) == (melody.name, melody.program, len(melody.notes))


def _named(symbols: Sequence[Symbol], end: int, key: tuple[int, Mode]) -> list[Chord]:
    """Symbols in Harte's notation as chords, each until the next, with the names that musicians write in a key."""
    made = []
    for symbol, after in zip(symbols, [*(symbol.time for symbol in symbols[1:]), end], strict=False):
        tones = tones_of(symbol.text)
        if tones is not None and after > symbol.time:
            name = name_of(tones.root, tones.classes, tones.bass, key)
            made.append(Chord(name, symbol.time, after, tones.root, tones.classes, tones.bass))
    return made


def name_of(root: int, classes: frozenset[int], bass: int, key: tuple[int, Mode] = (0, "major")) -> str:
    """A chord symbol for pitch classes, spelled in a key: triad, seventh and bass; other notes are not named."""
    above = {(pitch - root) % 12 for pitch in classes}
    third = "m" if 3 in above and 4 not in above else ""
    if third and 6 in above and 7 not in above:
        third = "dim7" if 9 in above else "m7b5" if 10 in above else "dim"
    elif 4 in above and 8 in above and 7 not in above:
        third = "+"
    elif not above & {3, 4}:
        third = "sus4" if 5 in above else "sus2" if 2 in above else ""
    seventh = "maj7" if 11 in above else "7" if 10 in above else "6" if 9 in above and 7 in above else ""
    if third in ("dim7", "m7b5", "dim", "+"):
        seventh = ""
    lowest = sharps_of(*key) - (1 if "dim" in third or "b5" in third else 5)  # a diminished chord leads upwards: G#dim
    place = (root * 7 - lowest) % 12 + lowest
    text = _on_fifths(place) + (seventh + third if third.startswith("sus") else third + seventh)
    if bass == root or bass not in classes:
        return text
    step = (bass - root) % 12
    return f"{text}/{_on_fifths(place + {('dim7', 9): -9, ('+', 8): 8}.get((third, step), FIFTHS[step]))}"


def _on_fifths(place: int) -> str:
    """The name of a pitch class by its place on the line of fifths, where C is 0."""
    return tonic_of(place, 0).replace("-", "b")


def harmonise(notes: Columns, bars: Sequence[Bar], key: tuple[int, Mode], quarter: int) -> list[Chord]:
    """Chords for a melody, or for any notes: the sequence that fits notes and key best, one or two a bar.

    Bars of four or more quarter notes may have two, and so may those of 6/8 at a close: the last two of every four bars
    and of the piece. The sequence is the best by dynamic programming over the chords of
    the key: notes of the chord, likely chords, roots that fall by a fifth and closes count for it.

    Args:
        notes: of the melody.
        bars: of the piece.
        key: tonic and mode.
        quarter: ticks of a quarter note.
    """
    tonic, mode = key
    choices = CHOICES[mode]
    roots = np.array([(tonic + step) % 12 for step, _, _ in choices])
    closing = {number for number in range(len(bars)) if number % 4 >= 2 or number >= len(bars) - 2}
    spans = [
        (bar, start, end) for number, bar in enumerate(bars) for start, end in _halves(bar, quarter, number in closing)
    ]
    prior = np.log(np.array([weight for _, _, weight in choices]))
    moves = _moves(choices)
    score = np.zeros((len(spans), len(choices)))
    back = np.zeros((len(spans), len(choices)), dtype=int)
    for place, (bar, start, end) in enumerate(spans):
        fit = _fit(notes, start, end, choices, roots, quarter) + prior
        if place == len(spans) - 1:
            fit = fit + CLOSE * (roots == tonic)
        elif bar is not spans[place + 1][0] and (bars.index(bar) + 1) % 4 == 0:
            fit = fit + HALF_CLOSE * ((roots == tonic) | (roots == (tonic + 7) % 12))
        if not place:
            score[0] = fit + 0.5 * (roots == tonic)
            continue
        stay = STAY_WITHIN if bar is spans[place - 1][0] else STAY_ACROSS
        reached = score[place - 1][:, None] + moves + stay * np.eye(len(choices))
        back[place] = reached.argmax(axis=0)
        score[place] = reached.max(axis=0) + fit
    chosen = [int(score[-1].argmax())]
    for place in range(len(spans) - 1, 0, -1):
        chosen.append(int(back[place][chosen[-1]]))
    made: list[Chord] = []
    for (bar, start, end), number in zip(spans, reversed(chosen), strict=True):
        root, quality = int(roots[number]), choices[number][1]
        classes = frozenset((root + step) % 12 for step in STEPS[quality])
        if made and made[-1].end == start > bar.start and (made[-1].root, made[-1].classes) == (root, classes):
            made[-1] = Chord(made[-1].symbol, made[-1].start, end, root, classes, root)
        else:
            made.append(Chord(name_of(root, classes, root, key), start, end, root, classes, root))
    return made


def _halves(bar: Bar, quarter: int, closes: bool) -> list[tuple[int, int]]:
    """The parts of a bar that may have a chord each; of 6/8 its two pulses where the bar ``closes`` a phrase."""
    if is_compound(bar.beats, bar.unit):
        two = bar.length % (3 * quarter) == 0 and (closes or bar.length > 3 * quarter)
        middle = bar.start + bar.length // 2
        return [(bar.start, middle), (middle, bar.end)] if two else [(bar.start, bar.end)]
    if bar.length >= 4 * quarter and bar.length % (2 * quarter) == 0:
        middle = bar.start + bar.length // (4 * quarter) * 2 * quarter
        return [(bar.start, middle), (middle, bar.end)] if middle < bar.end else [(bar.start, bar.end)]
    return [(bar.start, bar.end)]


def _fit(
    notes: Columns,
    start: int,
    end: int,
    choices: Sequence[tuple[int, str, float]],
    roots: NDArray[np.int64],
    quarter: int,
) -> NDArray[np.float64]:
    """How well the notes between two ticks fit each chord: (choices,)."""
    onset, until = notes.onset.astype(np.int64), notes.onset.astype(np.int64) + notes.length
    inside = (onset < end) & (until > start)
    times = (np.minimum(until, end) - np.maximum(onset, start))[inside] / quarter
    times = times * np.where(onset[inside] == start, ACCENTED, 1.0)
    weights = np.zeros(12)
    np.add.at(weights, notes.pitch[inside].astype(int) % 12, times)
    gains = np.full((len(choices), 12), CLASH)
    for number, (_, quality, _) in enumerate(choices):
        for step, gain in zip(STEPS[quality], FITS, strict=True):
            gains[number, (roots[number] + step) % 12] = gain
    found: NDArray[np.float64] = gains @ weights
    return found


def _moves(choices: Sequence[tuple[int, str, float]]) -> NDArray[np.float64]:
    """What going from one chord to another adds: (choices, choices)."""
    steps = np.array([step for step, _, _ in choices])
    falls = (steps[None, :] - steps[:, None]) % 12 == 5
    backwards = (steps[:, None] == 7) & (steps[None, :] == 5)
    found: NDArray[np.float64] = FIFTH_DOWN * falls + BACKWARDS * backwards
    return found
