"""The README's numbers are those of the committed results, and its words those of the field."""

import json
import re
from pathlib import Path

from conftest import ROOT

from etude.config.compile import compile_params
from etude.config.sections import Settings

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows() -> dict[str, str]:
    """The figures of each model, as its row ends: nats per note, then distance, each of the default / the full size."""
    full = json.loads((ROOT / "reports/full/results.json").read_text())
    few = {file.stem: json.loads(file.read_text())["metrics"] for file in (ROOT / "reports/evaluate").glob("*.json")}
    found = {}
    for name in full:
        cells = []
        for measure in ("test/nats_per_note", "samples/distance"):
            values = [sizes.get(name, {}).get(measure) for sizes in (few, full)]
            cells.append(" / ".join("–" if value is None else f"{value:.2f}" for value in values))
        found[name] = f"| {' | '.join(cells)} |"
    return found


def test_the_table_has_the_committed_results() -> None:
    lines = {match[1]: line for line in README.splitlines() if (match := re.match(r"\| `(\w+)` \|", line))}
    wrong = {name: end for name, end in rows().items() if not lines.get(name, "").endswith(end)}
    assert not wrong and lines.keys() == rows().keys(), f"The rows of README.md must end so: {wrong}"


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) <= 150
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not dead, dead


def test_each_docs_page_is_named_on_the_way_from_the_readme() -> None:
    linked = {
        link for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] for link in LINK.findall(page.read_text())
    }
    assert {file.name for file in (ROOT / "docs").glob("*.md")} <= {Path(link).name for link in linked}


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
    assert made.models["voices"]["temperature"] == 1.3 and made.sampling("voices").temperature == 0.6
    assert (made.sampling("lstm").temperature, made.sampling("lstm").rhythm) == (0.7, 1.0)


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
