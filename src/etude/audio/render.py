"""The one way to make a score sound: stems, mix and files, as the section ``mix`` of the settings asks."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.audio.excerpt import excerpt, from_first_sound
from etude.audio.files import Tags, write_audio
from etude.audio.mixing import Channel, Desk, mix_stems
from etude.audio.synthesis import TAIL, soundfont, synthesize
from etude.config.sections import Mix


class Rendering:
    """A score as sound.

    ``mix`` is (2, samples) float32, as loud as ``mix.loudness`` says, with no true peak above ``mix.peak``.
    """

    def __init__(self, mix: np.ndarray, desk: Desk, alone: Mapping[str, np.ndarray]) -> None:
        """Args: the mix; the desk that made it; track name -> (2, samples), as synthesised."""
        self.mix, self._desk, self._alone = mix, desk, alone

    @cached_property
    def stems(self) -> dict[str, np.ndarray]:
        """The tracks as they sound in the mix: track name -> (2, samples). Their sum is the mix."""
        settings = self._desk.settings
        return {name: self._desk.stem(stem, Channel.of(name, settings)) for name, stem in self._alone.items()}


def render(score: ScoreTick, settings: Mix) -> Rendering:
    """Render a score (in ticks) to audio, at ``mix.sample_rate``. The same score gives the same samples.

    It lasts one second longer than its last note, or as long as the reverb, if that is more.
    """
    tail = max(TAIL, settings.reverb.seconds)
    alone = synthesize(score, settings.sample_rate, soundfont(settings.soundfont), tail)
    desk, mix = mix_stems(alone, settings)
    return Rendering(mix, desk, alone)


def write_sound(
    path: Path,
    score: ScoreTick,
    settings: Mix,
    seconds: float | None = None,
    at_once: bool = False,
    tags: Tags | None = None,
) -> None:
    """Write the mix of a score, as mp3, WAV or FLAC by the ending of the file.

    Args:
        path: the file.
        score: the piece.
        settings: how it sounds.
        seconds: no more than an excerpt of this length from the start.
        at_once: without the silence before the first note, which a page that follows the sound must keep.
        tags: what the file says about itself.
    """
    mix = render(score, settings).mix
    if at_once:
        mix = from_first_sound(mix, settings.sample_rate)
    if seconds is not None:
        mix = excerpt(mix, settings.sample_rate, seconds)
    write_audio(path, mix, settings.sample_rate, settings.quality, tags)


def write_sound_of(midi: Path, settings: Mix, at_once: bool = False, tags: Tags | None = None) -> Path:
    """Write the sound of a MIDI file next to it, as mp3 under the same name; see ``write_sound``. Returns the mp3."""
    path = midi.with_suffix(".mp3")
    write_sound(path, ScoreTick.from_file(midi), settings, at_once=at_once, tags=tags)
    return path
