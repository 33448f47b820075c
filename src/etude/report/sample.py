"""One piece to look at and to listen to: a self-contained page, and the four files of a sample."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from etude.audio.mixing import mix
from etude.audio.mp3 import write_mp3
from etude.audio.synthesis import stems
from etude.config import sections as settings
from etude.music.key import best_key
from etude.report.pianoroll import NAMES, VOICES, bar_lines, picture, roll
from etude.report.templates import inline, render

DARK = ("#ff8a3d", "#4aa8e8", "#2fc99a", "#d48bc8", "#e0b83a", "#8fd0f5", "#c39c86", "#a8a8a8")  # VOICES on black
FADE = 1.5  # seconds at the end of an excerpt


@dataclass(frozen=True)
class Sound:
    """A piece on a page: what the template ``player`` shows."""

    title: str
    caption: str
    roll: dict[str, Any]  # see pianoroll.roll
    audio: str  # a data: address


def look() -> dict[str, Any]:
    """What every page with players gives its template: ``style``, ``script`` and ``voice_count``."""
    voices = list(zip(VOICES, DARK, strict=True))
    return {
        "style": render("page.css.j2", voices=voices),
        "script": render("roll.js.j2", voices=voices),
        "voice_count": len(voices),
    }


def excerpt(audio: np.ndarray, sample_rate: int, seconds: float) -> np.ndarray:
    """The first ``seconds`` of a sound (channels, samples), faded out where it was cut; a shorter one as it is."""
    length = round(seconds * sample_rate)
    if audio.shape[1] <= length:
        return audio
    cut = audio[:, :length].copy()
    fade = min(length, round(FADE * sample_rate))
    if fade:
        cut[:, -fade:] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return cut


def sound_of(score: ScoreTick, arrange: settings.Arrange) -> np.ndarray:
    """The mix of a piece's stems, as the settings ask: (2, samples) float32."""
    return mix(stems(score, arrange.sample_rate), arrange.gain, arrange.pan, arrange.peak)


def mp3_bytes(audio: np.ndarray, sample_rate: int, quality: float) -> bytes:
    """A sound as the bytes of an mp3 file; see :func:`etude.audio.mp3.write_mp3`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        write_mp3(path, audio, sample_rate, quality)
        return path.read_bytes()


def facts(score: ScoreTick) -> list[tuple[str, str]]:
    """What is said about a piece: bars, notes, voices, key. A piece without notes has no key."""
    pitches = [note.pitch for track in score.tracks for note in track.notes]
    return [
        ("Bars", str(len(bar_lines(score)) - 1)),
        ("Notes", str(len(pitches))),
        ("Voices", ", ".join(f"{track.name} {len(track.notes)}" for track in score.tracks) or "none"),
        ("Key", key_name(score)),
    ]


def key_name(score: ScoreTick) -> str:
    """The key that the notes suggest: ``F♯ minor``; ``unclear`` where they suggest none. See etude.music.key."""
    totals = np.zeros(12)
    for track in score.tracks:
        for note in track.notes:
            totals[note.pitch % 12] += note.duration
    found = best_key(totals)
    return f"{NAMES[found[0]]} {found[1]}" if found else "unclear"


def page(score: ScoreTick, mp3: bytes, title: str, seconds: float | None = None) -> str:
    """One self-contained HTML page: a piano roll whose line follows the sound, a player, and facts.

    Args:
        score: a piece in ticks.
        mp3: its sound.
        title: plain text.
        seconds: where the sound was cut, so that the roll ends there too.
    """
    shown = roll(score, seconds)
    cut = seconds is not None and roll(score)["end"] > shown["end"]
    caption = "Time across (thin lines: bars), pitch upwards, one colour a voice. Click into it to listen from there."
    caption += f" The first {seconds:g} seconds." if cut else ""
    sound = Sound(title, caption, shown, inline(mp3, "audio/mpeg"))
    return render("sample.html.j2", sound=sound, facts=facts(score), **look())


def write_sample(
    folder: Path, name: str, score: ScoreTick, arrange: settings.Arrange, title: str, seconds: float = 30.0
) -> None:
    """Write ``name``.mid, .mp3, .png and .html into ``folder``.

    Args:
        folder: exists.
        name: of the four files, without suffix.
        score: a piece in ticks.
        arrange: how it sounds.
        title: of the picture and of the page.
        seconds: of sound, from the beginning, in the mp3 and the page; the MIDI file and the picture hold the whole.
    """
    score.dump_midi(folder / f"{name}.mid")
    audio = excerpt(sound_of(score, arrange), arrange.sample_rate, seconds)
    mp3 = mp3_bytes(audio, arrange.sample_rate, arrange.quality)
    (folder / f"{name}.mp3").write_bytes(mp3)
    picture(score, folder / f"{name}.png", title)
    (folder / f"{name}.html").write_bytes(page(score, mp3, title, seconds).encode())
