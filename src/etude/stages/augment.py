"""Stage augment: transposed and stretched copies of the train pieces, each with its origin."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces, gather_shards, write_shard
from etude.artifacts.provenance import built_from, carry, key_of, read_ingest, split_ids, write_data
from etude.artifacts.shards import Shards, cut
from etude.config.sections import Augment, Settings
from etude.core.files import Encoded, encode_entry, read_json, write_json, write_text
from etude.music.augmentation import alter, copies, ranges
from etude.stages import main

ORIGINS = 200  # pieces of a shard at most, each with some five copies or more


def copy_shard(task: Mapping[str, Any], folder: Path) -> None:
    """List the copies of some pieces; make them too where they are stored on disk."""
    source: Pieces = task["pieces"]
    settings: Augment = task["settings"]
    listed: list[str] = []

    def made() -> Iterator[tuple[str, bytes]]:
        for origin, entry in source.entries.items():
            wanted = copies(origin, entry["tracks"], task["limits"], settings)
            listed.extend(encode_entry(copy.as_dict()) for copy in wanted)
            if settings.at == "disk":
                piece = source.score(origin)
                yield from ((copy.id, alter(piece, copy, task["metrical"]).dumps_midi()) for copy in wanted)

    facts = write_shard(folder / "pieces.zip", made())
    write_json(folder / "archive.json", facts)
    write_text(folder / "copies.jsonl", "\n".join(listed))


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest and data/split, write data/augment."""
    source, ingest = read_ingest(settings, session)
    train = sorted(split_ids(settings, session, source)["train"])
    common = {
        "limits": ranges(source.entries[name]["tracks"] for name in train),
        "settings": settings.augment,
        "metrical": settings.reading.metrical,
    }
    tasks = [{**common, "pieces": source.only(part)} for part in cut(train, ORIGINS)]
    decides = {"settings": built_from(settings, "augment"), "train": train, "pieces": ingest["shards"]}
    shards = Shards(session, catalog.AUGMENT, key_of(decides, "augment", settings))
    with shards.lock():
        folders = shards.map(copy_shard, tasks)
        shards.complete()
        listed = [(folder / "copies.jsonl").read_text(encoding="utf-8").split("\n") for folder in folders]
        found = [Encoded(line) for lines in listed for line in lines]
        with write_data(settings, session, "augment") as (part, record):
            carry(settings, session, record, "split")
            made_by = catalog.AUGMENT.made_by
            made = [(folder / "pieces.zip", read_json(folder / "archive.json", made_by)) for folder in folders]
            archives = gather_shards(part, ((*archive, None) for archive in made))
            write_json(part / "manifest.json", {"copies": found, "shards": archives})
        later = "" if archives else ", which training makes when it draws them"
        print(f"augment: {len(found)} copies of {len(train)} pieces{later}")


if __name__ == "__main__":
    main(run)
