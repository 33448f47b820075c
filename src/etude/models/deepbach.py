"""DeepBach: predicts a cell of a voice from all else: past, future, the other voices, beat, key and fermatas.

Source: Hadjeres, Pachet, Nielsen: DeepBach: a Steerable Model for Bach Chorales Generation, ICML 2017. The
networks also see which pitch a hold continues, unless that depends on the predicted cell. A token's logit changes by a
learned weight for each parallel fifth or octave that it would make.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.representations.base.grammar import BOS, EOS, PAD
from etude.representations.base.grid import FIRST, HOLD
from etude.representations.chorale import FLATTEST, SHARPS

SILENT = -1  # in place of a pitch
BATCH = 8  # whole pieces at a time
SIZES = (24, 16, 96, 15, 2, 2)  # of the columns of a frame after the voices; larger values count as the last


class DeepBach(nn.Module):
    """Four networks a voice: recurrent past, recurrent future, the other voices of the frame, and one that merges them.

    The product of the conditionals is a pseudo-likelihood, not a likelihood. Samples come from pseudo-Gibbs sampling.
    """

    reads: ClassVar[tuple[str, ...]] = ("chorale",)
    takes: ClassVar[tuple[str, ...]] = ("vocabulary", "voices")
    sampler: ClassVar[str] = "gibbs"
    can_harmonize: ClassVar[bool] = True
    measure: ClassVar[str] = "pseudo_likelihood"  # file of metrics/ that measures it in place of a likelihood
    counts: Tensor  # (voices, V) how often each voice has each token in train

    def __init__(
        self,
        vocabulary: int,
        voices: Mapping[str, int],
        embedding: Count,
        hidden: Count,
        layers: Annotated[int, Range(1, 8)],
        dropout: Annotated[float, Range(0, 0.95)],
        window: Annotated[int, Range(1, 65536)],
        transpose: Annotated[int, Range(0, 24)],
    ) -> None:
        """Set up the networks.

        Args:
            vocabulary: number of tokens.
            voices: the voices by name.
            embedding: width of a token's embedding.
            hidden: width of the layers.
            layers: number of recurrent layers.
            dropout: rate.
            window: frames of a training window.
            transpose: semitones up or down by which training moves each window at most.
        """
        super().__init__()
        self.vocabulary, self.window, self.transpose = vocabulary, window, transpose
        self.names = list(voices)
        self.dropout = LockedDropout(dropout)
        self.token = nn.ModuleList(nn.Embedding(vocabulary, embedding) for _ in voices)
        self.sound = nn.ModuleList(nn.Embedding(vocabulary, embedding) for _ in voices)
        self.frame = nn.ModuleList(nn.Embedding(size, embedding) for size in SIZES)
        self.networks = nn.ModuleList(
            VoiceNetwork(place, len(voices), vocabulary - HOLD, embedding, hidden, layers, dropout)
            for place in range(len(voices))
        )
        self.parallels = nn.Parameter(torch.zeros(len(voices), 2))  # for each parallel into a cell, and out of its note
        # tokens that a voice never has in train are never drawn
        self.register_buffer("counts", torch.zeros(len(voices), vocabulary - HOLD, dtype=torch.long))

    def forward(self, cells: Tensor, known: Tensor, lengths: Tensor, voice: int) -> Tensor:
        """Logits of the cells of a voice, each given all other cells.

        Args:
            cells: (B, T, voices) tokens, as ``pad_pieces`` gives them.
            known: (B, T, 6), the other columns of the frames.
            lengths: (B,) frames of each row without padding.
            voice: number of the voice.

        Returns:
            (B, T, V): V tokens, the first is HOLD, the lowest that a cell may have. Meaningless where a cell is start,
            end or padding.
        """
        return self._logits(cells, self._embed(cells, known), lengths, voice)

    def _logits(
        self, cells: Tensor, embedded: tuple[list[Tensor], list[Tensor], Tensor], lengths: Tensor, voice: int
    ) -> Tensor:
        logits: Tensor = self.networks[voice](*embedded, lengths)
        return logits + (count_parallels(cells, voice, logits.shape[-1]) * self.parallels[voice]).sum(-1)

    def _embed(self, cells: Tensor, known: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Tokens and sounding tokens, each a list of (B, T, E) by voice, and the frames (B, T, E)."""
        sounding = find_sounding(cells)
        tokens = [self.dropout(table(cells[..., place])) for place, table in enumerate(self.token)]
        sounds = [self.dropout(table(sounding[..., place])) for place, table in enumerate(self.sound)]
        columns = [table(known[..., place].clamp(max=SIZES[place] - 1)) for place, table in enumerate(self.frame)]
        return tokens, sounds, torch.stack(columns).sum(0)

    def move_pitches(self, cells: Tensor, known: Tensor, semitones: Tensor) -> tuple[Tensor, Tensor]:
        """Transpose windows, their key signatures too, as far as no pitch leaves the vocabulary.

        Args:
            cells: (B, T, voices) tokens.
            known: (B, T, 6), the other columns of the frames.
            semitones: (B, 1, 1).

        Returns:
            cells and known, transposed. Keys are written with up to six sharps or flats.
        """
        pitches = cells >= FIRST
        low = FIRST - torch.where(pitches, cells, self.vocabulary).amin((1, 2), keepdim=True)
        high = self.vocabulary - 1 - torch.where(pitches, cells, FIRST).amax((1, 2), keepdim=True)
        semitones = semitones.to(cells.device).clamp(low, high)
        fifths = (known[..., SHARPS] + FLATTEST + 7 * semitones[..., 0] + 6) % 12 - 6  # sharps less flats
        known = known.clone()
        known[..., SHARPS] = torch.where(semitones[..., 0] == 0, known[..., SHARPS], fifths - FLATTEST)
        return torch.where(pitches, cells + semitones, cells), known

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Cost of each cell given all others, in nats, and its most probable token: (B, T, voices) twice.

        Start, end and padding cost 0.
        """
        costs, best = [], []
        embedded = self._embed(cells, known)
        for voice in range(len(self.networks)):
            log_probabilities = self._logits(cells, embedded, lengths, voice).float().log_softmax(-1)  # (B, T, V)
            targets = (cells[..., voice] - HOLD).clamp(min=0)
            cost = -log_probabilities.gather(-1, targets[..., None])[..., 0]
            costs.append(torch.where(cells[..., voice] >= HOLD, cost, 0.0))
            best.append(log_probabilities.argmax(-1) + HOLD)
        return torch.stack(costs, -1), torch.stack(best, -1)


class VoiceNetwork(nn.Module):
    """The networks of one voice."""

    def __init__(
        self, voice: int, voices: int, tokens: int, embedding: int, hidden: int, layers: int, dropout: float
    ) -> None:
        """Args: number of the voice, number of voices, number of tokens; the sizes are those of DeepBach."""
        super().__init__()
        self.voice = voice
        between = dropout if layers > 1 else 0.0
        self.dropout = LockedDropout(dropout)
        size = (2 * voices + 1) * embedding
        self.past = nn.LSTM(size, hidden, layers, batch_first=True, dropout=between)
        self.future = nn.LSTM(size - embedding, hidden, layers, batch_first=True, dropout=between)
        self.present = nn.Sequential(
            nn.Linear(size - 2 * embedding, hidden),
            nn.ReLU(),
            LockedDropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.merge = nn.Sequential(
            nn.Linear(3 * hidden, hidden), nn.ReLU(), LockedDropout(dropout), nn.Linear(hidden, tokens)
        )

    def forward(self, tokens: list[Tensor], sounds: list[Tensor], frame: Tensor, lengths: Tensor) -> Tensor:
        """See DeepBach.forward; tokens, sounds and frame are embeddings, (B, T, E) each."""
        other_sounds = [sound for place, sound in enumerate(sounds) if place != self.voice]
        other_tokens = [token for place, token in enumerate(tokens) if place != self.voice]
        before, _ = self.past(torch.cat([*tokens, *sounds, frame], -1))  # (B, T, hidden)
        # what this voice holds later may be the predicted cell: the future has only its tokens
        future = reverse_rows(torch.cat([*tokens, *other_sounds, frame], -1), lengths)
        after = reverse_rows(self.future(future)[0], lengths)  # (B, T, hidden)
        zero = torch.zeros_like(before[:, :1])
        before = torch.cat([zero, before[:, :-1]], 1)  # only frames before t
        after = torch.cat([after[:, 1:], zero], 1)  # only frames after t
        now = self.present(torch.cat([*other_tokens, *other_sounds, frame], -1))
        logits: Tensor = self.merge(self.dropout(torch.cat([before, after, now], -1)))
        return logits


class LockedDropout(nn.Module):
    """Dropout of the same features in all frames of a row (Gal and Ghahramani, 2016), which is cheap to draw."""

    def __init__(self, rate: float) -> None:
        """Args: share of the features that is left out."""
        super().__init__()
        self.rate = rate

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, E) -> (B, T, E), unchanged outside training."""
        if not self.training:
            return features
        return features * F.dropout(torch.ones_like(features[:, :1]), self.rate)


