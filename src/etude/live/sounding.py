"""What sounds of a bar under the controls that it is played with: the same for a port, a sound and a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.live.bars import TICKS, Bar, Note
from etude.live.controls import Controls
from etude.representations.base.survey import DRUMS

PLAYER = "You"  # the track of what somebody plays


class Part(NamedTuple):
    """Who plays a note: a voice of the model, a part of a band, or the player."""

    name: str
    program: int  # General MIDI; -1: drums


class Sound(NamedTuple):
    """A note as it sounds."""

    onset: int  # ticks from the start of the bar
    length: int
    pitch: int
    velocity: int
    part: Part


@dataclass(frozen=True)
class Slot:
    """A bar in its place in a session: what sounds, and all that is needed to write it again."""

    bar: Bar  # of the model, with what the player changed
    controls: Controls  # under which it is played
    written: Controls  # under which it was written
    number: int  # for which place it was written: an earlier one, where it came late
    known: int = 0  # how many bars of the past were known as they were heard, when it was written
    repeats: bool = False  # it repeats the one before, as no bar was there in time
    band: tuple[Sound, ...] = ()  # of a style
    player: tuple[Note, ...] = ()  # what somebody played; ``voice`` is the MIDI channel
    since: int | None = None  # the tick from which an answer sounds, its length for none; None: all is the model's
    ends: int | None = None  # the tick at which it stops
    melody: tuple[int, ...] = ()  # of an accompaniment: the melody's cell of each step
    late: tuple[int, ...] = ()  # steps that hold the one before; of an answer: the tick before which it was not there

    def taken(self, voices: Mapping[str, int]) -> dict[int, int]:
        """The voices whose place the player takes, with the tick from which."""
        if self.since is not None or self.melody:
            return {}
        firsts: dict[int, int] = {}
        for note in self.player:
            if note.voice < len(voices):
                firsts[note.voice] = min(note.onset, firsts.get(note.voice, note.onset))
        return firsts


def part_of(voice: int, voices: Mapping[str, int], controls: Controls) -> Part:
    """Who plays a voice."""
    name = list(voices)[voice]
    program = voices[name]
    return Part(name, program if program == DRUMS else dict(controls.instruments).get(name, program))


def sounds_of(slot: Slot, voices: Mapping[str, int]) -> list[Sound]:
    """The notes of a slot as they sound, by onset: transposed, on the instruments, without what is muted.

    What the player plays is not among them.
    """
    controls, made, taken = slot.controls, [], slot.taken(voices)
    own = tuple(note for note in slot.bar.notes if note.onset < taken.get(note.voice, note.onset + 1))
    if slot.since is not None:  # the others are the player's
        stop = slot.bar.length if slot.ends is None else slot.ends
        own = tuple(note for note in own if slot.since <= note.onset < stop)
    if slot.band:  # it plays the top line, too
        own = ()
    for note in own:
        if slot.melody and not note.voice:
            continue  # the player's
        part = part_of(note.voice, voices, controls)
        if part.name in controls.mute:
            continue
        pitch = note.pitch if part.program == DRUMS else within(note.pitch + controls.transpose)
        made.append(Sound(note.onset, note.length, pitch, note.velocity, part))
    for sound in slot.band:
        if sound.part.name not in controls.mute:
            drums = sound.part.program == DRUMS
            made.append(sound if drums else sound._replace(pitch=within(sound.pitch + controls.transpose)))
    return sorted(made)


def within(pitch: int) -> int:
    """A pitch of MIDI, moved by octaves where it is none."""
    while pitch < 0:
        pitch += 12
    while pitch > 127:
        pitch -= 12
    return pitch


def tempo_of(slot: Slot, before: float) -> float:
    """The tempo of a slot in BPM, after one of ``before``."""
    return slot.controls.tempo or slot.bar.tempo or before


@dataclass
class Track:
    """Notes of one part, in ticks from the start of the session."""

    part: Part
    notes: list[list[int]] = field(default_factory=list)  # onset, length, pitch, velocity


def session_score(slots: Sequence[Slot], voices: Mapping[str, int], tempo: float) -> ScoreTick:
    """A session as a score: a track for each voice on each instrument, for each part of a band, and for the player."""
    score = ScoreTick(TICKS)
    tracks: dict[Part, Track] = {Part(name, program): Track(Part(name, program)) for name, program in voices.items()}
    newest: dict[int, list[int]] = {}  # the last note of each voice
    start, meter, beat = 0, (0, 0), 0.0
    for slot in slots:
        if slot.bar.meter != meter:
            meter = slot.bar.meter
            score.time_signatures.append(TimeSignatureTick(start, *meter))
        if (now := tempo_of(slot, beat or tempo)) != beat:
            beat = now
            score.tempos.append(TempoTick(start, beat))
        if slot.band:
            newest.clear()  # a band holds nothing of what the voices have sung
        for voice, held in enumerate(slot.bar.holds):
            if held and voice in newest:
                newest[voice][1] = max(newest[voice][1], start + held - newest[voice][0])
        names = list(voices)
        for sound in sounds_of(slot, voices):
            note = [start + sound.onset, sound.length, sound.pitch, sound.velocity]
            tracks.setdefault(sound.part, Track(sound.part)).notes.append(note)
            if sound.part.name in names and not slot.band:
                newest[names.index(sound.part.name)] = note
        taken = slot.taken(voices)
        for voice in taken:
            newest.pop(voice, None)  # what the player has played is held by nobody else
        for given in slot.player:
            part = part_of(given.voice, voices, slot.controls) if given.voice in taken else Part(PLAYER, 0)
            note = [start + given.onset, given.length, given.pitch, given.velocity]
            tracks.setdefault(part, Track(part)).notes.append(note)
        start += slot.bar.length
    for part, track in tracks.items():
        made = TrackTick(part.name, max(part.program, 0), part.program == DRUMS)
        for note in sorted(track.notes):
            made.notes.append(NoteTick(*note))
        score.tracks.append(made)
    return score
