"""Features from which Voices predicts the next frame: pitches, ages, intervals, repeats, place in the bar; hints.

What a cell depends on most is computed from the past and given as features, so that a network need not discover it in
a few hundred pieces. Hints are what may be known of a whole piece before it is written: its key, its melody.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from etude.representations.base.grammar import BOS, PAD
from etude.representations.base.grid import FIRST, REST

AGES = 33  # values of the number of frames since a note started; the last stands for all longer
MAX_INTERVAL = 48  # semitones, up and down; larger intervals are clipped
INTERVALS = 2 * MAX_INTERVAL + 2  # values of an interval, from 1; 0 where there is none
MAX_VOCABULARY = 1024  # more than any vocabulary has tokens
LONGEST_MATCH = 32  # frames; longer matches count as this long
FEW = 4  # frames that are looked up one by one
MATCH_STEPS = (1, 2, 4, 8, 16, 32)  # frames: the thresholds between the values of a match's length
MATCHES = (len(MATCH_STEPS) + 1) * (FIRST + 1) * 2  # values of a repeat match: its length, its token, whether it failed
BAR_BEATS = (4, 3)  # beats of the bars in which a step has a place
NEXT = 4  # notes of a known melody that a frame sees in advance
TONIC_OCTAVE = 2  # in which the tonic of a known key rates pitches, in octaves of tokens
DEGREES = 25  # values of a degree of a major or minor scale, from 1; 0 where it is unknown


class Observed(NamedTuple):
    """What is known before the first frame and after each of J frames, for each voice: (B, J + 1, voices)."""

    token: Tensor  # the last one
    pitch: Tensor  # the token that sounds, a pitch or a rest; 0 where nothing is known
    age: Tensor  # frames since it started
    previous_pitches: list[Tensor]  # the pitches before, the latest first
    tonic_pitch: Tensor  # the first pitch of the lowest voice before each frame (B, J); 0 where there is none


def observe(cells: Tensor, previous_pitches: int) -> Observed:
    """What is known of tokens (B, J, voices), with so many pitches before the sounding one."""
    token = F.pad(cells, (0, 0, 1, 0), value=PAD)
    place = torch.arange(token.shape[1], device=cells.device)[None, :, None]
    start = torch.where(token >= REST, place, 0).cummax(1).values  # 0: not yet
    pitch = token.gather(1, start)
    age = torch.where(start > 0, place - start, AGES).clamp(max=AGES - 2)
    past = [pitch]
    for _ in range(previous_pitches):
        past.append(past[-1].gather(1, (start - 1).clamp(min=0)))
    lowest = token[..., -1]
    first = (lowest >= FIRST).float().argmax(1, keepdim=True)  # 0: none
    tonic_pitch = torch.where(first < place[:, :-1, 0] + 1, lowest.gather(1, first), 0)
    return Observed(token, pitch, age, past[1:], tonic_pitch)


class RepeatMatch(NamedTuple):
    """The place in the past that matches the last frames, and its continuation; each (B, N, voices)."""

    frames: Tensor  # that match, up to LONGEST_MATCH
    token: Tensor  # of the frame that came after them; 0 without a match


class RepeatMatches(NamedTuple):
    """Matches of all voices at one place, and of each voice by itself."""

    joint: RepeatMatch
    own: RepeatMatch


def find_repeat_matches(known: Observed, beat: int, start: int) -> RepeatMatches:
    """Find, for each frame from ``start``, where the past matches the last frames.

    Candidates are all places a whole number of beats ago, two or more. The longest match wins, then the latest.
    """
    code = known.pitch * MAX_VOCABULARY + known.token  # (B, J + 1, U)
    J, device = code.shape[1] - 1, code.device
    lags = torch.arange(2 * beat, max(J, 2 * beat + 1), beat, device=device)
    since = max(0, start - LONGEST_MATCH)
    place = torch.arange(since, J, device=device)
    before = place - lags[:, None]  # (L, W)
    same = (code[:, since:J, None].transpose(1, 2) == code[:, before.clamp(min=0)]) & (before > 0)[..., None]
    same = torch.cat([same.all(-1, keepdim=True), same], dim=-1)  # (B, L, W, 1 + U)
    other = torch.where(same, since - 1, place[:, None].int())  # the frame, where it differs
    new = range(start - since, J - since)
    if 0 < len(new) <= FEW:  # as in sampling: far cheaper than all
        last_other = torch.stack([other[:, :, : last + 1].amax(dim=2) for last in new], dim=2)
    else:
        last_other = other.cummax(dim=2).values[:, :, start - since :]
    length = (place[start - since :, None] - last_other).clamp(max=LONGEST_MATCH)  # (B, L, N, 1 + U)
    rank = length * len(lags) + torch.arange(len(lags) - 1, -1, -1, device=device)[:, None, None]
    best = rank.argmax(dim=1, keepdim=True)  # (B, 1, N, 1 + U)
    length = length.gather(1, best)[:, 0]
    after = (torch.arange(start, J, device=device)[:, None] + 1 - lags[best[:, 0]]).clamp(min=0)  # (B, N, 1 + U)

    def match(which: slice) -> RepeatMatch:
        frames = length[..., which].expand(-1, -1, code.shape[2])
        token = known.token.gather(1, after[..., which].expand_as(frames))
        return RepeatMatch(frames, torch.where(frames > 0, token, 0))

    return RepeatMatches(match(slice(0, 1)), match(slice(1, None)))


def encode_interval(upper: Tensor, lower: Tensor) -> Tensor:
    """Semitones from one pitch token to another, from 1 for -MAX_INTERVAL; 0 where one of them is no pitch."""
    both = (upper >= FIRST) & (lower >= FIRST)
    return torch.where(both, (upper - lower).clamp(-MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL + 1, 0)


class Hints(NamedTuple):
    """What is known of whole pieces before they are written."""

    keys: Tensor  # (B,) as ``grid.find_keys`` numbers them, 0 where it is unknown
    melody: Tensor  # (B, F, features) values of the melody's features in its frames; 0 where it is unknown

    def from_frame(self, frame: int) -> "Hints":
        """What is known of the pieces from a frame on."""
        return Hints(self.keys, self.melody[:, frame:])


def make_hints(keys: Tensor, melody: Tensor) -> Hints:
    """Hints of pieces by their keys (B,), 0 where unknown, and the first voice's cells (B, F), PAD where unknown."""
    place, length = torch.arange(melody.shape[1], device=melody.device), (melody != PAD).sum(1, keepdim=True)
    rest = melody == REST
    onset = (melody >= REST) & ~(rest & F.pad(rest, (1, 0))[:, :-1])  # of a note, or of the first of several rests
    sounding = melody.gather(1, torch.where(onset, place, 0).cummax(1).values)
    sounding = torch.where(melody == PAD, PAD, sounding)
    first = torch.where(onset, place, length).flip(1).cummin(1).values.flip(1)  # the first onset from here on
    following = torch.cat([first[:, 1:], length, length], dim=1)  # the one after this frame: (B, F + 1)
    ends = F.pad(sounding, (0, 1))
    values = [
        melody.clamp(max=FIRST),
        encode_interval(sounding, F.pad(sounding, (1, 0))[:, :-1]),
        encode_degree(sounding, keys[:, None]),
        torch.where(sounding >= FIRST, sounding, 0),
    ]
    onsets = place.expand_as(melody)
    for _ in range(NEXT):
        onsets = following.gather(1, onsets)
        values += [
            encode_interval(ends.gather(1, onsets), sounding),
            torch.where(melody == PAD, 0, (onsets - place).clamp(max=AGES - 1)),
        ]
    return Hints(keys, torch.stack(values, dim=-1).short())


