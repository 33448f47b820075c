"""Harmony for the eye: the colour of each scale degree, and chords by their names and Roman numerals."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from symusic.core import ScoreTick, TrackTick

from etude.arranging.chords import name_of
from etude.music.bars import end_of
from etude.music.chords import Tones, tones_of
from etude.music.columns import columns_of_all
from etude.music.key import Mode, best_key, sharps_of
from etude.music.recognise import beats_of, recognise
from etude.music.roman import roman_numeral
from etude.music.stated_key import states_key
from etude.music.tune import chords_of, melody_of
from etude.scores.engraving import spell

Colour = tuple[int, int, int]  # red, green, blue, from 0 to 255

DEGREES = ("1", "♭2", "2", "♭3", "3", "4", "♯4", "5", "♭6", "6", "♭7", "7")  # of semitones above the tonic
BLUE = 262.0  # hue of the tonic in OKLCH, in degrees; each fifth up turns it by 30 towards green
CHROMA = 0.155
# Lightness of the degrees from five fifths below the tonic to six above. Eyes that do not tell red from green see a hue
# and its mirror image over the axis from blue to yellow alike, as many fifths above the tonic as below: the former are
# light, the latter dark. The single values came from a search for the largest least distance of two colours in OKLAB:
# 0.095, and 0.087 for eyes without long or without middle cones.
LIGHTNESS = (0.63, 0.52, 0.63, 0.54, 0.62, 0.72, 0.82, 0.91, 0.84, 0.79, 0.90, 0.73)
LOWEST = -5  # fifths


@dataclass(frozen=True)
class Key:
    """A key that holds from a tick on: the tonic's pitch class and the mode."""

    start: int
    tonic: int
    mode: Mode

    @property
    def name(self) -> str:
        """As ``E♭ major``."""
        return f"{self.spell(self.tonic)} {self.mode}"

    def spell(self, pitch: int) -> str:
        """A pitch class as it is written in the key: ``F♯``."""
        name, _ = spell(60 + pitch % 12, sharps_of(self.tonic, self.mode), self.mode == "minor")
        return name.replace("-", "♭").replace("#", "♯")


@dataclass(frozen=True)
class Harmony:
    """A chord in time: ticks, its name and Roman numeral, and its root in semitones above the tonic."""

    start: int
    end: int
    name: str
    numeral: str
    degree: int


@cache
def colour_of(degree: int) -> Colour:
    """The colour of a scale degree, in semitones above the tonic.

    The circle of fifths lies on the circle of hues, with the tonic blue, so that near keys have near colours. Source:
    Stephen Malinowski, harmonic coloring (musanim.com); the lightness is ours. The hues are those of OKLCH: Björn
    Ottosson (2020), A perceptual color space for image processing.
    """
    fifths = degree * 7 % 12
    fifths -= 12 * (fifths > 6)
    return from_oklch(LIGHTNESS[fifths - LOWEST], CHROMA, BLUE - 30 * fifths)


def from_oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """A colour of OKLCH in sRGB; one that no screen shows gets less chroma until it can be shown.

    Args:
        lightness: from 0 (black) to 1 (white).
        chroma: from 0 (grey).
        hue: in degrees.
    """
    a, b = math.cos(math.radians(hue)), math.sin(math.radians(hue))
    while True:
        long = (lightness + chroma * (0.3963377774 * a + 0.2158037573 * b)) ** 3
        middle = (lightness - chroma * (0.1055613458 * a + 0.0638541728 * b)) ** 3
        short = (lightness - chroma * (0.0894841775 * a + 1.2914855480 * b)) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        )
        if chroma <= 0 or all(-0.001 <= value <= 1.001 for value in linear):
            red, green, blue = (_encode(value) for value in linear)
            return red, green, blue
        chroma -= 0.005


def _encode(value: float) -> int:
    """A linear level, from 0 to 1, in sRGB. Source: IEC 61966-2-1."""
    level = min(1.0, max(0.0, value))
    return round(255 * (12.92 * level if level <= 0.0031308 else 1.055 * level ** (1 / 2.4) - 0.055))


def keys_of(score: ScoreTick) -> list[Key]:
    """The keys of a piece: those that it states, or else the one that fits all its notes best; C major without notes.

    The first holds from tick 0.
    """
    if states_key(score):
        signs = {int(sign.time): sign for sign in sorted(score.key_signatures, key=lambda sign: int(sign.time))}
        found: list[Key] = []
        for time, sign in signs.items():
            mode: Mode = "minor" if sign.tonality else "major"
            found.append(Key(time if found else 0, (sign.key * 7 + (9 if sign.tonality else 0)) % 12, mode))
        return found
    lasting = [0.0] * 12
    for track in score.tracks:
        if not track.is_drum:
            for note in track.notes:
                lasting[note.pitch % 12] += note.duration
    tonic, fitting = best_key(lasting) or (0, "major")
    return [Key(0, tonic, fitting)]


def key_at(keys: Sequence[Key], tick: int) -> Key:
    """The key that holds at a tick."""
    return keys[max(0, bisect_right([key.start for key in keys], tick) - 1)]


def harmonies_of(score: ScoreTick, keys: Sequence[Key]) -> list[Harmony]:
    """The chords of a piece in its keys: its symbols, else its track of chords, else those recognised in its notes.

    A melody alone has none, and neither has a piece without notes.
    """
    pitched = [track for track in score.tracks if not track.is_drum and len(track.notes)]
    if not pitched:
        return []
    symbols = chords_of(score, melody_of(score))
    if not symbols and any(_overlap(track) for track in pitched):
        symbols = recognise(columns_of_all(pitched), beats_of(score))
    ends = [*(symbol.time for symbol in symbols[1:]), end_of(score)]
    spans = [
        (symbol.time, end, tones)
        for symbol, end in zip(symbols, ends, strict=False)
        if end > symbol.time and (tones := tones_of(symbol.text)) is not None
    ]
    found: list[Harmony] = []
    for place, (start, end, tones) in enumerate(spans):
        key = key_at(keys, start)
        after = spans[place + 1][2] if place + 1 < len(spans) and spans[place + 1][0] == end else None
        name = chord_name(tones, key)
        numeral = roman_numeral(tones, (key.tonic, key.mode), after)
        made = Harmony(start, end, name, numeral, (tones.root - key.tonic) % 12)
        if found and found[-1].end == start and found[-1].name == name and found[-1].degree == made.degree:
            made = Harmony(found[-1].start, end, name, found[-1].numeral, made.degree)
            found.pop()
        found.append(made)
    return found


def _overlap(track: TrackTick) -> bool:
    """Whether two notes of a track sound together."""
    spans = sorted((note.time, note.time + note.duration) for note in track.notes)
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def chord_name(tones: Tones, key: Key) -> str:
    """A chord symbol with the signs of music, spelled in a key: ``B♭m7/A♭``, ``F♯ø7``, ``C°``."""
    name = name_of(tones.root, tones.classes | {tones.root, tones.bass}, tones.bass, (key.tonic, key.mode))
    return name.replace("m7b5", "ø7").replace("dim", "°").replace("b", "♭").replace("#", "♯")
