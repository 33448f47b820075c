"""Roman numerals: the degree of a chord in its key, its quality, and which of its notes is the lowest."""

from collections.abc import Set

from etude.music.key import Mode

# semitones above the tonic -> the degree, in capitals
DEGREES: dict[Mode, tuple[str, ...]] = {
    "major": ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII"),
    "minor": ("I", "bII", "II", "III", "#III", "IV", "#IV", "V", "VI", "#VI", "VII", "#VII"),
}
TRIAD, SEVENTH = ("", "6", "64"), ("7", "65", "43", "42")  # figured bass by the note of the chord that is lowest


def roman_numeral(root: int, classes: Set[int], bass: int, key: tuple[int, Mode]) -> str:
    """The Roman numeral of a chord in a key, as ``V65`` or ``viio``.

    Capitals have a major third, small letters a minor one; ``o`` is diminished, ``ø`` half-diminished, ``+`` augmented,
    ``maj7`` a major seventh over a major triad; a chord without a third is written as a major one with ``sus``.

    Args:
        root: pitch class.
        classes: pitch classes of the chord.
        bass: pitch class of the lowest note; one outside the chord is passed over.
        key: tonic and mode.

    Source: the usual figures of harmony books (Aldwell, Schachter and Cadwallader, Harmony and Voice Leading, 2011).
    """
    tonic, mode = key
    above = {(pitch - root) % 12 for pitch in classes}
    minor = 3 in above and 4 not in above
    degree = DEGREES[mode][(root - tonic) % 12]
    degree = degree.lower() if minor else degree  # an accidental has no capitals
    has_seventh = bool(above & {10, 11}) or (minor and 6 in above and 7 not in above and 9 in above)
    quality = ""
    if minor and 6 in above and 7 not in above:
        quality = "ø" if 10 in above else "o"
    elif 4 in above and 8 in above and 7 not in above:
        quality = "+"
    elif not above & {3, 4} and above & {2, 5}:
        quality = "sus"
    if 11 in above and not minor:
        quality += "maj"
    return degree + quality + _figure(above, (bass - root) % 12, has_seventh)


def _figure(above: Set[int], lowest: int, has_seventh: bool) -> str:
    """The figured bass of a chord by its lowest note in semitones above the root."""
    place = 0
    if lowest in above:
        place = 1 if lowest in (2, 3, 4, 5) else 2 if lowest in (6, 7, 8) else 3 if lowest in (9, 10, 11) else 0
    if has_seventh:
        return SEVENTH[place]
    return TRIAD[min(place, 2)] if place < 3 else ""
