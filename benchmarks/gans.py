"""The GANs compared with each other and with real music, over several seeds: train, generate, evaluate, and a table.

    python benchmarks/gans.py [--seeds 1,2,3] [--models gan,wgan] [--name gans] [key=value ...]

Further arguments are settings, such as train.max_steps=100 for a trial (give it its own --name). Everything is made
under runs/NAME/SEED/ from the pipeline's data. The result is reports/NAME.json, its table reports/NAME.md. The same
command continues where it stopped.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json, write_text
from etude.core.project import require_project
from etude.stages import evaluate, generate, train

COLUMNS = {  # measure of reports/evaluate/V.json, without samples/ -> heading
    "distance": "distance to real music",
    "overlap_pitch_class": "overlap of pitch classes",
    "overlap_duration": "overlap of note lengths",
    "overlap_polyphony": "overlap of polyphony",
    "distinct_share": "distinct bars, share",
}
COUNTS = ("bars", "distinct_bars", "distinct_any_key")
SECTIONS = ("seed", "dataset", "ingest", "split", "augment", "tokenize", "models", "optim", "train", "generate")
NOTES = """\
Mean ± standard deviation over the seeds, a training, its samples and their measures each. Distance: lower is better,
in standard deviations of the real pieces. Overlap: the area that the histograms of the samples and of the real test
pieces have in common, in [0, 1]; higher is better. Distinct bars: bars that differ in any voice, onset, length or
pitch, transposed ones counted once, as a share of all bars: near 0 for a generator that has collapsed. Real music: sets
of as many valid pieces, measured as if they were samples.
"""


def measure(root: Path, name: str, model_name: str, seed: int, overrides: Sequence[str]) -> dict[str, Any]:
    """One training with its samples, measured: a row of the result."""
    given = [f"seed={seed}", f"model=[{model_name}]", *overrides]
    settings = Settings.of(yaml.safe_load(compile_params(root / "conf", given)))
    place = root / "runs" / name / str(seed)
    session = Session(root=root, out=place, run=place, overrides=f"seed={seed}")
    store = Store(session.read(catalog.tokens(settings.model(model_name)["representation"])))
    file = place / f"reports/evaluate/{model_name}.json"
    key = train.training_key(settings, model_name, store.digest)
    wanted = {"generate": vars(settings.generate), "evaluate": vars(settings.evaluate)}
    if not file.is_file() or (found := read_json(file, ""))["key"] != key or found["settings"] != wanted:
        for stage in (train, generate, evaluate):
            stage.run(settings, session, model_name)
        found = read_json(file, "")
    measured = {name: found["metrics"][f"samples/{name}"] for name in (*COLUMNS, *COUNTS)}
    trained = {name: found["training"][name] for name in ("parameters", "best_step", "steps")}
    values = settings.as_dict()
    return {
        "model": model_name,
        "seed": seed,
        **trained,
        **measured,
        "valid/roll_distance": found["training"]["valid/roll_distance"],
        "settings": {section: values[section] for section in SECTIONS},
    }


def table(result: Mapping[str, Any]) -> str:
    """The result in Markdown: a row a seed, and a row a model with mean and standard deviation over its seeds."""
    heads = ["model", "seed", *COLUMNS.values(), "bars", "best step / steps"]
    lines = [f"| {' | '.join(heads)} |", "| --- | ---: |" + " ---: |" * (len(heads) - 2)]
    for model_name in dict.fromkeys(row["model"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["model"] == model_name]
        for row in rows:
            cells = [f"{row[name]:.3f}" for name in COLUMNS]
            steps = f"{row['best_step']:,.0f} / {row['steps']:,.0f}"
            lines.append(f"| {model_name} | {row['seed']} | {' | '.join(cells)} | {row['bars']:,.0f} | {steps} |")
        cells = [_spread([row[name] for row in rows]) for name in COLUMNS]
        lines.append(f"| **{model_name}** | all | {' | '.join(f'**{cell}**' for cell in cells)} | – | – |")
    cells = [f"{result['real_music'][name]:.3f}" for name in COLUMNS]
    lines.append(f"| real music | – | {' | '.join(cells)} | {result['real_music']['bars']:,.0f} | – |")
    return "\n".join(lines) + f"\n\n{NOTES}"


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def parse_numbers(text: str) -> list[int]:
    """The whole numbers of ``1,2,3``."""
    return [int(part) for part in text.split(",")]


def main() -> None:
    """Measure what is missing, and write the result and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=parse_numbers, default=[1, 2, 3])
    parser.add_argument("--models", default="gan,wgan")
    parser.add_argument("--name", default="gans")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_intermixed_args()
    root = require_project()
    real = read_json(root / "reports/reference.json", "etude reference")
    music = {**real["note_by_note"], "distance": real["real_against_real"]["distance"]}
    rows = [
        measure(root, given.name, model_name, seed, given.overrides)
        for model_name in given.models.split(",")
        for seed in given.seeds
    ]
    result = {"rows": rows, "real_music": music}
    write_json(root / f"reports/{given.name}.json", result)
    write_text(root / f"reports/{given.name}.md", f"# GANs\n\n{table(result)}")
    print(table(result))


if __name__ == "__main__":
    try:
        main()
    except EtudeError as error:
        sys.exit(f"gans.py: {error}")
