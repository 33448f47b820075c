"""Stage tokenize: pieces in, one folder of memory-mapped arrays for each representation out."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces, write_pieces
from etude.artifacts.provenance import SPLITS, built_from, carry, key_of, read_ingest, split_ids, upstream, write_data
from etude.artifacts.shards import Shards, cut
from etude.artifacts.token_store import COPIES, write_array, write_offsets
from etude.config.check import construct, target
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digests, read_json, write_json
from etude.music.augmentation import Copy, alter
from etude.representations.base.loading import read_representation
from etude.representations.base.representation import Representation
from etude.representations.base.round_trip import RoundTrip, part_of, round_trip
from etude.stages import main

VOICES = "voices.json"  # next to the files that a representation saves
SEQUENCES = 20_000  # at most so many of train, evenly spread, to learn merges of tokens from


def train_pieces(task: Mapping[str, Any]) -> Iterator[tuple[str, ScoreTick]]:
    """Yield the copies of a shard, each with its id: those stored by augment, or made here."""
    pieces: Pieces = task["pieces"]
    copies: Sequence[Copy] = task["copies"]
    if not task["load"]:
        yield from pieces.scores(copy.id for copy in copies)
        return
    for origin, group in groupby(copies, lambda copy: copy.origin):
        piece = pieces.score(origin)
        for copy in group:
            yield copy.id, alter(piece, copy, task["metrical"])


def survey_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Survey one shard of the train copies, to learn the vocabulary from."""
    values = task["values"]
    made: Representation = construct(target(values, task["name"]), values, task["name"])
    write_json(folder / "survey.json", made.survey(score for _, score in train_pieces(task)))


def encode_train(task: Mapping[str, Any], folder: Path) -> None:
    """Encode one shard of the train copies; write the arrays and their lengths."""
    representation = representation_of(task)
    arrays = [representation.encode(score) for _, score in train_pieces(task)]
    _write_arrays(folder, arrays if task["keep"] else [], arrays)


def encode_held_out(task: Mapping[str, Any], folder: Path) -> None:
    """Encode one shard of valid or test; write arrays, lengths, the facts of each piece, and the round trip."""
    representation = representation_of(task)
    arrays, facts = [], []
    total = RoundTrip()
    for name, piece in task["pieces"].scores(task["names"]):
        score = part_of(piece, representation)
        arrays.append(representation.encode(piece))
        facts.append({"id": name, "notes": score.note_num(), "cells": representation.cells(score)})
        if representation.kind == "frames":
            facts[-1]["frames"] = len(arrays[-1]) - 1  # predicted ones: the first is given
        back = representation.decode(arrays[-1])
        total += round_trip(score, back, representation.steps, not representation.merges_voices)
    _write_arrays(folder, arrays, arrays)
    write_json(folder / "facts.json", {"pieces": facts, "round_trip": asdict(total)})


def _write_arrays(folder: Path, kept: Sequence[NDArray[np.integer]], arrays: Sequence[NDArray[np.integer]]) -> None:
    """Write the items of the pieces that are ``kept``, and how many items each of all has."""
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    write_array(folder / "lengths.npy", [lengths], len(lengths), lengths[:0])
    write_array(folder / "items.npy", kept, sum(map(len, kept)), arrays[0][:0])


def representation_of(task: Mapping[str, Any]) -> Any:
    """The learned representation of a task."""
    voices = dict(json.loads((task["learned"] / VOICES).read_text(encoding="utf-8")))
    return read_representation(task["learned"], task["name"], task["values"], voices)


def _items(folders: Sequence[Path]) -> Iterator[NDArray[np.integer]]:
    for folder in folders:
        yield np.load(folder / "items.npy", mmap_mode="r", allow_pickle=False)


def _lengths(folders: Sequence[Path]) -> list[int]:
    return [int(length) for folder in folders for length in np.load(folder / "lengths.npy", allow_pickle=False)]


