"""How CPU time and peak memory grow: of the data stages, of measuring, of training and of validation.

    python benchmarks/growth.py [--quick] [--axes pieces notes ...] [--results growth.json] [--folder /a/large/disk]

They grow with the number of pieces, the notes of a piece, its tracks, the tokens of a training window and the width of
a model; ``lakh`` are pieces about as large as those of the Lakh MIDI dataset. All work is done on one core. Each
measurement is a process of its own. Its seconds are CPU seconds of it and its children; making ready (imports,
settings, reading what the work is not about) does not count. Its memory is its own peak (VmHWM) or that of its largest
child (ru_maxrss), imports included. Small works are repeated, and the shortest time counts.

The exponent p is that of the best fit ``a + b * size ** p`` with a and b of at least 0: a is the start-up. 0 stands
where the largest cost is less than a quarter above the smallest. An exponent above 1.1 is bold if every fit with a
lower one misses some cost by more than the noise, a tenth of it; else it has a question mark. With ``--results`` what
is measured is kept in that file, and what it has is not measured again.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 1.1  # an exponent above it is marked
FLAT = 1.25  # largest cost divided by the smallest: below it nothing grows
NOISE = 0.1  # share of a cost by which it may differ from a fit: CPU seconds differ so on a machine with other work
SLACK = {"cpu": 0.05, "mib": 5.0}  # and by so many seconds and MiB besides
ROUNDS, ENOUGH = 3, 8.0  # measurements of one work at most, and seconds after which there is no further one
HERE = Path(__file__).resolve().parent
STAGES = ("download", "ingest", "split", "augment", "tokenize")
MEASURES = ("reference", "evaluate")
TRAINING = ("train", "step", "validate")
Json = dict[str, Any]


Work = tuple[str, str, Json]  # its name, a function of this file, its arguments


@dataclass(frozen=True)
class Axis:
    """Sizes of one thing, at which some works are measured."""

    sizes: Sequence[int]
    quick: Sequence[int]
    pieces: Callable[[int], Json]  # size -> arguments of write_pieces
    works: Callable[[int], Sequence[Work]]
    before: Callable[[int], Sequence[Work]] = lambda size: ()  # what these need, and which is not measured
    same: bool = False  # the pieces are the same at every size, and so is what is done before


def stages(size: int, *given: str) -> list[Work]:
    """The data stages in their order."""
    return [(stage, "stage", {"name": stage, "given": given}) for stage in STAGES]


def trainings(size: int, model: str, hidden: int, *given: str, parts: Sequence[str] = TRAINING) -> Any:
    """Parts of a training of ``model``."""
    common = [f"model=[{model}]", f"models.{model}.hidden={hidden}", *given]
    return [(f"{part}, {model}", "training", {"part": part, "model": model, "given": common}) for part in parts]


def of_pieces(size: int) -> list[Work]:
    """What the number of pieces may cost, but for comparisons of pieces with pieces."""
    return [*stages(size), *trainings(size, "lstm", 64)]


def of_compared(size: int) -> list[Work]:
    """What the number of pieces may cost where pieces are compared with pieces."""
    return [(work, work, {"given": ()}) for work in MEASURES]


def of_notes(size: int) -> list[Work]:
    """What the notes of a piece may cost."""
    found = [*stages(size, LONG), *((work, work, {"given": (LONG,)}) for work in MEASURES)]
    for model in ("lstm", "transformer"):
        found += trainings(size, model, 48, LONG, parts=("validate",))
    return found


def of_tracks(size: int) -> list[Work]:
    """What the tracks of a piece may cost."""
    wide = ("tokenize=[remi,voicegrid]", f"tokenize.voicegrid.max_voices={size}")
    grid = ("tokenize, voicegrid", "stage", {"name": "tokenize", "given": wide, "representation": "voicegrid"})
    measured = [(work, work, {"given": wide}) for work in MEASURES]
    return [*stages(size, *wide), grid, *measured, *trainings(size, "voices", 64, *wide, parts=("step",))]


def of_window(size: int) -> list[Work]:
    """What the tokens of a training window may cost."""
    found = []
    for model in ("lstm", "lstm_attention", "transformer"):
        found += trainings(size, model, 96, f"train.window={size}", LONG, parts=("step",))
    return found


def of_hidden(size: int) -> list[Work]:
    """What the width of a model may cost."""
    models: dict[str, Sequence[str]] = {
        "lstm": (),
        "lstm_attention": (),
        "transformer": ("models.transformer.heads=4",),
    }
    return [work for name, given in models.items() for work in trainings(size, name, size, *given, parts=("step",))]


DATA = tuple(f"etude.stages.{name}" for name in STAGES)
TORCH = ("training", "etude.training.objectives.next_token")
MODULES: dict[str, Sequence[str]] = {  # function -> what its process has imported
    "write": ("pieces",),
    "stage": DATA,
    "reference": ("etude.stages.reference", "muspy", "scipy.spatial", "sklearn.covariance"),
    "evaluate": ("etude.stages.reference", "muspy", "scipy.spatial", "sklearn.covariance"),
    "training": TORCH,
}
LONG = "ingest.max_bars=100000"
AXES = {
    "pieces": Axis((1_000, 10_000, 100_000), (500, 1_000, 2_000), lambda size: {"count": size, "notes": 50}, of_pieces),
    "compared": Axis(
        (250, 1_000, 4_000),
        (200, 400, 800),
        lambda size: {"count": size, "notes": 25},
        of_compared,
        lambda size: stages(size)[:3],
    ),
    "notes": Axis((400, 1_600, 6_400), (200, 400, 800), lambda size: {"count": 60, "notes": size // 4}, of_notes),
    "tracks": Axis((2, 8, 32), (2, 4, 8), lambda size: {"count": 200, "notes": 100, "tracks": size}, of_tracks),
    "window": Axis(
        (256, 1_024, 4_096),
        (64, 128, 256),
        lambda _: {"count": 40, "notes": 1_000},
        of_window,
        lambda _: stages(0, LONG),
        same=True,
    ),
    "hidden": Axis(
        (128, 256, 512, 1_024), (64, 128, 256), lambda _: {"count": 40, "notes": 100}, of_hidden, stages, same=True
    ),
    "lakh": Axis(  # fewer compare all pairs of melodies in split
        (200, 400, 800),
        (),
        lambda size: {"count": size, "notes": 625, "tracks": 8},
        lambda size: stages(size, LONG),
    ),
}


# What a process of its own does: each function makes ready and returns the work.


def write(folder: str, **how: Any) -> Callable[[], object]:
    """Write pieces to ``folder``/source."""
    from pieces import write_pieces

    Path(folder, "project").mkdir(parents=True)
    return lambda: write_pieces(Path(folder, "source"), leaps=True, **how)


def opened(folder: str, given: Sequence[str]) -> tuple[Any, Any]:
    """Settings and session of the project in ``folder``."""
    import yaml

    from etude.artifacts.context import Session
    from etude.config.compile import compile_params
    from etude.config.sections import Settings
    from etude.core.project import require_project

    own = ["dataset=folder", f"dataset.path={folder}/source", "tokenize=[remi]", "model=[lstm]", "augment.copies=2"]
    settings = Settings.of(yaml.safe_load(compile_params(require_project() / "conf", [*own, *given])))
    return settings, Session(root=Path(folder, "project"), workers=1, progress=False)


def stage(folder: str, name: str, given: Sequence[str], representation: str = "remi") -> Callable[[], object]:
    """A data stage."""
    module = importlib.import_module(f"etude.stages.{name}")
    settings, session = opened(folder, given)
    return lambda: module.run(settings, session, *([representation] if name == "tokenize" else []))


def reference(folder: str, given: Sequence[str]) -> Callable[[], object]:
    """The stage reference."""
    module = importlib.import_module("etude.stages.reference")
    settings, session = opened(folder, given)
    return lambda: module.run(settings, session)


def evaluate(folder: str, given: Sequence[str]) -> Callable[[], object]:
    """What evaluate compares with real pieces, for 32 samples: it reads the train pieces, and reference's report."""
    from pieces import make_piece

    from etude.artifacts import catalog
    from etude.artifacts.provenance import read_ingest, split_ids
    from etude.core.files import read_json
    from etude.metrics.comparison import Real, Train, choose_train
    from etude.stages.evaluate import evaluate as compare

    settings, session = opened(folder, given)
    samples = {f"{seed}.mid": make_piece(10**7 + seed, 50, leaps=True).resample(24, min_dur=1) for seed in range(32)}

    def work() -> None:
        source, _ = read_ingest(settings, session)
        splits = split_ids(settings, session, source)
        chosen = dict(source.scores(choose_train(splits["train"], settings.evaluate)))
        train = Train.of(list(chosen.values()), [(name, name) for name in chosen], len(splits["train"]))
        report = read_json(session.read(catalog.REFERENCE), catalog.REFERENCE.made_by)
        compare(samples, Real.of(report), train, settings.evaluate)

    return work


