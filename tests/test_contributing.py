"""The examples of CONTRIBUTING.md, as they stand, in a temporary project: style, types and their own tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

BLOCK = re.compile(r"```(python|yaml|diff)\n(.*?)```", re.DOTALL)
PLACE = re.compile(r"^# ((?:src|conf|tests)/[\w/.]+)", re.MULTILINE)


def insert(file: Path, block: str) -> None:
    """Add the ``+`` lines of a block to ``file``, each group after the line that stands before it in the block."""
    text = file.read_text(encoding="utf-8")
    after = ""
    for line in block.splitlines()[1:]:
        sign, content = line[:1], f"{line[1:]}\n"
        if sign == "+":
            assert after, "a block starts with a line of the file"
            text = text.replace(after, after + content)
        else:
            assert text.count(content) == 1, f"{file.name} has not once: {content}"
        after = content
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project's code and settings with all examples."""
    root = tmp_path_factory.mktemp("project")
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, root / folder)
    for file in ("pyproject.toml", "dvc.yaml", "tests/conftest.py", "tests/browser.py", "tests/datasets/conftest.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    for language, block in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        found = PLACE.search(block)
        assert found, f"no place in the first lines of the block:\n{block}"
        place = root / found[1]
        if language == "diff":
            insert(place, block)
        else:
            assert not place.exists(), f"{found[1]} is in the repository: CONTRIBUTING.md needs another example"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def examples(project: Path) -> list[str]:
    """The Python files that CONTRIBUTING.md writes or changes, relative to the project."""
    files = [file.relative_to(project) for folder in ("src", "tests") for file in (project / folder).rglob("*.py")]
    kept = [file for file in files if not same(project / file, ROOT / file)]
    assert len(kept) == 9, kept  # four classes or functions with their tests, and the stage evaluate
    return sorted(map(str, kept))


def same(file: Path, other: Path) -> bool:
    return other.is_file() and file.read_bytes() == other.read_bytes()


def call(folder: Path, *command: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_ruff_finds_nothing(project: Path, examples: list[str]) -> None:
    call(project, "ruff", "check", "--no-cache", *examples)
    call(project, "ruff", "format", "--no-cache", "--check", *examples)


def test_mypy_finds_nothing(project: Path, examples: list[str]) -> None:
    """In the folder of the repository, whose cache of the libraries' types saves a minute."""
    files = [str(project / file) for file in examples]
    call(ROOT, "mypy", *files, MYPYPATH=f"{project / 'src'}:{project / 'tests'}")


def test_the_settings_compose(project: Path) -> None:
    chosen = ["model=rnn", "dataset=madrigals", "tokenize=[remi,steady]"]
    (project / "compose_chosen.py").write_text(
        "from pathlib import Path\n"
        "from etude.config.compile import compile_params\n"
        f"print(compile_params(Path('conf'), {chosen!r}))\n"
    )
    text = call(project, "compose_chosen", PYTHONPATH=f"{project / 'src'}{os.pathsep}{project}")
    assert (
        "etude.models.rnn.RNN" in text and "name: madrigals" in text and "etude.representations.steady.Steady" in text
    )


def test_their_own_tests_pass(project: Path, examples: list[str]) -> None:
    tests = [file for file in examples if file.startswith("tests/")]
    call(project, "pytest", "-n", "0", "-p", "no:cacheprovider", *tests, PYTHONPATH=str(project / "src"))
