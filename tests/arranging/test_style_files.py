"""A style in a file of one's own: its values, or a sentence."""

from pathlib import Path

import pytest
import yaml
from arranging.sheets import style_values

from etude.arranging.style_files import is_path, read_style
from etude.arranging.styles import Style
from etude.core.errors import EtudeError


def test_a_path_is_told_from_a_name() -> None:
    assert all(map(is_path, ("my/funk.yaml", "funk.yaml", "FUNK.YML", "my/funk")))
    assert not any(map(is_path, ("pop", "bossa nova", "")))


def test_a_file_anywhere_is_a_style_and_lends_its_name(tmp_path: Path) -> None:
    values = style_values("pop")
    del values["name"]
    path = tmp_path / "funk.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = read_style(path, [])
    assert found["file"] == str(path) and Style.of(found) == Style.of({**values, "name": "funk"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"funk\.yaml is no file\. Give a YAML file as those in conf/style\. There are: pop\."),
        (b"a: [1", r"funk\.yaml, line 1: this is no YAML"),
        (b"\xff\xfe", r"funk\.yaml: this is no YAML \(it is no text in UTF-8\)"),
        (b"- a", r"funk\.yaml holds no keys"),
        (b"", r"funk\.yaml holds no keys"),
    ],
)
def test_what_is_no_style_is_a_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "funk.yaml").write_bytes(content)
    with pytest.raises(EtudeError, match=message):
        read_style(tmp_path / "funk.yaml", ["pop"])
