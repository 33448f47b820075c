"""Mixing: tracks with gain, pan and reverb become one stereo sound, mastered by one gain curve for all."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from etude.audio.mastering import master
from etude.audio.reverb import impulse_response, reverberate
from etude.config.sections import Mix
from etude.core.errors import EtudeError

ALL = "all"  # the key of ``mix.send`` for tracks that it does not name
NONE = -120.0  # dB of a send that is none


@dataclass(frozen=True)
class Channel:
    """How one track goes into a mix: gain in dB, pan from -1 (left) to 1 (right), send in dB to the reverb."""

    gain: float = 0.0
    pan: float = 0.0
    send: float = NONE

    @classmethod
    def of(cls, name: str, settings: Mix) -> "Channel":
        """That of a track by its name; without one it has 0 dB, is in the middle, and is sent as ``all`` are."""
        send = settings.send.get(name, settings.send.get(ALL, NONE))
        return cls(settings.gain.get(name, 0.0), settings.pan.get(name, 0.0), send)

    def place(self, stem: np.ndarray) -> NDArray[np.float32]:
        """A track (2, samples) with its gain and pan.

        The pan has constant power: the channels are scaled by sqrt(2) cos(a) and sqrt(2) sin(a), a = (pan + 1) pi / 4,
        so that the middle leaves a track as it is and the squares always sum to 2.
        """
        angle = (self.pan + 1) * math.pi / 4
        sides = np.array([[math.cos(angle)], [math.sin(angle)]]) * math.sqrt(2) * 10 ** (self.gain / 20)
        return np.asarray(stem * sides.astype(np.float32), dtype=np.float32)

    def to_reverb(self, placed: np.ndarray) -> NDArray[np.float32] | None:
        """What the reverb gets of a placed track: (samples,), the mean of its channels; None without a send."""
        if self.send <= NONE:
            return None
        return np.asarray((placed[0] + placed[1]) * np.float32(10 ** (self.send / 20) / 2), dtype=np.float32)


class Desk:
    """A mix in the making: tracks are added one by one, and the sum is mastered.

    The chain is linear for each track (gain, pan, send to one reverb) but for one gain at each sample, which is the
    same for all (level, compressor, limiter, fades): tracks as they sound in the mix add up to it.
    """

    def __init__(self, samples: int, settings: Mix) -> None:
        """Args: the length of the mix; how it sounds."""
        self.settings = settings
        self._dry = np.zeros((2, samples), np.float32)
        self._send = np.zeros(samples, np.float32)
        self._curve: NDArray[np.float32] | None = None

    def add(self, stem: np.ndarray, channel: Channel) -> None:
        """Add a track, (2, samples), from the first sample of the mix; it may be shorter than the mix."""
        placed = channel.place(stem)
        self._dry[:, : placed.shape[1]] += placed
        if (sent := channel.to_reverb(placed)) is not None:
            self._send[: len(sent)] += sent

    def finish(self) -> NDArray[np.float32]:
        """The mix, (2, samples)."""
        self._dry += reverberate(self._send, self._response())
        self._send = np.zeros(0, np.float32)
        self._curve = master(self._dry, self.settings)
        return self._dry * self._curve

    def stem(self, stem: np.ndarray, channel: Channel) -> NDArray[np.float32]:
        """A track as it sounds in the finished mix, with its share of the reverb: (2, samples), as long as the mix."""
        if self._curve is None:
            raise ValueError("The mix is not finished.")
        found = np.zeros((2, len(self._curve)), np.float32)
        found[:, : stem.shape[1]] = placed = channel.place(stem)
        if (sent := channel.to_reverb(placed)) is not None:
            whole = np.zeros(len(self._curve), np.float32)
            whole[: len(sent)] = sent
            found += reverberate(whole, self._response())
        found *= self._curve
        return found

    def _response(self) -> NDArray[np.float32]:
        return impulse_response(self.settings.reverb, self.settings.sample_rate)


def mix_stems(stems: Mapping[str, np.ndarray], settings: Mix) -> tuple[Desk, NDArray[np.float32]]:
    """Mix tracks, each placed as the settings say for its name.

    Args:
        stems: track name -> (2, samples), all of the same length.
        settings: how the mix sounds.

    Returns:
        The finished desk, which has the tracks as they sound in the mix, and the mix: (2, samples).

    Raises:
        EtudeError: there is no track, or their lengths differ.
    """
    if not stems:
        raise EtudeError("There is nothing to mix: the piece has no stems.")
    shapes = {stem.shape for stem in stems.values()}
    if len(shapes) > 1:
        raise EtudeError(f"Stems of one piece must have one length; these have the shapes {sorted(shapes)}.")
    desk = Desk(next(iter(shapes))[1], settings)
    for name, stem in stems.items():
        desk.add(stem, Channel.of(name, settings))
    return desk, desk.finish()
