"""Work that is disturbed by faults, and what it must leave: the rows of benchmarks/faults.py, in small in its test."""

import atexit
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from conftest import ROOT, Log, make_piece, make_project, tiny
from injection import BROKEN, FULL, KILL, READ_ONLY, RIGHTS, Fault, contents, run
from table import Row

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.shards import Shards
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.files import LEFT, whole_folder, write_json, write_text

NAMES = {KILL: "kill", FULL: "full disk", READ_ONLY: "read-only", RIGHTS: "no rights", BROKEN: "broken disk"}


@dataclass(frozen=True)
class Work:
    """What is disturbed."""

    what: str
    prepare: Callable[[Path], Any]  # fills an empty folder with what the work finds
    do: Callable[..., Any]  # a function of a module, which is called with the folder
    results: tuple[str, ...]  # the folders and files, in that folder, that it makes
    reads: tuple[str, ...] = ()  # those of which it reads all
    lists: str = ""  # what its results say of a damaged file, which is then left out

    def disturb(self, folder: Path, kinds: tuple[int, ...], every: int) -> Iterator[Row]:
        """Faults at every ``every``th file operation."""
        wanted, count = self.undisturbed(folder)
        for kind in kinds:
            row = Row(f"{NAMES[kind]} at any file operation: {self.what}")
            for at in range(0, count, every):
                for lasts in (False, True) if kind == FULL else (False,):
                    place = self.fresh(folder)
                    outcome = run(place, self.do, place, fault=Fault(at, kind, lasts))
                    where = f"{NAMES[kind]} at {at} of {count}{', which lasts' if lasts else ''}"
                    row.count(*self._judge(place, where, outcome.text, outcome.known, wanted))
            yield row

    def flip(self, folder: Path, attempts: int) -> Row:
        """Flipped bits in the files that it reads: each is noticed, or changes nothing."""
        wanted, _ = self.undisturbed(folder)
        row, draw = Row(f"flipped bit in what is read: {self.what}"), random.Random(7)
        for _ in range(attempts):
            place = self.fresh(folder)
            files = [file for name in self.reads for file in _files(place / name)]
            file = draw.choice([file for file in files if file.stat().st_size])
            bit = draw.randrange(8 * file.stat().st_size)
            data = bytearray(file.read_bytes())
            data[bit // 8] ^= 1 << bit % 8
            file.write_bytes(data)
            outcome = run(place, self.do, place)
            where = f"bit {bit} of {file.relative_to(place)}"
            if outcome.text:
                row.count(*([] if outcome.known else [f"{where}: {outcome.text}"]))
            else:
                made = self.made(place)
                differ = differing(wanted, made)
                if self.lists and any(self.lists.encode() in data for data in made.values()):
                    differ = []
                row.count(*([f"{where}: unnoticed, and {', '.join(differ)[:200]} differ"] if differ else []))
        return row

    def kill(self, folder: Path, attempts: int) -> Row:
        """Kills at any time."""
        place = self.fresh(folder)
        started = time.monotonic()
        run(place, self.do, place)
        took = time.monotonic() - started
        wanted = self.made(place)
        row, draw = Row(f"kill -9 at any time: {self.what}"), random.Random(11)
        for _ in range(attempts):
            place = self.fresh(folder)
            after = draw.uniform(0.02, took)
            outcome = run(place, self.do, place, seconds=after, kill=True)
            row.count(*self._judge(place, f"after {after:.2f} of {took:.2f} s", outcome.text, outcome.known, wanted))
        return row

    def fill(self, folder: Path, disk: Path, attempts: int) -> Row:
        """Disks that are full after so many bytes: a file system in memory, in a namespace of mounts of one's own."""
        wanted, _ = self.undisturbed(folder)
        row, draw = Row(f"a disk that is full: {self.what}"), random.Random(13)
        place = disk / "place"
        for _ in range(attempts):
            _mount(disk, "64M")
            shutil.copytree(folder / "prepared", place, symlinks=True)
            used = _used(disk)
            run(place, self.do, place)
            most = max(1000, _used(disk) - used)  # it may also remove something
            shutil.rmtree(place)
            shutil.copytree(folder / "prepared", place, symlinks=True)
            room = draw.randrange(most + 1)
            _mount(disk, f"{max(1, used + room)}k")  # none would be no limit
            outcome = run(place, self.do, place)
            _mount(disk, "64M")
            where = f"{room} of {most} kB"
            row.count(*self._judge(place, where, outcome.text, outcome.known, wanted))
            shutil.rmtree(place)
            subprocess.run(["umount", str(disk)], check=True)
        return row

    def undisturbed(self, folder: Path) -> tuple[dict[str, bytes], int]:
        """What it makes, and the number of file operations."""
        place = self.fresh(folder)
        outcome = run(place, self.do, place)
        if outcome.text:
            raise RuntimeError(f"{self.what} fails undisturbed: {outcome.text}")
        return self.made(place), outcome.operations

    def fresh(self, folder: Path) -> Path:
        """A folder with what it finds, and nothing else; ``prepared`` beside it is copied each time."""
        kept, place = folder / "prepared", folder / "place"
        if not kept.is_dir():
            kept.mkdir(parents=True)
            self.prepare(kept)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(kept, place, symlinks=True)
        return place

    def _judge(self, place: Path, where: str, text: str, known: bool, wanted: dict[str, bytes]) -> Iterator[str]:
        if not known:
            yield f"{where}: ended with {text[:300]}"
        again = run(place, self.do, place)
        if again.text:
            yield f"{where}: the next run ended with {again.text[:300]}"
        elif differ := differing(wanted, self.made(place)):
            yield f"{where}: the next run made other bytes of {', '.join(differ)[:300]}"
        elif left := [file.name for file in place.rglob(".*") if LEFT.fullmatch(file.name)]:
            yield f"{where}: the next run left {', '.join(left)}"

    def made(self, place: Path) -> dict[str, bytes]:
        """What it has made, by path."""
        made: dict[str, bytes] = {}
        for name in self.results:
            path = place / name
            made |= {f"{name}/{file}": data for file, data in contents(path).items()} if path.is_dir() else {}
            made |= {name: path.read_bytes()} if path.is_file() else {}
        return made


def _mount(disk: Path, size: str) -> None:
    """Mount a file system in memory, or change the size of it."""
    disk.mkdir(exist_ok=True)
    kind = ["-o", f"remount,size={size}"] if disk.is_mount() else ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *kind, str(disk)], check=True)


