"""DeepBach: for each voice, its cell given everything else: past, future, the other voices, beat, key and fermatas.

Source: Hadjeres, Pachet, Nielsen: DeepBach: a Steerable Model for Bach Chorales Generation, ICML 2017. Beside the
tokens the networks see which pitch a hold holds, as far as the cell in question does not decide it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.sections import Count, Range
from etude.representations.base.grammar import BOS, EOS, PAD
from etude.representations.base.grid import HOLD

BATCH = 8  # whole pieces at a time
SIZES = (24, 16, 96, 15, 2, 2)  # of the columns of a frame beside the voices; what is beyond counts as the last


class DeepBach(nn.Module):
    """Four networks a voice: recurrent over the past, recurrent over the future, the frame's other voices, the merger.

    The product of the conditionals is a pseudo-likelihood, not a likelihood. Sampling is by pseudo-Gibbs.
    """

    reads: ClassVar[str] = "chorale"
    takes: ClassVar[tuple[str, ...]] = ("vocabulary", "voices")
    sampler: ClassVar[str] = "gibbs"
    measure: ClassVar[str] = "pseudo_likelihood"  # in place of a likelihood
    counts: Tensor

    def __init__(
        self,
        vocabulary: int,
        voices: Mapping[str, int],
        embedding: Count,
        hidden: Count,
        layers: Annotated[int, Range(1, 8)],
        dropout: Annotated[float, Range(0, 0.95)],
        window: Annotated[int, Range(1, 65536)],
    ) -> None:
        """Args: number of tokens, the voices; size of a token's embedding, width and number of the recurrent layers,
        dropout rate, frames of a training window.
        """
        super().__init__()
        self.vocabulary, self.window = vocabulary, window
        self.names = list(voices)
        self.dropout = HeldDropout(dropout)
        self.token = nn.ModuleList(nn.Embedding(vocabulary, embedding) for _ in voices)
        self.sound = nn.ModuleList(nn.Embedding(vocabulary, embedding) for _ in voices)
        self.frame = nn.ModuleList(nn.Embedding(size, embedding) for size in SIZES)
        self.networks = nn.ModuleList(
            VoiceNetwork(place, len(voices), vocabulary - HOLD, embedding, hidden, layers, dropout)
            for place in range(len(voices))
        )
        # how often each voice has each token in train: what is never heard is never drawn
        self.register_buffer("counts", torch.zeros(len(voices), vocabulary - HOLD, dtype=torch.long))

    def forward(self, cells: Tensor, known: Tensor, lengths: Tensor, voice: int) -> Tensor:
        """Logits of each cell of a voice given all other cells.

        Args:
            cells: (B, T, voices) tokens, as ``framed`` gives them.
            known: (B, T, 6), the other columns of the frames.
            lengths: (B,) frames of each row that are no padding.
            voice: the voice's number.

        Returns:
            (B, T, V), V tokens from HOLD on, the first that a cell may have; without meaning where a cell is begin, end
            or padding.
        """
        logits: Tensor = self.networks[voice](*self._embedded(cells, known), lengths)
        return logits

    def _embedded(self, cells: Tensor, known: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Tokens and what sounds, each a list of (B, T, E) by voice, and the frames (B, T, E)."""
        observed = sounding(cells)
        tokens = [self.dropout(table(cells[..., place])) for place, table in enumerate(self.token)]
        sounds = [self.dropout(table(observed[..., place])) for place, table in enumerate(self.sound)]
        columns = [table(known[..., place].clamp(max=SIZES[place] - 1)) for place, table in enumerate(self.frame)]
        return tokens, sounds, torch.stack(columns).sum(0)

    def nats(self, cells: Tensor, known: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Cost of each cell given all others, and the likeliest token: (B, T, voices) twice.

        Costs are in nats; begin, end and padding cost 0.
        """
        costs, best = [], []
        embedded = self._embedded(cells, known)
        for voice, network in enumerate(self.networks):
            probabilities = network(*embedded, lengths).float().log_softmax(-1)  # (B, T, V)
            wanted = (cells[..., voice] - HOLD).clamp(min=0)
            cost = -probabilities.gather(-1, wanted[..., None])[..., 0]
            costs.append(torch.where(cells[..., voice] >= HOLD, cost, 0.0))
            best.append(probabilities.argmax(-1) + HOLD)
        return torch.stack(costs, -1), torch.stack(best, -1)


class VoiceNetwork(nn.Module):
    """The networks of one voice."""

    def __init__(
        self, voice: int, voices: int, tokens: int, embedding: int, hidden: int, layers: int, dropout: float
    ) -> None:
        """Args: number of the voice, number of voices, of tokens, and sizes as DeepBach has them."""
        super().__init__()
        self.voice = voice
        between = dropout if layers > 1 else 0.0
        self.dropout = HeldDropout(dropout)
        size = (2 * voices + 1) * embedding
        self.past = nn.LSTM(size, hidden, layers, batch_first=True, dropout=between)
        self.future = nn.LSTM(size - embedding, hidden, layers, batch_first=True, dropout=between)
        self.present = nn.Sequential(
            nn.Linear(size - 2 * embedding, hidden),
            nn.ReLU(),
            HeldDropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.merge = nn.Sequential(
            nn.Linear(3 * hidden, hidden), nn.ReLU(), HeldDropout(dropout), nn.Linear(hidden, tokens)
        )

    def forward(self, tokens: list[Tensor], sounds: list[Tensor], frame: Tensor, lengths: Tensor) -> Tensor:
        """See DeepBach.forward; tokens, sounds and frame are embedded, (B, T, E) each."""
        others = [sound for place, sound in enumerate(sounds) if place != self.voice]
        there = [token for place, token in enumerate(tokens) if place != self.voice]
        before, _ = self.past(torch.cat([*tokens, *sounds, frame], -1))  # (B, T, hidden)
        # what this voice holds later may be the cell in question, so that the future has its tokens alone
        coming = turned(torch.cat([*tokens, *others, frame], -1), lengths)
        after = turned(self.future(coming)[0], lengths)  # (B, T, hidden)
        zero = torch.zeros_like(before[:, :1])
        before = torch.cat([zero, before[:, :-1]], 1)  # frames before t alone
        after = torch.cat([after[:, 1:], zero], 1)  # frames after t alone
        now = self.present(torch.cat([*there, *others, frame], -1))
        logits: Tensor = self.merge(self.dropout(torch.cat([before, after, now], -1)))
        return logits


class HeldDropout(nn.Module):
    """Dropout that leaves out the same features in all frames of a row (Gal and Ghahramani, 2016): cheap to draw."""

    def __init__(self, rate: float) -> None:
        """Args: the share that is left out."""
        super().__init__()
        self.rate = rate

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, E) -> (B, T, E), unchanged when the module does not train."""
        if not self.training:
            return features
        return features * F.dropout(torch.ones_like(features[:, :1]), self.rate)


def sounding(cells: Tensor) -> Tensor:
    """What is heard in each cell: the last token of its voice that is no hold, itself included: (B, T, voices)."""
    time = torch.arange(cells.shape[1], device=cells.device)[None, :, None]
    last = torch.where(cells != HOLD, time, -1).cummax(1).values  # (B, T, voices)
    return torch.where(last < 0, PAD, cells.gather(1, last.clamp(min=0)))


def turned(states: Tensor, lengths: Tensor) -> Tensor:
    """Each row (T, E) with its first ``lengths`` frames in reverse, the padding after them: (B, T, E)."""
    time = torch.arange(states.shape[1], device=states.device)[None]  # (1, T)
    place = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return states.gather(1, place[..., None].expand_as(states))


def framed(pieces: list[Tensor], voices: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pieces or windows as one batch, padded.

    Args:
        pieces: each (frames, voices + 6), with the begin or end that it has (``bounded``).
        voices: the number of voices.

    Returns:
        cells (B, T, voices), the other columns (B, T, 6), and lengths (B,).
    """
    lengths = torch.tensor([len(piece) for piece in pieces])
    batch = torch.full((len(pieces), int(lengths.max()), pieces[0].shape[1]), PAD)
    for row, piece in zip(batch, pieces, strict=True):
        row[: len(piece)] = piece
    return batch[..., :voices], batch[..., voices:], lengths


def bounded(piece: Tensor, voices: int) -> Tensor:
    """A piece (frames, voices + 6) with a frame of begin before and one of end after it."""
    first, last = piece[:1].clone(), piece[-1:].clone()
    first[:, :voices], last[:, :voices] = BOS, EOS
    return torch.cat([first, piece, last])


def batches(pieces: Sequence[NDArray[Any]], voices: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Whole pieces (frames, voices + 6), those of similar length together, as ``framed`` gives them.

    Pieces without frames are left out.
    """
    order = sorted((place for place in range(len(pieces)) if len(pieces[place])), key=lambda p: (len(pieces[p]), p))
    rows = [bounded(torch.from_numpy(pieces[place].astype(np.int64)), voices) for place in order]
    return [framed(rows[start : start + BATCH], voices) for start in range(0, len(rows), BATCH)]
