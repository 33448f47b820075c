"""``make verify``: compare results on disk with the committed ones, stage by stage: equal to the byte, near, or not.

Another kind of CPU rounds sums differently: weights differ in their last digits, and the samples drift apart.
TOLERANCES states what must hold there. Results that do not depend on floating-point sums must be equal to the byte.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from etude.artifacts import catalog
from etude.core.errors import EtudeError


@dataclass(frozen=True)
class Tolerance:
    """The largest allowed difference from the committed number: ``share`` of it, or ``apart`` in its own unit."""

    share: float
    apart: float = 0.0

    def __str__(self) -> str:
        return f"{self.share:.0%}" + (f" or {self.apart:g}" if self.apart else "")


# stage -> start of a metric's name -> its tolerance; a stage without tolerances must be equal to the byte
TOLERANCES: dict[str, dict[str, Tolerance]] = {
    "reference": {
        "real_against_real.": Tolerance(0.001),
        "descriptors.": Tolerance(0.001),
        "distributions_at_size.": Tolerance(0.001),
        "sets.": Tolerance(0.01, 0.01),
        "structure.": Tolerance(0.001),
        "originality.line.": Tolerance(0.001),
    },
    "evaluate": {
        "training.valid/": Tolerance(0.03),
        "training.parameters": Tolerance(0),
        "metrics.valid/": Tolerance(0.03),
        "metrics.test/": Tolerance(0.03),
        "metrics.samples/distance": Tolerance(0.35, 0.15),
        "metrics.samples/classifier": Tolerance(0.0, 0.1),
        "metrics.samples/copied_median": Tolerance(0.0, 0.1),
    },
    "control": {
        "metrics.control/met": Tolerance(0.15, 0.15),
        "metrics.control/test_": Tolerance(0.05),
    },
    "harmonize": {
        "metrics.harmony/nats_per_note": Tolerance(0.05),
        "metrics.harmony/agreement": Tolerance(0.15),
        "metrics.harmony/parallels_beside_all_real": Tolerance(0.0, 1.0),
    },
    "arrange": {"pieces.": Tolerance(0.02, 0.5), "band.": Tolerance(0.02, 0.5), "sample_rate": Tolerance(0)},
}
FOLLOWS = {"train": "evaluate", "generate": "evaluate"}  # compared by the numbers of another stage
MADE_FROM_ALL = ("report", "track")  # may differ only if an earlier stage differs
LOUD = Tolerance(0.0, 0.5)  # of the loudness in LUFS that every mix is brought to
LUFS = "loudness_lufs"
EQUAL, WITHIN, DIFFERENT, ABSENT = "equal to the byte", "within tolerance", "different", "not built"


def verify(root: Path) -> int:
    """Compare, print a table, and return 0 if nothing is different or missing, else 1."""
    table = Table("stage", "verdict", "what was compared", title="Results on disk against the committed ones")
    found = judge_stages(root)
    for stage, (verdict, remark) in found.items():
        table.add_row(stage, verdict, remark)
    Console().print(table)
    for word in (EQUAL, WITHIN, DIFFERENT, ABSENT):
        names = [stage for stage, (verdict, _) in found.items() if verdict == word]
        print(
            f"{word}: {len(names)} of {len(found)}"
            + (f" ({', '.join(names)})" if word in (DIFFERENT, ABSENT) and names else "")
        )
    return int(any(verdict in (DIFFERENT, ABSENT) for verdict, _ in found.values()))


def judge_stages(root: Path) -> dict[str, tuple[str, str]]:
    """The verdict on each committed stage instance, and what was compared."""
    committed = _stages(_committed(root, "dvc.lock"), "The committed dvc.lock")
    lock = root / "dvc.lock"
    found = _stages(lock.read_text(encoding="utf-8"), "dvc.lock") if lock.is_file() else {}
    stale = _stale(root)
    verdicts: dict[str, str] = {}
    judged = {}
    # stages that are compared by the numbers of others come after them
    for stage in sorted(committed, key=lambda stage: (stage in MADE_FROM_ALL, stage.startswith("arrange"))):
        judged[stage] = _judge(root, stage, committed[stage], found.get(stage), stale, verdicts)
        verdicts[stage] = judged[stage][0]
    return judged


def _stages(text: str, where: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(text)
        return dict(found["stages"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise EtudeError(f"{where} is damaged. Take the committed one back with: git checkout dvc.lock") from None


def summarize(root: Path) -> str:
    """One sentence on how the results on disk compare with the committed ones; empty if none are committed."""
    equal = "The results are equal to the committed ones to the byte."
    asked = ["git", "diff", "--quiet", "HEAD", "--", "dvc.lock", "reports"]
    clean = subprocess.run(asked, cwd=root, capture_output=True, check=False)
    if clean.returncode == 0:
        return equal
    try:
        judged = judge_stages(root)
    except EtudeError:
        return ""
    verdicts = [verdict for stage, (verdict, _) in judged.items() if stage != "params"]  # an edit of code is no result
    away = sum(verdict in (DIFFERENT, ABSENT) for verdict in verdicts)
    if away:
        return f"{away} of {len(verdicts)} results differ from the committed ones beyond the tolerances: make verify."
    near = sum(verdict == WITHIN for verdict in verdicts)
    if not near:
        return equal
    return (
        f"{near} of {len(verdicts)} results differ from the committed ones in last digits, within the tolerances: "
        "the conclusions hold on this CPU."
    )


def _judge(
    root: Path, stage: str, committed: Any, found: Any, stale: set[str], verdicts: Mapping[str, str]
) -> tuple[str, str]:
    outs = {out["path"]: out["md5"] for out in committed.get("outs", [])}
    if missing := [path for path in outs if not (root / path).exists()]:
        return ABSENT, f"{missing[0]} is not there: make repro"
    if found is None or stage in stale:
        return ABSENT, "out of date: make repro"
    differing = [out["path"] for out in found["outs"] if outs.get(out["path"]) != out["md5"]]
    if not differing:
        return EQUAL, f"{len(outs)} output{'s' if len(outs) > 1 else ''}"
    name, _, model_name = stage.partition("@")
    if name in MADE_FROM_ALL:
        if set(verdicts.values()) == {EQUAL}:
            return DIFFERENT, f"{', '.join(differing)} differs, though all that it is made from is equal"
        return WITHIN, "made from the stages above"
    name = FOLLOWS.get(name, name)
    rules = TOLERANCES.get(name)
    if rules is None:
        return DIFFERENT, f"{', '.join(differing)} must be equal to the byte"
    file = catalog.report(name, model_name).place
    if not (root / file).is_file():
        return ABSENT, f"{file} is not there: make repro"
    old, new = json.loads(_committed(root, file)), json.loads((root / file).read_text())
    if name == "arrange" and verdicts.get(f"generate@{model_name}") != EQUAL:
        # other samples must have the same number, voices and loudness
        worst = list(_other_sound(old["pieces"], new["pieces"]))
        return (
            (DIFFERENT, f"{file}: {'; '.join(worst[:3])}")
            if worst
            else (WITHIN, f"{file}: voices, loudness within 0.5")
        )
    worst = [line for line in _outside(dict(numbers(old)), dict(numbers(new)), rules)]
    if worst:
        return DIFFERENT, f"{file}: {'; '.join(worst[:3])}"
    return WITHIN, f"{file}: " + ", ".join(f"{front} within {rule}" for front, rule in rules.items())


def _other_sound(old: list[Any], new: list[Any]) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{len(new)} pieces, committed {len(old)}"
    for was, now in zip(old, new, strict=False):
        voices, observed = ([track["name"] for track in piece["tracks"]] for piece in (was, now))
        if voices != observed:
            yield f"{now['file']} has the voices {', '.join(observed)}, committed {', '.join(voices)}"
        yield from _outside({LUFS: was.get(LUFS, math.nan)}, {LUFS: now.get(LUFS) or math.nan}, {LUFS: LOUD})


def numbers(value: Any, front: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a JSON value under dotted names; nulls are nan."""
    if isinstance(value, Mapping):
        for name in value:
            yield from numbers(value[name], f"{front}{name}.")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from numbers(item, f"{front}{place}.")
    elif value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield front.rstrip("."), math.nan if value is None else float(value)


def _outside(old: dict[str, float], new: dict[str, float], rules: Mapping[str, Tolerance]) -> Iterator[str]:
    for name, was in old.items():
        rule = next((rule for front, rule in rules.items() if name.startswith(front)), None)
        if rule is None:
            continue
        now = new.get(name, math.nan)
        if math.isnan(was) and math.isnan(now):
            continue
        if not abs(now - was) <= max(rule.share * abs(was), rule.apart):
            yield f"{name} is {now:g}, committed {was:g}, tolerance {rule}"


def _committed(root: Path, file: str) -> str:
    shown = subprocess.run(["git", "show", f"HEAD:{file}"], cwd=root, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise EtudeError(f"{file} is not committed ({shown.stderr.strip()}): there is nothing to compare with.")
    return shown.stdout


def _stale(root: Path) -> set[str]:
    """Stages that are out of date, or whose outputs on disk differ from dvc.lock."""
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], cwd=root, capture_output=True, text=True, check=False
    )
    if status.returncode not in (0, 1) or not status.stdout.strip():
        raise EtudeError(f"dvc status failed: {status.stderr.strip()[-300:]}")
    return set(json.loads(status.stdout))