def find_sounding(cells: Tensor) -> Tensor:
    """The sounding token of each cell: the last one of its voice, itself included, that is no hold: (B, T, voices)."""
    time = torch.arange(cells.shape[1], device=cells.device)[None, :, None]
    last = torch.where(cells != HOLD, time, -1).cummax(1).values  # (B, T, voices)
    return torch.where(last < 0, PAD, cells.gather(1, last.clamp(min=0)))


def count_parallels(cells: Tensor, voice: int, tokens: int) -> Tensor:
    """The parallel fifths and octaves that each token would make in each cell of a voice, given all other cells.

    Args:
        cells: (B, T, voices) tokens.
        voice: its number.
        tokens: V, the first of them HOLD.

    Returns:
        (B, T, V, 2): those of the step into the cell, and of the step in which its note ends.
    """
    sounding = find_sounding(cells)
    pitch = torch.where(sounding >= FIRST, sounding, SILENT)  # (B, T, voices)
    before = torch.cat([torch.full_like(pitch[:, :1], SILENT), pitch[:, :-1]], 1)
    frames = torch.arange(cells.shape[1], device=cells.device)
    starts = torch.where(cells[..., voice] != HOLD, frames, len(frames) - 1)  # the next one from each frame on
    ends = starts.flip(1).cummin(1).values.flip(1)
    ends = torch.cat([ends[:, 1:], ends[:, -1:]], 1)[..., None].expand_as(pitch)  # where the cell's note ends
    then, then_before = pitch.gather(1, ends), before.gather(1, ends)
    others = [other for other in range(cells.shape[-1]) if other != voice]
    candidates = torch.arange(HOLD, HOLD + tokens, device=cells.device)
    counts = torch.zeros(*cells.shape[:2], tokens, 2, device=cells.device)
    # of each step, the known end of this voice, that end of the others, and their other end
    steps = (
        (before[..., voice], before[..., others], pitch[..., others]),
        (then[..., voice], then[..., others], then_before[..., others]),
    )
    for place, (ours, theirs, theirs_there) in enumerate(steps):
        # few cells have tokens that make a parallel
        possible = is_perfect(ours[..., None] - theirs) & (theirs != theirs_there)
        row, frame, other = torch.nonzero(possible, as_tuple=True)  # (N,)
        held = before[row, frame, voice][:, None]
        there = torch.where(candidates == HOLD, held, torch.where(candidates < FIRST, SILENT, candidates))  # (N, V)
        near, far = theirs[row, frame, other][:, None], theirs_there[row, frame, other][:, None]
        found = is_parallel(ours[row, frame][:, None], there, near, far)
        counts[..., place].index_put_((row, frame), found.float(), accumulate=True)
    return counts


