"""One piece to look at and to listen to: a self-contained page, and the four files of a sample."""

from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.audio.render import write_sound
from etude.config.sections import Mix
from etude.music.bars import bar_lines
from etude.music.key import best_key
from etude.report.pianoroll import NAMES, picture, roll
from etude.report.players import Player, style_players
from etude.report.templates import inline, render


def facts(score: ScoreTick) -> list[tuple[str, str]]:
    """The facts on a piece: bars, notes, voices, key. A piece without notes has no key."""
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
    player = Player(title, caption, shown, inline(mp3, "audio/mpeg"))
    return render("sample.html.j2", player=player, facts=facts(score), **style_players())


def write_sample(folder: Path, name: str, score: ScoreTick, mix: Mix, title: str, seconds: float = 30.0) -> None:
    """Write ``name``.mid, .mp3, .png and .html into ``folder``.

    Args:
        folder: exists.
        name: of the four files, without suffix.
        score: a piece in ticks.
        mix: how it sounds.
        title: of the picture and of the page.
        seconds: of sound, from the start, in the mp3 and the page; the MIDI file and the picture hold the whole piece.
    """
    (folder / f"{name}.mid").write_bytes(score.dumps_midi())
    sound = folder / f"{name}.mp3"
    write_sound(sound, score, mix, seconds)
    picture(score, folder / f"{name}.png", title)
    (folder / f"{name}.html").write_bytes(page(score, sound.read_bytes(), title, seconds).encode())
