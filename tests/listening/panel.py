"""A simulated listening panel: programs that answer as people with known preferences would.

They are never shown as people.

What a panel answers is marked ``simulated`` in its files; the analysis then says so in its first line.
"""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from etude.listening.analysis import Key
from etude.listening.answers import FORMAT, Listener
from etude.listening.design import FIRST, NONE, PAIR, RATING, SECOND, VERSION, Shape, Test, design

SAMPLE_RATE = 32000


def make_key(
    systems: Sequence[str] = ("gan", "lstm", "real"), prompts: int = 4, shape: Shape | None = None, seed: int = 1
) -> Key:
    """A test of some systems with made-up clips, and its key."""
    clips = {name: [f"{place:02d}{number:010x}" for number in range(prompts)] for place, name in enumerate(systems)}
    training = ("f" * 12, "e" * 12)
    test = design("0123456789abcdef", clips, training, shape or Shape(2, 2, 2), seed)
    names = {clip: str(number) for own in clips.values() for number, clip in enumerate(own)}
    system_of: dict[str, str | None] = {clip: name for name, own in clips.items() for clip in own}
    return Key(test, tuple(systems), system_of | dict.fromkeys(training), dict.fromkeys(test.clips, 12.0), names)


def tones(test: Test, seconds: float = 0.15) -> dict[str, bytes]:
    """A short tone for each clip of a test, as mp3."""
    found = {}
    for number, clip in enumerate(test.clips):
        times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        stream = BytesIO()
        sound = 0.1 * np.sin(2 * np.pi * (220 + 20 * number) * times)
        soundfile.write(stream, sound, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
        found[clip] = stream.getvalue()
    return found


class Panel:
    """Listeners with one taste: the better of two by known strengths, ratings around known means."""

    def __init__(
        self,
        key: Key,
        strengths: Mapping[str, float],
        means: Mapping[str, float] | None = None,
        none: float = 0.1,
        seed: int = 0,
    ) -> None:
        """Args: the key; log strengths of systems; mean ratings (3 without them); share of no preference; a seed."""
        self.key, self.strengths, self.none = key, strengths, none
        self.means = means or dict.fromkeys(key.systems, 3.0)
        self.rng = np.random.default_rng(seed)

    def listener(self, attentive: bool = True) -> Listener:
        """One listener's answers to all pages."""
        name = self.rng.bytes(16).hex()
        own = self.rng.normal(0, 0.3)  # how strict somebody is
        answers: dict[int, dict[str, Any]] = {}
        chosen: dict[frozenset[str], str | None] = {}
        for place, page in enumerate(self.key.test.pages_of(name)):
            answer: dict[str, Any] = {"page": place, "seconds": 30.0}
            if page.kind == PAIR:
                both = frozenset(page.clips)
                if not attentive and both in chosen:
                    best: str | None = next(clip for clip in page.clips if clip != chosen[both])
                elif attentive and both in chosen:
                    best = chosen[both]
                else:
                    best = self._choose(page.clips, sure=not attentive)
                chosen[both] = best
                choice = NONE if best is None else FIRST if best == page.clips[0] else SECOND
                answer |= {"clips": list(page.clips), "choice": choice, "plays": [1, 1]}
            elif page.kind == RATING:
                mean = self.means[str(self.key.system_of[page.clips[0]])] + own
                ratings = {
                    scale: int(np.clip(round(self.rng.normal(mean, 0.8)), 1, 5)) for scale in self.key.test.scales
                }
                answer |= {"clips": list(page.clips), "ratings": ratings, "plays": [1]}
            else:
                answer["choice"] = 0
            answers[place] = answer
        return Listener(name, answers, f"{name[:8]}.json", True)

    def _choose(self, clips: Sequence[str], sure: bool) -> str | None:
        if not sure and self.rng.random() < self.none:
            return None
        first, second = (self.strengths[str(self.key.system_of[clip])] for clip in clips)
        return clips[0] if self.rng.random() < 1 / (1 + np.exp(second - first)) else clips[1]

    def listeners(self, count: int) -> list[Listener]:
        """Several listeners."""
        return [self.listener() for _ in range(count)]


def as_file(test: Test, listener: Listener) -> dict[str, Any]:
    """The answers of a listener as their file has them."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "test": test.id,
        "listener": listener.id,
        "simulated": listener.simulated,
        "answers": list(listener.answers.values()),
    }


def write(folder: Path, test: Test, listeners: Sequence[Listener]) -> None:
    """The files of a panel."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in listeners:
        (folder / one.source).write_text(json.dumps(as_file(test, one)))
