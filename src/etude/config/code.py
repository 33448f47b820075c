"""The code that a stage instance runs: its static import closure, as one digest, for code.yaml.

The closure starts at the stage's module and at the classes that its settings name (model, representation, objective,
sampler, dataset). It follows every import statement, those inside functions too. The digest covers syntax trees without
comments and docstrings, so that an edit of those changes nothing. DVC, the keys of checkpoints and shards, and
``etude all`` use this one digest.

A class of another installed package brings the modules of its package that it imports. What that package imports from
third packages is not followed.
"""

import ast
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from etude.config.outside import METRICS, check_class, declared, is_own
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.files import whole

PACKAGE = Path(__file__).parents[1]
# Rooms and modules that change no result: places, progress bars, logging, the texts of errors, types.
NEUTRAL = (
    "etude.core.errors",
    "etude.core.machine_faults",  # what is said of errors
    "etude.core.memory",  # how much there is, and as text
    "etude.core.process",  # how a process ends
    "etude.core.progress",
    "etude.core.project",
    "etude.core.signals",
    "etude.core.streams",
    "etude.core.workers",
    "etude.api",  # which the package offers by name; no stage calls it
    "etude.config",  # params.yaml holds the values, and DVC compares them
    "etude.artifacts.context",
    "etude.artifacts.catalog",  # where results lie and the commands that make them; dvc.yaml compares the places
    "etude.tracking",
    "etude.representations.base.representation",  # Protocols, for mypy alone
)
# How a stage samples from a sequence model, whose sampler depends on its input.
SEQUENCE_SAMPLERS = {
    "generate": ["tokens", "frames"],
    "evaluate": ["tokens", "frames"],
    "control": ["tokens"],
    "harmonize": ["particles"],
}
# The stages in the order of the pipeline, each with the settings section whose names it runs once for.
SECTIONS: dict[str, str | None] = {
    "download": None,
    "ingest": None,
    "split": None,
    "augment": None,
    "tokenize": "tokenize",
    "train": "models",
    "generate": "models",
    "reference": None,
    "evaluate": "models",
    "control": "conditioners",
    "harmonize": "harmonizers",
    "arrange": "models",
    "report": None,
    "track": None,
}
DIGESTED = ("style", "mix")  # settings sections that code.yaml has as digests: dvc.lock would list them for each model
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # what may start with a docstring
UNSTABLE = ("kind", "type_comment", "type_params")  # fields of syntax trees that not every release of Python has
NAME = re.compile(r"[\w-][\w.-]*\.\w+")  # of a data file
# The fields of each kind of node that count, and what is written before each.
FIELDS = {
    kind: [(name, f" {name}=") for name in kind._fields if name not in UNSTABLE]
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
HEADER = """# The code that each stage instance runs, as digests of its import closure, and digests of long sections.
# Compiled by `dvc repro params`.
"""


def roots(stage: str, settings: Settings, name: str | None = None) -> list[str]:
    """The modules that an instance of ``stage`` starts from: the stage, and what its settings name."""
    found = [f"etude.stages.{stage}"]
    if stage == "download":
        found.append(_module_of(settings.dataset, "dataset"))
    if stage == "ingest":
        found += [module for module in _modules() if module.startswith("etude.scores.")]
    if stage == "tokenize":
        assert name is not None
        found.append(_module_of(settings.tokenize[name], f"tokenize.{name}"))
    if stage in ("train", "generate", "evaluate", "control", "harmonize"):
        assert name is not None
        section = settings.model(name)
        found.append(_module_of(section, f"models.{name}"))
        representation = section["representation"]
        if representation in settings.tokenize:
            found.append(_module_of(settings.tokenize[representation], f"tokenize.{representation}"))
        if stage == "train":
            found += [f"etude.training.objectives.{section['objective']}", "etude.config.schedule"]
        if stage == "evaluate":
            measure = class_attribute(section["_target_"], "measure")
            found += [f"etude.metrics.{measure}"] if measure else []
            comparison = class_attribute(section["_target_"], "comparison")
            found += [f"etude.tasks.{comparison}"] if comparison else []
        if stage != "train":
            sampler = class_attribute(section["_target_"], "sampler")
            ways = [sampler] if sampler else SEQUENCE_SAMPLERS[stage]
            found += [f"etude.sampling.{way}" for way in ways]
    if stage in ("evaluate", "reference"):
        found += [entry.module for entry in declared(METRICS)]
    return found


def _module_of(section: Mapping[str, Any], where: str) -> str:
    """The module of the class that a section names. It is not imported: that would load torch."""
    path = section.get("_target_")
    module = check_class(path, where)
    if module not in _modules_around(module):
        raise EtudeError(f"{where}._target_ = {path!r}: there is no module {module}. Mend the key in conf/.")
    return module


def describe_module(path: str) -> str:
    """The first paragraph of the docstring of the module that a ``_target_`` lies in, as one line."""
    text = ast.get_docstring(_tree(path.rpartition(".")[0])) or ""
    return " ".join(text.split("\n\n")[0].split())


def require_class(section: Mapping[str, Any], where: str) -> None:
    """Raise EtudeError unless a section's ``_target_`` names a class that stands in its module; nothing is imported."""
    module, name = _module_of(section, where), str(section["_target_"]).rpartition(".")[2]
    body = _tree(module).body
    classes = {node.name for node in body if isinstance(node, ast.ClassDef)}
    imported = {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
    if name not in (classes if is_own(section["_target_"]) else classes | imported):
        raise EtudeError(f"{where}._target_: {module} has no class {name}. {closest(name, classes)}")


def class_attribute(path: str, name: str) -> Any:
    """The constant that a class, or the first of its bases that has it, assigns to ``name``."""
    module, _, kind = path.rpartition(".")
    tree = _tree(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == kind:
            for line in node.body:
                targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
                if any(isinstance(to, ast.Name) and to.id == name for to in targets):
                    value = getattr(line, "value", None)
                    return value.value if isinstance(value, ast.Constant) else None
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            return next((found for base in bases if (found := class_attribute(f"{module}.{base}", name))), None)
        if isinstance(node, ast.ImportFrom):
            original = next((alias.name for alias in node.names if (alias.asname or alias.name) == kind), None)
            if original is not None:
                source = _absolute(node.level, node.module or "", _package(module))
                return class_attribute(f"{source}.{original}", name) if source in _modules_around(module) else None
    return None


def neutral_of(stage: str) -> list[str]:
    """``NEUTRAL`` for a stage: tracking counts for the stage ``track`` alone."""
    return [name for name in NEUTRAL if (stage, name) != ("track", "etude.tracking")]


def digest_of_code(stage: str, settings: Settings, name: str | None = None) -> str:
    """The digest of the code that an instance of ``stage`` runs, as 16 hexadecimal digits."""
    modules = sorted(closure(roots(stage, settings, name), neutral_of(stage)))
    text = "".join(f"{module}\0{_digest(module)}\n" for module in modules)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def compile_code(settings: Settings) -> str:
    """The text of code.yaml: ``stage: digest``, ``stage: {name: digest}`` where a stage runs once for each name, and
    ``section: digest`` of the sections in ``DIGESTED``.
    """
    values = settings.as_dict()
    found: dict[str, Any] = {}
    for stage, section in SECTIONS.items():
        if section is None:
            found[stage] = digest_of_code(stage, settings)
        else:
            found[stage] = {name: digest_of_code(stage, settings, name) for name in names_of(section, settings, values)}
    for section in DIGESTED:
        text = json.dumps(values[section], sort_keys=True)
        found[section] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return HEADER + yaml.safe_dump(found, sort_keys=False)


def names_of(section: str, settings: Settings, values: Mapping[str, Any] | None = None) -> list[str]:
    """The names that a stage runs for: those of a section, or the models that can do what the section asks."""
    if section in ("conditioners", "harmonizers"):
        return list(getattr(settings, section))
    return list((values or settings.as_dict())[section])


def closure(starts: Iterable[str], neutral: Iterable[str] = NEUTRAL) -> set[str]:
    """The modules of the package that importing ``starts`` runs, at once or later, less the neutral ones.

    A neutral module is not followed either, unless it is one of ``starts``. The packages that a module lies in belong
    to it, as their ``__init__`` runs first. A start in another package brings the modules of that package too.
    """
    cut = tuple(neutral)
    found: set[str] = set()
    given = list(starts)
    left = [*given]
    while left:
        module = left.pop()
        is_neutral = any(module == name or module.startswith(f"{name}.") for name in cut)
        if module in found or (is_neutral and module not in given):
            continue
        found.add(module)
        parent = module.rpartition(".")[0]
        left += [*_imports(module), *([parent] if parent in _modules_around(module) else [])]
    return found


@cache
def _modules() -> frozenset[str]:
    """Every module of the package."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return frozenset(found)


@cache
def _outside(top: str) -> dict[str, Path]:
    """The Python files of another installed package by module, found without running it. ``top`` has no dot."""
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise EtudeError(f"There is no package {top}, which an entry point names. Install it again.")
    if spec.submodule_search_locations is None:
        return {top: Path(spec.origin)} if spec.origin and spec.origin.endswith(".py") else {}
    found: dict[str, Path] = {}
    for folder in map(Path, spec.submodule_search_locations):
        for file in sorted(folder.rglob("*.py")):
            parts = (top, *file.relative_to(folder).with_suffix("").parts)
            found.setdefault(".".join(parts[:-1] if parts[-1] == "__init__" else parts), file)
    return found


def _modules_around(module: str) -> frozenset[str]:
    """The modules whose code counts if ``module`` imports them: etude's, and those of its own package."""
    top = module.partition(".")[0]
    return _modules() if top == PACKAGE.name else _modules() | frozenset(_outside(top))


def _file(module: str) -> Path:
    top = module.partition(".")[0]
    if top != PACKAGE.name:
        return _outside(top).get(module, Path(module))
    path = PACKAGE.parent / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _source(module: str) -> tuple[Path, int]:
    """The file of a module, and when it was written last."""
    file = _file(module)
    try:
        return file, file.stat().st_mtime_ns
    except FileNotFoundError:
        raise EtudeError(f"There is no module {module} in the package ({file} does not exist).") from None


def _tree(module: str) -> ast.Module:
    return _parse(*_source(module))


def _package(module: str) -> str:
    """The package that relative imports in ``module`` start from."""
    return module if _file(module).name == "__init__.py" else module.rpartition(".")[0]


@cache
def _parse(file: Path, changed: int) -> ast.Module:
    """The syntax tree of a file; ``changed`` is when it was written last, so that an edit is parsed again."""
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise EtudeError(f"{file}, line {error.lineno}: {error.msg}. Mend the code; nothing was run.") from None


def _imports(module: str) -> tuple[str, ...]:
    """The modules of the package that import statements of ``module`` name, anywhere in it."""
    modules, package = _modules_around(module), _package(module)
    found: dict[str, None] = {}
    for level, source, names in _facts(module).imports:
        absolute = _absolute(level, source, package)
        named = [absolute, *(f"{absolute}.{name}" for name in names)]
        found |= dict.fromkeys(name for name in named if name in modules)
    return tuple(found)


def _absolute(level: int, source: str, package: str) -> str:
    """The module that ``from ... import`` names; ``level`` counts the dots before it."""
    if not level:
        return source
    above = package.split(".")[: len(package.split(".")) - level + 1]
    return ".".join([*above, *([source] if source else [])])


class _Facts(NamedTuple):
    """What counts of a module's source."""

    digest: str  # of its syntax tree, as hexadecimal digits
    imports: Sequence[tuple[int, str, Sequence[str]]]  # of each import statement the dots, the module, and the names
    strings: Sequence[str]  # those that may be the name of a data file


def _facts(module: str) -> _Facts:
    return _facts_of(*_source(module))


@cache
def _facts_of(file: Path, changed: int) -> _Facts:
    """The facts of a file, from next to its bytecode where they are those of this source and this module."""
    kept = Path(importlib.util.cache_from_source(str(file))).with_suffix(".json")
    key = hashlib.sha256(Path(__file__).read_bytes() + file.read_bytes()).hexdigest()
    with suppress(OSError, ValueError, TypeError):
        *facts, of = json.loads(kept.read_text(encoding="utf-8"))
        if of == key:
            return _Facts(*facts)
    found = _Reading(_parse(file, changed)).facts()
    if not sys.dont_write_bytecode:
        with suppress(OSError), whole(kept) as part:
            part.write_text(json.dumps([*found, key]), encoding="utf-8")
    return found


class _Reading:
    """One pass over a syntax tree."""

    def __init__(self, tree: ast.Module) -> None:
        self.parts: list[str] = []
        self.imports: list[tuple[int, str, list[str]]] = []
        self.strings: set[str] = set()
        self._add(tree)

    def facts(self) -> _Facts:
        digest = hashlib.sha256("".join(self.parts).encode()).hexdigest()
        return _Facts(digest, self.imports, sorted(text for text in self.strings if NAME.fullmatch(text)))

    def _add(self, node: Any) -> None:
        """Add a syntax tree as text, without docstrings, places and empty fields: the same for each Python release."""
        if isinstance(node, list):
            for item in node:
                self._add(item)
            return
        kind = type(node)
        names = FIELDS.get(kind)
        if names is None:
            self.parts.append(f"{kind.__name__}:{node!r};")
            if kind is str:
                self.strings.add(node)
            return
        if kind is ast.Import:
            self.imports += [(0, alias.name, []) for alias in node.names]
        elif kind is ast.ImportFrom:
            self.imports.append((node.level, node.module or "", [alias.name for alias in node.names]))
        self.parts.append(f"({kind.__name__}")
        for name, before in names:
            value: Any = getattr(node, name, None)
            if name == "body" and kind in DOCUMENTED:
                value = value[ast.get_docstring(node, clean=False) is not None :]
            if value is not None and value != []:
                self.parts.append(before)
                self._add(value)
        self.parts.append(")")


def _digest(module: str) -> str:
    """The digest of a module's syntax tree, and of the data files that it names."""
    facts = _facts(module)
    top = module.partition(".")[0]
    if top == PACKAGE.name:
        folder: Path | None = PACKAGE
    else:
        folder = _outside(top)[top].parent if _outside(top).get(top, Path()).name == "__init__.py" else None
    files = _data_files(facts.strings, folder) if folder else []
    if not files:
        return facts.digest
    total = hashlib.sha256(facts.digest.encode())
    for file in files:
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _data_files(strings: Iterable[str], package: Path) -> list[Path]:
    """The files of a package, as templates, of which ``strings`` have the names, and those that these files name."""
    every = {file.name: file for file in _all_data_files(package)}
    found: set[str] = set()
    left = [name for name in strings if name in every]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            text = every[name].read_text(encoding="utf-8", errors="replace")
            left += [other for other in every if f'"{other}"' in text]
    return [every[name] for name in sorted(found)]


@cache
def _all_data_files(package: Path) -> tuple[Path, ...]:
    apart = {"__pycache__", "pretrained", "conf"}  # compiled code, trained models, settings
    files = (file for file in package.rglob("*") if file.is_file() and not apart & set(file.relative_to(package).parts))
    return tuple(sorted(file for file in files if file.suffix != ".py" and not file.name.startswith(".")))
