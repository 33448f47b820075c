"""What a choice among harmonies gains by what they have in common: agreement with Bach, by how much that counts.

    python benchmarks/choice.py voices [--run runs/bach-86b74a19] [--candidates 8] [--particles 8] [--melodies 59]

Several harmonies of each test melody are drawn once, and then chosen at several prices of their differences from each
other, next to likelihood and parallels. A price of 0 leaves the others out of account. Needs what `dvc repro` leaves,
or the run of `make full` that ``--run`` names. Eight candidates of eight particles take half a minute a melody.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.config.sections import Harmonize, Settings
from etude.core.errors import EtudeError
from etude.metrics.distance import ratio_interval
from etude.metrics.voice_leading import QUARTERS, agreement, sounding
from etude.sampling.harmonies import HarmonyTask
from etude.stages.harmonize import given_melody
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import DISAGREEMENT, harmonize
from etude.tasks.trained_model import TrainedModel

ROOT = Path(__file__).parents[1]
PRICES = (0.0, 5.0, 10.0, DISAGREEMENT, 40.0, 80.0)  # nats a bar, times the share of steps that sound otherwise
RESAMPLES = 10_000


@dataclass(frozen=True)
class Candidates:
    """The harmonies of one melody, each array (candidates,)."""

    bars: float
    nats: NDArray[np.float64]
    parallels: NDArray[np.int64]
    difference: NDArray[np.float64]  # share of steps that sound otherwise in the candidates
    agreement: NDArray[np.float64]  # share of the added voices' steps that have Bach's notes

    def chosen(self, price: float, parallel_cost: float) -> int:
        """The candidate of the lowest cost."""
        return int((self.nats + parallel_cost * self.parallels + price * self.bars * self.difference).argmin())


def draw(harmonizer: Harmonizer, score: ScoreTick, config: Harmonize, place: int) -> Candidates:
    """The candidates for the melody of a test piece.

    Raises:
        EtudeError: it has no melody that can be harmonised.
    """
    given = given_melody(harmonizer, score, config)
    task = HarmonyTask(given.melody.piece, given.allowed, config, harmonizer.rngs(config, place))
    [found] = harmonize(harmonizer.model, harmonizer.representation, [task])
    bars = len(given.own) / (QUARTERS * harmonizer.representation.steps)
    nats, parallels, cost = (np.array([getattr(one, key) for one in found]) for key in ("nats", "parallels", "cost"))
    low = harmonizer.representation.low
    own = sounding(given.own, low)
    return Candidates(
        bars,
        nats,
        parallels,
        (cost - nats - config.parallel_cost * parallels) / (DISAGREEMENT * bars),
        np.array([agreement(sounding(one.grid, low), own)[1:].mean() for one in found]),
    )


def table(found: Sequence[Candidates], parallel_cost: float) -> list[str]:
    """A line of Markdown for each price: agreement, its gain over a price of 0 with its interval, nats, parallels."""
    bars = np.array([one.bars for one in found])
    lines = ["| price | agreement | gain | nats a bar | parallels a bar |", "| ---: | ---: | ---: | ---: | ---: |"]
    base = np.zeros(len(found))
    for price in PRICES:
        picked = [one.chosen(price, parallel_cost) for one in found]
        agreed, nats, parallels = (
            np.array([getattr(one, key)[place] for one, place in zip(found, picked, strict=True)])
            for key in ("agreement", "nats", "parallels")
        )
        if price == PRICES[0]:
            base = agreed
        low, high = ratio_interval((agreed - base) * bars, bars, RESAMPLES, 0)
        total = bars.sum()
        lines.append(
            f"| {price:g} | {(agreed * bars).sum() / total:.3f} | {((agreed - base) * bars).sum() / total:.3f} "
            f"({low:.3f} to {high:.3f}) | {nats.sum() / total:.2f} | {parallels.sum() / total:.3f} |"
        )
    mean, best = (
        (np.array([choice(one.agreement) for one in found]) * bars).sum() / bars.sum() for choice in (np.mean, np.max)
    )
    return [*lines, f"mean of all candidates {mean:.3f}, the nearest to Bach of each melody {best:.3f}"]


def main() -> None:
    """Draw, choose and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", choices=("voices", "deepbach"))
    parser.add_argument("--run", type=Path, help="folder below runs/; without it the models of dvc repro")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--particles", type=int, default=8)
    parser.add_argument("--melodies", type=int, help="the first so many of the test pieces; all by default")
    options = parser.parse_args()
    settings = Settings.from_params(ROOT / "params.yaml")
    session = Session(root=ROOT, run=options.run and options.run.resolve(), progress=False)
    config = replace(settings.harmonize, candidates=options.candidates, particles=options.particles)
    source, _ = read_ingest(settings, session)
    harmonizer = Harmonizer.of(TrainedModel.load(settings, session, options.model, threads=1))
    found = []
    names = split_ids(settings, session, source)["test"][: options.melodies]
    for place, (name, score) in enumerate(source.scores(names)):
        try:
            found.append(draw(harmonizer, score, config, place))
        except EtudeError as error:
            print(f"{name} is left out: {error}")
        print(f"{place + 1}/{len(names)} melodies", end="\r", file=sys.stderr)
    print(f"{len(found)} melodies, {config.candidates} harmonies of {options.model} each")
    print("\n".join(table(found, config.parallel_cost)))


if __name__ == "__main__":
    main()