def training(folder: str, part: str, model: str, given: Sequence[str]) -> Callable[[], object]:
    """A part of a training: ``train``, all before its first step; ``step``, ten of these; ``validate``, one epoch's."""
    import torch
    from training import Plain, pair_of, task_of

    torch.set_num_threads(1)
    settings, session = opened(folder, given)

    def begin() -> tuple[Any, Any, Any]:
        made, task = task_of(settings, session, model, Path(folder), lambda row, step: None)
        return made, *pair_of(settings, model, made, task)

    if part == "train":
        return begin
    made, objective, data = begin()
    if part == "step":
        loop = Plain(objective, data)
        made.train()
        for number in range(3):
            loop.step(number)
        return lambda: [loop.step(number) for number in range(3, 13)]

    def validate() -> None:
        made.eval()
        with torch.no_grad():
            objective.on_validation_epoch_start()
            for number, batch in enumerate(data.valid):
                objective.validation_step(batch, number)

    return validate


# Measuring, each time in a process of its own.


def spent() -> float:
    """CPU seconds of this process and of its children that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def peak() -> float:
    """Peak memory in MiB of this process, or of its largest child if that is more.

    ru_maxrss of a process itself counts what its parent had when it was started; VmHWM does not.
    """
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if not status.is_file():
        return max(others, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 2**20  # macOS counts in bytes
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return max(int(lines["VmHWM"].split()[0]), others) / 2**10


def run_alone(work: Callable[[], object], rounds: int) -> Json:
    """CPU seconds and seconds of ``work``, the least of some rounds if it is quick, and MiB after the first."""
    found: list[tuple[float, float]] = []
    memory = 0.0
    while len(found) < rounds and sum(seconds for _, seconds in found) < ENOUGH:
        before, start = spent(), time.perf_counter()
        work()
        found.append((spent() - before, time.perf_counter() - start))
        memory = memory or peak()
    return {"cpu": min(cpu for cpu, _ in found), "seconds": min(seconds for _, seconds in found), "mib": memory}


def serve(script: str, modules: Sequence[str]) -> None:
    """Import ``modules``; then, for each line of standard input, measure in a forked process and print the costs."""
    sys.path.insert(0, str(HERE))
    for name in modules:
        importlib.import_module(name)
    spec = importlib.util.spec_from_file_location("measured", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["measured"] = module
    spec.loader.exec_module(module)
    for line in sys.stdin:
        if not (process := os.fork()):
            answer, out = sys.stdout, os.dup(2)
            sys.stdout = os.fdopen(out, "w")  # what stages print
            function, arguments, rounds = json.loads(line)
            try:
                print(json.dumps(run_alone(getattr(module, function)(**arguments), rounds)), file=answer, flush=True)
            except BaseException:
                print(json.dumps({"failed": traceback.format_exc()}), file=answer, flush=True)
            os._exit(0)
        if os.waitpid(process, 0)[1]:
            print(json.dumps({"failed": "its process was killed"}), flush=True)


class Server:
    """A process that imports what many works need, and forks one for each: imports take longer than most works."""

    def __init__(self, script: Path = Path(__file__), modules: Sequence[str] = ()) -> None:
        """Args: the file of the functions that are measured, and what is imported before."""
        one = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(one, "1"), "ETUDE_PROGRESS": "0"}
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", str(script.resolve()), *modules]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Server":
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.process.communicate()

    def measure(self, function: str, arguments: Mapping[str, Any], rounds: int = ROUNDS) -> Json:
        """``run_alone`` of the work that ``function`` returns for ``arguments``, in a process of its own.

        Raises:
            SystemExit: it failed.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps([function, arguments, rounds]), file=self.process.stdin, flush=True)
        found: Json = json.loads(self.process.stdout.readline() or '{"failed": "it could not be started"}')
        if "failed" in found:
            raise SystemExit(f"{function} {arguments} failed:\n{found['failed']}")
        return found


