"""Wasserstein GAN on rows of piano-roll windows, built of bars (after MuseGAN: Dong et al., 2018).

A temporal generator turns noise into one latent a bar. A bar generator of transposed convolutions, with weights shared
by all bars, turns each latent into notes. A convolutional critic scores beats, bars and the row of bars.

A row is a number of successive windows of one piece, as one roll: (B, T, V, P), T the steps of all windows.
"""

from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.finite import require_finite

BEATS = 4  # quarter notes of a bar
OCTAVE = 12
SLOPE = 0.2  # of the leaky rectifiers
PLACES = 2  # labels of a window: whether it is the first of its piece, and whether it is the last


class Noise(NamedTuple):
    """The input of the generator; of the 1 + V parts of size L the first is for all voices, the others for one each."""

    piece: Tensor  # (B, 1 + V, L)
    window: Tensor  # (B, W, L)
    bar: Tensor  # (B, W, bars, 1 + V, L)
    key: Tensor  # (B,), semitones from 0 to 11
    pick: Tensor  # (B, T, V, P + rest), uniforms in (0, 1)
    start: Tensor  # (B, T, V), uniforms in [0, 1)

    def at(self, temperature: float) -> "Noise":
        """The noise with which the stochastic neurons do what they would with logits divided by ``temperature``."""
        if temperature == 1:
            return self
        pick = (-(temperature * self.pick.log().neg().log()).exp()).exp()  # Gumbel noise times the temperature
        start = (temperature * self.start.logit(1e-6)).sigmoid()
        return self._replace(pick=pick.clamp(1e-6, 1 - 1e-6), start=start)


