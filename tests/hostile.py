"""What comes from anybody, broken or made to harm: MIDI files, archives, models' folders. Rows of the table."""

import io
import json
import os
import random
import resource
import shutil
import struct
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from table import Row, part

MIDI, ARCHIVES, MODELS = 10_000, 2_000, 600
MEMORY = 2 << 30  # bytes that a model's folder may take, besides what the process has


# --- MIDI files


def midi(folder: Path, share: float) -> Iterator[Row]:
    """Mutants of songs: none ends a process or takes long, each is read or refused with a reason."""
    from scores.test_fuzz import MEMORY as MOST
    from scores.test_fuzz import READINGS, SECONDS, ingest, mutant

    from etude.scores.isolation import Lost, isolate_groups
    from etude.scores.readers import prepare

    folder.mkdir(parents=True)
    prepare()
    items = []
    for place in range(part(MIDI, share)):
        path = folder / f"{place}{'.rmi' if place % 7 == 0 else '.mid'}"
        path.write_bytes(mutant(place))
        items.append((path, READINGS[place % len(READINGS)]))
    row, slowest, read, started = Row(""), 0.0, 0, time.perf_counter()
    results = isolate_groups(ingest, [[item] for item in items], SECONDS, MOST)
    for (path, _), result in zip(items, results, strict=True):
        took = time.perf_counter() - started
        slowest = max(slowest, took)
        faults = [f"{path.name}: took {took:.1f} s"] if took > SECONDS else []
        if isinstance(result, Lost):
            bad = not result.reason or any(
                word in result.reason for word in ("crashed", "memory", "seconds", str(folder))
            )
            faults += [f"{path.name}: {result.reason}"] if bad else []
        else:
            read += 1
        row.count(*faults)
        started = time.perf_counter()
    row.what = f"broken MIDI file: {read} read, all others refused with a reason, the slowest took {slowest:.2f} s"
    yield row


# --- archives


def archives(folder: Path, share: float) -> Iterator[Row]:
    """Archives with changed bytes give the files that their digest pins, or a sentence; members lead nowhere else."""
    for suffix in (".zip", ".tar.gz"):
        yield _changed(folder / f"changed{suffix}", suffix, part(ARCHIVES, share))
        yield _malicious(folder / f"malicious{suffix}", suffix, part(ARCHIVES, share))


def _changed(folder: Path, suffix: str, attempts: int) -> Row:
    import re

    from etude.core.errors import EtudeError
    from etude.core.files import digest
    from etude.datasets.archives import Archive, unpack

    draw, row = random.Random(7), Row(f"archive with changed bytes: {suffix}")
    content = {f"top/midi/{place}.mid": draw.randbytes(draw.randrange(1, 900)) + bytes(300) for place in range(8)}
    (folder / "plain").mkdir(parents=True)
    (folder / "mirror").mkdir()
    for name, data in content.items():
        (folder / "plain" / name.rpartition("/")[2]).write_bytes(data)
    wanted, whole = digest(folder / "plain"), _archive(suffix, [(name, data, "") for name, data in content.items()])
    file, out = folder / f"mirror/top{suffix}", folder / "deep/out"
    before = os.environ.get("ETUDE_MIRROR")
    os.environ["ETUDE_MIRROR"] = str(file.parent)
    try:
        for attempt in range(attempts):
            file.write_bytes(_mutated(whole, draw))
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            around = _names(folder, out)
            fault = ""
            try:
                unpack(
                    Archive(file.name, "", None, 10_000_000, 100), out, re.compile(r"midi/(.+)"), wanted, None, False
                )
                fault = "" if digest(out) == wanted else "other files, unnoticed"
            except EtudeError:
                pass
            except Exception as error:  # which of them it is, is what is asked
                fault = repr(error)[:200]
            fault = fault or ("files outside the folder" if _names(folder, out) != around else "")
            row.count(*([f"{attempt}: {fault}"] if fault else []))
    finally:
        os.environ.pop("ETUDE_MIRROR")
        os.environ.update({} if before is None else {"ETUDE_MIRROR": before})
    return row


def _malicious(folder: Path, suffix: str, attempts: int) -> Row:
    import re

    from etude.core.errors import EtudeError
    from etude.datasets.archives import take

    draw, row = random.Random(11), Row(f"archive whose members lead out, are links, or never end: {suffix}")
    file, out = folder / f"top{suffix}", folder / "deep/out"
    for attempt in range(attempts):
        shutil.rmtree(folder, ignore_errors=True)
        out.mkdir(parents=True)
        members = [(_name(draw), _data(draw), draw.choice(["", "", "", "link", "hard", "pipe"])) for _ in range(5)]
        file.write_bytes(_archive(suffix, members))
        around, faults = _names(folder, out), []
        try:
            take(file, out, re.compile(r"(.+)", re.DOTALL), 1_000_000, 10)
        except EtudeError as error:
            faults += [str(error)] if "\n" in str(error) else []
        except Exception as error:
            faults.append(repr(error)[:200])
        if _names(folder, out) != around:
            faults.append("files outside the folder")
        inside = [path for path in out.rglob("*") if not path.is_dir()]
        if any(path.is_symlink() or not path.is_file() or path.stat().st_nlink > 1 for path in inside):
            faults.append("a link or device inside")
        elif sum(path.stat().st_size for path in inside) > 1_000_000:
            faults.append("more than may be unpacked")
        row.count(*(f"{attempt}: {members!r:.200}: {fault}" for fault in faults))
    return row


