"""The one way to make a score sound: stems, mix and mp3, as the section ``arrange`` of the settings asks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.audio.excerpt import excerpt, from_first_sound
from etude.audio.mastering import master
from etude.audio.mixing import balance, total
from etude.audio.mp3 import write_mp3
from etude.audio.synthesis import synthesize
from etude.config.sections import Mix


@dataclass(frozen=True)
class Rendering:
    """A score as sound.

    ``stems`` are the tracks as they sound in the mix, with gain and pan: track name -> (2, samples). ``mix`` is their
    sum, (2, samples) float32, as loud as ``mix.loudness`` says, with no sample above ``mix.peak``.
    """

    stems: dict[str, np.ndarray]
    mix: np.ndarray


def render(score: ScoreTick, settings: Mix) -> Rendering:
    """Render a score (in ticks) to audio, at ``mix.sample_rate``. The same score gives the same samples."""
    alone = synthesize(score, settings.sample_rate)
    stems = balance(alone, settings.gain, settings.pan)
    stems = master(stems, settings.sample_rate, settings.loudness, settings.peak)
    return Rendering(stems, total(stems).astype(np.float32))


def write_sound(
    path: Path, score: ScoreTick, settings: Mix, seconds: float | None = None, at_once: bool = False
) -> None:
    """Write the mix of a score as mp3.

    Args:
        path: the file.
        score: the piece.
        settings: how it sounds.
        seconds: no more than an excerpt of this length from the start.
        at_once: without the silence before the first note, which a page that follows the sound must keep.
    """
    mix = render(score, settings).mix
    if at_once:
        mix = from_first_sound(mix, settings.sample_rate)
    if seconds is not None:
        mix = excerpt(mix, settings.sample_rate, seconds)
    write_mp3(path, mix, settings.sample_rate, settings.quality)


def write_sound_of(midi: Path, settings: Mix, at_once: bool = False) -> Path:
    """Write the sound of a MIDI file next to it, as mp3 under the same name; see ``write_sound``. Returns the mp3."""
    path = midi.with_suffix(".mp3")
    write_sound(path, ScoreTick.from_file(midi), settings, at_once=at_once)
    return path
