"""Wasserstein GAN on rows of piano-roll windows, built of bars (after MuseGAN: Dong et al., 2018).

A temporal generator turns noise into one latent a bar; a bar generator of transposed convolutions, whose weights all
bars share, turns each latent into notes; a critic of convolutions judges beats, bars and the row of bars.

A row is some windows that follow each other in one piece, as one roll: (B, T, V, P), T the steps of all windows.
"""

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.errors import EtudeError
from etude.settings import Count, Range

BEATS = 4  # of a bar, in quarters
OCTAVE = 12
PLACES = 2  # what is told of a window: whether its piece begins with it, and whether it ends with it


class Noise(NamedTuple):
    """What rows are made from; parts of size L for all voices (the first) and for each voice alone (the others)."""

    piece: Tensor  # (B, 1 + V, L)
    window: Tensor  # (B, W, L)
    bar: Tensor  # (B, W, bars, 1 + V, L)
    key: Tensor  # (B,), semitones from 0 to 11


def factors(number: int) -> list[int]:
    """Prime factors, the smallest first: 12 -> [2, 2, 3]."""
    found, prime = [], 2
    while number > 1:
        while number % prime == 0:
            found.append(prime)
            number //= prime
        prime += 1
    return found


def through(hard: Tensor, soft: Tensor) -> Tensor:
    """The values of ``hard`` with the gradient of ``soft`` (straight-through estimator: Bengio et al., 2013)."""
    return hard.to(soft.dtype) + (soft - soft.detach())


def hold(begins: Tensor, picks: Tensor) -> Tensor:
    """Keep each pick until the next begin: (B, T, V), (B, T, V, N) -> (B, T, V, N). The first step always begins."""
    now, found = picks[:, 0], [picks[:, 0]]
    for begin, pick in zip(begins[:, 1:, :, None].unbind(1), picks[:, 1:].unbind(1), strict=True):
        now = torch.lerp(now, pick, begin.expand_as(pick))
        found.append(now)
    return torch.stack(found, 1)


def part(begins: Tensor, notes: Tensor) -> Tensor:
    """Take the last step off a note whose pitch begins again after it, as the representation writes repeated notes.

    Args:
        begins: (B, T, V), 1 where a note or a rest begins.
        notes: (B, T, V, P), 1 where a pitch sounds. A note of one step keeps it, and is one with the next.
    """
    again = begins[:, 1:] * (1 - begins[:, :-1]) * (notes[:, 1:] * notes[:, :-1]).sum(-1)  # (B, T - 1, V)
    return notes * (1 - F.pad(again, (0, 0, 0, 1)))[..., None]


def onsets(rolls: Tensor) -> Tensor:
    """How many pitches begin in each voice and step: (B, T, V, P) -> (B, T, V)."""
    kept = (rolls[:, 1:] * rolls[:, :-1]).sum(-1)
    return rolls.sum(-1) - F.pad(kept, (0, 0, 1, 0))


