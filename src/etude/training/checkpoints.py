"""Checkpoints on disk: each with its digest, the one before kept, and the choice of the one from which to go on."""

import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from etude.core.errors import EtudeError
from etude.core.files import require_room, whole
from etude.core.machine_faults import reason_of

BEST, LAST, KEPT = "best", "last", "kept-"  # names; of those that ``train.keep`` keeps, the start
MARK = b"\nSHA-256 of all before this line: "  # what follows a checkpoint in its file; torch.load passes over it
Checkpoint = Mapping[str, Any]


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that a kill leaves whole, and whose damage is noticed.

    Each is written next to its place, with its digest as the last line, and renamed. Of the best and of the last one,
    the one before stays too.
    """

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any | None = None) -> None:
        """See CheckpointIO. Raises EtudeError where the disk is full or may not be written."""
        file, stream = Path(path), io.BytesIO()
        torch.save(checkpoint, stream)
        data = stream.getvalue()
        try:
            with whole(file) as part:
                require_room(part, len(data))
                with part.open("wb") as out:
                    out.write(data)
                    out.write(MARK + _digest(data))
                    out.flush()
                    os.fsync(out.fileno())
                if file.is_file() and not file.name.startswith(KEPT):
                    file.replace(before(file))
        except OSError as error:
            if (reason := reason_of(error, file)) is None:
                raise
            raise EtudeError(f"The checkpoint cannot be written. {reason}") from None

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> Any:
        """See CheckpointIO. Raises EtudeError where the file is damaged."""
        return read_checkpoint(Path(path), map_location or "cpu")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def before(file: Path) -> Path:
    """Where the checkpoint stays that stood at ``file`` before: last.before.ckpt."""
    return file.with_name(f"{file.stem}.before{file.suffix}")


def place(folder: Path, name: str) -> Path:
    """The file of a checkpoint."""
    return folder / f"{name}.ckpt"


def read_checkpoint(file: Path, map_location: Any = "cpu") -> Checkpoint:
    """A checkpoint, if it has the digest of its last line. Raises EtudeError where it is damaged."""
    data, _, digest = file.read_bytes().rpartition(MARK)
    if _digest(data) != digest:
        raise EtudeError(f"{file} is damaged: it is not what its last line, the SHA-256, stands for.")
    found: Checkpoint = torch.load(io.BytesIO(data), map_location=map_location, weights_only=True)
    return found


class Course:
    """What a checkpoint says of the training so far.

    ``rows`` are those of the history; ``step`` is that of the checkpoint, ``best`` the one with the lowest value of
    what is monitored: of equal ones the first, as Lightning keeps it.
    """

    def __init__(self, checkpoint: Checkpoint, history: str, monitor: str) -> None:
        """Args: the checkpoint, the key of the history among the states of callbacks, what decides the best."""
        self.rows: list[dict[str, float]] = checkpoint["callbacks"][history]["rows"]
        self.measured = [row for row in self.rows if monitor in row]
        best = min(self.measured, key=lambda row: (row[monitor], row["step"]), default=None)
        self.top: dict[str, float] = best or {}
        self.step, self.best = int(self.rows[-1]["step"]), int(self.top.get("step", -1))


def find_end(folder: Path, history: str, monitor: str) -> tuple[Course, Path]:
    """What a training that is done says of itself, and the checkpoint of its best weights.

    The best of the last epoch is written before the last, and a training that was killed between the two is done.

    Raises:
        EtudeError: one of them is damaged or missing; the same command trains what is lost again.
    """
    again = "Give the same command again: the training goes on from what is whole."
    try:
        files = [place(folder, name) for name in (BEST, LAST)]
        ends = [Course(read_checkpoint(file), history, monitor) for file in files if file.is_file()]
    except (OSError, EtudeError) as error:
        raise EtudeError(f"{error} {again}") from None
    done = max(ends, key=lambda course: course.step)  # of one at least: the caller has looked
    for file, course in _whole(folder, BEST, history, monitor):
        if course.step == done.best:
            return done, file
    raise EtudeError(f"The best weights, of step {done.best}, are missing in {folder}. {again}")


def find_start(folder: Path, history: str, monitor: str) -> Path | None:
    """The checkpoint from which a training goes on: the latest whole one whose best weights are whole too.

    A damaged one is said, and the one before it is taken; None where the training starts from nothing.
    """
    for file in sorted(folder.glob(f"{KEPT}*.ckpt")):
        try:
            read_checkpoint(file)
        except EtudeError as error:  # what ``train.keep`` asks for can only be made by the training
            print(f"etude: {error} The training starts again.", flush=True)
            return None
    best = dict(_whole(folder, BEST, history, monitor))
    found = {**dict(_whole(folder, LAST, history, monitor)), **best}
    steps = {course.step for course in best.values()}
    able = [(course.step, file) for file, course in found.items() if course.best in steps]
    if not able:
        if any(folder.glob("*.ckpt")):
            print(f"etude: {folder} holds no checkpoint to go on from: the training starts again.", flush=True)
        return None
    step, chosen = max(able)
    if len(found) < len([file for file in folder.glob("*.ckpt") if not file.name.startswith(KEPT)]):
        print(f"etude: the training goes on from step {step}, with {chosen.name}.", flush=True)
    return chosen


def _whole(folder: Path, name: str, history: str, monitor: str) -> Iterator[tuple[Path, Course]]:
    """The checkpoint of a name and the one before it, as far as they are there and whole; a damaged one is said."""
    file = place(folder, name)
    for one in (file, before(file)):
        if one.is_file():
            try:
                yield one, Course(read_checkpoint(one), history, monitor)
            except EtudeError as error:
                print(f"etude: {error}", flush=True)