def _used(disk: Path) -> int:
    """The kilobytes that a file system holds."""
    return shutil.disk_usage(disk).used // 1024


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def differing(wanted: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    return sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))


# --- what is disturbed: functions of a folder, which other processes import


@cache
def small() -> Settings:
    """The settings of the smallest models; not made as this module is imported, which each process does."""
    return tiny(
        generate={"pieces": 2, "open_bars": 4, "max_tokens": 40}, train={"max_steps": 6}, trainer={"steps": None}
    )


def replace_file(folder: Path) -> None:
    """A JSON file replaced."""
    write_json(folder / "made/file.json", {"new": list(range(100))})


def replace_folder(folder: Path) -> None:
    """A sealed folder replaced."""
    with whole_folder(folder / "made/inner") as part:
        write_text(part / "a", "new")
        (part / "below").mkdir()
        write_text(part / "below/b", "new")


def old_files(folder: Path) -> None:
    """What stands there before."""
    write_json(folder / "made/file.json", {"old": 1})
    write_text(folder / "made/inner/old/c", "old")


def double(task: int, folder: Path) -> None:
    """A shard."""
    write_text(folder / "answer", str(2 * task))


def map_shards(folder: Path) -> None:
    """Three shards, and what is made of them."""
    shards = Shards(Session(root=folder, workers=1, progress=False), catalog.INGEST, "0" * 64)
    with shards.lock():
        done = shards.map(double, [1, 2, 3])
        both = shards.once(lambda part: write_text(part / "sum", _sum(done)), "sum")
        write_text(folder / "made", (both / "sum").read_text())


