"""A tiny project that tests write for themselves: made-up four-part pieces through the real stages."""

import gc
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

# One thread for each test process and those that it starts. The models here are so small that threads mostly wait for
# each other: two on two busy cores take ten times the CPU time for a sample of voices. Set before numpy and torch load.
# The threads of tokenizers stay: its tests show that merges do not depend on them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
import yaml
from browser import chromium as chromium  # a fixture for all tests
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import write_pieces
from etude.artifacts.provenance import built_from
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core import signals
from etude.core.files import aside, write_json
from etude.music.augmentation import Copy, alter
from etude.stages import tokenize
from etude.stages.ingest import tracks

ROOT = Path(__file__).parents[1]
VOICES = {"Soprano": (68, 70), "Alto": (69, 63), "Tenor": (71, 56), "Bass": (70, 46)}


def make_piece(seed: int, beats: int = 16, transpose: int = 0) -> ScoreTick:
    """A four-part piece of quarters and eighths that wander, in 4/4, at 24 ticks a quarter."""
    random = np.random.default_rng(seed)
    piece = ScoreTick(24)
    for name, (program, centre) in VOICES.items():
        track = TrackTick(name=name, program=program)
        pitch, time = centre, 0
        while time < beats * 24:
            length = int(random.choice([12, 24, 24, 48]))
            pitch = int(np.clip(pitch + random.choice([-2, -1, 0, 1, 2]), centre - 5, centre + 5))
            track.notes.append(NoteTick(time, min(length, beats * 24 - time), pitch + transpose, 80))
            time += length
        piece.tracks.append(track)
    piece.tempos.append(TempoTick(0, qpm=80))
    piece.time_signatures.append(TimeSignatureTick(0, 4, 4))
    return piece


# settings that make a small model of each
SMALL: dict[str, dict[str, Any]] = {
    "ngram": {"order": 3},
    "lstm": {"hidden": 8, "layers": 1},
    "gru": {"hidden": 8},
    "lstm_attention": {"hidden": 8},
    "transformer": {"hidden": 8, "heads": 2, "layers": 2},
    "conditional": {"hidden": 8, "heads": 2, "layers": 2},
    "voices": {"hidden": 8, "layers": 1, "cell_layers": 1, "heads": 1, "members": 2},
    "gan": {"hidden": 8, "latent": 4},
    "wgan": {"hidden": 8, "latent": 4},
    "deepbach": {"hidden": 8, "embedding": 4, "window": 32},
}


def benchmark_script(name: str) -> ModuleType:
    """The script ``name`` of benchmarks/, loaded as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / f"benchmarks/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def _smoke_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(compile_params(ROOT / "conf", ["experiment=smoke"]))
    return values


def smoke(**sections: object) -> Settings:
    """The settings of experiment=smoke, compiled from the real conf/, with whole sections updated."""
    values = deepcopy(_smoke_values())
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    return Settings.of(values)


def tiny(**sections: object) -> Settings:
    """``smoke``, on one thread and with models that are trained in a moment."""
    models = smoke().models
    small = {name: {**section, **SMALL.get(name, {})} for name, section in models.items()}
    shrunk: dict[str, Any] = {"models": small, "generate": {"open_bars": 4, "max_tokens": 60}}
    updated = {
        name: {**shrunk.get(name, {}), **section} if isinstance(section, dict) else section
        for name, section in sections.items()
    }
    return smoke(**{**shrunk, **updated})


def pytest_collection_finish() -> None:
    """Keep what is loaded by now from the collector, which takes a third of a second to look at a million objects."""
    gc.collect()
    gc.freeze()


def left_by_a_dead_process(path: Path, kind: str) -> Path:
    """Where a process of this machine that is no more kept the part, old or gone of a path."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = aside(path, kind)
    return mine.with_name(mine.name.replace(f"-{os.getpid()}.", f"-{ended.pid}."))


def rules_of(representation: Any, *pieces: NDArray[np.integer]) -> Any:
    """What may follow what, as some encoded pieces have it."""
    return representation.rules(representation.observe(pieces))


class Log:
    """Stands in for MLflow: keeps what the stage train tells of its runs."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.finished: list[tuple[Path | None, str]] = []

    def start(self, session: Session, model_name: str, key: str, settings: Any, tags: Mapping[str, str]) -> "Log":
        """In place of etude.stages.train.start."""
        self.started.append({"model": model_name, "key": key, "settings": settings, "tags": dict(tags)})
        return self

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep a row."""
        self.rows.append((step, dict(values)))

    def finish(self, folder: Path | None, status: str = "FINISHED") -> None:
        """Keep the end."""
        self.finished.append((folder, status))


