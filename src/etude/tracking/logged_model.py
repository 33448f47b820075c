"""A trained model as a model of MLflow, which ``mlflow models serve`` answers requests with."""

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.project import PACKAGE, conf_folder
from etude.tracking.disk import Trained, publish
from etude.tracking.server import server

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NAME = "model"  # of the logged model: runs:/RUN_ID/model


def log_model(session: Session, model_name: str) -> str:
    """Log models/``model_name`` as a model of its training's run, which is made where MLflow has none.

    A second call logs nothing. The model has its own copy of the folder and of etude's code, so that it still answers
    after both have changed.

    Returns:
        The model's address, ``models:/m-...``; ``runs:/RUN_ID/model`` is the same model.

    Raises:
        EtudeError: the model is missing or not self-contained, or MLflow is away.
    """
    made = catalog.model(model_name)
    folder = session.read(made)
    if not (folder / catalog.CONFIG).is_file():
        raise EtudeError(
            f"{folder} has no {catalog.CONFIG}, so it cannot be served. Train it again with: {made.made_by}"
        )
    key = Trained.read(folder).record["key"]
    publish(session, model_name)
    tracker = server(session)
    found: list[str] = []

    from mlflow.exceptions import MlflowException

    def work(client: "MlflowClient", experiment: str) -> None:
        condition = f"tags.`etude.key` = '{key}' and attributes.status = 'FINISHED'"
        run = client.search_runs([experiment], filter_string=condition, max_results=1)[0]
        outputs = run.outputs.model_outputs if run.outputs is not None else []
        models = []
        for output in outputs:
            with suppress(MlflowException):  # somebody has deleted it
                models.append(client.get_logged_model(output.model_id))
        if ready := [model for model in models if model.status == "READY"]:  # another was interrupted
            found.append(ready[0].model_uri)
        else:
            found.append(_log(client, tracker.uri, experiment, run, folder))

    if not tracker.attempt(work, at_once=True):
        raise EtudeError(f"The model {model_name} was not logged: MLflow at {tracker.shown} refused it.")
    return found[0]


def _log(client: "MlflowClient", uri: str, experiment: str, run: "Run", folder: Path) -> str:
    import mlflow
    from mlflow.models import Model

    from etude.tracking import pyfunc

    run_id = run.info.run_id
    # MLflow would make it in the experiment "Default", as no run is active
    model = client.create_logged_model(experiment, name=NAME, source_run_id=run_id, params=run.data.params)
    with _address(uri), warnings.catch_warnings(), tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "etude"  # with the settings, which lie elsewhere in a clone
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "pretrained", "conf"))
        shutil.copytree(conf_folder(PACKAGE), package / "conf")
        warnings.filterwarnings("ignore", ".*input example was not provided")  # the signature says it
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            model_id=model.model_id,
            run_id=run_id,
            step=max((metric.step for metric in run.data._metric_objs), default=0),  # the figures of the model's page
            python_model=str(Path(pyfunc.__file__)),
            artifacts={"model": str(folder)},
            code_paths=[str(package)],
            pip_requirements=[text for text in requires("etude") or [] if "extra ==" not in text],
            signature=pyfunc.SIGNATURE,
        )
    return str(model.model_uri)


def download_model(address: str, session: Session | None = None) -> Path:
    """The folder of a logged model, from ``runs:/RUN_ID`` or ``models:/...``, in the project of the working folder.

    Raises:
        EtudeError: MLflow is away, or has no such model.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    tracker = server(session or Session())
    whole = f"{address.rstrip('/')}/{NAME}" if re.fullmatch(r"runs:/\w+/?", address) else address
    try:
        with _address(tracker.uri):
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=whole))
    except (MlflowException, OSError) as error:
        raise EtudeError(
            f"{address}: MLflow at {tracker.shown} gives no model ({' '.join(str(error).split())}). "
            "A trained model is logged with: etude log-model model=..."
        ) from None
    found = sorted(folder.rglob(catalog.CONFIG))
    if not found:
        raise EtudeError(f"{address} holds no model of etude. Log one with: etude log-model model=...")
    return found[0].parent


@contextmanager
def _address(uri: str) -> Iterator[None]:
    """Let MLflow's functions that take no address use ``uri``."""
    import mlflow

    variable = os.environ.get("MLFLOW_TRACKING_URI")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)  # which sets the variable too
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if variable is not None:
            os.environ["MLFLOW_TRACKING_URI"] = variable
