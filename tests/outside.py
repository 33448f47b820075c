"""The package of docs/extending.md, installed in a folder of a test: its code, its settings and its dist-info."""

import re
import tomllib
from pathlib import Path

from conftest import ROOT


def install(folder: Path) -> tuple[Path, Path]:
    """Write the package to ``folder``. Gives the place for sys.path, and the folder of settings."""
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    site, conf = folder / "site", folder / "my_conf"
    project = {}
    for language, block in re.findall(r"```(toml|python|yaml)\n(.*?)```", text, re.DOTALL):
        place = re.search(r"# ((?:tunes/|my_conf/)\S+\.(?:py|yaml))", block)
        if language == "toml":
            project = tomllib.loads(block)["project"]
            continue
        assert place is not None, block
        file = folder / place[1] if language == "yaml" else site / place[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block, encoding="utf-8")
    (site / "tunes/__init__.py").touch()
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return site, conf
