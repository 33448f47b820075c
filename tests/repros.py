"""Pipelines that run twice at once, and damage in DVC's cache: the rows of what DVC does around etude."""

import atexit
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml
from conftest import ROOT, make_project
from disturbed import differing, works
from injection import contents, run
from table import Row, part
from test_pipeline import GIT, environment

from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.files import LEFT, write_text

STAGES = ("params", "split", "augment", "tokenize")  # of dvc.yaml: what is quick, and needs what stands before
PAIRS, FLIPS = 8, 60  # of each row; FLIPS of each stage that reads
LONGEST = 600.0  # seconds
PATIENCE = 20.0  # seconds that a command takes by itself; the second starts somewhere in them
DVC = [sys.executable, "-m", "dvc", "repro"]
REBUILD = [sys.executable, "-m", "etude", "rebuild", "jobs=2"]
BUSY = re.compile(r"ERROR: .*(lock|busy)|etude: .*(another|lock|busy)|FAILED .*(lock|busy|another)", re.IGNORECASE)
SMALLER = {"train": {"max_steps": 4, "steps_per_epoch": 2}, "augment": {"copies": 1}}


@cache
def pipeline() -> Path:
    """A project of a few stages of dvc.yaml, of which none has run; once a process."""
    root = Path(tempfile.mkdtemp(prefix="etude-repros-")) / "project"
    atexit.register(shutil.rmtree, root.parent, ignore_errors=True)
    shutil.copytree(ROOT / "conf", root / "conf")
    _set_small(root / "conf")
    params = compile_params(root / "conf", [])
    settings = Settings.of(yaml.safe_load(params))
    make_project(root, replace(settings, tokenize={}))
    _set_small(root / "conf")
    (root / "params.yaml").write_text(params)
    for name in ("split", "augment"):
        shutil.rmtree(root / "data" / name)
        (root / f"data/built_from/{name}.json").unlink()
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    text = yaml.safe_dump({"stages": {name: whole[name] for name in STAGES}}, sort_keys=False)
    (root / "dvc.yaml").write_text(text)
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("pretrained", "__pycache__"))
    (root / ".dvc").mkdir()
    for name in (".dvc/config", ".dvcignore", ".gitignore"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, root / name)
    subprocess.run([*GIT, "init", "-q"], cwd=root, check=True)
    status, said = _finish([*DVC, "params"], root)
    assert not status, said
    for arguments in (["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *arguments], cwd=root, check=True)
    return root


def _set_small(conf: Path) -> None:
    """Make experiment=smoke, of one model, what conf/ stands for."""
    config = conf / "config.yaml"
    text = config.read_text().replace("- experiment: null", "- experiment: smoke")
    text = re.sub(r"- tokenize: \[.*\]", "- tokenize: [remi, frames]", text)
    config.write_text(re.sub(r"- model: \[.*\]", "- model: [ngram]", text))
    file = conf / "experiment/smoke.yaml"
    sections = yaml.safe_load(file.read_text())
    sections |= {name: sections.get(name, {}) | values for name, values in SMALLER.items()}
    file.write_text("# @package _global_\n" + yaml.safe_dump(sections, sort_keys=False))


def _start(command: Sequence[str], root: Path, name: str = "out") -> "subprocess.Popen[bytes]":
    with (root.parent / f"{root.name}-{name}").open("wb") as out:
        return subprocess.Popen(command, cwd=root, env=environment(root), stdout=out, stderr=subprocess.STDOUT)


def _said(root: Path, name: str = "out") -> str:
    return (root.parent / f"{root.name}-{name}").read_text(errors="replace")


def _finish(command: Sequence[str], root: Path) -> tuple[int, str]:
    return _start(command, root).wait(LONGEST), _said(root)


def _made(root: Path) -> dict[str, bytes]:
    """What the pipeline has made, and what dvc.lock says; the order in it is that in which stages have ended."""
    return {
        **contents(root / "data"),
        "dvc.lock": json.dumps(yaml.safe_load((root / "dvc.lock").read_text()), sort_keys=True).encode(),
    }


@cache
def wanted() -> dict[str, bytes]:
    """What one undisturbed run of the pipeline makes."""
    root = pipeline().parent / "alone"
    shutil.copytree(pipeline(), root, symlinks=True)
    status, said = _finish(DVC, root)
    assert not status, said
    return _made(root)


def two_repros(folder: Path, share: float) -> Iterator[Row]:
    """Two ``dvc repro`` of one project."""
    return at_once(DVC, "two dvc repro at once", folder, share)


def two_rebuilds(folder: Path, share: float) -> Iterator[Row]:
    """Two ``make repro JOBS=2`` of one project."""
    return at_once(REBUILD, "two make repro JOBS=2 at once", folder, share)


def at_once(command: Sequence[str], what: str, folder: Path, share: float) -> Iterator[Row]:
    """Two of a command, of which the second starts a little after the first; each ends well or says that one runs."""
    row, draw = Row(what), random.Random(7)
    wanted()
    for _ in range(part(PAIRS, share)):
        root = folder / "project"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(pipeline(), root, symlinks=True)
        after = draw.choice([0.0, draw.uniform(0, 3), draw.uniform(0, PATIENCE)])
        first = _start(command, root, "first")
        time.sleep(after)
        second = _start(command, root, "second")
        faults = []
        for name, process in (("first", first), ("second", second)):
            if process.wait(LONGEST) and (fault := _no_sentence(_said(root, name))):
                faults.append(f"{after:.1f} s apart, {name}: status {process.returncode}, {fault}")
        row.count(*faults, *(f"{after:.1f} s apart: {fault}" for fault in _after(root)))
    yield row


def _no_sentence(said: str) -> str:
    if "Traceback" in said or not BUSY.search(said):
        return " ".join(said.splitlines()[-6:])[-400:]
    return ""


def _after(root: Path) -> Iterator[str]:
    """What is wrong after one more run."""
    status, said = _finish(DVC, root)
    if status:
        yield f"the next run ended with {said[-300:]}"
        return
    status, said = _finish([sys.executable, "-m", "dvc", "status"], root)
    if "up to date" not in said:
        yield f"dvc status says {said[-300:]}"
    made = _made(root)
    if differ := differing(wanted(), made):
        yield f"other bytes of {', '.join(differ)[:300]}"
    if left := [file.name for file in root.rglob(".*") if LEFT.fullmatch(file.name)]:
        yield f"left: {', '.join(left)}"


# --- DVC's cache: what it holds is taken for what it was


CACHED = {  # row of tests/disturbed.py -> outputs of earlier stages that its stage reads
    "split": ("data/ingest",),
    "augment": ("data/ingest", "data/split"),
    "tokenize": ("data/ingest", "data/split", "data/augment"),
    "lstm": ("data/tokenize/remi",),
    "generate": ("models/lstm",),
    "evaluate": ("models/lstm", "data/generate/lstm", "data/tokenize/remi", "data/ingest"),
    "arrange": ("data/generate/lstm",),
    "report": ("data", "models/lstm"),
}


def checkout(folder: Path, out: str) -> None:
    """``dvc checkout`` of an output."""
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        repo.checkout([str(folder / out)], force=True)


def cache_of_dvc(folder: Path, share: float) -> Iterator[Row]:
    """A flipped bit in the cache, ``dvc checkout`` of the output, and the stage that reads it next.

    DVC takes a file of its cache for whole where it is read-only, as it makes them, and checks it where it is not.
    """
    row, draw = Row("flipped bit in DVC's cache: checked out, and read by the next stage"), random.Random(7)
    noticed: Counter[str] = Counter()
    for name, outs in CACHED.items():
        work, place = works()[name](), folder / name / "place"
        wanted, _ = work.undisturbed(folder / name)
        prepared = folder / name / "prepared"
        made_by = {"made": {"cmd": "true", "outs": [f"../{out}" for out in outs]}}
        write_text(prepared / ".dvcignore", "/dvc.yaml\n")  # of the project, which stages read and DVC need not
        write_text(prepared / "cached/dvc.yaml", yaml.safe_dump({"stages": made_by}))
        for command in (
            [*GIT, "init", "-q"],
            [*DVC[:-1], "init", "-q"],
            [*DVC[:-1], "commit", "-f", "-q", "cached/dvc.yaml"],
        ):
            subprocess.run(command, cwd=prepared, check=True, capture_output=True)
        cached = [file for file in sorted((prepared / ".dvc/cache/files/md5").rglob("*")) if file.is_file()]
        cached = [file for file in cached if file.stat().st_size]
        work.fresh(folder / name)
        for out in outs:
            shutil.rmtree(place / out)
            if said := run(place, checkout, place, out).text:
                raise RuntimeError(f"dvc checkout fails undisturbed: {said}")
        for _ in range(part(FLIPS, share)):
            work.fresh(folder / name)
            file = place / draw.choice(cached).relative_to(prepared)
            bit, trusted = draw.randrange(8 * file.stat().st_size), draw.random() < 0.8
            data, times = bytearray(file.read_bytes()), file.stat()
            data[bit // 8] ^= 1 << bit % 8
            file.chmod(0o644)
            file.write_bytes(data)
            file.chmod(0o444 if trusted else 0o644)
            if draw.random() < 0.5:  # a disk that decays changes no time
                os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
            where = f"{name}: bit {bit} of {file.parent.name}{file.name}"
            for out in outs:
                shutil.rmtree(place / out)
            back = [run(place, checkout, place, out) for out in outs]
            ended = run(place, work.do, place)
            if any(one.text for one in back):
                noticed["by DVC"] += 1
                row.count()
            elif ended.text:
                noticed["by etude"] += 1
                row.count(*([] if ended.known else [f"{where}: {ended.text[:300]}"]))
            else:
                noticed["without effect"] += 1
                made = work.made(place)
                differ = differing(wanted, made)
                row.count(*([f"{where}: unnoticed, and {', '.join(differ)[:200]} differ"] if differ else []))
        shutil.rmtree(folder / name)
    row.what += f" ({', '.join(f'{count} {how}' for how, count in sorted(noticed.items()))})"
    yield row
