"""Stage ingest: source files in, one clean MIDI file a piece out; refused files are listed with the reason.

The manifest says of each piece what reading changed, and where a second reader finds other notes.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick as Score

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import gather_shards, write_shard
from etude.artifacts.provenance import built_from, key_of, upstream, write_data
from etude.artifacts.shards import Shards, cut
from etude.config.sections import Ingest, Reading, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest, digest_of, read_json, write_json
from etude.metrics.duplicates import Fingerprint, find_duplicates, fingerprints
from etude.scores import readers, second_reader
from etude.scores.cleaning import clean_all
from etude.scores.isolation import Lost, attempt, isolate, isolate_groups
from etude.scores.limits import bars, refusal, too_large
from etude.scores.reading import opening
from etude.stages import main

GROUP, GROUP_BYTES = 64, 1 << 16  # at most so many MIDI files, or bytes, are read together
ALIKE = {
    "exact": "the same notes as {}, which is kept",
    "transposed": "the same notes as {}, which is kept, in another key or at another speed",
    "near": "{1:.0%} like {0}, which is kept (in any key, at any speed; ingest.near is the threshold)",
}


def ingest_files(
    entries: Sequence[Mapping[str, Any]], files: Path, reading: Reading, limits: Ingest
) -> list[tuple[bytes, Json, Fingerprint] | Lost]:
    """Read and clean pieces together: small ones then take half the time.

    Args:
        entries: of the manifest of the stage download.
        files: its folder.
        reading: how files are read.
        limits: what is refused.

    Returns:
        For each piece the bytes of its MIDI file, its facts, and the fingerprint that finds its duplicates; or the
        reason for its refusal. The result for a piece does not depend on the other pieces.
    """

    def bounded(piece: Score) -> Score:
        if (reason := refusal(piece, limits, reading)) is not None:
            raise EtudeError(reason)
        return piece

    def known(entry: Mapping[str, Any]) -> tuple[Score, Json]:
        path = files / entry["file"]
        if (reason := too_large(path, limits.max_bytes)) is not None:
            raise EtudeError(reason)
        piece, info = readers.read(path, entry["part"], reading)
        return bounded(piece), info

    results: list[Any] = [attempt(known, entry) for entry in entries]
    read = [place for place, result in enumerate(results) if not isinstance(result, Lost)]
    cleaned = clean_all([results[place][0] for place in read], limits.pedal, drop_empty=reading.voices is None)
    for place, (piece, count) in zip(read, cleaned, strict=True):
        info = results[place][1]
        results[place] = attempt(bounded, piece)
        if not isinstance(results[place], Lost):
            info |= opening(piece)  # cleaned, where the file's own was absurd
            info |= {"notes": piece.note_num(), "bars": bars(piece), "tracks": tracks(piece)}
            info["changed"] |= {name: number for name, number in count.items() if number}
            results[place] = piece, info
    kept = [place for place in read if not isinstance(results[place], Lost)]
    for place, mark in zip(kept, fingerprints([results[place][0] for place in kept]), strict=True):
        piece, info = results[place]
        results[place] = piece.dumps_midi(), info, mark
    return results


def tracks(piece: Score) -> list[Json]:
    """Name, program (-1: drums), notes, lowest and highest pitch of each track; low is above high in a silent one."""
    found = []
    for track in piece.tracks:
        pitches = track.notes.numpy()["pitch"].tobytes()  # of 0 to 127: a byte each
        low, high = min(pitches, default=127), max(pitches, default=0)
        entry = {"name": track.name, "program": -1 if track.is_drum else track.program, "notes": len(pitches)}
        found.append({**entry, "low": low, "high": high})
    return found


def group_entries(entries: Sequence[Mapping[str, Any]], files: Path) -> Iterator[list[Mapping[str, Any]]]:
    """Group the entries in their order: successive small MIDI files together, every other file alone."""
    group: list[Mapping[str, Any]] = []
    size = 0
    for entry in entries:
        path = files / entry["file"]
        own = path.stat().st_size if readers.is_midi(path) else GROUP_BYTES
        if group and (len(group) == GROUP or size + own > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += own
    if group:
        yield group


def read_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Read the pieces of one shard, each within a deadline; write their MIDI files and facts, or the refusals."""
    files: dict[str, str | None] = {}
    for entry in task["entries"]:
        for file, wanted in {entry["file"]: entry["sha256"], **entry.get("annotations", {})}.items():
            if file not in files:
                path = task["files"] / file
                why = None if path.is_file() else "is missing"
                if why is None and digest(path) != wanted:
                    why = "differs from its digest in the manifest"
                files[file] = why and f"the file {file} {why}; bring it again with: {catalog.DOWNLOAD.made_by}"

    def fault(entry: Mapping[str, Any]) -> str | None:
        return next((why for file in (entry["file"], *entry.get("annotations", {})) if (why := files[file])), None)

    sound = [entry for entry in task["entries"] if fault(entry) is None]
    readers.prepare()
    limits: Ingest = task["limits"]

    def work(group: Sequence[Mapping[str, Any]]) -> Any:
        return ingest_files(group, task["files"], task["reading"], limits)

    groups = list(group_entries(sound, task["files"]))
    read = zip(sound, isolate_groups(work, groups, limits.seconds, limits.max_memory), strict=True)
    listed: list[Json] = []
    marks: dict[str, Fingerprint] = {}

    def found() -> Iterator[tuple[str, bytes]]:
        for entry, result in read:
            known = {"id": entry["id"], "source": entry["source"], "title": entry["title"]}
            if isinstance(result, Lost):
                listed.append({**known, "reason": result.reason})
                continue
            data, info, mark = result
            marks[entry["id"]] = mark
            related = {name: entry[name] for name in ("split", "origin") if entry.get(name) is not None}
            listed.append({**known, **related, **info})
            yield entry["id"], data

    facts = write_shard(folder / "pieces.zip", found())
    if limits.crosscheck:
        names = {entry["id"] for entry in listed if "reason" not in entry}
        compare(listed, [entry for entry in sound if entry["id"] in names], task["files"], limits)
    for entry in task["entries"]:
        if (reason := fault(entry)) is not None:
            listed.append({"id": entry["id"], "source": entry["source"], "title": entry["title"], "reason": reason})
    write_json(folder / "entries.json", {"pieces": listed, "archive": facts})
    (folder / "marks.pickle").write_bytes(pickle.dumps(marks))


