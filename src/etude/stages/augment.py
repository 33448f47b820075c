"""Stage augment: transposed and stretched copies of the train pieces, each with its origin."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from etude.augmentation import Copy, alter, copies, ranges
from etude.outputs import encoded, whole, write_json
from etude.pieces import Pieces, gather_shards, write_shard
from etude.provenance import built_from, dealt, ingested, key_of
from etude.session import Session
from etude.settings import Augment, Settings
from etude.shards import Shards, cut
from etude.stages import main

CODE = ("augmentation.py", "pieces.py", "stages/augment.py")


def plan(train: Sequence[Mapping[str, Any]], settings: Augment) -> list[Copy]:
    """All copies of the train pieces, given as ingest's manifest has them, in order of their ids."""
    limits = ranges(piece["tracks"] for piece in train)
    ordered = sorted(train, key=lambda piece: piece["id"])
    return [copy for piece in ordered for copy in copies(piece["id"], piece["tracks"], limits, settings)]


def copy_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Make the copies of one shard."""
    source: Pieces = task["pieces"]

    def made() -> Iterator[tuple[str, bytes]]:
        for origin, group in groupby(task["copies"], lambda copy: copy.origin):
            piece = source.score(origin)
            for copy in group:
                yield copy.id, alter(piece, copy, task["metrical"]).dumps_midi()

    write_shard(folder / "pieces.zip", made())


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest and data/split, write data/augment."""
    source, ingest = ingested(settings, session)
    train = dealt(settings, session, source)["train"]
    planned = plan([source.entries[name] for name in train], settings.augment)
    metrical = settings.reading.metrical
    listed: dict[str, Any] = {"settings": built_from(settings, "augment")}
    parts = cut(planned) if settings.augment.at == "disk" else []
    tasks = [
        {"pieces": source.only(copy.origin for copy in part), "copies": part, "metrical": metrical} for part in parts
    ]
    decides = {"settings": listed["settings"], "train": train, "pieces": ingest["shards"]}
    shards = Shards(session, "augment", key_of(decides, CODE), "etude augment")

    def tell() -> None:
        listed["copies"] = encoded([copy.as_dict() for copy in planned])

    with shards.gathered():
        folders = shards.map(copy_shard, tasks, meanwhile=tell)
        shards.complete()
        with whole(session.write("data/augment")) as part:
            part.mkdir()
            made = [folder / "pieces.zip" for folder in folders]
            names = [[copy.id for copy in copies] for copies in parts]
            listed["shards"] = gather_shards(part, zip(made, names, strict=True))
            write_json(part / "manifest.json", listed)
        later = "" if tasks else ", which training makes when it draws them"
        print(f"augment: {len(planned)} copies of {len(train)} pieces{later}")


if __name__ == "__main__":
    main(run)