def learn(
    shards: Shards, representation: Representation, tasks: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None
) -> Path:
    """Learn the vocabulary from the train copies, and merges if the settings ask for them. Returns its folder."""
    surveyed = shards.map(survey_shard, tasks, "survey")

    def learn_plain(part: Path) -> None:
        surveys = [read_json(folder / "survey.json", shards.made_by) for folder in surveyed]
        representation.learn(surveys, voices)
        _save(representation, part)

    learned = shards.once(learn_plain, "learned")
    if representation.merges is None:
        return learned
    based = [{**task, "learned": learned, "keep": True} for task in tasks]
    folders = shards.map(encode_train, based, "base")
    step = max(1, -(-sum(len(task["copies"]) for task in tasks) // SEQUENCES))

    def merge(part: Path) -> None:
        made = representation_of(based[0])
        made.learn_merges(_sequences(folders, step))
        _save(made, part)

    return shards.once(merge, "merged")


def _save(representation: Representation, folder: Path) -> None:
    representation.save(folder)
    write_json(folder / VOICES, list(representation.voices.items()))  # a list, as a mapping in JSON loses its order


def _sequences(folders: Sequence[Path], step: int) -> Iterator[NDArray[np.integer]]:
    place = 0
    for folder, items in zip(folders, _items(folders), strict=True):
        ends = np.cumsum(np.load(folder / "lengths.npy", allow_pickle=False))
        for piece in np.split(items, ends[:-1]):
            if place % step == 0:
                yield piece
            place += 1


def run(settings: Settings, session: Session, name: str) -> None:
    """Read data/ingest, data/split and data/augment; write data/tokenize/``name``."""
    values, section = built_from(settings, "tokenize", name)["tokenize"][name], f"tokenize.{name}"
    source, ingest = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    folder, augment = upstream(settings, session, "augment")
    copies = [Copy.of(entry) for entry in augment["copies"]]
    if foreign := sorted({copy.origin for copy in copies} - {*splits["train"]}):
        raise EtudeError(
            f"{catalog.AUGMENT} holds copies of {foreign[0]}, which {catalog.SPLIT} does not assign to train. "
            f"Make them again with: {catalog.AUGMENT.made_by}"
        )
    if not copies:
        raise EtudeError(
            f"{catalog.AUGMENT} holds no piece: there is nothing to learn from. "
            f"Raise split.train and run: {catalog.SPLIT.made_by}"
        )
    load = settings.augment.at == "load"
    augmented = source if load else Pieces(folder, augment, "copies", catalog.AUGMENT.made_by)
    common = {"values": values, "name": section, "load": load, "metrical": settings.reading.metrical}
    train = [
        {**common, "pieces": augmented.only(copy.origin if load else copy.id for copy in part), "copies": part}
        for part in cut(copies)
    ]
    decides = {"values": values, "voices": settings.dataset["reading"]["voices"], "load": load, "splits": splits}
    made_of = {"ingest": ingest["shards"], "augment": augment["shards"], "copies": augment["copies"]}
    shards = Shards(session, catalog.tokens(name), key_of({**decides, **made_of}, "tokenize", settings, name))
    with shards.lock():
        made: Representation = construct(target(values, section), values, section)
        ready = {"learned": learn(shards, made, train, settings.reading.voices)}
        representation = representation_of({**common, **ready})
        encoded = {"train": shards.map(encode_train, [{**task, **ready, "keep": not load} for task in train], "train")}
        for split in ("valid", "test"):
            tasks = [{**common, **ready, "pieces": source.only(part), "names": part} for part in cut(splits[split])]
            encoded[split] = shards.map(encode_held_out, tasks, split)
        shards.complete()
        facts = {
            split: [read_json(part / "facts.json", shards.made_by) for part in encoded[split]]
            for split in ("valid", "test")
        }
        empty = next(_items(encoded["train"]))[:0]
        with write_data(settings, session, "tokenize", name) as (part, record):
            carry(settings, session, record, "augment")
            for file in sorted(ready["learned"].iterdir()):
                if file.name != VOICES:
                    shutil.copyfile(file, part / file.name)
            for split in SPLITS:
                lengths = _lengths(encoded[split])
                write_offsets(part, split, lengths)
                if split != "train" or not load:
                    write_array(part / f"{split}.npy", _items(encoded[split]), sum(lengths), np.array(empty))
            if load:
                write_json(part / COPIES, _store_pieces(part, source, splits["train"], copies))
            numbers = {piece: number for number, piece in enumerate(splits["train"])}
            origins = np.array([numbers[copy.origin] for copy in copies], dtype=np.int32)
            write_array(part / "train.origins.npy", [origins], len(origins), origins[:0])
            total = sum((RoundTrip(**found["round_trip"]) for split in facts.values() for found in split), RoundTrip())
            manifest = {
                "representation": values,
                "metrical": settings.reading.metrical,
                "voices": list(representation.voices.items()),
                "kind": representation.kind,
                "vocabulary": representation.vocabulary if representation.kind == "tokens" else None,
                "items": {split: sum(_lengths(encoded[split])) for split in SPLITS},
                "pieces": {split: [fact for found in facts[split] for fact in found["pieces"]] for split in facts},
                "round_trip": total.as_json(),
                "sha256": digests(part),
            }
            write_json(part / "manifest.json", manifest)
        held_out = sum(len(splits[split]) for split in ("valid", "test"))
        survived = f"; {total.sentence()}" if total.notes else ""
        print(f"tokenize: {len(copies) + held_out} pieces as {name}{survived}")


def _store_pieces(part: Path, source: Pieces, names: Sequence[str], copies: Sequence[Copy]) -> Json:
    """Store the train pieces as MIDI next to the arrays, and list their copies."""
    listed = write_pieces(part, ((name, source.data(name)) for name in names))
    pieces = [{"id": name} for name in names]
    return {"pieces": pieces, "shards": listed, "copies": [copy.as_dict() for copy in copies]}


if __name__ == "__main__":
    main(run)
