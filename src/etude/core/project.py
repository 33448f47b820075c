"""Where etude works: in a project, which has dvc.yaml and conf/, or in any other folder."""

import os
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from etude.core.errors import EtudeError

PACKAGE = Path(__file__).parents[1]


def find_project(start: Path | None = None) -> Path | None:
    """The nearest folder at or above ``start`` (default: the working folder) that holds dvc.yaml and conf/."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "conf").is_dir():
            return folder
    return None


def require_project() -> Path:
    """The project of the working folder. Raises EtudeError outside one."""
    found = find_project()
    if found is None:
        raise EtudeError(
            f"{Path.cwd()} is not inside an etude project (no folder with dvc.yaml and conf/). Change into a clone."
        )
    return found


def given_path(name: str | os.PathLike[str]) -> Path:
    """A path that somebody gives. ``~`` and ``~name`` are home folders; as in a shell, of users that exist alone."""
    return Path(os.path.expanduser(name))


def own_temporary() -> Path:
    """What this user keeps outside of projects. Its name has the number of the user: in a container some have no name.

    It need not exist.
    """
    return Path(tempfile.gettempdir(), f"etude-{os.getuid()}")


def working_root() -> Path:
    """The project of the working folder, or the working folder itself: what etude writes goes below it."""
    return find_project() or Path.cwd().resolve()


def dvc_runs(root: Path) -> bool:
    """Whether DVC runs in a project: it asks for a git repository, or for a setting that there is none."""
    settings = [file.read_text(encoding="utf-8") for file in sorted((root / ".dvc").glob("config*")) if file.is_file()]
    return any((folder / ".git").exists() for folder in (root, *root.parents)) or "no_scm = true" in "\n".join(settings)


def conf_folder(root: Path) -> Path:
    """The settings: conf/ of a project, elsewhere those that come with the package."""
    return _part(root, "conf")


def pipeline_file(root: Path) -> Path:
    """The map of the pipeline: dvc.yaml of a project, elsewhere the one that comes with the package."""
    return _part(root, "dvc.yaml")


def _part(root: Path, name: str) -> Path:
    if find_project(root) == root:
        return root / name
    packaged = PACKAGE / name
    return packaged if packaged.exists() else PACKAGE.parents[1] / name  # the latter in an editable install


def version_of_code() -> str:
    """The version of etude, with the commit of its clone where it runs from one: ``etude 0.1.0, commit 0a1b2c3``."""
    try:
        found = f"etude {version('etude')}"
    except PackageNotFoundError:
        found = "etude"
    clone = PACKAGE.parents[1]
    if not (clone / ".git").exists():
        return found
    try:
        command = ["git", "--no-optional-locks", "-C", str(clone), "rev-parse", "--short=7", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return found
    return f"{found}, commit {commit}"