def make_project(root: Path, settings: Settings, pieces: int = 10) -> Session:
    """A project with ingested, split, augmented and encoded pieces."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
    shutil.copytree(ROOT / "conf", root / "conf", dirs_exist_ok=True)
    names = [f"p{number:02d}" for number in range(pieces)]
    valid, test = names[-4:-2], names[-2:]
    scores = {name: make_piece(number) for number, name in enumerate(names)}
    listed = [
        {"id": name, "source": name, "title": name, "notes": score.note_num(), "bars": 4, "tracks": tracks(score)}
        for name, score in scores.items()
    ]
    copies = [Copy(name, semitones) for name in names[:-4] for semitones in (0, 2)]
    for stage in ("ingest", "split", "augment"):
        made_from = built_from(settings, stage)
        if made_from.get("split", {}).get("method") == "auto":
            made_from["split"] = {**made_from["split"], "method": "ratio"}
        write_json(root / catalog.record(stage).place, {"settings": made_from, "auto": "ratio"})
    for stage, made in (("ingest", scores), ("augment", {c.id: alter(scores[c.origin], c, True) for c in copies})):
        (root / f"data/{stage}").mkdir(parents=True)
        shards = write_pieces(root / f"data/{stage}", ((name, score.dumps_midi()) for name, score in made.items()))
        entries = {"pieces": listed, "refused": []} if stage == "ingest" else {"copies": [c.as_dict() for c in copies]}
        write_json(root / f"data/{stage}/manifest.json", {"shards": shards, **entries})
    split = {"train": names[:-4], "valid": valid, "test": test, "families": {n: n for n in names}}
    write_json(root / "data/split/split.json", split)
    session = Session(root=root, progress=False)
    for representation in settings.tokenize:
        tokenize.run(settings, session, representation)
    return session


@pytest.fixture(scope="session")
def settings() -> Settings:
    """experiment=smoke."""
    return smoke()


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Session:
    """A tiny project up to the stage tokenize; read it, do not write into it."""
    return make_project(tmp_path_factory.mktemp("project"), settings)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What the stage train tells in this test, instead of MLflow."""
    made = Log()
    monkeypatch.setattr("etude.stages.train.start", made.start)
    return made


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, encoded: Session) -> Session:
    """``encoded``, and the models of ``tiny`` trained on it; read it, do not write into it."""
    from etude.stages import train

    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(encoded.root, root, dirs_exist_ok=True)
    session = Session(root=root, workers=1, progress=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "start", Log().start)
        for model_name in tiny().models:
            train.run(tiny(), session, model_name)
    return session


@pytest.fixture(autouse=True)
def own_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may write to the tracking server of the one who runs it."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "DVC_EXP_NAME", "DVC_ROOT", "ETUDE_PARENT_RUN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """What a command does on a signal ends with the test that has run it in this process."""
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signals._state = signals._State()


# The files that take longest, the longest first. pytest-xdist hands out whole files: one of these at the end would
# leave the other workers idle. It keeps this order for the sake of --no-loadscope-reorder.
LONGEST = (
    "tests/test_pipeline.py",
    "tests/test_pretrained.py",
    "tests/studio/test_page.py",
    "tests/tasks/test_harmony.py",
    "tests/listening/test_page.py",
    "tests/test_extending.py",
    "tests/cli/test_sweepers.py",
    "tests/tasks/test_harmonize_file.py",
    "tests/cli/test_advice.py",
    "tests/test_contributing.py",
    "tests/studio/test_server.py",
    "tests/datasets/test_jsb_protocol.py",
    "tests/report/test_page.py",
    "tests/tasks/test_held_out_melodies.py",
    "tests/test_notebooks.py",
    "tests/stages/test_ingest.py",
    "tests/test_api.py",
    "tests/scores/test_isolation.py",
    "tests/listening/test_build.py",
    "tests/training/test_trainer.py",
    "tests/stages/test_evaluate.py",
    "tests/sampling/test_tokens.py",
    "tests/artifacts/test_shards.py",
    "tests/stages/test_control.py",
    "tests/datasets/test_bach.py",
    "tests/config/test_code.py",
    "tests/test_package.py",
    "tests/sampling/test_timing.py",
    "tests/config/test_compile.py",
    "tests/runs/test_pipeline.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``LONGEST`` first; all else stays in its order."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))