def compare(listed: Sequence[Json], entries: Sequence[Mapping[str, Any]], files: Path, limits: Ingest) -> None:
    """Add to the facts of pieces from notation how a second reader reads them: ``second_reader``."""
    notated = [entry for entry in entries if second_reader.reader_of(files / entry["file"]) is not None]

    def work(entry: Mapping[str, Any]) -> Json:
        path = files / entry["file"]
        return second_reader.compare(path, entry["part"], readers.sheet_of(path, entry["part"]))

    known = {entry["id"]: entry for entry in listed}
    for entry, found in zip(notated, isolate(work, notated, limits.seconds, limits.max_memory), strict=True):
        name = second_reader.reader_of(files / entry["file"])
        answer = {"reason": found.reason} if isinstance(found, Lost) else found
        known[entry["id"]]["second_reader"] = {"name": name, **answer}


def gather(
    folders: Sequence[Path], near: float
) -> tuple[list[Json], list[dict[str, str]], list[tuple[Path, Json, list[str] | None]]]:
    """Find duplicates, and list the kept and the refused pieces of all shards, and the archives for ``gather_shards``.

    The duplicate with a title is kept, else the first by id. It lists the others as its ``duplicates``, which decide
    its family too. All pieces of a published split stay; the audit of the split counts what they share.
    """
    listed: list[Json] = []
    marks: dict[str, Fingerprint] = {}
    held = []
    for folder in folders:
        part = read_json(folder / "entries.json", catalog.INGEST.made_by)
        names = [entry["id"] for entry in part["pieces"] if "reason" not in entry]
        held.append((folder / "pieces.zip", part["archive"], names))
        listed += part["pieces"]
        marks |= pickle.loads((folder / "marks.pickle").read_bytes())
    listed.sort(key=lambda entry: entry["id"])
    read = [entry for entry in listed if "reason" not in entry]
    free = [entry for entry in read if "split" not in entry]
    ids = [entry["id"] for entry in free]
    duplicates = find_duplicates(ids, [marks[name] for name in ids], [entry["title"] is None for entry in free], near)
    known = {entry["id"]: entry for entry in read}
    for name, (kept_id, _, _) in duplicates.items():
        entry = {key: known[name][key] for key in ("id", "title", "origin") if known[name].get(key) is not None}
        known[kept_id].setdefault("duplicates", []).append(entry)
    refused = [{"source": entry["source"], "reason": entry["reason"]} for entry in listed if "reason" in entry]
    refused += [
        {"source": entry["source"], "reason": _reason(*duplicates[entry["id"]])}
        for entry in read
        if entry["id"] in duplicates
    ]
    refused.sort(key=lambda entry: (entry["source"], entry["reason"]))
    archives: list[tuple[Path, Json, list[str] | None]] = []
    for path, facts, names in held:
        staying = [name for name in names if name not in duplicates]
        archives.append((path, facts, staying if len(staying) < len(names) else None))
    return [entry for entry in read if entry["id"] not in duplicates], refused, archives


def _reason(kept: str, kind: str, similarity: float) -> str:
    return ALIKE[kind].format(kept, similarity)


def run(settings: Settings, session: Session) -> None:
    """Read data/download, write data/ingest."""
    source, download = upstream(settings, session, "download")
    entries = sorted(download["pieces"], key=lambda piece: piece["id"])
    reading, limits = settings.reading, settings.ingest
    tasks = [{"files": source, "entries": part, "reading": reading, "limits": limits} for part in cut(entries)]
    decides = {
        "reading": settings.dataset["reading"],
        "ingest": built_from(settings, "ingest")["ingest"],
        "pieces": digest_of(entries),
    }
    shards = Shards(session, catalog.INGEST, key_of(decides, "ingest", settings))
    with shards.lock():
        kept, refused, archives = gather(shards.map(read_shard, tasks), limits.near)
        shards.complete()
        if not kept:
            reasons = "; ".join(f"{entry['source']}: {entry['reason']}" for entry in refused[:3])
            raise EtudeError(f"ingest refused all {len(refused)} pieces. The first reasons: {reasons}")
        with write_data(settings, session, "ingest") as (part, _):
            listed = gather_shards(part, archives)
            write_json(part / "manifest.json", {"pieces": kept, "shards": listed, "refused": refused})
        second = [entry["second_reader"] for entry in kept if "second_reader" in entry]
        others = sum("reason" in found or found["own"] + found["other"] > 0 for found in second)
        said = f", {others} of {len(second)} read otherwise by a second reader" if second else ""
        print(f"ingest: {len(kept)} pieces, {len(refused)} refused{said}")


if __name__ == "__main__":
    main(run)