class Generator(nn.Module):
    """Noise to rows of binary rolls, one pitch a voice at a time.

    Each step has a binary neuron a voice that says whether a note or a rest begins there, and scores over the pitches
    and a rest, of which the highest is taken and held until the next begin: no note is broken by a step in its midst.
    Both choices pass gradients straight through (Dong and Yang, 2018). The scores are those of the beat, refined at
    each finer division, and move with the key of the piece, so that all keys are learned as one.
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, latent: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, size of a part of the noise, channels."""
        super().__init__()
        self.voices, self.length, self.pitches = shape
        self.latent, self.bars = latent, self.length // (BEATS * steps)
        self.span = self.pitches + OCTAVE - 1  # pitches before they are moved
        self.temporal = nn.Linear(2 * latent + PLACES, 2 * hidden)
        self.to_bars = nn.Linear(2 * hidden, self.bars * hidden)
        self.of_bar = nn.Linear(latent, hidden)
        self.to_beats = nn.ConvTranspose1d(hidden, hidden, BEATS)
        self.norm = nn.GroupNorm(1, hidden)
        widths = [hidden]
        self.divide = nn.ModuleList()
        for factor in factors(steps):
            wide, narrow = widths[-1], max(1, hidden // 2)
            self.divide.append(
                nn.Sequential(
                    nn.Conv1d(wide, wide, 3, padding=1),
                    nn.GroupNorm(1, wide),
                    nn.LeakyReLU(0.2),
                    nn.ConvTranspose1d(wide, narrow, factor, stride=factor),
                    nn.GroupNorm(1, narrow),
                    nn.LeakyReLU(0.2),
                )
            )
            widths.append(narrow)
        self.of_voice = nn.ModuleList(nn.Linear(2 * latent, width) for width in widths)
        outputs = self.voices * (self.span + 1)
        self.scores = nn.ModuleList(nn.Conv1d(self.voices * n, outputs, 1, groups=self.voices) for n in widths)
        self.begins = nn.Conv1d(self.voices * widths[-1], self.voices, 3, padding=1, groups=self.voices)
        self.meter = nn.Parameter(torch.zeros(self.voices, BEATS * steps))
        self.range = nn.Parameter(torch.zeros(self.voices, self.pitches))

    def forward(self, noise: Noise, places: Tensor) -> Tensor:
        """Rows, with gradients: noise of B rows of W windows, places (B, W, PLACES) -> (B, T, V, P) of 0 and 1."""
        B, W = places.shape[:2]
        V, N = self.voices, B * W * self.bars
        shared = noise.piece[:, None, 0].expand_as(noise.window)
        x = F.leaky_relu(self.temporal(torch.cat([shared, noise.window, places], -1)), 0.2)  # (B, W, 2 hidden)
        x = self.to_bars(x).view(B, W, self.bars, -1) + self.of_bar(noise.bar[:, :, :, 0])
        x = F.leaky_relu(x, 0.2).view(N, -1, 1)  # one latent a bar
        x = F.leaky_relu(self.norm(self.to_beats(x)), 0.2)  # (N, hidden, beats)
        own = noise.piece[:, None, None, 1:].expand_as(noise.bar[:, :, :, 1:])
        private = torch.cat([own, noise.bar[:, :, :, 1:]], -1).view(N, V, -1)
        scores = torch.zeros(1)
        for level, (of_voice, read_out) in enumerate(zip(self.of_voice, self.scores, strict=True)):
            if level:
                x = self.divide[level - 1](x)
                scores = scores.repeat_interleave(x.shape[-1] // scores.shape[-1], -1)
            heard = (x[:, None] * (1 + of_voice(private)[..., None])).flatten(1, 2)  # (N, V channels, steps)
            scores = read_out(heard) + (scores if level else 0)
        gates = (self.begins(heard) + self.meter).view(B, W * self.bars, V, -1).transpose(2, 3).flatten(1, 2)
        scores = scores.view(B, W * self.bars, V, self.span + 1, -1).permute(0, 1, 4, 2, 3).flatten(1, 2)
        picks = self._in_key(scores, noise.key)
        picks = through(F.one_hot(picks.argmax(-1), self.pitches + 1), picks.softmax(-1))  # (B, T, V, P + rest)
        soft = gates.sigmoid()
        begins = F.pad(through(soft > 0.5, soft)[:, 1:], (0, 0, 1, 0), value=1)  # (B, T, V)
        return part(begins, hold(begins, picks)[..., : self.pitches])

    def _in_key(self, scores: Tensor, key: Tensor) -> Tensor:
        """Move the scores by ``key`` semitones and weigh each voice's range: (B, T, V, span + rest) to P + rest."""
        B, T, V, _ = scores.shape
        places = torch.arange(self.pitches, device=key.device) + (OCTAVE - 1 - key)[:, None]  # (B, P)
        moved = scores.gather(-1, places[:, None, None].expand(B, T, V, self.pitches)) + self.range
        return torch.cat([moved, scores[..., -1:]], -1)


class Critic(nn.Module):
    """Rows of rolls to scores: the higher, the more like real music.

    It sees the pitches, where notes begin (so that a repeated note differs from a held one), and how long each pitch
    class sounds in a bar, a window and the whole row (so that harmony and key are in plain view).
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, channels."""
        super().__init__()
        voices, self.length, pitches = shape
        self.bar = BEATS * steps
        classes = F.one_hot(torch.arange(pitches) % OCTAVE, OCTAVE).float().repeat(voices, 1)
        self.classes = nn.Buffer(classes, persistent=False)  # (V P, 12)
        self.first, *others = factors(steps)[::-1] or [1]
        width = max(1, hidden // 2)
        self.notes = nn.Linear(self.first * voices * pitches, width)
        self.onsets = nn.Linear(self.first * voices, width, bias=False)
        layers: list[nn.Module] = [nn.LeakyReLU(0.2)]
        for factor in others:
            layers += [nn.Conv1d(width, hidden, 2 * factor + factor % 2, factor, (factor + 1) // 2), nn.LeakyReLU(0.2)]
            width = hidden
        layers += [nn.Conv1d(width, 2 * hidden, 2 * BEATS, BEATS, BEATS // 2), nn.LeakyReLU(0.2)]
        self.within = nn.Sequential(*layers)
        self.across = nn.Conv1d(2 * hidden + OCTAVE, 2 * hidden, 3, padding=1)
        self.read_out = nn.Sequential(
            nn.Linear(self.length // self.bar * 2 * hidden + 2 * OCTAVE + PLACES, 2 * hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(2 * hidden, 1),
        )

    def forward(self, rolls: Tensor, places: Tensor) -> Tensor:
        """Scores of rows (B, T, V, P) whose windows are at places (B, W, PLACES): (B,), means over the windows."""
        B, T = rolls.shape[:2]
        W = places.shape[1]
        x = self.notes(rolls.reshape(B, T // self.first, -1))
        x = x + self.onsets(onsets(rolls).view(B, T // self.first, -1))  # (B, T / first, channels)
        x = self.within(x.transpose(1, 2))  # (B, 2 hidden, bars)
        chroma = rolls.reshape(B, T, -1) @ self.classes  # (B, T, 12)
        bars = chroma.view(B, -1, self.bar, OCTAVE).mean(2)
        x = F.leaky_relu(self.across(torch.cat([x, bars.transpose(1, 2)], 1)), 0.2).transpose(1, 2)
        key = chroma.mean(1, keepdim=True).expand(B, W, OCTAVE)
        seen = [x.reshape(B, W, -1), bars.view(B, W, -1, OCTAVE).mean(2), key, places]
        scores: Tensor = self.read_out(torch.cat(seen, -1)).mean((1, 2))
        return scores


class WGAN(nn.Module):
    """A generator of rows of windows, and the critic that it learns from.

    Voices that overlap in train get one pitch at a time all the same.
    """

    reads: ClassVar[str] = "rolls"
    takes: ClassVar[tuple[str, ...]] = ("shape", "steps")
    sampler: ClassVar[str] = "windows"

    def __init__(
        self,
        shape: tuple[int, int, int],
        steps: int,
        latent: Count,
        hidden: Count,
        row: Count,
        critic_steps: Count,
        penalty: Annotated[float, Range(0)],
    ) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, size of each part of the noise, channels, how
        many windows are judged together, moves of the critic for one of the generator, weight of the gradient penalty.
        """
        super().__init__()
        if shape[1] % (BEATS * steps):
            raise EtudeError(
                f"models.wgan is built of bars of {BEATS} quarters, and its representation has windows of "
                f"{shape[1] / steps:g}. Set tokenize.pianoroll.beats to a multiple of {BEATS}."
            )
        self.row, self.critic_steps, self.penalty = row, critic_steps, penalty
        self.generator = Generator(shape, steps, latent, hidden)
        self.critic = Critic(shape, steps, hidden)

    def noise(self, rows: int, windows: int, generator: torch.Generator | None = None) -> Noise:
        """Noise of ``rows`` rows of ``windows`` windows, by ``generator`` or torch's global one."""
        made, where = self.generator, self.generator.meter.device
        parts, latent = 1 + made.voices, made.latent

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, latent, generator=generator, device=where)

        return Noise(
            normal(rows, parts),
            normal(rows, windows),
            normal(rows, windows, made.bars, parts),
            torch.randint(OCTAVE, (rows,), generator=generator, device=where),
        )

    def forward(self, noise: Noise, places: Tensor) -> Tensor:
        """Rows of binary rolls, with gradients: see Generator."""
        rows: Tensor = self.generator(noise, places)
        return rows

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """One piece of ``count`` windows, of one key and one noise of the piece: (count, voices, steps, pitches)."""
        places = torch.zeros(1, count, PLACES)
        places[0, 0, 0] = places[0, -1, 1] = 1
        rolls = self(self.noise(1, count, generator), places)[0]  # (T, V, P)
        made = self.generator
        return rolls.view(count, made.length, made.voices, made.pitches).transpose(1, 2).round().to(torch.uint8)
