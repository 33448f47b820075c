"""Stage tokenize: pieces in, one folder of memory-mapped arrays a representation out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.errors import EtudeError
from etude.outputs import digest, read_json, whole, write_json
from etude.progress import follow
from etude.representations import Representation
from etude.representations.store import CHAIN, SIDES, built_from, write_items
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
    values = built_from(settings, name)["tokenize"]
    copies = read_json(session.read("data/augment", "etude augment") / "manifest.json", "etude augment")
    split = read_json(session.read("data/split", "etude split") / "split.json", "etude split")
    ingest = read_json(session.read("data/ingest", "etude ingest") / "manifest.json", "etude ingest")
    _require(settings, copies["settings"])
    files = {piece["id"]: Path("data/ingest") / piece["file"] for piece in ingest["pieces"]}
    if unknown := sorted({*split["valid"], *split["test"]} - {*files}):
        raise EtudeError(
            f"data/split deals {unknown[0]}, which data/ingest does not hold. Deal again with: etude split"
        )
    if not copies["copies"]:
        raise EtudeError(
            "data/augment holds no piece: there is nothing to learn from. Raise split.train and run: etude split"
        )
    by_side = {side: [(piece, files[piece]) for piece in split[side]] for side in ("valid", "test")}
    by_side["train"] = [(copy["id"], Path("data/augment") / copy["file"]) for copy in copies["copies"]]
    pieces = {
        side: [(piece, ScoreTick(session.read(str(file), "etude augment"))) for piece, file in by_side[side]]
        for side in SIDES
    }
    representation: Any = construct(target(values, f"tokenize.{name}"), values, f"tokenize.{name}")
    representation.learn((score for _, score in pieces["train"]), settings.dataset["voices"])
    encoded = tokenize(representation, pieces, session.progress)
    with whole(session.write(f"data/tokenize/{name}")) as part:
        part.mkdir()
        representation.save(part)
        empty = encoded["train"][0][0][:0]
        for side in SIDES:
            write_items(part, side, encoded[side][0], empty)
        origin = {copy["id"]: copy["origin"] for copy in copies["copies"]}
        numbers = {piece: number for number, piece in enumerate(split["train"])}
        np.save(part / "train.origins.npy", np.array([numbers[origin[i]] for i, _ in pieces["train"]], dtype=np.int32))
        held_out = [fact for side in ("valid", "test") for fact in encoded[side][1]]
        notes, kept = sum(fact["notes"] for fact in held_out), sum(fact["kept"] for fact in held_out)
        manifest = {
            "settings": built_from(settings, name),
            "kind": representation.kind,
            "items": {side: int(sum(map(len, encoded[side][0]))) for side in SIDES},
            "pieces": {side: encoded[side][1] for side in ("valid", "test")},
            "round_trip": {"notes": notes, "kept": kept, "share": round(kept / notes, 6) if notes else None},
            "sha256": {file.name: digest(file) for file in sorted(part.iterdir())},
        }
        write_json(part / "manifest.json", manifest)


def _require(settings: Settings, found: dict[str, Any]) -> None:
    wanted = settings.as_dict()
    for section in CHAIN:
        if found.get(section) != wanted[section]:
            stage = {"dataset": "download"}.get(section, section)
            raise EtudeError(
                f"data/augment was built with {section} = {found.get(section)}, but this run asks for "
                f"{section} = {wanted[section]}. Build it again, with the same overrides, beginning at: etude {stage}"
            )


if __name__ == "__main__":
    main(run)
