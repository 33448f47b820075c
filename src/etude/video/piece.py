"""A piece as a video with its sound: the one way, for the command, for Python and for the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.audio.excerpt import excerpt
from etude.audio.files import Tags
from etude.audio.resampling import resample, to_stereo
from etude.audio.synthesis import TAIL
from etude.core.errors import EtudeError
from etude.core.progress import bar
from etude.video.encode import BIT_RATE, RATE, write_video
from etude.video.film import Film, Words
from etude.video.layout import Layout
from etude.video.roll import Roll
from etude.video.scene import STEPS, Scene, energy_of, scene_of
from etude.video.sound import end_of_notes
from etude.video.strip import Strip

LONGEST = 30 * 60  # seconds of a video


@dataclass(frozen=True)
class Shooting:
    """What is shown, and how: the view, the colours, the size in pixels, frames a second, the part of the piece."""

    view: str = "roll"  # or "score"
    colours: str = "harmony"  # or "tracks"
    width: int = 1280
    height: int = 720
    fps: int = 30
    start: float = 0.0  # seconds
    seconds: float | None = None  # None: to the end


def length_of(score: ScoreTick, sounding: float, how: Shooting) -> float:
    """The seconds that a film of a piece lasts: what is asked for, checked before anything is rendered or drawn.

    It lasts until the sound ends, or a second after the last note, whichever is later; or as long as ``how`` says.

    Args:
        score: the piece.
        sounding: the second of the piece at which its sound ends.
        how: what is shown.

    Raises:
        EtudeError: there are no notes to show, it starts after its end, or it lasts longer than half an hour.
    """
    if not score.note_num():
        raise EtudeError("it has no notes to show. Give a piece with notes.")
    if how.view == "score" and all(track.is_drum or not len(track.notes) for track in score.tracks):
        raise EtudeError("it has no notes but drums, which a score leaves out. Show it with view=roll.")
    whole = max(end_of_notes(score) + TAIL, sounding)
    if how.start >= whole:
        raise EtudeError(f"start = {how.start:g} is after its end at {whole:.1f} seconds. Give an earlier one.")
    seconds = min(whole - how.start, how.seconds or whole)
    if seconds > LONGEST:
        raise EtudeError(
            f"it lasts {seconds / 60:.1f} minutes, and a video {LONGEST // 60} at most. Show a part of it with seconds="
            f"{LONGEST}."
        )
    return seconds


def film_of(
    score: ScoreTick, audio: np.ndarray, sample_rate: int, how: Shooting, words: Words, since: float = 0.0
) -> Film:
    """The frames of a piece; they last as ``length_of`` says.

    Args:
        score: the piece.
        audio: its sound, (channels, samples).
        sample_rate: samples a second.
        how: what is shown.
        words: what is said of it.
        since: the second of the piece at which the sound starts, a multiple of 1 / ``scene.STEPS``.

    Raises:
        EtudeError: as ``length_of``.
    """
    seconds = length_of(score, since + audio.shape[1] / sample_rate, how)
    scene = scene_of(score)
    layout = Layout.of(how.width, how.height, bool(scene.chords))
    energy = np.concatenate([np.zeros(round(since * STEPS)), energy_of(audio, sample_rate)])
    return Film(_strip_of(score, scene, layout, energy, how, seconds), words, how.fps, how.start, seconds)


def _strip_of(
    score: ScoreTick, scene: Scene, layout: Layout, energy: np.ndarray, how: Shooting, seconds: float
) -> Strip:
    if how.view == "score":
        from etude.video.score import ScoreStrip  # matplotlib and Verovio

        shown = how.start, how.start + seconds
        return ScoreStrip(score, scene, layout, energy, how.colours == "harmony", shown)
    return Roll(scene, layout, energy, how.colours == "harmony", how.fps)


def shoot(
    path: Path,
    score: ScoreTick,
    audio: np.ndarray,
    sample_rate: int,
    how: Shooting,
    words: Words,
    tags: Tags | None = None,
    show: bool = False,
    bit_rate: int = BIT_RATE,
    since: float = 0.0,
) -> float:
    """Write a piece as a video, an mp4 or a webm by its ending; the same arguments give the same bytes.

    Args:
        path: the file.
        score: the piece.
        audio: its sound; see ``film_of``.
        sample_rate: samples a second.
        how: what is shown.
        words: what is said of it.
        tags: what the file says about itself.
        show: progress.
        bit_rate: of the sound, in bits a second.
        since: the second of the piece at which the sound starts; see ``film_of``.

    Returns:
        Its length in seconds.

    Raises:
        EtudeError: as ``film_of``; or the file cannot be written.
    """
    film = film_of(score, audio, sample_rate, how, words, since)
    sound = to_stereo(audio)[:, round((how.start - since) * sample_rate) :]
    if how.seconds is not None:
        sound = excerpt(sound, sample_rate, film.count / how.fps)
    sound = resample(sound, sample_rate, RATE)
    with bar("drawing frames", film.count, show) as advance:
        write_video(path, film, (how.width, how.height), how.fps, sound, tags, bit_rate, advance)
    return film.count / how.fps
