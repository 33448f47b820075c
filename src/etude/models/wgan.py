"""Wasserstein GAN on rows of piano-roll windows, built of bars (after MuseGAN: Dong et al., 2018).

A temporal generator turns noise into one latent a bar; a bar generator of transposed convolutions, whose weights all
bars share, turns each latent into notes; a critic of convolutions judges beats, bars and the row of bars.

A row is some windows that follow each other in one piece, as one roll: (B, T, V, P), T the steps of all windows.
"""

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.sections import Count, Range
from etude.core.errors import EtudeError

BEATS = 4  # of a bar, in quarters
OCTAVE = 12
SLOPE = 0.2  # of the leaky rectifiers
PLACES = 2  # what is told of a window: whether its piece begins with it, and whether it ends with it


class Noise(NamedTuple):
    """What rows are made from; parts of size L for all voices (the first) and for each voice alone (the others)."""

    piece: Tensor  # (B, 1 + V, L)
    window: Tensor  # (B, W, L)
    bar: Tensor  # (B, W, bars, 1 + V, L)
    key: Tensor  # (B,), semitones from 0 to 11
    pick: Tensor  # (B, T, V, P + rest), in (0, 1): the luck of the neurons
    start: Tensor  # (B, T, V), in [0, 1)


def weigh(network: nn.Module) -> None:
    """Draw the weights of all linear layers anew, for leaky rectifiers (He et al., 2015)."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)


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


def hold(starts: Tensor, picks: Tensor) -> Tensor:
    """Keep each pick until the next begin: (B, T, V), (B, T, V, N) -> (B, T, V, N). The first step always begins."""
    now, found = picks[:, 0], [picks[:, 0]]
    for start, pick in zip(starts[:, 1:, :, None].unbind(1), picks[:, 1:].unbind(1), strict=True):
        now = torch.lerp(now, pick, start.expand_as(pick))
        found.append(now)
    return torch.stack(found, 1)


def part(starts: Tensor, notes: Tensor) -> Tensor:
    """Take the last step off a note whose pitch begins again after it, as the representation writes repeated notes.

    Args:
        starts: (B, T, V), 1 where a note or a rest begins.
        notes: (B, T, V, P), 1 where a pitch sounds. A note of one step keeps it, and is one with the next.
    """
    again = starts[:, 1:] * (1 - starts[:, :-1]) * (notes[:, 1:] * notes[:, :-1]).sum(-1)  # (B, T - 1, V)
    return notes * (1 - F.pad(again, (0, 0, 0, 1)))[..., None]


def onsets(rolls: Tensor) -> Tensor:
    """How many pitches begin in each voice and step: (B, T, V, P) -> (B, T, V)."""
    kept = (rolls[:, 1:] * rolls[:, :-1]).sum(-1)
    return rolls.sum(-1) - F.pad(kept, (0, 0, 1, 0))


class Divide(nn.Module):
    """Transposed convolution whose stride is its kernel: (B, T, I) -> (B, T * factor, O)."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        """Args: channels, channels, parts of a step."""
        super().__init__()
        self.outputs, self.weigh = outputs, nn.Linear(inputs, factor * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.weigh(x).view(len(x), -1, self.outputs)


class Join(nn.Module):
    """Convolution whose stride is its kernel: (B, T, I) -> (B, T / factor, O)."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        """Args: channels, channels, steps that become one."""
        super().__init__()
        self.factor, self.weigh = factor, nn.Linear(factor * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        joined: Tensor = self.weigh(x.reshape(len(x), x.shape[1] // self.factor, -1))
        return joined


class Blend(nn.Module):
    """Convolution over a step and its two neighbours, zeros beyond the ends: (B, T, I) -> (B, T, O)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Args: channels, channels."""
        super().__init__()
        self.weigh = nn.Linear(3 * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        wide = F.pad(x, (0, 0, 1, 1))
        blended: Tensor = self.weigh(torch.cat([wide[:, :-2], x, wide[:, 2:]], -1))
        return blended


class Generator(nn.Module):
    """Noise to rows of binary rolls, one pitch a voice at a time.

    Each step has a binary neuron a voice that says whether a note or a rest begins there, and one that picks a pitch
    or a rest, which is held until the next begin: no note is broken by a step in its midst. Both are stochastic, with
    gradients that pass straight through (Dong and Yang, 2018; of the pick Gumbel-softmax: Jang et al., 2017). The
    scores of the pitches are those of the beat, refined at each finer division, and move with the key of the piece, so
    that all keys are learned as one.
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, latent: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, size of a part of the noise, channels."""
        super().__init__()
        self.voices, self.length, self.pitches = shape
        self.latent, self.bars = latent, self.length // (BEATS * steps)
        self.temporal = nn.Sequential(nn.Linear(2 * latent + PLACES, 2 * hidden), nn.LeakyReLU(SLOPE))
        self.to_bars = nn.Linear(2 * hidden, self.bars * hidden)
        self.of_bar = nn.Linear(latent, hidden)
        parts = [BEATS, *factors(steps)]
        widths = [hidden] + [max(1, hidden // 2)] * (len(parts) - 1)
        divisions = zip([hidden, *widths[:-1]], widths, parts, strict=True)
        self.divide = nn.ModuleList(self._division(*division) for division in divisions)
        self.of_voice = nn.ModuleList(nn.Linear(2 * latent, width) for width in widths)
        scores = self.pitches + OCTAVE  # over the pitches before they are moved, and the rest
        self.scores = nn.ParameterList(0.3 * torch.randn(self.voices, width, scores) / width**0.5 for width in widths)
        self.starts = Blend(self.voices * widths[-1], self.voices)
        self.meter = nn.Parameter(torch.zeros(BEATS * steps, self.voices))
        self.range = nn.Parameter(torch.zeros(self.voices, self.pitches + 1))
        weigh(self)
        with torch.no_grad():
            for weight in self.of_voice.parameters():
                weight.mul_(0.5)  # the voices begin much alike
        nn.init.normal_(self.starts.weigh.weight, std=1 / self.starts.weigh.in_features**0.5)

    @staticmethod
    def _division(inputs: int, outputs: int, factor: int) -> nn.Module:
        layers = [nn.LeakyReLU(SLOPE), Divide(inputs, outputs, factor), nn.LayerNorm(outputs), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers, Blend(outputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(SLOPE))

    def forward(self, noise: Noise, places: Tensor) -> Tensor:
        """Rows, with gradients: noise of B rows of W windows, places (B, W, PLACES) -> (B, T, V, P) of 0 and 1."""
        B, W = places.shape[:2]
        V, N = self.voices, B * W * self.bars
        shared = noise.piece[:, None, 0].expand_as(noise.window)
        whole = self.temporal(torch.cat([shared, noise.window, places], -1))  # (B, W, 2 hidden)
        x = self.to_bars(whole).view(B, W, self.bars, -1) + self.of_bar(noise.bar[:, :, :, 0])
        x = x.view(N, 1, -1)  # one latent a bar
        own = noise.piece[:, None, None, 1:].expand_as(noise.bar[:, :, :, 1:])
        private = torch.cat([own, noise.bar[:, :, :, 1:]], -1).view(N, 1, V, -1)
        scores = x.new_zeros(N, 1, V, self.pitches + OCTAVE)
        for divide, of_voice, weights in zip(self.divide, self.of_voice, self.scores, strict=True):
            x = divide(x)  # (N, steps, channels)
            observed = x[:, :, None] * (1 + of_voice(private))  # (N, steps, V, channels)
            finer = torch.einsum("nsvc,vcp->nsvp", observed, weights)
            scores = scores.repeat_interleave(x.shape[1] // scores.shape[1], 1) + finer
        gates = (self.starts(observed.flatten(2)) + self.meter).view(B, -1, V)
        picks = self._in_key(scores.view(B, -1, V, scores.shape[-1]), noise.key) - noise.pick.log().neg().log()
        picks = through(F.one_hot(picks.argmax(-1), self.pitches + 1), picks.softmax(-1))  # (B, T, V, P + rest)
        soft = gates.sigmoid()
        starts = F.pad(through(soft > noise.start, soft)[:, 1:], (0, 0, 1, 0), value=1)  # (B, T, V)
        return part(starts, hold(starts, picks)[..., : self.pitches])

    def _in_key(self, scores: Tensor, key: Tensor) -> Tensor:
        """Move the scores by ``key`` semitones, weigh each voice's range: (B, T, V, P + 12) -> (B, T, V, P + rest)."""
        B, T, V, _ = scores.shape
        places = torch.arange(self.pitches, device=key.device) + (OCTAVE - 1 - key)[:, None]  # (B, P)
        moved = scores.gather(-1, places[:, None, None].expand(B, T, V, self.pitches))
        return torch.cat([moved, scores[..., -1:]], -1) + self.range


