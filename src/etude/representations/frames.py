"""Frames of keys: whether each of the piano's 88 keys sounds at each step of a coarse grid, all voices as one.

Source: Boulanger-Lewandowski, Bengio and Vincent, Modeling Temporal Dependencies in High-Dimensional Sequences, 2012.
Their page (www-etud.iro.umontreal.ca/~boulanni/icml2012) says that pieces were transposed to C major or C minor, and
frames sampled at every quarter of the JSB chorales and at every eighth of the other datasets. Here they are not
transposed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.config.check import Range
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.representations.base.learned_files import Tempo, read_learned
from etude.representations.base.representation import Observed
from etude.representations.base.survey import DRUMS, Survey, program_of
from etude.representations.base.vocabulary import ItemSpec
from etude.representations.base.voice_tracks import TICKS_PER_QUARTER, empty_piece, fill

LOWEST, KEYS = 21, 88  # A0 to C8
FIRSTS = 4096


class Frames:
    """Encode pieces as binary frames of 88 keys and back.

    A key is in a frame if a note of it sounds at the exact time of the step; a note that starts and ends between two
    steps is lost. A key that sounds in consecutive frames comes back as one note, repeated or held.
    Drums and pitches outside the piano are left out. Tempo and meter are not coded: decoded pieces have one track, the
    usual tempo of train, and 4/4.
    """

    name, kind = "frames", "frames"
    merges_voices = True
    merges: str | None = None
    tells_time = is_voice_grid = has_controls = False

    def __init__(self, steps_per_beat: Annotated[int, Range(1, 24)]) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: frames a quarter note.
        """
        if TICKS_PER_QUARTER % steps_per_beat:
            raise EtudeError(
                f"tokenize.frames.steps_per_beat = {steps_per_beat} must divide {TICKS_PER_QUARTER}, the ticks of a "
                "quarter note in decoded pieces, as 1, 2, 4 and 8 do."
            )
        self.steps = steps_per_beat
        self.tempo = 0
        self.voices = {"Piano": 0}  # of decoded pieces

    @property
    def item_spec(self) -> ItemSpec:
        """What a model reads: a frame of 88 keys an item."""
        return ItemSpec(KEYS, keys=True)

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of some train pieces that ``learn`` needs, as plain values."""
        return Survey.of(scores).as_json()

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn the usual tempo; the voices are merged, whatever they are."""
        self.tempo = Survey.merge(surveys).tempo

    def save(self, folder: Path) -> None:
        """Write frames.json into ``folder``."""
        write_json(folder / "frames.json", {"tempo": self.tempo})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> Self:
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(**{key: value for key, value in values.items() if key != "_target_"})
        learned = read_learned(folder / "frames.json", catalog.tokens("frames").made_by, {"tempo": Tempo})
        made.tempo = learned["tempo"]
        return made

    def observe(self, train: Sequence[NDArray[np.integer]]) -> Observed:
        """What sampling needs to know of the train pieces: the ``firsts`` of ``FIRSTS`` of them at most (pieces, 11).

        These are their first frames, packed as ``encode`` gives them. The pieces are spread evenly over train.
        """
        chosen = range(0, len(train), -(-len(train) // FIRSTS) or 1)
        none = np.zeros((0, -(-KEYS // 8)), dtype=np.uint8)
        return {"firsts": np.concatenate([none, *(train[place][:1] for place in chosen)])}

    def cells(self, score: ScoreTick) -> int:
        """Keys times frames of a piece."""
        return KEYS * self._length(score)

    def encode(self, score: ScoreTick) -> NDArray[np.uint8]:
        """The frames of a piece, each packed to bits: (frames, 11). An empty piece has none."""
        quarter = score.ticks_per_quarter
        change = np.zeros((self._length(score) + 1, KEYS), dtype=np.int32)
        for track in score.tracks:
            if program_of(track) == DRUMS:
                continue
            notes = track.notes.numpy()
            key = notes["pitch"].astype(np.int64) - LOWEST
            start = notes["time"].astype(np.int64)
            on, off = (-(-time * self.steps // quarter) for time in (start, start + notes["duration"]))
            kept = (key >= 0) & (key < KEYS)
            np.add.at(change, (on[kept], key[kept]), 1)
            np.add.at(change, (off[kept], key[kept]), -1)
        return np.packbits(np.cumsum(change, axis=0)[:-1] > 0, axis=1)

    def decode(self, frames: NDArray[np.integer]) -> ScoreTick:
        """One piece, at 24 ticks a quarter.

        Args:
            frames: (frames, 88) of 0 and 1, or (frames, 11) as ``encode`` packs them.
        """
        if frames.shape[1] != KEYS:
            frames = np.unpackbits(np.asarray(frames, np.uint8), axis=1, count=KEYS)
        piece = empty_piece(self.voices, self.tempo)
        change = np.diff(np.pad(frames.astype(np.int8), ((1, 1), (0, 0))), axis=0).T  # (keys, frames + 1)
        key, start = np.nonzero(change == 1)
        _, end = np.nonzero(change == -1)
        fill(piece.tracks[0], np.column_stack([start, key + LOWEST, end]), self.steps)
        return piece

    def _length(self, score: ScoreTick) -> int:
        return -(-score.end() * self.steps // score.ticks_per_quarter)