# Fits and the table.


@dataclass(frozen=True)
class Growth:
    """The exponent of the best fit, and the lowest and highest of a fit that is within the noise of all costs."""

    power: float
    low: float
    high: float

    def __str__(self) -> str:
        """As in a table: bold where it is above ``LIMIT``, with a question mark where noise may have lifted it."""
        mark = "**" if self.low > LIMIT else ""
        doubt = "?" if self.power > LIMIT >= self.low else ""
        return f"{mark}{self.power:.2f}{mark}{doubt}"


def exponent(sizes: Sequence[int], costs: Sequence[float], slack: float = 0.0) -> Growth:
    """Fit a + b * size ** power, a and b of at least 0, by errors in units of the noise. Nothing grows: 0.

    Args:
        sizes: three or more, ascending.
        costs: above 0.
        slack: the noise is this, and ``NOISE`` of a cost.
    """
    if max(costs) < FLAT * (min(costs) + slack):
        return Growth(0, 0, 0)
    scale, target = np.array(sizes) / max(sizes), np.array(costs, dtype=float)
    noise = NOISE * target + slack
    errors = {}
    for hundredths in range(1, 400):
        columns = np.stack([1 / noise, scale ** (hundredths / 100) / noise], axis=1)
        factors, *_ = np.linalg.lstsq(columns, target / noise, rcond=None)
        if min(factors) < 0:  # the other one alone
            factors = np.where(factors < 0, 0, (columns.T @ (target / noise)) / (columns**2).sum(axis=0))
        errors[hundredths / 100] = columns @ factors - target / noise
    best = min(errors, key=lambda power: round(float((errors[power] ** 2).sum()), 9))
    near = [power for power, error in errors.items() if abs(error).max() <= 1]
    return Growth(best, min(best, near[0]), max(best, near[-1])) if near else Growth(best, 0, np.inf)  # no power law


