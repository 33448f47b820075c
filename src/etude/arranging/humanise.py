"""From notes on the grid to a performance: swing, stress by metre and phrase, small differences in time."""

from collections.abc import Mapping, Sequence

import numpy as np

from etude.arranging.lead_sheet import ENDING, Note, Song
from etude.arranging.patterns import is_compound

LATE = {"drums": 0.004, "bass": 0.006}  # seconds, standard deviation of onsets
OTHERS = 0.009
APART = 0.004  # seconds between the notes of a chord, likewise
SPREAD = 3.0  # of velocities, likewise
STRESS = (6, 0, 3, -1)  # velocity on the first beat, other beats, the middle of a bar; off the beat it is the last
ARCH = 8  # velocity between the ends of a phrase and its height, which lies at two thirds
HEIGHT = 2 / 3


def swing(tick: int, song: Song, share: float) -> int:
    """Where a time on the grid is played when the first eighth note of a quarter note takes ``share`` of it.

    Bars whose pulse is three notes, as 6/8, are not swung.
    """
    place = song.place_of(tick)
    bar = song.bars[place].bar
    if share == 0.5 or is_compound(bar.beats, bar.unit):
        return tick
    quarter, within = divmod(tick - bar.start, song.quarter)
    half = song.quarter / 2
    moved = within / half * share * song.quarter if within <= half else (
        share * song.quarter + (within - half) / half * (1 - share) * song.quarter
    )  # fmt: skip
    return bar.start + quarter * song.quarter + round(moved)


def stress(song: Song, tick: int) -> int:
    """What the place in bar and phrase adds to a velocity."""
    place = song.place_of(tick)
    one = song.bars[place]
    bar, within = one.bar, tick - one.bar.start
    beat = song.quarter * (3 if is_compound(bar.beats, bar.unit) else 2 if bar.unit == 2 else 1) * (
        4 / bar.unit if bar.unit > 4 else 1
    )  # fmt: skip
    if within == 0:
        metre = STRESS[0]
    elif 2 * within == bar.length and within % beat == 0:
        metre = STRESS[2]
    else:
        metre = STRESS[1] if within % beat == 0 else STRESS[3]
    if one.kind == ENDING:
        return metre
    start, end = song.phrase_around(place)
    share = (tick - start) / max(1, end - start)
    arch = share / HEIGHT if share < HEIGHT else (1 - share) / (1 - HEIGHT)
    return round(metre + ARCH * (min(1.0, max(0.0, arch)) - 0.5))


def humanise(
    song: Song, parts: Mapping[str, Sequence[Note]], kinds: Mapping[str, str], amount: float, share: float, seed: int
) -> dict[str, list[Note]]:
    """Play the parts of a song as people do.

    Pitches and the number of notes stay. The melody is swung and stressed like the rest; its notes start where they are
    written, so that it can be followed.

    Args:
        song: its bars, phrases and tempo.
        parts: name -> notes on the grid.
        kinds: name -> what the part plays; "melody" for the melody.
        amount: 0: swing alone; 1: as usual; more is more.
        share: of a quarter note that its first eighth takes; 0.5: no swing.
        seed: of the differences.
    """
    made: dict[str, list[Note]] = {}
    for number, (name, notes) in enumerate(parts.items()):
        rng = np.random.default_rng((seed, number))
        kind = kinds[name]
        late: dict[int, float] = {}
        played = []
        for note in notes:
            tempo = song.tempo_at(note.start)
            if note.start not in late:
                late[note.start] = float(rng.normal(0.0, LATE.get(kind, OTHERS)))
            shift = late[note.start] + abs(float(rng.normal(0.0, APART)))
            louder = float(rng.normal(0.0, SPREAD))
            shift, louder = (0.0, louder / 2) if kind == "melody" else (shift, louder)
            moved = round(shift * amount * tempo / 60 * song.quarter)
            start = max(0, swing(note.start, song, share) + moved)
            end = max(start + 1, swing(note.end, song, share) + min(0, moved))
            velocity = note.velocity + amount * (stress(song, note.start) + louder)
            played.append(Note(start, end, note.pitch, int(min(127, max(1, round(velocity))))))
        made[name] = _apart(played)
    return made


def _apart(notes: list[Note]) -> list[Note]:
    """The notes in order, none of a pitch beyond the start of the next of that pitch."""
    ordered = sorted(notes)
    following: dict[int, int] = {}
    for place in reversed(range(len(ordered))):
        note = ordered[place]
        until = following.get(note.pitch)
        if until is not None and note.end > until:
            ordered[place] = note._replace(end=max(note.start + 1, until))
        following[note.pitch] = note.start
    return ordered
