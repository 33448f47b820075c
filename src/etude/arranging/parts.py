"""What each kind of part plays in a song: bass, chords, arpeggios, pads, single voices, a second voice, drums.

All but the drums keep below the melody: no note of theirs is higher than the melody's at that time. Around a melody
that is low itself, as a cello's, they are free.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from etude.arranging.lead_sheet import ENDING, INTRO, Note, Song, SongBar
from etude.arranging.patterns import Event, events
from etude.arranging.styles import KIT, Groove, Part
from etude.arranging.voicing import voice
from etude.music.chord_text import Chord
from etude.music.key import MODES, SCALES

GHOST, ACCENT = 0.55, 1.15  # of a part's velocity: the signs o and X
SHORTEST = 1 / 16  # of a quarter note, that a note lasts at least
LOWEST = 24  # MIDI pitch below which no bass goes
THIRDS, SIXTHS = (3, 4), (8, 9)  # semitones from a second voice up to the melody
FOURTH = (5, 7)
SLOW = 0.5  # quarter notes: shorter notes of a melody have no second voice
CRASH = 0.6  # energy of a phrase that starts with a cymbal
GHOSTED = 0.75  # share of the ghost notes that are played, another choice in each bar

Player = Callable[[Song, Part, np.random.Generator], list[Note]]


def play(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """The notes of a part, in order; no note of a pitch overlaps another of it."""
    notes = sorted(PLAYERS[part.play](song, part, rng))
    last: dict[int, int] = {}
    for place, note in enumerate(notes):
        if note.pitch in last and notes[last[note.pitch]].end > note.start:
            before = notes[last[note.pitch]]
            notes[last[note.pitch]] = before._replace(end=note.start)
        last[note.pitch] = place
    return [note for note in notes if note.end > note.start]


def _bars(song: Song, part: Part) -> Iterator[SongBar]:
    """The bars in which a part plays."""
    return (bar for bar in song.bars if bar.energy >= part.enters)


def _events(song: Song, one: SongBar, groove: Groove, name: str = "", to_end: bool = False) -> list[Event]:
    return events(groove[name], one.bar, one.number, song.quarter, name, to_end) if name in groove else []


def _level(part: Part, energy: float, sign: str = "x") -> int:
    scale = {"o": GHOST, "X": ACCENT}.get(sign, 1.0)
    return int(min(127, max(1, round(part.velocity * scale * (0.8 + 0.3 * max(0.0, energy))))))


def _final(song: Song, one: SongBar) -> bool:
    """Whether a bar is the first of the ending, in which everything rings."""
    return one.kind == ENDING and one.number == 0


# --- bass


def bass(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """The bass of each chord where it starts; between, what the pattern asks for.

    ``1``, ``3``, ``5``, ``7`` and ``8`` are notes of the chord, ``a`` is a step from the next chord's bass.
    """
    notes: list[Note] = []
    last, led = (part.range[0] + part.range[1]) // 2, False  # whether the last note leads to the next
    for one in _bars(song, part):
        bar = one.bar
        if _final(song, one) or (one is song.bars[-1] and one.kind != ENDING):
            found = [Event(bar.start, song.end, "1")]
        elif one.kind == ENDING:
            continue
        else:
            found = _events(song, one, part.groove(one.energy))
        for chord in song.chords_in(bar.start, bar.end if one.kind != ENDING else song.end):
            inside = [event for event in found if chord.start <= event.start < chord.end]
            changes = song.chord_at(chord.start - 1)
            is_new = changes is None or changes.symbol != chord.symbol
            if is_new and (not inside or inside[0].start > chord.start):  # a chord starts on its bass
                until = inside[0].start if inside else chord.end
                inside.insert(0, Event(chord.start, until, "1"))
            for place, event in enumerate(inside):
                sign = "1" if is_new and place == 0 and event.start == chord.start else event.sign
                pitch = _below(song, event, _bass_pitch(song, part, chord, sign, event.end, last, led))
                if pitch is not None:
                    notes.append(Note(event.start, min(event.end, chord.end), pitch, _level(part, one.energy)))
                    last, led = pitch, sign == "a"
    return notes


def degree(chord: Chord, sign: str) -> int:
    """The pitch class of a chord's ``1``, ``3``, ``5``, ``7`` or ``8``; the nearest that it has."""
    steps = {(pitch - chord.root) % 12 for pitch in chord.classes}
    wanted = {"3": (4, 3, 5, 2), "5": (7, 6, 8), "7": (10, 11, 9, 7, 0)}.get(sign, ())
    return next(((chord.root + step) % 12 for step in wanted if step in steps), chord.bass)


