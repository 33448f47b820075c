"""Where the project is: the folder that holds dvc.yaml and conf/."""

from pathlib import Path

from etude.core.errors import EtudeError


def project_root(start: Path | None = None) -> Path:
    """The nearest folder at or above ``start`` (default: the working folder) that holds dvc.yaml and conf/."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "conf").is_dir():
            return folder
    raise EtudeError(f"{start} is not inside an etude project (no folder with dvc.yaml and conf/). Change into one.")
