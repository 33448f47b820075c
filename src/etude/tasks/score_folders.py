"""Folders of score files that somebody gives: every piece that can be read, and why others cannot."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from symusic.core import ScoreTick

from etude.config.sections import Ingest, Reading
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.core.folders import files_below
from etude.core.progress import follow
from etude.core.project import given_path
from etude.scores.isolation import Lost, attempt, isolate, isolate_groups
from etude.scores.limits import refusal, too_large
from etude.scores.readers import SCORES, is_midi, pieces_of, prepare
from etude.tasks.score_files import TEMPO, TICKS, read_part

GROUP = 32  # MIDI files that are read together


@dataclass(frozen=True)
class ScoreFolder:
    """The pieces of a folder by name, in the order of the paths, and the files or pieces that cannot be read."""

    name: str  # of the folder or file, without what it lies in
    scores: dict[str, ScoreTick]
    refused: list[tuple[str, str]]  # name and reason
    twice: int  # files with the same bytes as an earlier one, which are left out


def read_folder(key: str, name: str, limits: Ingest, show: bool = False) -> ScoreFolder:
    """Read every score below a folder, or all pieces of one file, each within the limits of ``ingest``.

    Args:
        key: which the command names the folder by, for messages.
        name: the path.
        limits: what is refused; ``min_notes`` does not count here.
        show: with a progress bar.

    Raises:
        EtudeError: there is no such folder, no score in it, or none that can be read.
    """
    root = given_path(name)
    if not root.exists():
        raise EtudeError(f"{key} = {root} does not exist. Name a folder of scores, or one file.")
    files = [root] if root.is_file() else _scores_below(root, key)
    if not files:
        raise EtudeError(f"{key} = {root} holds no score. Files that end in {' '.join(SCORES)} are read.")
    base = root.parent if root.is_file() else root
    refused: list[tuple[str, str]] = []
    parts: list[tuple[Path, str | None]] = []
    seen: dict[bytes, Path] = {}
    twice = 0
    for file, held in zip(files, isolate(_held, files, limits.seconds, limits.max_memory), strict=True):
        if isinstance(held, Lost):
            refused.append((_shown(file, base), " ".join(held.reason.split())))
        elif seen.setdefault(held[0], file) != file:
            twice += 1
        elif not held[1]:
            refused.append((_shown(file, base), "it holds no piece"))
        else:
            parts += [(file, part) for part in held[1]]
    prepare()
    groups: list[list[tuple[Path, str | None]]] = []
    for one in parts:
        if groups and is_midi(one[0]) and is_midi(groups[-1][0][0]) and len(groups[-1]) < GROUP:
            groups[-1].append(one)
        else:
            groups.append([one])

    def work(group: Sequence[tuple[Path, str | None]]) -> list[ScoreTick | Lost]:
        return [attempt(lambda item: _read(*item, limits), item) for item in group]

    scores: dict[str, ScoreTick] = {}
    results = isolate_groups(work, groups, limits.seconds, limits.max_memory)
    for (file, part), found in follow(zip(parts, results, strict=True), f"reading {key}", len(parts), show):
        shown = _shown(file, base) + (f", piece {part}" if part is not None else "")
        while shown in scores:  # two names of bytes that are shown alike
            shown += "'"
        if isinstance(found, Lost):
            refused.append((shown, " ".join(found.reason.split())))
        else:
            scores[shown] = found
    if not scores:
        first, why = refused[0]
        raise EtudeError(f"{key} = {root}: none of its {len(files)} scores can be read ({first}: {why}).")
    return ScoreFolder(_shown(root.resolve(), root.resolve().parent), scores, refused, twice)


def _scores_below(root: Path, key: str) -> list[Path]:
    scores = [file for file in files_below(root, key) if file.suffix.lower() in SCORES]
    return sorted((file for file in scores if file.is_file()), key=lambda file: file.relative_to(root).as_posix())


def _held(file: Path) -> tuple[bytes, list[str | None]]:
    """The digest of a file, and the names of its pieces."""
    return bytes.fromhex(digest(file)), [part for part, _ in pieces_of(file)]


def _read(file: Path, part: str | None, limits: Ingest) -> ScoreTick:
    if (reason := too_large(file, limits.max_bytes)) is not None:
        raise EtudeError(reason)
    score, _ = read_part(file, part, limits.repeats, TEMPO)
    reading = Reading(None, True, TEMPO, True, TICKS, None, None, limits.repeats)
    reason = "no notes" if not score.note_num() else refusal(score, replace(limits, min_notes=1), reading)
    if reason is None and score.end() > 4 * limits.max_bars * score.ticks_per_quarter:
        reason = f"longer than ingest.max_bars = {limits.max_bars} bars of 4/4"
    if reason is not None:
        raise EtudeError(reason)
    return score


def _shown(file: Path, base: Path) -> str:
    return os.fsencode(file.relative_to(base).as_posix()).decode("utf-8", "backslashreplace")