def _bass_pitch(song: Song, part: Part, chord: Chord, sign: str, end: int, last: int, led: bool) -> int:
    low, high = part.range
    if sign == "a":
        target = song.chord_at(end) or song.chord_after(end - 1)
        if target is not None and target.bass != chord.bass:
            goal = _nearest(target.bass, low, high, last)
            tonic, mode = song.key
            scale = SCALES[2 * tonic + MODES.index(mode)]
            steps = [goal + step for step in (-1, 1, -2, 2) if low <= goal + step <= high]
            near = [step for step in steps if scale[step % 12] or abs(step - goal) == 1]
            clean = [step for step in near if step % 12 in chord.classes or not _rubs(step, chord)]
            return min(
                clean or [_nearest(degree(chord, "5"), low, high, last)], key=lambda step: (abs(step - last), step)
            )
        sign = "3" if last % 12 == degree(chord, "5") else "5"
    if sign == "8":
        root = _nearest(chord.bass, low, high, low)
        return root + 12 if root + 12 <= high else root
    if sign == "1":
        return _nearest(chord.bass, low, high, last if led else (2 * low + last) // 3)
    return _nearest(degree(chord, sign), low, high, last)


def _rubs(pitch: int, chord: Chord) -> bool:
    """Whether a pitch lies a semitone from a note of the chord."""
    return any((pitch - own) % 12 in (1, 11) for own in chord.classes)


def _nearest(pitch_class: int, low: int, high: int, to: int) -> int:
    """The pitch of a class between two pitches that is nearest to another; the lower of two equally near ones."""
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 == pitch_class]
    return min(pitches or [low + (pitch_class - low) % 12], key=lambda pitch: (abs(pitch - to), pitch))


def _below(song: Song, event: Event, pitch: int) -> int | None:
    """The pitch, octaves down until it is below the melody; None where it would be too low."""
    ceiling = song.ceiling(event.start, event.end)
    while pitch >= ceiling and pitch - 12 >= LOWEST:
        pitch -= 12
    return pitch if pitch < ceiling or ceiling <= LOWEST else None


# --- chords


def _voice(song: Song, part: Part, chord: Chord, start: int, end: int, before: list[int]) -> list[int]:
    """A voicing within the range of the part, or an octave below it where the melody leaves no room."""
    low, high = part.range
    top = song.ceiling(start, end) - 1
    return voice(chord, part.voices, low, min(high, top), before) or voice(
        chord, part.voices, max(LOWEST, low - 12), min(high, top), before
    )


def _voicings(song: Song, part: Part, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int, list[int]]]:
    """The pitches of a chord part in each span, voice-led from one to the next."""
    before: list[int] = []
    for start, end in spans:
        chord = song.chord_at(start)
        if chord is None:
            continue
        found = _voice(song, part, chord, start, end, before)
        if found:
            before = found
            yield start, end, found


