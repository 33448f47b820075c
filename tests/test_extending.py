"""A model, a dataset and a metric of another package, as docs/extending.md has them, through ``etude all``."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from outside import install


def test_the_package_of_the_docs_runs_through_all_stages(tmp_path: Path) -> None:
    site, conf = install(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "dvc.yaml", project)
    shutil.copytree(ROOT / "conf", project / "conf")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "ETUDE_"))}
    paths = [str(site), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "ETUDE_PROGRESS": "0"}
    command = [sys.executable, "-m", "etude", "all", "-cd", str(conf), "dataset=walks", "model=rnn", "tokenize=remi"]
    smaller = ["session.workers=1", "session.jobs=1", "generate.pieces=2", "generate.open_bars=4"]
    smaller += ["evaluate.bars=2", "evaluate.bootstrap=10", "evaluate.permutations=10", "evaluate.draws=2"]
    smaller += ["models.rnn.hidden=8", "mix.sample_rate=8000"]

    done = subprocess.run(
        [*command, "experiment=smoke", *smaller],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    (folder,) = (project / "runs").glob("walks-*")
    report = json.loads((folder / "reports/evaluate/rnn.json").read_text())
    real = json.loads((folder / "reports/reference.json").read_text())["outside"]["leap_share"]
    metrics = report["metrics"]
    assert len(report["outside"]["leap_share"]["values"]) == 2
    assert metrics["real/leap_share_mean"] == real["mean"] and 0 < real["mean"] < 1
    assert {"samples/leap_share_mean", "samples/leap_share_distance", "test/nats_per_note"} <= metrics.keys()
    assert "leap_share" not in report["descriptors"], "the distance stays that of etude's own descriptors"
