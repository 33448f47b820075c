"""The README's numbers are those of the committed results, and its words those of the field."""

import json
import re

from conftest import ROOT

from etude.config.compile import compile_params
from etude.config.sections import Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def table() -> str:
    """Two columns a measure: the default size, and full size."""
    full = json.loads((ROOT / "reports/full/results.json").read_text())
    few = {file.stem: json.loads(file.read_text())["metrics"] for file in (ROOT / "reports/evaluate").glob("*.json")}
    lines = [
        "| model | test, nats per note: minutes | full size | distance from real music: minutes | full size |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in full:
        cells = []
        for measure, digits in (("test/nats_per_note", 2), ("samples/distance", 2)):
            for found in (few, full):
                value = found.get(name, {}).get(measure)
                cells.append("–" if value is None else f"{value:.{digits}f}")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_has_the_committed_results() -> None:
    assert table() in README, f"README.md must have this table:\n{table()}"


def test_experiment_full_has_the_sizes_and_steps_of_the_results_that_stand_as_its_own() -> None:
    import yaml

    made = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", ["experiment=full"])))
    train, optim = made.schedule("lstm")
    assert (train.max_steps, train.batch_size, train.window, optim.lr, optim.averaging) == (3000, 16, 256, 0.004, 0.999)
    assert made.augment.transpose is True and made.tokenize["remi"]["merges"] is None and len(made.models) == 10
    sizes = {
        name: [made.models[name].get(key) for key in ("hidden", "layers", "dropout", "lr_scale")]
        for name in made.models
    }
    assert sizes["lstm"] == [256, 2, 0.1, None] and sizes["transformer"] == [192, 4, 0.1, 0.5]
    assert sizes["voices"] == [128, 2, 0.2, 0.5] and sizes["deepbach"] == [128, 1, 0.2, 1.0]
    assert made.models["voices"]["temperature"] == 1.3 and made.sampling("voices").temperature == 0.7
    assert made.sampling("lstm").temperature is None


# words of the first version -> the field's, in REBUILD's table; only those that have no other meaning in this project
AWAY = {
    "wish(es|ed)?": "control attributes",
    "foretells?|foretold": "predict",
    "luck": "rng",
    "told": "logged, reported, summary",
    "plans?": "config, params",
    "twins?|kin": "duplicates, related",
    "heard in train": "observed",
    "likeliest": "top_k",
    "learner": "objective",
    "variants?": "model",
    "alphabets?": "vocabulary",
    "pose|posed": "MelodyOnGrid",
    "deals?|dealt": "assign, split",
    "floors?": "baseline",
    "heat": "temperature",
    "torn": "truncated",
    "forgers?|contests?": "generator, adversarial",
    "begins?|began|begun": "start",
    "made to order": "conditional generation",
    "processors?": "CPU",
    "anew": "again",
    "beside": "next to, compared with",
    "at the most|from which (\\w+ )?on": "at most, threshold",
    "by hand": "manual",
    "dear|dearer": "more costly, higher",
}
SPARED = ("Turning Up the Heat",)  # the title of a paper


def test_plain_words_in_code_messages_and_docs() -> None:
    # no words of other names: math.floor, font-variant
    away = re.compile(rf"(?<![-.\w])({'|'.join(AWAY)})(?!\w)", re.IGNORECASE)
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    files += [*sorted((ROOT / "reports").glob("*/README.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
    for folder, ending in (("src", "py"), ("src", "j2"), ("conf", "yaml")):
        files += sorted((ROOT / folder).rglob(f"*.{ending}"))
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if away.search(line) and file.name != "overrides.py" and not any(spared in line for spared in SPARED)
    ]
    assert not found, "\n".join(found)