def table(axis: str, found: Mapping[str, Mapping[int, Json]]) -> str:
    """A table of one axis: costs at each size and exponents of CPU time and memory; then those above ``LIMIT``."""
    sizes = sorted({size for costs in found.values() for size in costs})
    heads = [f"{size:,}, s" for size in sizes] + ["exponent"] + [f"{size:,}, MiB" for size in sizes] + ["exponent"]
    lines = [f"| {axis} | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    above = []
    for work, costs in found.items():
        cells = [work]
        for what, name, digits in (("cpu", "time", 2), ("mib", "memory", 0)):
            grown = growth_of(costs, what)
            cells += [f"{costs[size][what]:,.{digits}f}" if size in costs else "–" for size in sizes]
            cells.append("–" if grown is None else str(grown))
            if grown is not None and grown.low > LIMIT:
                above.append(f"{work} ({name}, {grown.power:.2f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Above {LIMIT}: {', '.join(above) or 'none'}."])


def growth_of(costs: Mapping[int, Json], what: str) -> Growth | None:
    """The exponent of one cost; None with fewer than three sizes."""
    sizes = sorted(costs)
    return exponent(sizes, [costs[size][what] for size in sizes], SLACK[what]) if len(sizes) > 2 else None


def run_axis(axis: str, sizes: Sequence[int], results: Json, keep: Callable[[], None], folder: str | None) -> None:
    """Measure what ``results`` lacks, size by size; ``keep`` is called after each work."""
    own = AXES[axis]
    with contextlib.ExitStack() as stack:
        shared = stack.enter_context(tempfile.TemporaryDirectory(dir=folder))
        servers: dict[Sequence[str], Server] = {}

        def measure(function: str, arguments: Json, rounds: int = ROUNDS) -> Json:
            modules = MODULES[function]
            if modules not in servers:
                servers[modules] = stack.enter_context(Server(modules=modules))
            return servers[modules].measure(function, arguments, rounds)

        for size in sizes:
            works = [work for work in own.works(size) if str(size) not in results.get(work[0], {})]
            if not works:
                continue
            with tempfile.TemporaryDirectory(dir=folder) as alone:
                place = f"{shared if own.same else alone}/data"
                if not Path(place).exists():
                    measure("write", {"folder": place, **own.pieces(size)}, 1)
                    for _, function, arguments in own.before(size):
                        measure(function, {"folder": place, **arguments}, 1)
                for work, function, arguments in own.works(size):
                    cost = measure(function, {"folder": place, **arguments})
                    results.setdefault(work, {})[str(size)] = cost
                    keep()
                    costs = f"{cost['cpu']:.2f} s of CPU, {cost['seconds']:.2f} s, {cost['mib']:.0f} MiB"
                    print(f"{axis} {size:,}: {work} {costs}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print a table an axis."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, and none of lakh: minutes")
    parser.add_argument("--axes", nargs="*", choices=AXES, default=list(AXES))
    parser.add_argument("--sizes", nargs="*", type=int, help="of the one axis that is named")
    parser.add_argument("--results", type=Path, help="JSON that is added to")
    parser.add_argument("--folder", help="where pieces are written meanwhile: some gigabytes")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], given.serve[1:])
        return
    results: Json = json.loads(given.results.read_text()) if given.results and given.results.is_file() else {}

    def keep() -> None:
        if given.results:
            given.results.write_text(json.dumps(results, indent=1) + "\n")

    for axis in given.axes:
        own = AXES[axis]
        sizes = given.sizes or (own.quick if given.quick else own.sizes)
        run_axis(axis, sizes, results.setdefault(axis, {}), keep, given.folder)
    for axis in [axis for axis in given.axes if results[axis]]:
        found = {work: {int(size): cost for size, cost in costs.items()} for work, costs in results[axis].items()}
        print(f"{table(axis, found)}\n")


if __name__ == "__main__":
    main()
