"""Datasets that come as one archive: the pinned version."""

from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError


def test_another_version_than_the_pinned_one_is_refused(mirror: Path, tmp_path: Path, made: Any) -> None:
    with pytest.raises(EtudeError, match=r"have the digest 9e7678d4.*, but dataset\.digest = 0{64}"):
        made.dataset("nottingham", digest="0" * 64).fetch(tmp_path / "files", show=False)
    with pytest.raises(EtudeError, match=r"has no file nottingham-dataset-1\.zip"):
        made.dataset("nottingham", version="1").fetch(tmp_path / "files", show=False)
