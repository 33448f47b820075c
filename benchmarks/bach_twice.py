"""How far Bach agrees with himself: the share of steps in which chorales of one melody have the same other voices.

Needs data/ingest and data/tokenize/voicegrid as `dvc repro` leaves them. Two chorales are of one melody where their
first voices, one of them transposed and moved by up to a bar, sound alike in nine of ten sixteenths. The agreement is
measured as the stage harmonize measures that of a model with Bach (``voice_leading.agreement``).
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.metrics.voice_leading import SILENCE, agreement, pitches_of
from etude.representations.base.loading import load_representation

ALIKE = 0.9  # share of steps in which two melodies sound alike
LONG = 0.7  # shortest piece that is compared, as a share of the other
SHORTEST = 64  # steps, four bars
VOICES = 4

Pitches = NDArray[np.int64]  # (frames, voices)


def common_part(one: Pitches, other: Pitches, most: int) -> tuple[Pitches, Pitches] | None:
    """The frames of two pieces in which their melodies are alike, in one key; None where they are not."""
    best, found = 0.0, None
    for shift in range(-most, most + 1):
        a, b = one[max(shift, 0) :], other[max(-shift, 0) :]
        frames = min(len(a), len(b))
        if frames < max(SHORTEST, LONG * max(len(one), len(other))):
            continue
        a, b = a[:frames], b[:frames]
        sing = (a[:, 0] != SILENCE) & (b[:, 0] != SILENCE)
        steps, counts = np.unique((a[:, 0] - b[:, 0])[sing], return_counts=True)
        if len(counts) and counts.max() / frames > best:
            best, step = counts.max() / frames, steps[counts.argmax()]
            found = a, np.where(b == SILENCE, SILENCE, b + step)
    return found if best >= ALIKE else None


def main() -> None:
    """Compare all pairs and print the agreement of those of one melody."""
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    source, _ = read_ingest(settings, session)
    ids = sorted(name for names in split_ids(settings, session, source).values() for name in names)
    grid = load_representation(Store(session.root / "data/tokenize/voicegrid"))
    voices, steps = grid.voices, grid.steps  # type: ignore[attr-defined]
    pieces = {name: pitches_of(score, voices, steps) for name, score in source.scores(ids)}
    shares, names = [], set()
    for (name, one), (other_name, other) in combinations(pieces.items(), 2):
        if one.shape[1] == VOICES and (found := common_part(one, other, 4 * steps)):
            shares.append(agreement(*found)[1:])
            names |= {name, other_name}
    mean, table = np.mean(shares), np.mean(shares, axis=0)
    print(f"{len(shares)} pairs of {len(names)} chorales: agreement {mean:.3f}")
    print(", ".join(f"{voice} {share:.3f}" for voice, share in zip(list(voices)[1:], table, strict=True)))


if __name__ == "__main__":
    main()
