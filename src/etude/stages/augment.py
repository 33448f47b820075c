"""Stage augment: transposed and stretched copies of the train pieces, each with its origin."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

from symusic.core import ScoreTick as Score

from etude.errors import EtudeError
from etude.outputs import whole, write_json
from etude.progress import follow
from etude.provenance import built_from, read_piece, upstream
from etude.session import Session
from etude.settings import Augment, Settings
from etude.stages import main

Ranges = list[tuple[int, int]]  # lowest and highest pitch of each track


def voice_ranges(pieces: Mapping[str, Score]) -> Ranges:
    """The lowest and highest pitch of each voice over all pieces. Silent voices count for nothing."""
    pitches: dict[int, tuple[int, int]] = {}
    for piece in pieces.values():
        for voice, (low, high) in enumerate(_range(piece)):
            before = pitches.get(voice, (127, 0))
            pitches[voice] = min(before[0], low), max(before[1], high)
    return [pitches[voice] for voice in sorted(pitches)]


def transpositions(piece: Score, ranges: Ranges) -> list[int]:
    """All transpositions, in semitones, ascending, that keep each voice inside its range. A silent piece gives 0."""
    lows = [low - mine[0] for mine, (low, _) in zip(_range(piece), ranges, strict=True) if mine[0] <= mine[1]]
    highs = [high - mine[1] for mine, (_, high) in zip(_range(piece), ranges, strict=True) if mine[0] <= mine[1]]
    return list(range(max(lows), min(highs) + 1)) if lows else [0]


def transpose_key(fifths: int, semitones: int) -> int:
    """A key signature (sharps, or minus the flats), transposed, in -5 to 6; ``fifths`` itself if it does not move."""
    return fifths if semitones == 0 else (fifths + 7 * semitones + 5) % 12 - 5


def alter(piece: Score, semitones: int, stretch: float) -> Score:
    """A copy, transposed by ``semitones``, its key signatures with it, and played ``stretch`` times as fast.

    A stretch is a change of tempo: onsets stay on the grid.
    """
    copy = piece.shift_pitch(semitones)
    for key in copy.key_signatures:
        key.key = transpose_key(key.key, semitones)
    for tempo in copy.tempos:
        tempo.qpm = tempo.qpm * stretch
    return copy


def augment(pieces: Mapping[str, Score], settings: Augment) -> Iterator[tuple[dict[str, Any], Score]]:
    """All copies of the train pieces, with what the manifest says of each.

    Args:
        pieces: the train pieces by id.
        settings: whether to transpose; the factors of the tempo, one of which is drawn for each copy. The draw depends
            on ``seed``, the piece and the transposition, and on nothing else.

    Yields:
        ``{"id", "origin", "semitones", "stretch"}`` and the copy, by id of the piece, ascending in semitones. The
        unaltered piece is among them (0, 1.0).
    """
    ranges = voice_ranges(pieces)
    for origin in sorted(pieces):
        alterations = [(0, 1.0)]
        if settings.transpose:
            moves = [semitones for semitones in transpositions(pieces[origin], ranges) if semitones]
            alterations += [(semitones, _draw(settings, origin, semitones)) for semitones in moves]
        else:
            alterations += [(0, _draw(settings, origin, 0))] if _others(settings) else []
        for semitones, stretch in sorted(alterations):
            entry = {"id": f"{origin}_{semitones:+d}_{stretch:g}", "origin": origin}
            yield entry | {"semitones": semitones, "stretch": stretch}, alter(pieces[origin], semitones, stretch)


def _others(settings: Augment) -> list[float]:
    return [factor for factor in settings.stretch if factor != 1]


def _draw(settings: Augment, origin: str, semitones: int) -> float:
    """The factor of one copy's tempo; of a copy that is not transposed, one other than 1."""
    factors = settings.stretch if semitones else _others(settings)
    return random.Random(f"{settings.seed} {origin} {semitones}").choice(factors) if factors else 1.0


def _range(piece: Score) -> Ranges:
    """Lowest and highest pitch of each track; (127, 0) of a silent one."""
    pitches = [[note.pitch for note in track.notes] for track in piece.tracks]
    return [(min(track, default=127), max(track, default=0)) for track in pitches]


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest and data/split, write data/augment."""
    source, ingest = upstream(settings, session, "ingest")
    _, split = upstream(settings, session, "split")
    entries = {piece["id"]: piece for piece in ingest["pieces"]}
    if unknown := sorted({*split["train"]} - {*entries}):
        raise EtudeError(
            f"data/split deals {unknown[0]}, which data/ingest does not hold. Deal again with: etude split"
        )
    pieces = {name: read_piece(source, entries[name], "etude ingest") for name in split["train"]}
    ranges = voice_ranges(pieces)
    copies = []
    with whole(session.write("data/augment")) as part:
        (part / "midi").mkdir(parents=True)
        total = sum(len(transpositions(piece, ranges)) for piece in pieces.values())
        for entry, copy in follow(augment(pieces, settings.augment), "augment", total, session.progress):
            entry["file"] = f"midi/{entry['id']}.mid"
            midi = copy.dumps_midi()
            (part / entry["file"]).write_bytes(midi)
            copies.append(entry | {"sha256": hashlib.sha256(midi).hexdigest()})
        write_json(part / "manifest.json", {"settings": built_from(settings, "augment"), "copies": copies})
    print(f"augment: {len(copies)} copies of {len(pieces)} pieces")


if __name__ == "__main__":
    main(run)
