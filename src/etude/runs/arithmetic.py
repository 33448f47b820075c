"""Check that this CPU computes what others computed: 30 training steps of each model, as a digest of its weights.

reports/arithmetic.json has the digests and the kinds of CPU that gave them. A CPU of another kind with the
same digests rebuilds the committed results to the byte. Other CPUs differ in last digits.
"""

import platform
import tempfile
from dataclasses import replace
from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, digest, read_json, write_json
from etude.core.progress import follow

STEPS = 30


def kind_of_cpu() -> str:
    """Vendor, family, model and vector instructions of the CPU: ``AuthenticAMD, family 25, model 1, avx2``."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()}, {platform.processor() or platform.system()}"
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    flags = facts.get("flags", "").split()
    able = [name for name in ("avx2", "avx512f", "amx_bf16") if name in flags]
    return ", ".join(
        [facts.get("vendor_id", "?"), f"family {facts.get('cpu family')}", f"model {facts.get('model')}", *able]
    )


def measure(settings: Settings, session: Session) -> dict[str, str]:
    """Train each neural model for 30 steps on the pipeline's data: model -> SHA-256 of its weights."""
    from etude.artifacts.token_store import Store
    from etude.models.weights import save_weights
    from etude.stages.train import train

    short = replace(settings, trainer=replace(settings.trainer, steps=STEPS))
    names = [name for name, section in settings.models.items() if section["objective"] != "counting"]
    found = {}
    for name in follow(names, "30 steps of each model", len(names), session.progress):
        representation = settings.model(name)["representation"]
        folder = session.read(catalog.tokens(representation))
        with tempfile.TemporaryDirectory() as place:
            quiet = replace(session, progress=False)
            model, _, _ = train(short, name, Store(folder), quiet, Path(place), lambda row, step: None)
            save_weights(model, Path(place) / "weights")
            found[name] = digest(Path(place) / "weights")
    return found


def compare(root: Path, settings: Settings, record: bool) -> tuple[bool, str]:
    """Compare this CPU with the recorded ones.

    Args:
        root: the project.
        settings: those of params.yaml.
        record: add this kind of CPU to reports/arithmetic.json. The file is started again if it is absent or damaged,
            or has other digests for this kind: then code or settings have changed since.

    Returns:
        Whether all digests are the recorded ones, and a sentence about it.
    """
    file, cpu = root / catalog.ARITHMETIC.place, kind_of_cpu()
    known = _read(file, record)
    if not known and not record:
        return False, f"{catalog.ARITHMETIC.place} has no digests. Record this CPU's: {catalog.ARITHMETIC.made_by}"
    ours = measure(settings, Session(root=root))
    theirs = known.get("weights", {})
    differing = sorted(name for name in ours if ours[name] != theirs.get(name))
    if not differing:
        cpus = known["equal_cpus"]
        if record and cpu not in cpus:
            write_json(file, {**known, "equal_cpus": sorted([*cpus, cpu])})
        new = "" if cpu in cpus else f"; it is a new kind, not among {'; '.join(cpus)}"
        return True, f"This CPU ({cpu}) trains all {len(ours)} models to the recorded weights{new}."
    changed = cpu in known.get("equal_cpus", [])
    if record and (changed or not theirs):
        write_json(file, {"steps": STEPS, "weights": ours, "equal_cpus": [cpu], "other_cpus": {}})
        return True, f"Recorded {len(ours)} models on this CPU ({cpu})."
    if record:
        others = {**known.get("other_cpus", {}), cpu: differing}
        write_json(file, {**known, "other_cpus": others})
    if changed:
        return False, (
            f"This CPU ({cpu}) trained {', '.join(differing)} to other weights when {catalog.ARITHMETIC.place} "
            f"was made: code or settings have changed. Record them again: {catalog.ARITHMETIC.made_by}"
        )
    return False, (
        f"This CPU ({cpu}) trains {', '.join(differing)} to weights that differ from those recorded on "
        f"{'; '.join(known['equal_cpus'])}: last digits of results differ here."
    )


def _read(file: Path, record: bool) -> Json:
    """The recorded digests; empty without any, or with a damaged file that is to be replaced."""
    try:
        known = read_json(file, catalog.ARITHMETIC.made_by) if file.is_file() else {}
    except EtudeError:
        if not record:
            raise
        known = {}
    return known if isinstance(known, dict) and {"weights", "equal_cpus"} <= set(known) else {}
