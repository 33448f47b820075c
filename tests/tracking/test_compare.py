"""The runs in one table; the room is cheap to import."""

import os
import subprocess
import sys

from tracking.tracked import SOURCES

from etude import tracking
from etude.artifacts.context import Session


def test_runs_of_an_empty_database(session: Session) -> None:
    table = tracking.runs(session)
    assert len(table) == 0 and "model" in table


def test_the_room_is_cheap_to_import() -> None:
    code = "import sys; import etude.tracking; sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
