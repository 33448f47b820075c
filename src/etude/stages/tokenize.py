"""Stage tokenize: pieces in, one folder of memory-mapped arrays a representation out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.errors import EtudeError
from etude.outputs import digest, whole, write_json
from etude.progress import follow
from etude.provenance import read_piece, upstream
from etude.representations import Representation
from etude.representations.store import SIDES, built_from, write_items
from etude.session import Session
from etude.settings import Settings, construct, target
from etude.stages import main


def tokenize(
    representation: Representation, pieces: dict[str, list[tuple[str, ScoreTick]]], show: bool
) -> dict[str, tuple[list[NDArray[Any]], list[dict[str, Any]]]]:
    """Encode the pieces of each side; the vocabulary must have been learned.

    Returns:
        for each side the arrays, and for each array the piece's id, its notes, its cells and the notes that survive the
        round trip (counted on valid and test, where they are the unit of likelihood).
    """
    encoded = {}
    for side, scores in pieces.items():
        arrays, facts = [], []
        for name, score in follow(scores, f"tokenize {side}", len(scores), show):
            arrays.append(representation.encode(score))
            fact = {"id": name, "notes": score.note_num(), "cells": representation.cells(score)}
            if side != "train":
                fact["kept"] = representation.notes_kept(score)[0]
            facts.append(fact)
        encoded[side] = arrays, facts
    return encoded


def run(settings: Settings, session: Session, name: str) -> None:
    """Read data/ingest, data/split and data/augment; write data/tokenize/``name``."""
    values = built_from(settings, name)["tokenize"][name]
    ingested, ingest = upstream(settings, session, "ingest")
    _, split = upstream(settings, session, "split")
    augmented, augment = upstream(settings, session, "augment")
    entries, copies = {piece["id"]: piece for piece in ingest["pieces"]}, augment["copies"]
    if unknown := sorted({*split["valid"], *split["test"]} - {*entries}):
        raise EtudeError(
            f"data/split deals {unknown[0]}, which data/ingest does not hold. Deal again with: etude split"
        )
    if foreign := sorted({copy["origin"] for copy in copies} - {*split["train"]}):
        raise EtudeError(
            f"data/augment holds copies of {foreign[0]}, which data/split does not deal to train. "
            "Make them again with: etude augment"
        )
    if not copies:
        raise EtudeError(
            "data/augment holds no piece: there is nothing to learn from. Raise split.train and run: etude split"
        )
    pieces = {"train": [(copy["id"], read_piece(augmented, copy, "etude augment")) for copy in copies]}
    for side in ("valid", "test"):
        pieces[side] = [(piece, read_piece(ingested, entries[piece], "etude ingest")) for piece in split[side]]
    representation: Any = construct(target(values, f"tokenize.{name}"), values, f"tokenize.{name}")
    representation.learn((score for _, score in pieces["train"]), settings.dataset["voices"])
    encoded = tokenize(representation, pieces, session.progress)
    with whole(session.write(f"data/tokenize/{name}")) as part:
        part.mkdir()
        representation.save(part)
        empty = encoded["train"][0][0][:0]
        for side in SIDES:
            write_items(part, side, encoded[side][0], empty)
        origin = {copy["id"]: copy["origin"] for copy in copies}
        numbers = {piece: number for number, piece in enumerate(split["train"])}
        np.save(part / "train.origins.npy", np.array([numbers[origin[i]] for i, _ in pieces["train"]], dtype=np.int32))
        held_out = [fact for side in ("valid", "test") for fact in encoded[side][1]]
        notes, kept = sum(fact["notes"] for fact in held_out), sum(fact["kept"] for fact in held_out)
        manifest = {
            "settings": built_from(settings, name),
            "voices": list(settings.dataset["voices"].items()),  # their order, which a mapping in JSON loses
            "kind": representation.kind,
            "items": {side: int(sum(map(len, encoded[side][0]))) for side in SIDES},
            "pieces": {side: encoded[side][1] for side in ("valid", "test")},
            "round_trip": {"notes": notes, "kept": kept, "share": round(kept / notes, 6) if notes else None},
            "sha256": {file.name: digest(file) for file in sorted(part.iterdir())},
        }
        write_json(part / "manifest.json", manifest)
    survive = f"{kept} of {notes} held-out notes survive the round trip"
    print(f"tokenize: {sum(map(len, pieces.values()))} pieces as {name}; {survive}")


if __name__ == "__main__":
    main(run)
