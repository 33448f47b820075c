"""Chord symbols of a piece as text, bar by bar, as a person writes them; and those that hold in a harmony."""

from collections.abc import Sequence
from dataclasses import replace

from symusic.core import ScoreTick, TextMetaTick

from etude.arranging.chords import chords_of_symbols, name_of
from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.music.bars import Bar, bars_of, end_of
from etude.music.chord_text import NONE, ROMAN, Chord, chord_named
from etude.music.chords import MARKER
from etude.music.key import Mode

PARTS = (1, 2, 3, 4, 6, 8, 12, 16, 24)  # equal parts of a bar, between which its chords may change


def symbols_of_page(score: ScoreTick) -> Json | None:
    """The chord symbols of a piece as ``text`` for ``read_chords``, and those that are no chord, ``unknown``.

    A change between two parts of a bar moves to the nearest one. Where a symbol is no chord, nothing is given. None for
    a piece without symbols.
    """
    found: dict[int, str] = {}
    unknown: list[str] = []
    for mark in sorted(score.markers, key=lambda mark: mark.time):
        if not mark.text.startswith(MARKER):
            continue
        symbol = mark.text.removeprefix(MARKER).replace(" ", "")
        if symbol in NONE or not _is_chord(symbol):
            if symbol not in NONE:
                unknown.append(symbol)
            symbol = NONE[0]
        found[int(mark.time)] = symbol
    bars = [bar for bar in bars_of(score) if bar.start < end_of(score)]
    known = any(symbol != NONE[0] for symbol in found.values())
    if not known and not unknown:
        return None
    return {"text": _written(found, bars) if known else "", "unknown": list(dict.fromkeys(unknown))}


def _is_chord(symbol: str) -> bool:
    if not symbol or "|" in symbol or ROMAN.fullmatch(symbol):
        return False
    try:
        chord_named(symbol)
    except EtudeError:
        return False
    return True


def _written(found: dict[int, str], bars: Sequence[Bar]) -> str:
    """The symbols by their ticks as text; ``.`` where one goes on, ``-`` where there is none."""
    written, last = [], NONE[0]
    for bar in bars:
        own = {time - bar.start: symbol for time, symbol in found.items() if bar.start <= time < bar.end}
        parts = next((parts for parts in PARTS if _fits(own, bar.length, parts)), PARTS[-1])
        slots = {min(parts - 1, round(time * parts / bar.length)): symbol for time, symbol in own.items()}
        line = []
        for place in range(parts):
            changes = place in slots and slots[place] != NONE[0]
            last = slots.get(place, last)
            line.append(last if changes or last == NONE[0] else ".")
        written.append(" ".join(line))
    while len(written) > 1 and set(written[-1].split()) <= {NONE[0]}:
        written.pop()
    return " | ".join(written)


def _fits(times: dict[int, str], length: int, parts: int) -> bool:
    starts = {round(length * part / parts) for part in range(parts)}
    return all(time in starts for time in times)


def mark_chords(score: ScoreTick, chords: Sequence[Chord], key: tuple[int, Mode]) -> None:
    """Let a piece have no other chord symbols than these; Roman numerals get the name of their chord in the key."""
    others = [mark for mark in score.markers if not mark.text.startswith(MARKER)]
    made: list[TextMetaTick] = []
    end = 0
    for chord in chords:
        if made and chord.start > end:
            made.append(TextMetaTick(end, f"{MARKER}N"))
        made.append(TextMetaTick(chord.start, MARKER + symbol_of(chord, key)))
        end = chord.end
    if made and end < end_of(score):
        made.append(TextMetaTick(end, f"{MARKER}N"))
    score.markers = type(score.markers)(sorted([*others, *made], key=lambda mark: mark.time))


def forget_chords(score: ScoreTick, start: int, end: int, key: tuple[int, Mode]) -> None:
    """Let no chord symbol of a piece hold from a tick to another: its notes are drawn again there."""
    kept = [
        replace(chord, start=since, end=until)
        for chord in chords_of_symbols(score)
        for since, until in ((chord.start, min(chord.end, start)), (max(chord.start, end), chord.end))
        if since < until
    ]
    mark_chords(score, kept, key)


def symbol_of(chord: Chord, key: tuple[int, Mode]) -> str:
    """The symbol of a chord as it was given; of a Roman numeral, the chord's name in the key."""
    if ROMAN.fullmatch(chord.symbol):
        return name_of(chord.root, chord.classes, chord.bass, key)
    return chord.symbol
