"""Made-up pieces of several instruments for these tests, and every representation as conf/ has it."""

from typing import Any

import numpy as np
import yaml
from conftest import ROOT
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.config.check import construct, target

TRACKS = (("Flute", 73, False, 1), ("Piano", 0, False, 3), ("Drums", 0, True, 2))
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("remi", {}),
    ("remi", {"merges": "bpe", "vocabulary": 400}),
    ("remi", {"merges": "notes", "vocabulary": 2000}),
    ("tsd", {}),
    ("midilike", {}),
    ("structured", {}),
    ("attributes", {}),
    ("attributes", {"merges": "notes", "vocabulary": 2000}),
    ("octuple", {}),
    ("cpword", {}),
    ("pertok", {"microtiming": 4}),
    ("mmm", {}),
    ("mmm", {"base": "MIDILike"}),
    ("voicegrid", {}),
    ("notechord", {}),
    ("notechord", {"durations": True}),
]


def make_band(seed: int, beats: int = 16) -> ScoreTick:
    """Flute, a piano that plays chords, and drums, on sixteenths in 3/4 and 4/4, with velocities and two tempos."""
    random = np.random.default_rng(seed)
    piece = ScoreTick(24)
    for name, program, drums, most in TRACKS:
        track = TrackTick(name=name, program=program, is_drum=drums)
        time = 0
        while time < beats * 24:
            low = 35 if drums else 55
            length = int(random.choice([6, 12, 24, 36]))
            for pitch in random.choice(np.arange(low, low + 20), size=int(random.integers(1, most + 1)), replace=False):
                track.notes.append(NoteTick(time, length, int(pitch), int(random.choice([60, 80, 100]))))
            time += length
        track.notes.sort(inplace=True)
        piece.tracks.append(track)
    piece.tempos.append(TempoTick(0, qpm=100))
    piece.tempos.append(TempoTick(96, qpm=110))
    piece.time_signatures.append(TimeSignatureTick(0, 3, 4))
    piece.time_signatures.append(TimeSignatureTick(144, 4, 4))
    return piece


def made(name: str, **changes: Any) -> Any:
    """A representation with the settings of ``values_of``; nothing is learned."""
    values = values_of(name, **changes)
    return construct(target(values, f"tokenize.{name}"), values, f"tokenize.{name}")


def learned(name: str, *pieces: ScoreTick, voices: dict[str, int] | None = None, **changes: Any) -> Any:
    """``made``, and learned from some pieces; from bands where none are given."""
    train = pieces or tuple(make_band(seed) for seed in range(4))
    representation = made(name, **changes)
    representation.learn([representation.survey([piece]) for piece in train], voices)
    if representation.merges:
        representation.learn_merges([representation.encode(piece) for piece in train])
    return representation


def values_of(name: str, **changes: Any) -> dict[str, Any]:
    """The settings of conf/tokenize/``name``.yaml and some changes, and no merges unless they are among these."""
    values: dict[str, Any] = yaml.safe_load((ROOT / f"conf/tokenize/{name}.yaml").read_text(encoding="utf-8"))
    return values | ({"merges": None} if "merges" in values else {}) | changes


def notes(piece: ScoreTick) -> list[tuple[str, int, int, int]]:
    """Track, onset, pitch and duration of all notes."""
    return sorted((t.name, n.time, n.pitch, n.duration) for t in piece.tracks for n in t.notes)
