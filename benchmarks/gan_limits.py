"""What music made of windows that know nothing of each other can reach, with real windows: the limits of a dense GAN.

Needs data and reports/reference.json as `make repro` leaves them. GANS.md has the result.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.files import read_json
from etude.metrics.comparison import Measured, Real
from etude.metrics.distance import overall
from etude.music.key import best_keys
from etude.representations.base.loading import load_representation

Rolls = NDArray[np.uint8]  # (windows, voices, steps, pitches)


def key_of(rolls: Rolls, low: int) -> int:
    """The pitch class of the tonic that fits windows best."""
    times = np.bincount((np.arange(rolls.shape[-1]) + low) % 12, rolls.sum(axis=(0, 1, 2)), 12)
    return int(best_keys(times[None])[0]) // 2


def moved(rolls: Rolls, semitones: int) -> Rolls:
    """Windows with all pitches moved; what leaves the range is left out."""
    found = np.zeros_like(rolls)
    width = rolls.shape[-1] - abs(semitones)
    found[..., max(0, semitones) :][..., :width] = rolls[..., max(0, -semitones) :][..., :width]
    return found


def in_key(rolls: Rolls, tonic: int, low: int) -> Rolls:
    """Windows moved to a tonic, by a tritone at most."""
    return moved(rolls, (tonic - key_of(rolls, low) + 6) % 12 - 6)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=5, help="sets of pieces of each kind")
    draws = parser.parse_args().draws
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    store = Store(session.root / "data/tokenize/pianoroll")
    representation = load_representation(store)
    real = Real.of(read_json(session.root / catalog.REFERENCE.place, catalog.REFERENCE.made_by))
    train = [representation.unpack(np.asarray(piece)) for piece in store.pieces("train")]
    count = -(-settings.generate.open_bars * 4 * representation.steps // representation.shape[1])
    long = [piece for piece in train if len(piece) >= count]
    every, low = np.concatenate(train), representation.low

    def whole(rng: np.random.Generator) -> Rolls:
        return long[rng.integers(len(long))][:count]

    def joined(rng: np.random.Generator) -> Rolls:
        return every[rng.integers(len(every), size=count)]

    def joined_in_key(rng: np.random.Generator) -> Rolls:
        windows = joined(rng)
        tonic = key_of(windows[:1], low)
        return np.concatenate([in_key(window[None], tonic, low) for window in windows])

    def steps(rng: np.random.Generator) -> Rolls:
        made = np.zeros((count, *every.shape[1:]), dtype=np.uint8)
        for step in range(made.shape[2]):
            made[:, :, step] = every[rng.integers(len(every), size=count), :, step]
        return made

    def cells(rng: np.random.Generator) -> Rolls:
        drawn: Rolls = (rng.random((count, *every.shape[1:])) < every.mean(axis=0)).astype(np.uint8)
        return drawn

    kinds: dict[str, Callable[[np.random.Generator], Rolls]] = {
        "real pieces of train, their windows in order": whole,
        "real windows, moved to one key and joined at random": joined_in_key,
        "real windows, joined at random": joined,
        "real chords: each step from another window": steps,
        "each key sounds as often as it does there in train": cells,
    }
    print("| pieces made of | distance to real music |\n| --- | ---: |")
    for name, make in kinds.items():
        found = []
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            pieces = [representation.decode(make(rng)) for _ in range(settings.generate.pieces)]
            found.append(overall(Measured.of(pieces, settings.evaluate).descriptors, real.descriptors))
        print(f"| {name} | {statistics.fmean(found):.2f} ± {statistics.stdev(found):.2f} |", flush=True)


if __name__ == "__main__":
    main()
