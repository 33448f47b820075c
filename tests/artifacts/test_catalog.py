"""The catalogue and dvc.yaml name the same places, and no other module names one."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from conftest import ROOT

from etude.artifacts import catalog
from etude.artifacts.catalog import Artifact
from etude.config.code import SECTIONS
from etude.config.sections import Settings
from etude.runs.graph import instances

ALL: dict[str, list[Callable[..., Artifact]]] = {
    "download": [catalog.data, catalog.record],
    "ingest": [catalog.data, catalog.record],
    "split": [catalog.data, catalog.record],
    "augment": [catalog.data, catalog.record],
    "tokenize": [catalog.data, catalog.record],
    "train": [lambda _, name: catalog.model(name)],
    "generate": [catalog.data],
    "reference": [catalog.data, catalog.report],
    "evaluate": [catalog.report, lambda _, name: catalog.figure(name), lambda _, name: catalog.metrics(name)],
    "control": [catalog.data, catalog.report],
    "harmonize": [catalog.data, catalog.report],
    "arrange": [catalog.data, catalog.report],
    "report": [
        lambda *_: catalog.PAGE,
        lambda *_: catalog.TABLES,
        lambda *_: catalog.RESULTS,
        lambda *_: catalog.DESCRIPTORS,
        lambda *_: catalog.CARDS,
        lambda *_: catalog.EXCERPTS,
    ],
    "track": [lambda *_: catalog.PUBLISHED],
}
NOT_OF_A_STAGE = {catalog.FULL, catalog.EXPERIMENTS, catalog.ARITHMETIC, catalog.LISTEN}  # DVC does not make them
# a place, or the command of a stage that a message asks for
PLACE = re.compile(rf"^(data|models|reports)/|(^|: )etude ({'|'.join(SECTIONS)})( \w+=)?$")
# module -> why it may
ELSEWHERE = {
    "etude.artifacts.catalog": "the catalogue",
    "etude.cli.job": "it puts session.run after the command",
    "etude.tracking.live": "the source of a run",
}


def test_dvc_yaml_names_the_places_and_commands_of_the_catalogue() -> None:
    found = instances(ROOT, Settings.from_params(ROOT / "params.yaml"))
    assert {one.stage for one in found} == {*ALL} == {*SECTIONS}
    for one in found:
        artifacts = [make(one.stage, one.name) for make in ALL[one.stage]]
        assert {artifact.place for artifact in artifacts} == {*one.outs}, one.target
        assert {artifact.made_by for artifact in artifacts} == {catalog.command(one.stage, one.name)}, one.target


def test_dvc_yaml_has_every_place_of_the_catalogue() -> None:
    found = {out for one in instances(ROOT, Settings.from_params(ROOT / "params.yaml")) for out in one.outs}
    named = {value for value in vars(catalog).values() if isinstance(value, Artifact)} - NOT_OF_A_STAGE
    assert len(named) > 8 and {artifact.place for artifact in named} <= found
    made = {catalog.tokens("remi"), *(of("lstm") for of in (catalog.model, catalog.samples, catalog.evaluation))}
    assert {artifact.place for artifact in made} <= found


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a module that are no docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def test_no_other_module_names_a_place_or_a_command() -> None:
    found = {
        ".".join(file.relative_to(ROOT / "src").with_suffix("").parts): line
        for file in sorted((ROOT / "src").rglob("*.py"))
        for line in texts(file)
        if PLACE.search(line[1])
    }
    assert found.keys() == ELSEWHERE.keys(), found
