"""Bars of a model that draws windows: pieces of eight bars, cut, each drawn once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.window_writer import BARS, LENGTH, WindowWriter
from etude.live.writers import rng_of


class Draws:
    """A note a bar whose pitch is random; the last one is longer than the piece."""

    voices, tempo, steps, beats = {"Top": 0}, 100, 4, 16

    def __init__(self) -> None:
        self.drawn: list[tuple[int, float]] = []

    def draw(self, windows: int, generator: torch.Generator, temperature: float) -> torch.Tensor:
        self.drawn.append((windows, temperature))
        return torch.randint(40, 80, (BARS,), generator=generator)

    def decode(self, pitches: np.ndarray[Any, Any]) -> ScoreTick:
        score, track = ScoreTick(24), TrackTick("Top")
        for bar, pitch in enumerate(pitches):
            track.notes.append(NoteTick(bar * LENGTH, 5 * LENGTH if bar == BARS - 1 else 24, int(pitch), 80))
        score.tracks.append(track)
        return score


def writer_of(seed: int = 1) -> tuple[WindowWriter, Draws]:
    fake = Draws()
    loaded: Any = SimpleNamespace(representation=fake, model=fake)
    return WindowWriter(loaded, seed), fake


def write(writer: WindowWriter, number: int, temperature: float = 1.0, opening: Bar | None = None) -> Bar:
    return writer.write([Bar(())] * number, Controls(temperature=temperature), rng_of(1, number), opening)


def test_pieces_follow_each_other_and_are_the_same_again() -> None:
    writer, fake = writer_of()
    bars = [write(writer, number) for number in range(2 * BARS)]
    assert fake.drawn == [(2, 1.0), (2, 1.0)], "each is drawn once"
    assert all(len(bar.notes) == 1 and bar.length == LENGTH and bar.tokens == () for bar in bars)
    assert bars[BARS - 1].notes[0].length == LENGTH, "a piece ends with its last bar"
    assert bars[:BARS] != bars[BARS:]
    again, _ = writer_of()
    assert [write(again, number) for number in (11, 3, 11)] == [bars[11], bars[3], bars[11]], "in any order"
    assert write(writer_of(2)[0], 0) != bars[0]


def test_another_temperature_draws_again_and_an_opening_stays() -> None:
    writer, fake = writer_of()
    write(writer, 0)
    write(writer, 1, 0.5)
    assert [temperature for _, temperature in fake.drawn] == [1.0, 0.5]
    played = (Note(0, 12, 50, 80, 0),)
    bar = write(writer, 2, 0.5, Bar(played, 48))
    assert bar.notes == played and bar.tokens is None
    writer.read([])
