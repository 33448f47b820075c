"""The package: what it declares, what its wheel has, and what its import sets in the process."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Declared for another reason than an import.
NOT_IMPORTED = {
    "dvc": "run as a command",
    "hydra-joblib-launcher": "Hydra finds it: hydra/launcher=joblib",
    "ruamel-yaml-clib": "DVC takes it where it is there",
    "hydra-submitit-launcher": "Hydra finds it: hydra/launcher=submitit_slurm",
    "optuna": "imported where a search asks for it",
    "etude": "its own extras",
    "hatchling": "run as a command",
    "ipykernel": "run by nbclient",
    "mypy": "run as a command",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "run as a command",
    "types-pyyaml": "read by mypy",
    "websockets": "uvicorn speaks WebSocket with it",
}
NAMED = {"rtmidi": "python-rtmidi"}  # modules of distributions of other names that the tests do not install


def declared(*extras: str) -> dict[str, Requirement]:
    """Distribution -> what is required of it: the dependencies, or those of the named extras."""
    lists = [PROJECT["optional-dependencies"][extra] for extra in extras] or [PROJECT["dependencies"]]
    found = [Requirement(text) for requirements in lists for text in requirements]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def imported(*folders: str) -> dict[str, set[str]]:
    """Module -> the distributions that it may come from, for each import of another package below ``folders``."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    own = {"etude"} | {
        part for file in files for part in file.relative_to(ROOT).with_suffix("").parts if "tests" in folders
    }
    names = {name for file in files for name in modules(ast.parse(file.read_text(encoding="utf-8")))}
    known = importlib.metadata.packages_distributions()  # of what is installed; transformers need not be
    others = names - own - set(sys.stdlib_module_names)
    return {name: {canonicalize_name(found) for found in known.get(name, [NAMED.get(name, name)])} for name in others}


def modules(tree: ast.Module) -> Iterable[str]:
    """The top modules of all imports, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def test_what_src_imports_is_declared_and_nothing_else() -> None:
    found = imported("src")
    allowed = declared() | declared("cluster", "midi", "sweep")
    assert {name for name, sources in found.items() if not sources & set(allowed)} == set()
    used = set().union(*found.values())
    assert set(allowed) - used - set(NOT_IMPORTED) == set()


def test_what_tests_and_benchmarks_import_is_declared_and_nothing_else() -> None:
    found = imported("tests", "benchmarks")
    own = declared("test", "benchmark")
    allowed = declared() | declared("cluster") | own
    assert {name for name, sources in found.items() if not sources & set(allowed)} == set()
    used = set().union(*found.values())
    assert set(own) - used - set(NOT_IMPORTED) == set()
    assert set(NOT_IMPORTED) <= set(allowed) | set(declared("sweep"))


def test_the_lock_has_a_version_in_range_of_all_that_is_declared() -> None:
    pins = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
    for name, requirement in (declared() | declared("cluster", "sweep", "test")).items():
        if name != "etude":
            assert requirement.specifier.contains(pins[name]), f"{requirement}: requirements.lock has {pins[name]}"


def test_all_files_name_the_same_releases_of_python_and_of_etude() -> None:
    releases = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text]
    lowest, highest = (int(release.removeprefix("3.")) for release in (releases[0], releases[-1]))
    assert PROJECT["requires-python"] == f">=3.{lowest},<3.{highest + 1}"
    makefile = (ROOT / "Makefile").read_text()
    assert f"for name in {' '.join(f'python{release}' for release in releases)};" in makefile
    assert f"(3, {lowest}) <= sys.version_info < (3, {highest + 1})" in makefile
    assert f"--python-version {releases[0]} " in makefile
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == releases
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert f"{PROJECT['version']} " in (ROOT / "CHANGELOG.md").read_text()


def test_commits_are_checked_with_the_locked_release_of_ruff() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    wanted = {text for hook in hooks for text in hook["additional_dependencies"] if text.startswith("ruff")}
    assert len(wanted) == 1 and wanted <= set((ROOT / "requirements.lock").read_text().splitlines())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a source archive of the working tree, in which pretrained/ has a model."""
    root = tmp_path_factory.mktemp("package")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (root / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / "tree" / name)
    for name in MODEL:
        (root / "tree/src/etude/pretrained/tiny" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "tree/src/etude/pretrained/tiny" / name).write_bytes(b"{}")
    build(root / "tree", "sdist", root)
    (archive,) = root.glob("*.tar.gz")
    shutil.unpack_archive(archive, root / "unpacked")
    (folder,) = (root / "unpacked").iterdir()
    build(folder, "wheel", root)
    (made,) = root.glob("*.whl")
    return made


MODEL = ("config.json", "model.safetensors", "observed.npz")


def build(folder: Path, target: str, to: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(to)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_code_settings_templates_models_and_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {name for name in names if not name.startswith("etude-")}
    code = [file for file in (ROOT / "src").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    expected = {file.relative_to(ROOT / "src").as_posix() for file in code}
    expected |= {f"etude/{file.relative_to(ROOT).as_posix()}" for file in (ROOT / "conf").rglob("*.yaml")}
    expected |= {"etude/dvc.yaml"}
    expected |= {f"etude/pretrained/tiny/{name}" for name in MODEL}
    assert inside == expected and "etude/py.typed" in inside and "etude/report/report.html.j2" in inside
    notes = {re.sub(r"^etude-[^/]+\.dist-info/", "", name) for name in names - inside}
    assert notes == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"}


def test_the_wheel_runs_outside_a_clone(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own that sees the packages of this one; nothing is downloaded."""
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    (site / "shared.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    asked = (
        "import etude, pathlib; here = pathlib.Path(etude.__file__).parent; "
        "print(here, (here / 'conf/config.yaml').is_file())"
    )
    away = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command, expected in (
        ([str(python), "-c", asked], f"{site / 'etude'} True\n"),
        ([str(tmp_path / "venv/bin/etude"), "--help"], "etude: a reproducible laboratory"),
    ):
        done = subprocess.run(command, cwd=tmp_path, env=away, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout.startswith(expected), done.stdout + done.stderr


ASKED = """
import resource
{imported}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = 48 << 20
kept = b"x" * size; del kept
before = faults()
for _ in range(5):
    kept = b"x" * size; del kept
print((faults() - before) * resource.getpagesize() / (5 * size))
"""


def cleared(imported: str, **variables: str) -> float:
    """The share of freed memory that the system had to clear and map anew when it was asked for again."""
    away = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    command = [sys.executable, "-c", ASKED.format(imported=imported)]
    return float(subprocess.run(command, env=away, capture_output=True, text=True, check=True).stdout)


def test_freed_memory_is_kept_for_the_next_step() -> None:
    if cleared("") < 0.5:
        pytest.skip("this C library keeps freed memory by itself: there is nothing to be seen")
    assert cleared("import etude") < 0.01
    assert cleared("import etude", MALLOC_MMAP_THRESHOLD_="1000000") > 0.5  # what the user sets goes first