def encode_degree(token: Tensor, key: Tensor) -> Tensor:
    """The degree of pitch tokens in keys, from 1 in major and 13 in minor; 0 where either is unknown."""
    tonic, minor = (key - 1) // 2, (key - 1) % 2
    return torch.where((token >= FIRST) & (key > 0), 1 + 12 * minor + (token - tonic) % 12, 0)


class Inputs(NamedTuple):
    """The input of a network: the features of the new frames and cells."""

    frames: dict[str, Tensor]  # each (B, N)
    hints: dict[str, Tensor]  # each (B, N)
    cells: dict[str, Tensor]  # each (B, N, voices)
    references: Tensor  # (B, N, voices, references), pitches by which the next one is rated

    def select(self, rows: slice) -> "Inputs":
        """The input of some rows of the batch."""
        parts = (self.frames, self.hints, self.cells)
        frames, hints, cells = ({name: values[rows] for name, values in part.items()} for part in parts)
        return Inputs(frames, hints, cells, self.references[rows])


@dataclass(frozen=True)
class VoiceFeatures:
    """All features, by name: how many values each has, and how they are computed."""

    vocabulary: int
    voices: int
    beat: int  # steps of a beat
    previous_pitches: int  # of its own voice that a cell sees, besides the sounding one

    @cached_property
    def bars(self) -> dict[str, int]:
        """Steps of the bars in which a step has a place."""
        return {f"place_in_{beats}_beats": beats * self.beat for beats in BAR_BEATS}

    @cached_property
    def pairs(self) -> dict[str, tuple[int, int]]:
        """All pairs of voices, an upper and a lower one."""
        return {f"interval_{a}_{b}": (a, b) for b in range(self.voices) for a in range(b)}

    @property
    def stride(self) -> int:
        """Tokens after which a bar of each kind starts."""
        return self.voices * math.lcm(*self.bars.values())

    @property
    def references(self) -> int:
        """Number of pitches by which the next pitch is rated."""
        return self.voices + self.previous_pitches + 6

    def frame_sizes(self) -> dict[str, int]:
        """Number of values of each feature of a frame."""
        sizes = {}
        for voice in range(self.voices):
            sizes[f"pitch_{voice}"] = self.vocabulary
            sizes[f"age_{voice}"] = AGES
            sizes[f"token_{voice}"] = FIRST + 1
            sizes[f"from_previous_{voice}"] = INTERVALS
            sizes[f"from_tonic_{voice}"] = INTERVALS
        return {**sizes, **dict.fromkeys(self.pairs, INTERVALS), **self.bars, "first": 2}

    def hint_sizes(self) -> dict[str, int]:
        """Number of values of each feature of a frame that comes from hints."""
        sizes = {"key": DEGREES, **{f"degree_{voice}": DEGREES for voice in range(self.voices)}}
        sizes |= {"melody_token": FIRST + 1, "melody_step": INTERVALS, "melody_degree": DEGREES}
        for place in range(NEXT):
            sizes |= {f"next_{place}": INTERVALS, f"until_next_{place}": AGES}
        return sizes

    def cell_sizes(self) -> dict[str, int]:
        """Number of values of each feature of a cell."""
        voices = range(self.voices)
        by_voice = {  # each value once for each voice that the cell may be of
            **{f"from_previous_{back}": INTERVALS for back in range(self.previous_pitches)},
            **dict.fromkeys(self.pairs, INTERVALS),
            **{f"from_tonic_{voice}": INTERVALS for voice in voices},
            **{f"to_{kind}_match": INTERVALS for kind in RepeatMatches._fields},
            **{f"age_{voice}": AGES for voice in voices},
            **{f"start_{voice}": 3 for voice in voices},
            **{f"{kind}_match": MATCHES for kind in RepeatMatches._fields},
            **self.bars,
        }
        sizes = {**{f"pitch_{voice}": self.vocabulary for voice in voices}, "voice": self.voices}
        return {**sizes, **{name: size * self.voices for name, size in by_voice.items()}}

    def compute(self, tokens: Tensor, hints: Hints, frames: int, first_frame: int, first_cells: int) -> Inputs:
        """The features of the frames from ``first_frame`` and of the cells of the frames from ``first_cells``.

        Args:
            tokens: all tokens so far, (B, S).
            hints: what is known of the pieces.
            frames: number of frames that have a cell to predict.
            first_frame: first frame whose predecessor is new.
            first_cells: first frame with a cell to predict.
        """
        U = self.voices
        cells = F.pad(tokens[:, 1:], (0, frames * U - tokens.shape[1] + 1), value=PAD).unflatten(1, (frames, U))
        known = observe(cells, self.previous_pitches)
        starts = tokens[:, :1] == BOS
        melody = hints.melody[:, first_cells:frames].long()
        melody = F.pad(melody, (0, 0, 0, frames - first_cells - melody.shape[1]))
        return Inputs(
            self.of_frames(known, starts, first_frame),
            self.of_hints(known, hints.keys[:, None], melody, first_cells),
            *self.of_cells(known, hints.keys, melody, first_cells),
        )

    def of_frames(self, known: Observed, starts: Tensor, start: int) -> dict[str, Tensor]:
        """Features of what precedes each frame from ``start``, each (B, N); ``starts`` (B, 1) marks piece starts."""
        pitch, age, token = known.pitch[:, start:-1], known.age[:, start:-1], known.token[:, start:-1]
        from_previous = encode_interval(pitch, known.previous_pitches[0][:, start:-1])
        from_tonic = encode_interval(pitch, known.tonic_pitch[:, start:, None])
        kinds = {"pitch": pitch, "age": age, "token": token.clamp(max=FIRST)}
        kinds |= {"from_previous": from_previous, "from_tonic": from_tonic}
        values = self.between_voices(pitch)
        for kind, of_voices in kinds.items():
            values |= {f"{kind}_{voice}": value for voice, value in enumerate(of_voices.unbind(-1))}
        place = torch.arange(start, pitch.shape[1] + start, device=pitch.device).expand(len(pitch), -1)
        bars = {name: place % bar for name, bar in self.bars.items()}
        return {**values, **bars, "first": ((place == 0) & starts).long()}

    def between_voices(self, pitch: Tensor) -> dict[str, Tensor]:
        """The interval of each pair of voices, by name: (..., voices) -> (...)."""
        upper, lower = ([pair[place] for pair in self.pairs.values()] for place in (0, 1))
        return dict(zip(self.pairs, encode_interval(pitch[..., upper], pitch[..., lower]).unbind(-1), strict=True))

    def of_hints(self, known: Observed, keys: Tensor, melody: Tensor, start: int) -> dict[str, Tensor]:
        """Features that come from hints, of each frame from ``start``, each (B, N).

        Args:
            known: what is known before and after each frame.
            keys: (B, 1).
            melody: its features (B, N, features).
            start: a frame.
        """
        token, step, degree, _, *following = melody.unbind(-1)
        values = {"key": keys.expand_as(token), "melody_token": token, "melody_step": step, "melody_degree": degree}
        degrees = encode_degree(known.pitch[:, start:-1], keys[..., None]).unbind(-1)
        values |= {f"degree_{voice}": degree for voice, degree in enumerate(degrees)}
        for place in range(NEXT):
            values[f"next_{place}"], values[f"until_next_{place}"] = following[2 * place : 2 * place + 2]
        return values

    def of_cells(self, known: Observed, keys: Tensor, melody: Tensor, start: int) -> tuple[dict[str, Tensor], Tensor]:
        """Features of the cells of each frame from ``start``, each (B, N, voices), and their references.

        The references are the pitches (B, N, voices, references) by which the next pitch is rated: what each voice
        sounds as far as it is known, what its own sounds, its previous ones, the first pitch of the lowest voice, the
        two repeat matches, and as far as they are known the tonic of the key (B,) and the melody's pitch.
        """
        U, voice = self.voices, torch.arange(self.voices, device=known.pitch.device)
        above = voice < voice[:, None]  # (voice of the cell, other voice): whether the other's cell is known already

        def latest(after: Tensor, wait: int = 0) -> Tensor:
            """(B, J + 1, voices) -> (B, N, voices, voices): at this frame where it is known, else at the one before."""
            return torch.where(above, after[:, start + 1 :, None], after[:, start:-1, None] + wait)

        pitch, age = latest(known.pitch), latest(known.age, wait=1)
        starts = torch.where(above, 1 + (known.token >= REST).long()[:, start + 1 :, None], 0)
        own = pitch.diagonal(dim1=2, dim2=3)
        previous = [past[:, start:-1] for past in known.previous_pitches]
        tonic = known.tonic_pitch[:, start:, None].expand_as(own)
        matches = find_repeat_matches(known, self.beat, start)._asdict()
        values = {f"from_previous_{back}": encode_interval(own, past) for back, past in enumerate(previous)}
        values |= self.between_voices(pitch)
        kinds = {"from_tonic": encode_interval(pitch, tonic[..., None]), "age": age, "start": starts}
        for kind, of_voices in kinds.items():
            values |= {f"{kind}_{other}": value for other, value in enumerate(of_voices.unbind(-1))}
        for kind, match in matches.items():
            values[f"to_{kind}_match"] = encode_interval(match.token, own)
            values[f"{kind}_match"] = _match_feature(match, known.token[:, start + 1 :])
        place = torch.arange(start, start + own.shape[1], device=own.device)[None, :, None].expand_as(own)
        values |= {name: place % bar for name, bar in self.bars.items()}
        by_voice = {name: value * U + voice for name, value in values.items()}
        key = torch.where(keys > 0, (keys - 1) // 2 + 12 * TONIC_OCTAVE, 0)
        hinted = [key[:, None, None].expand_as(own), melody[:, :, None, 3].expand_as(own)]
        single = [own, *previous, tonic, *(match.token for match in matches.values()), *hinted]
        references = torch.cat([pitch, torch.stack(single, dim=-1)], dim=-1)
        pitches = {f"pitch_{other}": pitch[..., other] for other in range(U)}
        return {**pitches, "voice": voice.expand_as(own), **by_voice}, references


def _match_feature(match: RepeatMatch, token: Tensor) -> Tensor:
    """Length and token of a match as one value, and whether a voice above departs from it in this frame."""
    departs = (match.token != token).long().cumsum(-1)
    above_departs = F.pad(departs[..., :-1], (1, 0)) > 0
    length = torch.stack([match.frames >= least for least in MATCH_STEPS]).sum(0)
    return (length * (FIRST + 1) + match.token.clamp(max=FIRST)) * 2 + above_departs
