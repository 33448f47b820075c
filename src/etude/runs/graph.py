"""The stage instances of the pipeline and their needs, read from dvc.yaml, the only place that states them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from etude.arranging.styles import LEARNED
from etude.artifacts import catalog
from etude.config.code import DIGESTED, class_attribute, digest_of_code
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.project import pipeline_file


@dataclass(frozen=True)
class Instance:
    """A stage, for one name of its section if it runs once for each."""

    stage: str
    name: str | None
    deps: tuple[str, ...]  # places that it reads
    outs: tuple[str, ...]  # places that it writes
    params: tuple[str, ...]  # dotted keys of the settings that decide what it makes

    @property
    def target(self) -> str:
        """DVC's name of the instance: ``train@lstm``."""
        return f"{self.stage}@{self.name}" if self.name else self.stage

    def __str__(self) -> str:
        return f"{self.stage} {self.name}" if self.name else self.stage

    def decides(self, settings: Settings) -> dict[str, Any]:
        """What decides the outputs besides the inputs: the values of the keys, and the code."""
        values = settings.as_dict()
        return {
            "params": {key: _value(values, key) for key in self.params},
            "code": digest_of_code(self.stage, settings, self.name),
        }


def instances(root: Path, settings: Settings) -> list[Instance]:
    """The instances of dvc.yaml for these settings, without ``params``, each after those that it needs.

    Where the style has a part that a trained model plays, ``arrange`` needs the chosen model that accompanies.
    """
    stages = yaml.safe_load(pipeline_file(root).read_text(encoding="utf-8"))["stages"]
    values = settings.as_dict()
    found = []
    for stage, entry in stages.items():
        if stage == "params":
            continue
        if "foreach" not in entry:
            found.append(_instance(stage, None, entry, {}))
            continue
        section = entry["foreach"].removeprefix("${").removesuffix("}")
        names = values[section] if section == "tokenize" else {*values[section]} & {*values["models"]}
        items = {name: item for name, item in values[section].items() if name in names}
        found += [_instance(stage, name, entry["do"], item) for name, item in items.items()]
    if any(part.get("play") == LEARNED for part in settings.style["parts"].values()):
        able = [name for name, item in settings.models.items() if class_attribute(item["_target_"], "can_accompany")]
        heard = tuple(catalog.model(name).place for name in able[:1])
        found = [replace(one, deps=one.deps + heard) if one.stage == "arrange" else one for one in found]
    needs = edges(found)
    ordered: list[Instance] = []
    while len(ordered) < len(found):
        ready = [one for one in found if one not in ordered and needs[one] <= {*ordered}]
        if not ready:
            raise EtudeError("dvc.yaml has a circle: some stages need each other.")
        ordered += ready
    return ordered


def edges(found: list[Instance]) -> dict[Instance, set[Instance]]:
    """The instances whose outputs each instance reads: an output that is, contains or lies in a place that it reads."""
    return {
        one: {
            other
            for other in found
            if other is not one and any(_touch(dep, out) for dep in one.deps for out in other.outs)
        }
        for one in found
    }


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _instance(stage: str, name: str | None, entry: Mapping[str, Any], item: Mapping[str, Any]) -> Instance:
    def filled(text: str) -> str:
        return text.replace("${key}", name or "").replace("${item.representation}", str(item.get("representation")))

    def places(key: str) -> Iterator[str]:
        for place in entry.get(key, []):
            yield filled(place if isinstance(place, str) else next(iter(place)))

    params = []
    for key in entry.get("params", []):
        params += [filled(key)] if isinstance(key, str) else [one for one in key["code.yaml"] if one in DIGESTED]
    return Instance(stage, name, tuple(places("deps")), (*places("outs"), *places("metrics")), tuple(params))


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values