class Critic(nn.Module):
    """Rows of rolls to scores: the higher, the more like real music.

    It sees the pitches, where notes begin (so that a repeated note differs from a held one), how long each pitch sounds
    in a window, and each pitch class in a bar, a window and the whole row (so that harmony and key are in plain view).
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, channels."""
        super().__init__()
        voices, self.length, pitches = shape
        self.bar = BEATS * steps
        classes = F.one_hot(torch.arange(pitches) % OCTAVE, OCTAVE).float().repeat(voices, 1)
        self.classes = nn.Buffer(classes, persistent=False)  # (V P, 12)
        first, *others = factors(steps)[::-1] or [1]
        width = max(1, hidden // 2)
        self.notes, self.views = Join(voices * pitches, width, first), Join(voices + OCTAVE, width, first)
        layers: list[nn.Module] = [nn.LeakyReLU(SLOPE), Blend(width, hidden), nn.LeakyReLU(SLOPE)]
        for factor in others:
            layers += [Join(hidden, hidden, factor), nn.LeakyReLU(SLOPE)]
        self.beats = nn.Sequential(*layers, Blend(hidden, hidden), nn.LeakyReLU(SLOPE))
        self.of_beats = nn.Linear(hidden, 1)
        self.bars = nn.Sequential(Join(hidden, 2 * hidden, BEATS), nn.LeakyReLU(SLOPE))
        self.across = nn.Sequential(Blend(2 * hidden + OCTAVE, 2 * hidden), nn.LeakyReLU(SLOPE))
        self.lm_head = nn.Sequential(
            nn.Linear(self.length // self.bar * 2 * hidden + voices * pitches + 2 * OCTAVE + PLACES, 2 * hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * hidden, 1),
        )
        weigh(self)
        for layer in (self.notes, self.views):  # few of what they read is not 0
            nn.init.normal_(layer.weigh.weight, std=0.4)

    def forward(self, rolls: Tensor, places: Tensor) -> Tensor:
        """Scores (B,) of rows (B, T, V, P) whose windows are at places (B, W, PLACES).

        The mean score of the beats, each as it is among its neighbours, and that of the windows together.
        """
        B, W = places.shape[:2]
        notes = rolls.flatten(2)  # (B, T, V P)
        chroma = notes @ self.classes  # (B, T, 12)
        beats = self.beats(self.notes(notes) + self.views(torch.cat([onsets(rolls), chroma], -1)))  # (B, beats, hidden)
        bars = chroma.view(B, -1, self.bar, OCTAVE).mean(2)
        x = self.across(torch.cat([self.bars(beats), bars], -1))  # (B, bars, 2 hidden)
        pitches = notes.view(B, W, self.length, -1).mean(2)
        key = chroma.mean(1, keepdim=True).expand(B, W, OCTAVE)
        seen = [x.reshape(B, W, -1), pitches, bars.view(B, W, -1, OCTAVE).mean(2), key, places]
        scores: Tensor = self.lm_head(torch.cat(seen, -1)).mean((1, 2)) + self.of_beats(beats).mean((1, 2))
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
        rounds: Count,
    ) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter, size of each part of the noise, channels, how
        many windows are judged together, moves of the critic for one of the generator, weight of the gradient penalty,
        and how often all this is done in one training step.
        """
        super().__init__()
        if shape[1] % (BEATS * steps):
            raise EtudeError(
                f"models.wgan is built of bars of {BEATS} quarters, and its representation has windows of "
                f"{shape[1] / steps:g}. Set tokenize.pianoroll.beats to a multiple of {BEATS}."
            )
        self.row, self.critic_steps, self.penalty, self.rounds = row, critic_steps, penalty, rounds
        self.generator = Generator(shape, steps, latent, hidden)
        self.critic = Critic(shape, steps, hidden)

    def noise(self, rows: int, windows: int, generator: torch.Generator | None = None) -> Noise:
        """Noise of ``rows`` rows of ``windows`` windows, by ``generator`` or torch's global one."""
        made, where = self.generator, self.generator.meter.device
        parts, latent = 1 + made.voices, made.latent

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, latent, generator=generator, device=where)

        def uniform(*size: int) -> Tensor:
            return torch.rand(rows, windows * made.length, made.voices, *size, generator=generator, device=where)

        return Noise(
            normal(rows, parts),
            normal(rows, windows),
            normal(rows, windows, made.bars, parts),
            torch.randint(OCTAVE, (rows,), generator=generator, device=where),
            uniform(made.pitches + 1).clamp(1e-6, 1 - 1e-6),
            uniform(),
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
