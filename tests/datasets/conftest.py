"""Shared by the tests of datasets: the sections of conf/, made archives, and the mirror of real archives."""

import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from etude.config.check import construct, target

ROOT = Path(__file__).parents[2]
PLACES = [Path(place) for place in (os.environ.get("ETUDE_MIRROR"), ROOT.parent / "shared" / "mirror") if place]


class Made:
    """Makes datasets and archives for one test."""

    def section(self, name: str, **keys: Any) -> dict[str, Any]:
        """The section of conf/dataset/NAME.yaml, with other values for some keys."""
        return {**yaml.safe_load((ROOT / f"conf/dataset/{name}.yaml").read_text(encoding="utf-8")), **keys}

    def dataset(self, name: str, **keys: Any) -> Any:
        """The dataset of that section."""
        section = self.section(name, **keys)
        return construct(target(section, "dataset"), section, "dataset")

    def zip(self, path: Path, files: Mapping[str, bytes]) -> Path:
        """A .zip file."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path

    def tar(self, path: Path, files: Mapping[str, bytes]) -> Path:
        """A .tar.gz file."""
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        return path


@pytest.fixture(scope="session")
def made() -> Made:
    """Makes datasets and archives."""
    return Made()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the real archives."""
    for place in PLACES:
        if any(place.glob("*.zip")):
            monkeypatch.setenv("ETUDE_MIRROR", str(place))
            return place
    pytest.skip("no archives: neither ETUDE_MIRROR nor ../shared/mirror next to the project holds any")


@pytest.fixture
def own_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty mirror, for archives that a test makes."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("ETUDE_MIRROR", str(tmp_path / "mirror"))
    return tmp_path / "mirror"


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache."""
    monkeypatch.delenv("ETUDE_MIRROR", raising=False)
    monkeypatch.setenv("ETUDE_CACHE", str(tmp_path / "cache"))
