"""Roman numerals: the degree of a chord in its key, its quality, which of its notes is the lowest, what it leads to."""

from etude.music.chords import Tones
from etude.music.key import Mode

# semitones above the tonic -> the degree, in capitals
NUMERALS: dict[Mode, tuple[str, ...]] = {
    "major": ("I", "♭II", "II", "♭III", "III", "IV", "♯IV", "V", "♭VI", "VI", "♭VII", "VII"),
    "minor": ("I", "♭II", "II", "III", "♯III", "IV", "♯IV", "V", "VI", "♯VI", "VII", "♯VII"),
}
IN_KEY: dict[Mode, frozenset[int]] = {
    "major": frozenset({0, 2, 4, 5, 7, 9, 11}),
    "minor": frozenset({0, 2, 3, 5, 7, 8, 10, 11}),
}
TRIAD_FIGURES, SEVENTH_FIGURES = ("", "⁶", "⁶₄"), ("⁷", "⁶₅", "⁴₃", "⁴₂")  # by inversion
FIFTH = 7  # semitones


def roman_numeral(tones: Tones, key: tuple[int, Mode], after: Tones | None = None) -> str:
    """The Roman numeral of a chord in a key, with the figures of its inversion: ``V⁶₅``, ``ii°``, ``V⁷/vi``.

    Capitals have a major third, small letters a minor one. ``°`` is diminished, ``ø`` half-diminished, ``+``
    augmented, ``maj⁷`` a major seventh on the root; chords without a third are ``sus⁴``, ``sus²`` or ``⁵``, and have no
    inversion. A dominant seventh or a major triad outside of the key that falls by a fifth to the next chord is that
    chord's dominant.

    Args:
        tones: the chord; a bass outside of it is passed over.
        key: the tonic's pitch class and the mode.
        after: the chord that follows.

    Source: the usual figures of harmony books (Aldwell, Schachter and Cadwallader, Harmony and Voice Leading, 2011).
    """
    tonic, mode = key
    above = {(pitch - tones.root) % 12 for pitch in tones.classes}
    degree = (tones.root - tonic) % 12
    minor = 3 in above and 4 not in above
    of = ""
    if after is not None and _leads(tones, after, key):
        aim = {(pitch - after.root) % 12 for pitch in after.classes}
        of = "/" + _case(NUMERALS[mode][(after.root - tonic) % 12], 3 in aim and 4 not in aim)
        degree = FIFTH
    text = _case(NUMERALS[mode][degree], minor)
    diminished, augmented = minor and 6 in above and 7 not in above, 4 in above and 8 in above and 7 not in above
    seventh = bool(above & {10, 11}) or (diminished and 9 in above)
    if diminished:
        text += "ø" if 10 in above else "°"
        if degree == 11:
            text = text.replace("♯", "")  # the leading note's, which is raised as a rule
    text += "+" if augmented else ""
    if not above & {3, 4}:
        open_fifth = "" if seventh else "⁵"
        return text + ("⁷" if seventh else "") + ("sus⁴" if 5 in above else "sus²" if 2 in above else open_fifth) + of
    if seventh and 11 in above:
        text += "maj" if tones.bass == tones.root else ""
    figures = SEVENTH_FIGURES if seventh else TRIAD_FIGURES
    return text + figures[_inversion((tones.bass - tones.root) % 12, len(figures))] + of


def _leads(tones: Tones, after: Tones, key: tuple[int, Mode]) -> bool:
    """Whether a chord is the dominant of the next one, which is not the tonic."""
    tonic, mode = key
    above = {(pitch - tones.root) % 12 for pitch in tones.classes}
    outside = any((pitch - tonic) % 12 not in IN_KEY[mode] for pitch in tones.classes)
    falls = (tones.root - after.root) % 12 == FIFTH and after.root != tonic
    return falls and outside and 4 in above and 7 in above and 11 not in above


def _case(numeral: str, minor: bool) -> str:
    return numeral.lower() if minor else numeral


def _inversion(bass: int, most: int) -> int:
    """Which note of a chord its bass is: 0 for the root, 1 for the third, and so on; 0 for a note outside of it."""
    place = 1 if bass in (3, 4) else 2 if bass in (6, 7, 8) else 3 if bass in (9, 10, 11) else 0
    return place if place < most else 0