def is_parallel(ours: Tensor, ours_then: Tensor, theirs: Tensor, theirs_then: Tensor) -> Tensor:
    """Whether two voices move in parallel fifths or octaves, as ``voice_leading.parallels`` of metrics counts them.

    It is the same backwards in time.
    """
    sings = (ours != SILENT) & (ours_then != SILENT) & (theirs != SILENT) & (theirs_then != SILENT)
    step, other = ours_then - ours, theirs_then - theirs
    by, into = ours - theirs, ours_then - theirs_then
    like = ((by == 0) == (into == 0)) | (step * other < 0)
    return sings & (step != 0) & (other != 0) & is_perfect(by) & (by.abs() % 12 == into.abs() % 12) & like


def is_perfect(interval: Tensor) -> Tensor:
    """Whether semitones up or down are a fifth, an octave, or octaves more."""
    return (interval.abs() % 12 == 7) | (interval.abs() % 12 == 0)


def reverse_rows(states: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first ``lengths`` frames of each row (T, E); the padding stays after them: (B, T, E)."""
    time = torch.arange(states.shape[1], device=states.device)[None]  # (1, T)
    place = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return states.gather(1, place[..., None].expand_as(states))


def pad_pieces(pieces: list[Tensor], voices: int) -> tuple[Tensor, Tensor, Tensor]:
    """Join pieces or windows in one padded batch.

    Args:
        pieces: each (frames, voices + 6), with its start or end frames (``add_bounds``).
        voices: the number of voices.

    Returns:
        cells (B, T, voices), the other columns (B, T, 6), and lengths (B,).
    """
    lengths = torch.tensor([len(piece) for piece in pieces])
    batch = torch.full((len(pieces), int(lengths.max()), pieces[0].shape[1]), PAD)
    for row, piece in zip(batch, pieces, strict=True):
        row[: len(piece)] = piece
    return batch[..., :voices], batch[..., voices:], lengths


def add_bounds(piece: Tensor, voices: int) -> Tensor:
    """Put a start frame before and an end frame after a piece (frames, voices + 6)."""
    first, last = piece[:1].clone(), piece[-1:].clone()
    first[:, :voices], last[:, :voices] = BOS, EOS
    return torch.cat([first, piece, last])


def batches(pieces: Sequence[NDArray[np.integer]], voices: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Batch complete pieces (frames, voices + 6) of similar length, as ``pad_pieces`` gives them.

    Pieces without frames are left out.
    """
    order = sorted((place for place in range(len(pieces)) if len(pieces[place])), key=lambda p: (len(pieces[p]), p))
    rows = [add_bounds(torch.from_numpy(pieces[place].astype(np.int64)), voices) for place in order]
    return [pad_pieces(rows[start : start + BATCH], voices) for start in range(0, len(rows), BATCH)]