def _sum(folders: list[Path]) -> str:
    return str(sum(int((folder / "answer").read_text()) for folder in folders))


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline on tiny pieces; no MLflow."""

    name: str
    arguments: tuple[str, ...] = ()
    settings: Settings = field(default_factory=small)

    def __call__(self, folder: Path) -> None:
        """Run it."""
        import importlib

        module = importlib.import_module(f"etude.stages.{self.name}")
        if self.name == "train":
            module.start = Log().start  # type: ignore[attr-defined]
        module.run(self.settings, Session(root=folder, workers=1, progress=False), *self.arguments)


@cache
def project() -> Path:
    """A project with the data of ten pieces made, once a process."""
    root = Path(tempfile.mkdtemp(prefix="etude-faults-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    make_project(root, small())
    for number in range(6):
        write_text(
            root / f"scores/{number}.abc", f"X:1\nT:{number}\nM:4/4\nL:1/4\nK:C\n{'CDEF GABc|' * (3 + number)}\n"
        )
        (root / f"scores/{number}.mid").write_bytes(make_piece(number).dumps_midi())
    return root


@cache
def of_scores() -> Settings:
    """The settings for a folder of scores, which is the same for every copy of a project."""
    place = project() / "scores"
    given = ["experiment=smoke", "dataset=folder", f"dataset.path={place}", "ingest.min_notes=4"]
    return Settings.of(yaml.safe_load(compile_params(ROOT / "conf", given)))


@cache
def of_one() -> Settings:
    """The settings for one model, which the report shows."""
    return replace(small(), models={"lstm": small().models["lstm"]}, harmonizers={}, conditioners={})


def chain(*stages: Stage) -> Callable[[Path], None]:
    """A project in which these stages have run."""

    def prepare(folder: Path) -> None:
        shutil.copytree(project(), folder, dirs_exist_ok=True)
        for one in stages:
            one(folder)

    return prepare


def half_trained(folder: Path) -> None:
    """A project in which a training was killed in its second epoch."""
    chain()(folder)
    outcome = run(folder, Stage("train", ("lstm",)), folder, fault=Fault(at=42))
    if not outcome.killed or not list(folder.glob(".checkpoints/*/last.ckpt")):
        raise RuntimeError("The training was not killed between its checkpoints.")


def harmonize_own(folder: Path) -> None:
    """A melody in, MIDI, score, picture and sound out."""
    from etude.tasks.harmonize_file import harmonize_file
    from etude.tasks.requests import HarmonizeFiles

    made = folder / "made"
    made.mkdir(exist_ok=True)
    output, drawn, sound = (str(made / f"own.{ending}") for ending in ("mid", "svg", "mp3"))
    files = HarmonizeFiles(str(folder / "scores/0.abc"), output, overwrite=True, picture=drawn, sound=sound)
    harmonize_file(small(), Session(root=folder, workers=1, progress=False), files)


@cache
def works() -> dict[str, Callable[[], Work]]:
    """All that is disturbed, by the name of its row; made when it is asked for."""
    trained = (Stage("train", ("ngram",)), Stage("train", ("lstm",)))
    sampled = (*trained, Stage("generate", ("lstm",)), Stage("reference"))
    evaluated = (*sampled, Stage("evaluate", ("lstm",)))
    data = ("data/ingest", "data/split", "data/augment")
    return {
        "file": lambda: Work("a file replaced", old_files, replace_file, ("made",)),
        "folder": lambda: Work("a folder replaced", old_files, replace_folder, ("made",)),
        "shards": lambda: Work("shards, and the removal of them", lambda folder: None, map_shards, ("made",)),
        "download": lambda: Work(
            "download",
            chain(),
            Stage("download", settings=of_scores()),
            ("data/download", "data/built_from"),
            ("scores",),
        ),
        "ingest": lambda: Work(
            "ingest",
            chain(Stage("download", settings=of_scores())),
            Stage("ingest", settings=of_scores()),
            ("data/ingest", "data/built_from"),
            ("data/download",),
            lists="differs from its digest in the manifest",
        ),
        "split": lambda: Work("split", chain(), Stage("split"), ("data/split", "data/built_from"), ("data/ingest",)),
        "augment": lambda: Work("augment", chain(), Stage("augment"), ("data/augment",), ("data/ingest", "data/split")),
        "tokenize": lambda: Work("tokenize", chain(), Stage("tokenize", ("remi",)), ("data/tokenize/remi",), data),
        "lstm": lambda: Work(
            "train lstm", chain(), Stage("train", ("lstm",)), ("models/lstm",), ("data/tokenize/remi",)
        ),
        "wgan": lambda: Work(
            "train wgan", chain(), Stage("train", ("wgan",)), ("models/wgan",), ("data/tokenize/pianoroll",)
        ),
        "resume": lambda: Work(
            "a training that goes on", half_trained, Stage("train", ("lstm",)), ("models/lstm",), (".checkpoints",)
        ),
        "generate": lambda: Work(
            "generate", chain(*trained), Stage("generate", ("lstm",)), ("data/generate/lstm",), ("models/lstm",)
        ),
        "evaluate": lambda: Work(
            "evaluate",
            chain(*sampled),
            Stage("evaluate", ("lstm",)),
            ("reports/evaluate", "reports/metrics"),
            ("models/lstm", "data/generate/lstm", "reports/reference.json", "data/tokenize/remi", "data/ingest"),
        ),
        "arrange": lambda: Work(
            "arrange",
            chain(*evaluated),
            Stage("arrange", ("lstm",)),
            ("data/arrange", "reports/arrange"),
            ("data/generate/lstm", "reports/evaluate/lstm.json"),
        ),
        "control": lambda: Work(
            "control",
            chain(Stage("train", ("conditional",))),
            Stage("control", ("conditional",)),
            ("data/control", "reports/control"),
            ("models/conditional", "data/tokenize/attributes"),
        ),
        "harmonize": lambda: Work(
            "harmonize",
            chain(Stage("train", ("voices",))),
            Stage("harmonize", ("voices",)),
            ("data/harmonize", "reports/harmonize"),
            ("models/voices", "data/ingest", "data/split"),
        ),
        "own": lambda: Work(
            "harmonize a file of one's own", chain(Stage("train", ("voices",))), harmonize_own, ("made",)
        ),
        "report": lambda: Work(
            "report",
            chain(Stage("download", settings=of_scores()), *evaluated, Stage("arrange", ("lstm",)), Stage("split")),
            Stage("report", settings=of_one()),
            ("reports/index.html", "reports/results.md", "reports/results.json", "reports/cards", "docs/samples"),
            ("data", "models/lstm", "reports/evaluate", "reports/arrange", "reports/reference.json"),
        ),
    }
