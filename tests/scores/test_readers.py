"""The readers by file format."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.readers import is_midi, pieces_of, read, sheet_of

READING = Reading(None, True, 100.0, True, 24, None, None)


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    for call in (lambda path: read(path, None, READING), pieces_of):
        with pytest.raises(EtudeError, match=r"files ending in \.pdf are not read, only \.mid,"):
            call(tmp_path / "a.pdf")
    with pytest.raises(EtudeError, match=r"a\.mid holds no written score"):
        sheet_of(tmp_path / "a.mid", None)
    with pytest.raises(EtudeError, match="without an ending"):
        pieces_of(tmp_path / "README")


@pytest.mark.parametrize("ending", ["musicxml", "mxl"])
def test_a_musicxml_file_states_its_title(tmp_path: Path, ending: str) -> None:
    text = "<work><work-title>Opus 1</work-title></work><movement-title> Trio &amp;\n Coda</movement-title>"
    for encoding in ("utf-8", "utf-16"):
        data = f"<score-partwise>{text}<part-list/></score-partwise>".encode(encoding)
        if ending == "mxl":
            with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
                archive.writestr("a.xml", data)
        else:
            (tmp_path / "a.musicxml").write_bytes(data)
        assert pieces_of(tmp_path / f"a.{ending}") == [(None, "Trio & Coda")]
    if ending == "musicxml":
        head = '<?xml version="1.0" encoding="{}"?><score-partwise><!-- <work-title>old</work-title> -->'
        for encoding in ("ISO-8859-1", "UTF-16"):
            text = head.format(encoding) + '<movement-title xml:lang="de"><![CDATA[Für & Elise]]></movement-title>'
            (tmp_path / "a.musicxml").write_bytes(text.encode(encoding))
            assert pieces_of(tmp_path / "a.musicxml") == [(None, "Für & Elise")]
    else:
        with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
            archive.writestr("META-INF/container.xml", '<?xml version="1.0" encoding="foo"?><container/>')
            archive.writestr("a.xml", "<score-partwise><movement-title>A</movement-title></score-partwise>")
        assert pieces_of(tmp_path / "a.mxl") == [(None, "A")]
    (tmp_path / f"a.{ending}").write_bytes(b"PK\3\4 nonsense")
    assert pieces_of(tmp_path / f"a.{ending}") == [(None, None)]


def test_suffixes_count_in_either_letter_case() -> None:
    assert [is_midi(Path(name)) for name in ("a.MID", "a.rmi", "a.xml", "a")] == [True, True, False, False]


def test_slow_modules_are_imported_only_where_they_are_needed() -> None:
    code = (
        "import sys; from etude.scores import readers\n"
        "print([name in sys.modules for name in ('music21', 'pretty_midi', 'torch', 'miditok')])\n"
        "readers.prepare(); print([name in sys.modules for name in ('music21', 'pretty_midi')])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        env={"PYTHONPATH": str(ROOT / "src")},
    ).stdout  # fmt: skip
    assert shown.splitlines() == ["[False, False, False, False]", "[False, True]"]
