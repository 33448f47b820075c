"""Voicings: the notes of a chord for an instrument, below the melody, close to the chord before."""

from collections.abc import Sequence
from itertools import combinations, pairwise

from etude.music.chord_text import Chord

WIDEST = 14  # semitones from the lowest to the highest note of a voicing
NEAR = 3  # candidates of each pitch class that are considered, the highest first
CLUSTER = 2  # semitones: a smaller distance at the top hides the upper note
SINKS = 0.25  # cost of each semitone between the top and the ceiling: without it chords would sink
THIRD, SEVENTH = (3, 4), (9, 10, 11)


def important(chord: Chord, count: int) -> list[int]:
    """The pitch classes of a chord that ``count`` voices play: third and seventh first, then root, colours, fifth."""
    above = sorted((pitch - chord.root) % 12 for pitch in chord.classes)
    order = [step for step in above if step in THIRD] + [step for step in above if step in SEVENTH]
    order += [0] if 0 in above else []
    order += [step for step in above if step not in order and step != 7] + [step for step in above if step == 7]
    triad = len(above) <= 3
    if triad and count >= 3:
        order = above
    return [(chord.root + step) % 12 for step in dict.fromkeys(order)][:count]


def voice(chord: Chord, count: int, low: int, ceiling: int, before: Sequence[int] = ()) -> list[int]:
    """The pitches of a chord in at most ``count`` voices, from ``low`` to ``ceiling``, ascending.

    Of all voicings with the chord's most important notes, within ``WIDEST`` semitones, one is taken that moves little
    from the one before and stays near the ceiling. Where the space is too small, there are fewer notes, or none.
    """
    for number in range(min(count, 6), 0, -1):
        classes = important(chord, number)
        wanted = [classes[place % len(classes)] for place in range(number)] if number > len(classes) else classes
        pitches = [pitch for pitch in range(ceiling, low - 1, -1) if pitch % 12 in wanted][: NEAR * len(set(wanted))]
        fitting: list[tuple[int, ...]] = [
            tuple(sorted(chosen))
            for chosen in combinations(pitches, number)
            if {pitch % 12 for pitch in chosen} == set(wanted) and max(chosen) - min(chosen) <= WIDEST
        ]
        if fitting:
            costs = [(_cost(found, before, ceiling), -found[-1], found) for found in fitting]
            return list(min(costs)[2])
    return []


def _cost(pitches: Sequence[int], before: Sequence[int], ceiling: int) -> float:
    """How far the voices move, how thick the voicing is, and how far below the ceiling."""
    cost = SINKS * (ceiling - pitches[-1]) + 4.0 * sum(high - low < CLUSTER for low, high in pairwise(pitches))
    if not before:
        return cost
    moves = sum(min(abs(pitch - other) for other in before) for pitch in pitches)
    moves += sum(min(abs(pitch - other) for pitch in pitches) for other in before)
    return cost + moves + 0.5 * abs(pitches[-1] - before[-1])