def _archive(suffix: str, members: list[tuple[str, bytes, str]]) -> bytes:
    """An archive of members: names, contents, and which of them are links or pipes."""
    made = io.BytesIO()
    if suffix == ".zip":
        import warnings

        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a name is there twice
            for name, data, kind in members:
                entry = zipfile.ZipInfo(name.replace("\0", "") or "x")
                entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
                mode = {"": 0o100644, "link": 0o120777, "hard": 0o100644, "pipe": 0o010644}[kind]
                entry.external_attr = mode << 16
                archive.writestr(entry, data)
        return made.getvalue()
    kinds = {"": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE}
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kinds[kind], 0 if kind else len(data), "/etc/passwd" if kind else ""
            tar.addfile(info, None if kind else io.BytesIO(data))
    return made.getvalue()


def _mutated(data: bytes, draw: random.Random) -> bytes:
    """Flipped bits, other bytes, cut, doubled, or emptied in part."""
    changed, kind = bytearray(data), draw.randrange(6)
    place, size = draw.randrange(len(data)), draw.choice([1, 1, 4, 40])
    if kind < 2:
        changed[place] ^= 1 << draw.randrange(8)
    elif kind == 2:
        changed[place : place + size] = draw.randbytes(size)
    elif kind == 3:
        del changed[place:]
    elif kind == 4:
        changed[place:place] = changed[place : place + size]
    else:
        changed[place : place + size] = bytes(size)
    return bytes(changed)


def _name(draw: random.Random) -> str:
    parts = [
        "top",
        "midi",
        "a.mid",
        "..",
        ".",
        "",
        "C:",
        "~",
        "con",
        "x" * 300,
        "\u202e",
        "\n",
        "ä",
        "\\..\\..",
        "/",
        "\0",
    ]
    return draw.choice(["", "/", "./", "../"]) + "/".join(draw.choice(parts) for _ in range(draw.randrange(1, 6)))


def _data(draw: random.Random) -> bytes:
    return draw.choice([b"", b"x" * 100, b"\0" * 3_000_000])


def _names(folder: Path, but: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if but not in path.parents}


# --- models' folders


def models(folder: Path, share: float) -> Iterator[Row]:
    """Folders with right digests and wrong contents: each is refused in a sentence, or makes notes."""
    from injection import run

    from etude.tasks.trained_model import PACKAGED

    for name in ("voices", "lstm_attention"):
        draw, row = random.Random(7), Row(f"model whose files are changed, and their digests too: {name}")
        for attempt in range(part(MODELS // 2, share)):
            place = folder / "place"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(PACKAGED / name, place)
            what = change_model(place, draw)
            outcome = run(place, use_model, place)
            row.count(*([] if not outcome.text or outcome.known else [f"{attempt}, {what}: {outcome.text[:300]}"]))
            if outcome.killed:
                row.count(f"{attempt}, {what}: the process was killed")
        yield row


def use_model(folder: Path) -> None:
    """Read a model's folder, and make a piece."""
    from conftest import tiny

    from etude.sampling import sample_pieces
    from etude.tasks.trained_model import TrainedModel

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    config = tiny(generate={"pieces": 1, "open_bars": 2, "max_tokens": 40}).generate
    loaded = TrainedModel.read(folder, config, "etude train")
    (piece,) = sample_pieces(loaded.model, loaded.representation, loaded.observed, config, 1)
    piece.score.dumps_midi()


def change_model(folder: Path, draw: random.Random) -> str:
    """Change one file of a model's folder, and give config.json the digests of what is there; say what was changed."""
    from etude.core.files import digest

    names = sorted(file.name for file in folder.iterdir() if file.suffix in (".json", ".npz", ".safetensors"))
    name = draw.choice([*names, "config.json", "config.json"])
    file = folder / name
    what = name
    if file.suffix == ".json":
        value = json.loads(file.read_text())
        what += f": {_change(value, draw)}"
        file.write_text(json.dumps(value))
    elif file.suffix == ".safetensors":
        data = file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        if draw.random() < 0.5:
            header = json.loads(data[8 : 8 + length])
            what += f": {_change(header, draw)}"
            text = json.dumps(header).encode()
            file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])
        else:
            start = _mutated(data[: 8 + length], draw)
            file.write_bytes(start + (data[8 + length :] if draw.random() < 0.7 else draw.randbytes(1000)))
    else:
        file.write_bytes(_mutated(file.read_bytes(), draw))
    config = json.loads((folder / "config.json").read_text())
    if isinstance(config, dict):
        config.pop("checksum", None)
        if isinstance(config.get("sha256"), dict) and name != "config.json":
            config["sha256"] = {one: digest(folder / one) for one in config["sha256"] if (folder / one).is_file()}
        (folder / "config.json").write_text(json.dumps(config))
    return what


def _change(value: Any, draw: random.Random) -> str:
    """Change one entry somewhere in a JSON value, in its place; say which."""
    odd: list[Any] = [
        None,
        True,
        -1,
        0,
        1,
        3,
        2**31,
        10**9,
        10**30,
        0.5,
        -0.0,
        1e308,
        float("nan"),
        "",
        "a",
        "../x",
        [],
        {},
        [[]],
        {"a": 1},
    ]
    way = ""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = draw.choice(keys)
        way += f".{key}"
        below = value[key]
        if isinstance(below, dict | list) and below and draw.random() < 0.8:
            value = below
            continue
        kind = draw.randrange(8)
        if kind == 0:
            del value[key]
            return f"{way} removed"
        if kind == 1 and isinstance(value, dict):
            value[draw.choice(["more", "_target_", "__class__", str(key).upper()])] = draw.choice(odd)
            return f"{way}: another key next to it"
        if kind == 2 and isinstance(below, int | float) and not isinstance(below, bool):
            value[key] = draw.choice([below + 1, -below, below * 2, below / 2, str(below), below * 1000])
        else:
            value[key] = draw.choice(odd)
        return f"{way} = {value[key]!r:.40}"