def chords(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """Struck chords: at each ``x`` or ``X``, and where the chord changes while one is held."""
    struck: list[tuple[int, int, int]] = []
    for one in _bars(song, part):
        if one.kind == ENDING:
            if _final(song, one):
                struck.append((one.bar.start, song.end, _level(part, one.energy)))
            continue
        for event in _events(song, one, part.groove(one.energy)):
            for chord in song.chords_in(event.start, event.end):
                struck.append((chord.start, chord.end, _level(part, one.energy, event.sign)))
    levels = {start: level for start, _, level in struck}
    return [
        Note(start, end, pitch, levels[start])
        for start, end, pitches in _voicings(song, part, [(start, end) for start, end, _ in struck])
        for pitch in pitches
    ]


def arpeggio(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """Broken chords: the digits of the pattern count the notes of the chord from the lowest."""
    notes: list[Note] = []
    before: list[int] = []
    for one in _bars(song, part):
        last = _final(song, one)
        if one.kind == ENDING and not last:
            continue
        stop = song.end if last else one.bar.end
        found = [] if last else _events(song, one, part.groove(one.energy))
        for chord in song.chords_in(one.bar.start, stop):
            pitches = before = _voice(song, part, chord, chord.start, chord.end, before) or before
            inside = [event for event in found if chord.start <= event.start < chord.end]
            if last:
                notes += [Note(chord.start, chord.end, pitch, _level(part, one.energy)) for pitch in pitches]
            for event in inside:
                pitch = _step_of(pitches, int(event.sign), song.ceiling(event.start, event.end))
                if pitch is not None:
                    end = min(event.end, chord.end)
                    notes.append(Note(event.start, end, pitch, _level(part, one.energy)))
    return notes


def _step_of(pitches: list[int], number: int, ceiling: int) -> int | None:
    """The ``number``-th note of a chord from the lowest, in the next octave where it has fewer; below the ceiling."""
    if not pitches:
        return None
    octave, place = divmod(number - 1, len(pitches))
    pitch = pitches[place] + 12 * octave
    while pitch >= ceiling:
        pitch -= 12
    return pitch if pitch >= LOWEST else None


def pad(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """Held chords, from change to change, a bar at most."""
    held = [
        (chord.start, chord.end, one.energy)
        for one in _bars(song, part)
        if one.kind != ENDING or _final(song, one)
        for chord in song.chords_in(one.bar.start, song.end if _final(song, one) else one.bar.end)
    ]
    energies = {start: energy for start, _, energy in held}
    return [
        Note(start, end, pitch, _level(part, energies[start]))
        for start, end, pitches in _voicings(song, part, [(start, end) for start, end, _ in held])
        for pitch in pitches
    ]


def single(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """One voice of held chords, which change with the melody's notes on beats."""
    spans: list[tuple[int, int]] = []
    energies: dict[int, float] = {}
    onsets = set(song.melody.onset.tolist())
    for one in _bars(song, part):
        if one.kind == ENDING and not _final(song, one):
            continue
        for chord in song.chords_in(one.bar.start, song.end if _final(song, one) else one.bar.end):
            beat = song.quarter * 4 // one.bar.unit * (3 if one.bar.unit >= 8 and one.bar.beats % 3 == 0 else 1)
            lines = [
                tick
                for tick in range(one.bar.start, chord.end, beat)
                if chord.start < tick < chord.end and tick in onsets and one.kind != ENDING
            ]
            for start, end in pairwise([chord.start, *lines, chord.end]):
                spans.append((start, end))
                energies[start] = one.energy
    notes = []
    for start, end, pitches in _voicings(song, part, spans):
        if part.voice <= len(pitches):
            notes.append(Note(start, end, pitches[-part.voice], _level(part, energies[start])))
    joined: list[Note] = []
    for note in notes:
        if joined and joined[-1].pitch == note.pitch and joined[-1].end == note.start and note.start not in onsets:
            joined[-1] = joined[-1]._replace(end=note.end)
        else:
            joined.append(note)
    return joined


# --- second voice


def second(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """A voice below the melody, in its rhythm: in thirds or sixths, on notes of the chord where a beat is strong."""
    notes: list[Note] = []
    tonic, mode = song.key
    scale = SCALES[2 * tonic + MODES.index(mode)]
    place = 0
    bars = [(one.bar.start, one.bar.end, one.energy) for one in _bars(song, part) if one.kind not in (ENDING, INTRO)]
    for onset, length, pitch in zip(
        song.melody.onset.tolist(), song.melody.length.tolist(), song.melody.pitch.tolist(), strict=True
    ):
        while place < len(bars) and bars[place][1] <= onset:
            place += 1
        if place == len(bars) or onset < bars[place][0] or length < SLOW * song.quarter:
            continue
        chord, start = song.chord_at(onset), bars[place][0]
        strong = (onset - start) % (2 * song.quarter) == 0
        options = []
        for distance in (*THIRDS, *SIXTHS, *FOURTH):
            lower = pitch - distance
            if not part.range[0] <= lower <= part.range[1]:
                continue
            fits = chord is not None and lower % 12 in chord.classes
            if (strong and chord is not None and not fits) or not (fits or scale[lower % 12]):
                continue
            cost = 0 if distance in THIRDS else 2 if distance in SIXTHS else 5
            cost += 0 if fits else 1
            cost += abs(lower - notes[-1].pitch) / 4 if notes else 0
            options.append((cost, lower))
        if options:
            notes.append(Note(onset, onset + length, min(options)[1], _level(part, bars[place][2])))
    return notes


# --- drums


def drums(song: Song, part: Part, rng: np.random.Generator) -> list[Note]:
    """The kit: the pattern of each bar, a fill before each new phrase, a cymbal where a loud one starts.

    Some ghost notes (``o``) are left out, others in each bar.
    """
    notes: list[Note] = []
    short = max(1, round(song.quarter * 2 * SHORTEST))
    led = True  # whether the bar before led to this one
    for one in song.bars:
        filled = bool(part.fill) and one.leads_to is not None and one.leads_to >= part.enters
        starts, led = led and one.number == 0 and one.kind != ENDING, one.leads_to is not None
        if one.energy < part.enters and not filled:
            continue
        if one.kind == ENDING:
            if _final(song, one):
                for name in ("crash", "kick"):
                    notes.append(Note(one.bar.start, one.bar.start + short, KIT[name], _level(part, one.energy, "X")))
            continue
        groove = part.groove(one.energy)
        for name in dict.fromkeys((*groove, *(part.fill if filled else ()))):
            played = _events(song, one, groove, name) if one.energy >= part.enters else []
            if filled:
                since = _fill_starts(song, one, part)
                played = [event for event in played if event.start < since]
                played += [event for event in _events(song, one, part.fill, name, True) if event.start >= since]
            for event in played:
                kept = rng.random() < GHOSTED  # drawn for every hit, so that one more changes no other
                if event.sign == "o" and not kept:
                    continue
                notes.append(Note(event.start, event.start + short, KIT[name], _level(part, one.energy, event.sign)))
        if starts and part.fill and one.energy >= CRASH:
            notes.append(Note(one.bar.start, one.bar.start + short, KIT["crash"], _level(part, one.energy)))
    return notes


def _fill_starts(song: Song, one: SongBar, part: Part) -> int:
    """Where the fill of a bar starts: at its first hit."""
    found = [event.start for name in part.fill for event in _events(song, one, part.fill, name, True)]
    return min(found, default=one.bar.end)


PLAYERS: dict[str, Player] = {
    "bass": bass,
    "chords": chords,
    "arpeggio": arpeggio,
    "pad": pad,
    "voice": single,
    "second": second,
    "drums": drums,
}
