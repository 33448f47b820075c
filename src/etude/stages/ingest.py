"""Stage ingest: source files in, one clean MIDI a piece out; what was refused is listed with the reason."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score

from etude.datasets.scores import Lost, isolated, read_score, too_large
from etude.errors import EtudeError
from etude.outputs import digest, whole, write_json
from etude.provenance import built_from, upstream
from etude.session import Session
from etude.settings import Ingest, Settings, construct, target
from etude.stages import main


def clean(piece: Score) -> tuple[Score, dict[str, int]]:
    """The piece without what MIDI cannot hold, notes in order of onset and pitch; and how much that was.

    ``zero_length`` notes are dropped; of two notes of one pitch at one onset in one voice the longer stays
    (``duplicates``); a note that its own pitch strikes again is cut at that onset (``cut``).
    """
    piece = piece.copy()
    count = {"zero_length": 0, "duplicates": 0, "cut": 0}
    for track in piece.tracks:
        kept: dict[int, list[Note]] = {}
        for note in sorted(track.notes, key=lambda note: (note.pitch, note.time, -note.duration)):
            line = kept.setdefault(note.pitch, [])
            if note.duration <= 0:
                count["zero_length"] += 1
            elif line and line[-1].time == note.time:
                count["duplicates"] += 1
            else:
                if line and line[-1].time + line[-1].duration > note.time:
                    line[-1].duration = note.time - line[-1].time
                    count["cut"] += 1
                line.append(Note(note.time, note.duration, note.pitch, note.velocity))
        notes = sorted((note for line in kept.values() for note in line), key=lambda note: (note.time, note.pitch))
        track.notes = type(track.notes)(notes)
    return piece, count


def bars(piece: Score) -> int:
    """The number of bars, the last one counted whole. An empty piece gives 0."""
    signs, end = piece.time_signatures, piece.end()
    total = 0
    for place, sign in enumerate(signs):
        stop = min(end, signs[place + 1].time) if place + 1 < len(signs) else end
        bar = piece.ticks_per_quarter * 4 * sign.numerator // sign.denominator
        total += -(-max(0, stop - sign.time) // bar)
    return total


def longest_rest(piece: Score) -> float:
    """The longest time in which all voices are silent between two notes, in quarters. An empty piece gives 0."""
    spans = sorted((note.time, note.time + note.duration) for track in piece.tracks for note in track.notes)
    longest, until = 0, spans[0][0] if spans else 0
    for begin, end in spans:
        longest, until = max(longest, begin - until), max(until, end)
    return longest / piece.ticks_per_quarter


def refusal(piece: Score, limits: Ingest) -> str | None:
    """Why a piece is refused, or ``None``."""
    notes = piece.note_num()
    if notes > limits.max_notes:
        return f"{notes} notes, more than ingest.max_notes = {limits.max_notes}"
    if notes < limits.min_notes:
        return f"{notes} notes, fewer than ingest.min_notes = {limits.min_notes}"
    silent = [track.name for track in piece.tracks if not len(track.notes)]
    if silent:
        return f"no notes in {', '.join(silent)}"
    if longest_rest(piece) > limits.max_rest:
        return (
            f"all voices rest for {longest_rest(piece):g} quarters, more than ingest.max_rest = {limits.max_rest:g}: "
            "interludes of instruments are missing"
        )
    if bars(piece) > limits.max_bars:
        return f"{bars(piece)} bars, more than ingest.max_bars = {limits.max_bars}"
    return None


def ingest_file(path: Path, voices: dict[str, int], tempo: float, limits: Ingest) -> tuple[bytes, dict[str, Any]]:
    """Read and clean one source file: the MIDI file's bytes, and what there is to know about the piece.

    Raises:
        EtudeError: with the reason for which the file is refused.
    """
    reason = too_large(path, limits.max_bytes)
    if reason is None:
        piece, info = read_score(path, voices, tempo, limits.ticks_per_quarter)
        parts = len(piece.tracks) + len(info["left_out_parts"])
        if parts > limits.max_tracks:
            reason = f"{parts} parts, more than ingest.max_tracks = {limits.max_tracks}"
        else:
            piece, count = clean(piece)
            reason = refusal(piece, limits)
    if reason is not None:
        raise EtudeError(reason)
    names = [track.name for track in piece.tracks]
    info |= {"notes": piece.note_num(), "bars": bars(piece), "tracks": names, "cleaned": count}
    return piece.dumps_midi(), info


def ingest(
    files: Path, download: Mapping[str, Any], settings: Settings, workers: int, show: bool
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read, clean and compare all source files.

    Args:
        files: the folder of the download, in which the manifest's ``file`` is found.
        download: the manifest of the download.
        settings: ``dataset`` and ``ingest`` are used.
        workers: processes; the result does not depend on it.
        show: a progress bar.

    Returns:
        The manifest of the pieces and of the refused files, and the MIDI files' bytes by piece id.

    Raises:
        EtudeError: no piece is left.
    """
    voices = construct(target(settings.dataset, "dataset"), settings.dataset, "dataset").voices
    sources = sorted(download["pieces"], key=lambda piece: piece["id"])
    refused = []
    whole_ones = []
    for source in sources:
        path = files / source["file"]
        if not path.is_file() or digest(path) != source["sha256"]:
            why = "is missing" if not path.is_file() else "differs from its digest in the manifest"
            refused.append(
                {"source": source["source"], "reason": f"the file {why}; bring it again with: etude download"}
            )
        else:
            whole_ones.append(source)
    work = partial(ingest_file, voices=voices, tempo=settings.dataset["tempo"], limits=settings.ingest)
    paths = [files / source["file"] for source in whole_ones]
    results = isolated(work, paths, workers, settings.ingest.seconds, "ingest", show)

    pieces: list[dict[str, Any]] = []
    midi: dict[str, bytes] = {}
    first: dict[bytes, str] = {}
    # of two pieces with the same notes the one with a title is kept
    for source, result in sorted(zip(whole_ones, results, strict=True), key=lambda pair: pair[0]["title"] is None):
        if isinstance(result, Lost):
            refused.append({"source": source["source"], "reason": result.reason})
            continue
        data, info = result
        twin = first.setdefault(_notes(data), source["id"])
        if twin != source["id"]:
            refused.append({"source": source["source"], "reason": f"the same notes as {twin}, which is kept"})
            continue
        midi[source["id"]] = data
        entry = {"id": source["id"], "file": f"midi/{source['id']}.mid", "source": source["source"]}
        pieces.append(entry | {"title": source["title"], "sha256": hashlib.sha256(data).hexdigest()} | info)
    if not pieces:
        reasons = "; ".join(f"{entry['source']}: {entry['reason']}" for entry in refused[:3])
        raise EtudeError(f"ingest refused all {len(refused)} files. The first reasons: {reasons}")
    refused.sort(key=lambda entry: entry["source"])
    pieces.sort(key=lambda entry: entry["id"])
    return {"settings": built_from(settings, "ingest"), "pieces": pieces, "refused": refused}, midi


def _notes(data: bytes) -> bytes:
    """The digest of a piece's notes, voice by voice."""
    tracks = Score.from_midi(data).tracks
    text = ";".join(",".join(f"{n.time} {n.duration} {n.pitch}" for n in track.notes) for track in tracks)
    return hashlib.sha256(text.encode()).digest()


def run(settings: Settings, session: Session) -> None:
    """Read data/download, write data/ingest."""
    source, download = upstream(settings, session, "download")
    manifest, midi = ingest(source, download, settings, session.workers, session.progress)
    with whole(session.write("data/ingest")) as part:
        (part / "midi").mkdir(parents=True)
        for name, data in midi.items():
            (part / "midi" / f"{name}.mid").write_bytes(data)
        write_json(part / "manifest.json", manifest)
    print(f"ingest: {len(manifest['pieces'])} pieces, {len(manifest['refused'])} refused")


if __name__ == "__main__":
    main(run)
