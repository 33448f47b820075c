"""Stage split: assign pieces to train, valid and test by tune family, and audit what leaks between these."""

import pickle
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.artifacts.provenance import SPLITS, built_from, carry, key_of, read_ingest, write_data
from etude.artifacts.shards import Shards, cut
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest_of, write_json
from etude.core.progress import bar
from etude.metrics.melody import compare
from etude.splits.assign import assign, assign_folds, assign_published, hold_out
from etude.splits.audit import audit, leaks
from etude.splits.families import find_families
from etude.splits.features import Features, drop_common, features
from etude.stages import main


def make_splits(pieces: Sequence[Features], settings: Settings, show: bool) -> tuple[Json, Json]:
    """Assign pieces to train, valid and test, so that no tune is in two of them or as published; audit the result.

    Args:
        pieces: the ``features`` of each piece, in any order.
        settings: uses ``split`` and the name of the dataset.
        show: a progress bar.

    Returns:
        The split (``train``, ``valid``, ``test``, ``families``) and the audit.

    Raises:
        EtudeError: there are too few families, or the published split is incomplete.
    """
    chosen = settings.split
    held_out = chosen.held_out or list(settings.dataset.get("held_out") or [])
    chosen = replace(chosen, held_out=held_out)
    pieces = drop_common(pieces)
    with bar("split: compare melodies", len(pieces), show) as advance:
        compared = compare([piece.melody for piece in pieces], advance)
    similar = [(one, other) for one, other, _ in compared.similar(chosen.similarity)]
    heads = find_families(pieces, similar)
    families = {piece.id: pieces[head].id for piece, head in zip(pieces, heads, strict=True)}
    method = automatic(pieces) if chosen.method == "auto" else chosen.method
    if method == "published":
        splits = assign_published(pieces, str(settings.dataset.get("name")), chosen.held_out)
    else:
        splits = hold_out(families, chosen, assign_folds if method == "folds" else assign)
    sizes = Counter(Counter(families.values()).values())
    leakage = {
        "method": method,
        "sizes": {split: len(splits[split]) for split in SPLITS},
        "families": {split: len({families[name] for name in splits[split]}) for split in SPLITS},
        "family_sizes": {str(size): count for size, count in sorted(sizes.items())},
        "pairs": audit(splits, families, pieces, compared, chosen.similarity),
    }
    return {**splits, "families": families}, leakage


def automatic(pieces: Sequence[Features]) -> str:
    """The method of ``split.method = auto``: ``published`` if every piece has a published split, else ``ratio``."""
    return "published" if all(piece.split in SPLITS for piece in pieces) else "ratio"


def look_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Write the features of the pieces of one shard."""
    pieces: Pieces = task["pieces"]
    found = [features(pieces.entries[name], score, task["settings"]) for name, score in pieces.scores(task["names"])]
    (folder / "features.pickle").write_bytes(pickle.dumps(found))


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest, write data/split."""
    source, ingest = read_ingest(settings, session)
    parts = cut(list(source.entries))
    tasks = [{"pieces": source.only(names), "names": names, "settings": settings} for names in parts]
    decides = {
        "settings": built_from(settings, "split"),
        "pieces": digest_of(ingest["pieces"]),
        "shards": ingest["shards"],
    }
    shards = Shards(session, catalog.SPLIT, key_of(decides, "split", settings))
    with shards.lock():
        folders = shards.map(look_shard, tasks)
        shards.complete()
        pieces = [piece for folder in folders for piece in pickle.loads((folder / "features.pickle").read_bytes())]
        result, leakage = make_splits(pieces, settings, session.progress)
        found = leaks(leakage)
        if found and leakage["method"] != "published":
            raise EtudeError(f"The split leaks: {'; '.join(found)}. This is a fault of etude; nothing was written.")
        with write_data(settings, session, "split") as (part, record):
            carry(settings, session, record, "ingest")
            record["settings"]["split"]["method"] = leakage["method"]
            record["auto"] = automatic(pieces)
            write_json(part / "split.json", result)
            write_json(part / "leakage.json", leakage)
        sizes = ", ".join(f"{split} {leakage['sizes'][split]}" for split in SPLITS)
        print(f"split: {sizes}; {len(set(result['families'].values()))} tune families")
        for leak in found:
            print(f"split: WARNING, the published split leaks: {leak}", file=sys.stderr)


if __name__ == "__main__":
    main(run)