def init_weights(network: nn.Module) -> None:
    """Draw the weights of all linear layers again, for leaky rectifiers (He et al., 2015)."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, SLOPE)
            nn.init.zeros_(layer.bias)


def prime_factors(number: int) -> list[int]:
    """Prime factors, the smallest first: 12 -> [2, 2, 3]."""
    factors, prime = [], 2
    while number > 1:
        while number % prime == 0:
            factors.append(prime)
            number //= prime
        prime += 1
    return factors


def straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    """The values of ``hard`` with the gradient of ``soft`` (straight-through estimator: Bengio et al., 2013)."""
    return hard.to(soft.dtype) + (soft - soft.detach())


def hold_picks(starts: Tensor, picks: Tensor) -> Tensor:
    """Keep each pick until the next start: (B, T, V), (B, T, V, N) -> (B, T, V, N). The first step always starts."""
    now, held = picks[:, 0], [picks[:, 0]]
    for start, pick in zip(starts[:, 1:, :, None].unbind(1), picks[:, 1:].unbind(1), strict=True):
        now = torch.lerp(now, pick, start.expand_as(pick))
        held.append(now)
    return torch.stack(held, 1)


def separate_repeats(starts: Tensor, notes: Tensor) -> Tensor:
    """Remove the last step of a note whose pitch starts again after it, as the representation writes repeated notes.

    Args:
        starts: (B, T, V), 1 where a note or a rest starts.
        notes: (B, T, V, P), 1 where a pitch sounds. A note of one step keeps it and merges with the next.
    """
    again = starts[:, 1:] * (1 - starts[:, :-1]) * (notes[:, 1:] * notes[:, :-1]).sum(-1)  # (B, T - 1, V)
    return notes * (1 - F.pad(again, (0, 0, 0, 1)))[..., None]


def count_onsets(rolls: Tensor) -> Tensor:
    """Number of pitches that start in each voice and step: (B, T, V, P) -> (B, T, V)."""
    kept = (rolls[:, 1:] * rolls[:, :-1]).sum(-1)
    return rolls.sum(-1) - F.pad(kept, (0, 0, 1, 0))


class Upsample(nn.Module):
    """Transposed convolution whose stride is its kernel: (B, T, I) -> (B, T * factor, O)."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        """Args: input channels, output channels, parts of a step."""
        super().__init__()
        self.outputs, self.linear = outputs, nn.Linear(inputs, factor * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.linear(x).view(len(x), -1, self.outputs)


class Downsample(nn.Module):
    """Convolution whose stride is its kernel: (B, T, I) -> (B, T / factor, O)."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        """Args: input channels, output channels, steps that become one."""
        super().__init__()
        self.factor, self.linear = factor, nn.Linear(factor * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        reduced: Tensor = self.linear(x.reshape(len(x), x.shape[1] // self.factor, -1))
        return reduced


class Convolve(nn.Module):
    """Convolution over a step and its two neighbours, zeros beyond the ends: (B, T, I) -> (B, T, O)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """Args: input channels, output channels."""
        super().__init__()
        self.linear = nn.Linear(3 * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        wide = F.pad(x, (0, 0, 1, 1))
        convolved: Tensor = self.linear(torch.cat([wide[:, :-2], x, wide[:, 2:]], -1))
        return convolved


class Generator(nn.Module):
    """Turns noise into rows of binary rolls, one pitch a voice at a time.

    In each step every voice has a binary neuron for whether a note or a rest starts, and one that picks a pitch or a
    rest. The pick is held until the next start, so that no note is interrupted. Both neurons are stochastic, with
    straight-through gradients (Dong and Yang, 2018; the pick by Gumbel-softmax: Jang et al., 2017). The pitch scores
    are those of the beat, refined at each finer division. They are shifted by the key of the piece, so that all keys
    are learned as one.
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, latent: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter note, size of a part of the noise, channels."""
        super().__init__()
        self.voices, self.length, self.pitches = shape
        self.latent, self.bars = latent, self.length // (BEATS * steps)
        self.temporal = nn.Sequential(nn.Linear(2 * latent + PLACES, 2 * hidden), nn.LeakyReLU(SLOPE))
        self.to_bars = nn.Linear(2 * hidden, self.bars * hidden)
        self.bar_noise = nn.Linear(latent, hidden)
        parts = [BEATS, *prime_factors(steps)]
        widths = [hidden] + [max(1, hidden // 2)] * (len(parts) - 1)
        divisions = zip([hidden, *widths[:-1]], widths, parts, strict=True)
        self.upsample = nn.ModuleList(self._division(*division) for division in divisions)
        self.voice_gain = nn.ModuleList(nn.Linear(2 * latent, width) for width in widths)
        scores = self.pitches + OCTAVE  # for the pitches before they are shifted by the key, and the rest
        self.scores = nn.ParameterList(0.3 * torch.randn(self.voices, width, scores) / width**0.5 for width in widths)
        self.starts = Convolve(self.voices * widths[-1], self.voices)
        self.meter = nn.Parameter(torch.zeros(BEATS * steps, self.voices))
        self.range = nn.Parameter(torch.zeros(self.voices, self.pitches + 1))
        init_weights(self)
        with torch.no_grad():
            for weight in self.voice_gain.parameters():
                weight.mul_(0.5)  # the voices are similar at first
        nn.init.normal_(self.starts.linear.weight, std=1 / self.starts.linear.in_features**0.5)

    @staticmethod
    def _division(inputs: int, outputs: int, factor: int) -> nn.Module:
        layers = [nn.LeakyReLU(SLOPE), Upsample(inputs, outputs, factor), nn.LayerNorm(outputs), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers, Convolve(outputs, outputs), nn.LayerNorm(outputs), nn.LeakyReLU(SLOPE))

    def forward(self, noise: Noise, places: Tensor) -> Tensor:
        """Noise of B rows of W windows, places (B, W, PLACES) -> rows (B, T, V, P) of 0 and 1, with gradients."""
        B, W = places.shape[:2]
        V, N = self.voices, B * W * self.bars
        shared = noise.piece[:, None, 0].expand_as(noise.window)
        windows = self.temporal(torch.cat([shared, noise.window, places], -1))  # (B, W, 2 hidden)
        x = self.to_bars(windows).view(B, W, self.bars, -1) + self.bar_noise(noise.bar[:, :, :, 0])
        x = x.view(N, 1, -1)  # one latent a bar
        own = noise.piece[:, None, None, 1:].expand_as(noise.bar[:, :, :, 1:])
        private = torch.cat([own, noise.bar[:, :, :, 1:]], -1).view(N, 1, V, -1)
        scores = x.new_zeros(N, 1, V, self.pitches + OCTAVE)
        for upsample, voice_gain, weights in zip(self.upsample, self.voice_gain, self.scores, strict=True):
            x = upsample(x)  # (N, steps, channels)
            by_voice = x[:, :, None] * (1 + voice_gain(private))  # (N, steps, V, channels)
            finer = torch.einsum("nsvc,vcp->nsvp", by_voice, weights)
            scores = scores.repeat_interleave(x.shape[1] // scores.shape[1], 1) + finer
        gates = (self.starts(by_voice.flatten(2)) + self.meter).view(B, -1, V)
        picks = self._shift_to_key(scores.view(B, -1, V, scores.shape[-1]), noise.key) - noise.pick.log().neg().log()
        choice = F.one_hot(picks.argmax(-1), self.pitches + 1)
        picks = straight_through(choice, picks.softmax(-1))  # (B, T, V, P + rest)
        soft = gates.sigmoid()
        starts = F.pad(straight_through(soft > noise.start, soft)[:, 1:], (0, 0, 1, 0), value=1)  # (B, T, V)
        return separate_repeats(starts, hold_picks(starts, picks)[..., : self.pitches])

    def _shift_to_key(self, scores: Tensor, key: Tensor) -> Tensor:
        """Shift scores by ``key`` semitones and add each voice's range: (B, T, V, P + 12) -> (B, T, V, P + rest)."""
        B, T, V, _ = scores.shape
        places = torch.arange(self.pitches, device=key.device) + (OCTAVE - 1 - key)[:, None]  # (B, P)
        shifted = scores.gather(-1, places[:, None, None].expand(B, T, V, self.pitches))
        return torch.cat([shifted, scores[..., -1:]], -1) + self.range


class Critic(nn.Module):
    """Scores rows of rolls: the higher, the more like real music.

    It sees the pitches and where notes start (so that a repeated note differs from a held one), how long each pitch
    sounds in a window, and how long each pitch class sounds in a bar, a window and the row (for harmony and key).
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, hidden: int) -> None:
        """Args: (voices, steps, pitches) of a window, steps a quarter note, channels."""
        super().__init__()
        voices, self.length, pitches = shape
        self.bar = BEATS * steps
        classes = F.one_hot(torch.arange(pitches) % OCTAVE, OCTAVE).float().repeat(voices, 1)
        self.classes = nn.Buffer(classes, persistent=False)  # (V P, 12)
        first, *others = prime_factors(steps)[::-1] or [1]
        width = max(1, hidden // 2)
        self.notes = Downsample(voices * pitches, width, first)
        self.onsets_and_chroma = Downsample(voices + OCTAVE, width, first)
        layers: list[nn.Module] = [nn.LeakyReLU(SLOPE), Convolve(width, hidden), nn.LeakyReLU(SLOPE)]
        for factor in others:
            layers += [Downsample(hidden, hidden, factor), nn.LeakyReLU(SLOPE)]
        self.beats = nn.Sequential(*layers, Convolve(hidden, hidden), nn.LeakyReLU(SLOPE))
        self.beat_score = nn.Linear(hidden, 1)
        self.bars = nn.Sequential(Downsample(hidden, 2 * hidden, BEATS), nn.LeakyReLU(SLOPE))
        self.across = nn.Sequential(Convolve(2 * hidden + OCTAVE, 2 * hidden), nn.LeakyReLU(SLOPE))
        self.window_score = nn.Sequential(
            nn.Linear(self.length // self.bar * 2 * hidden + voices * pitches + 2 * OCTAVE + PLACES, 2 * hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * hidden, 1),
        )
        init_weights(self)
        for layer in (self.notes, self.onsets_and_chroma):  # their input is sparse
            nn.init.normal_(layer.linear.weight, std=0.4)

    def forward(self, rolls: Tensor, places: Tensor) -> Tensor:
        """Scores (B,) of rows (B, T, V, P) whose windows are at places (B, W, PLACES).

        The sum of the mean score of the beats, each among its neighbours, and the mean score of the windows.
        """
        B, W = places.shape[:2]
        notes = rolls.flatten(2)  # (B, T, V P)
        chroma = notes @ self.classes  # (B, T, 12)
        views = self.onsets_and_chroma(torch.cat([count_onsets(rolls), chroma], -1))
        beats = self.beats(self.notes(notes) + views)  # (B, beats, hidden)
        bars = chroma.view(B, -1, self.bar, OCTAVE).mean(2)
        x = self.across(torch.cat([self.bars(beats), bars], -1))  # (B, bars, 2 hidden)
        pitches = notes.view(B, W, self.length, -1).mean(2)
        key = chroma.mean(1, keepdim=True).expand(B, W, OCTAVE)
        windows = [x.reshape(B, W, -1), pitches, bars.view(B, W, -1, OCTAVE).mean(2), key, places]
        scores: Tensor = self.window_score(torch.cat(windows, -1)).mean((1, 2)) + self.beat_score(beats).mean((1, 2))
        return scores


class WGAN(nn.Module):
    """A generator of rows of windows, and the critic that it learns from.

    All voices get one pitch at a time, also those that overlap in train.
    """

    reads: ClassVar[tuple[str, ...]] = ("rolls",)
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
        """Set up both networks. ValueError where windows are no whole bars.

        Args:
            shape: (voices, steps, pitches) of a window.
            steps: of the grid, a quarter note.
            latent: size of each part of the noise.
            hidden: channels.
            row: successive windows that the critic scores together.
            critic_steps: updates of the critic for one of the generator.
            penalty: weight of the gradient penalty.
            rounds: repetitions of these updates in one training step.
        """
        super().__init__()
        if shape[1] % (BEATS * steps):
            raise ValueError(
                f"its bars have {BEATS} quarter notes, but the windows of its representation have "
                f"{shape[1] / steps:g}. Set beats of the representation to a multiple of {BEATS}."
            )
        self.row, self.critic_steps, self.penalty, self.rounds = row, critic_steps, penalty, rounds
        self.generator = Generator(shape, steps, latent, hidden)
        self.critic = Critic(shape, steps, hidden)

    def noise(self, rows: int, windows: int, rng: torch.Generator | None = None) -> Noise:
        """Noise of ``rows`` rows of ``windows`` windows, by ``rng`` or torch's global generator."""
        network, device = self.generator, self.generator.meter.device
        parts, latent = 1 + network.voices, network.latent

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, latent, generator=rng, device=device)

        def uniform(*size: int) -> Tensor:
            return torch.rand(rows, windows * network.length, network.voices, *size, generator=rng, device=device)

        return Noise(
            normal(rows, parts),
            normal(rows, windows),
            normal(rows, windows, network.bars, parts),
            torch.randint(OCTAVE, (rows,), generator=rng, device=device),
            uniform(network.pitches + 1).clamp(1e-6, 1 - 1e-6),
            uniform(),
        )

    def forward(self, noise: Noise, places: Tensor) -> Tensor:
        """Rows of binary rolls, with gradients: see Generator."""
        rows: Tensor = self.generator(noise, places)
        return rows

    @torch.no_grad()
    def draw(self, count: int, rng: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Draw one piece of ``count`` windows, which share key and piece noise: (count, voices, steps, pitches).

        Args:
            count: windows.
            rng: for the noise, on the CPU.
            temperature: by which the logits of both stochastic neurons are divided.
        """
        places = torch.zeros(1, count, PLACES)
        places[0, 0, 0] = places[0, -1, 1] = 1
        rolls = self(self.noise(1, count, rng).at(temperature), places)[0]  # (T, V, P)
        require_finite(rolls)
        network = self.generator
        windows = rolls.view(count, network.length, network.voices, network.pitches).transpose(1, 2)
        return windows.round().to(torch.uint8)
