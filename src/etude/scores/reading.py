"""The facts about a piece that was read: what its file states, and what reading left out."""

import math
from collections.abc import Sequence

from symusic.core import ScoreTick as Score

from etude.music.markers import fermatas

Facts = dict[str, object]  # as JSON holds them

SHARPS = ("F", "C", "G", "D", "A", "E", "B")
# (sharps, or minus the flats; mode) -> name
KEY_NAMES = {
    (fifths, mode): SHARPS[(fifths + start) % 7]
    + ("b" * -((fifths + start) // 7) + "#" * ((fifths + start) // 7))
    + f" {mode}"
    for fifths in range(-7, 8)
    for mode, start in (("major", 1), ("minor", 4))
}


def opening(score: Score) -> Facts:
    """``key``, ``time_signature`` and ``tempo`` (BPM) at a piece's start; ``None``: not stated."""
    key = score.key_signatures[0] if len(score.key_signatures) else None
    sign = score.time_signatures[0] if len(score.time_signatures) else None
    tempo = score.tempos[0].qpm if len(score.tempos) else math.inf
    return {
        "key": None if key is None else KEY_NAMES.get((key.key, "minor" if key.tonality else "major")),
        "time_signature": None if sign is None else f"{sign.numerator}/{sign.denominator}",
        "tempo": round(tempo, 6) if math.isfinite(tempo) else None,
    }


def facts(score: Score, stated: bool, others: Sequence[str], **more: object) -> Facts:
    """The facts about a piece that was read.

    Args:
        score: the piece, with a tempo and a time signature at time 0.
        stated: whether the file states a tempo.
        others: the names of the parts that were left out.
        more: further facts of a format.

    Returns:
        The facts of ``opening``, ``tempo_stated``, ``left_out_parts``, ``grace_notes`` (dropped), ``rounded`` (notes
        moved onto the grid), ``added_time_signatures`` (irregular bars of the score that got a time signature),
        ``bars_off`` (bar lines of the score that the piece lacks), ``chord_symbols``, ``fermatas``, and ``more``.
    """
    held = len(fermatas(score))
    known: Facts = {
        "tempo_stated": stated,
        "left_out_parts": list(others),
        "grace_notes": 0,
        "rounded": 0,
        "added_time_signatures": 0,
        "bars_off": 0,
        "chord_symbols": len(score.markers) - held,
        "fermatas": held,
    }
    return opening(score) | known | more
