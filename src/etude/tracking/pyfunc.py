"""A trained model as MLflow serves it: a table of requests in, MIDI files as base64 out.

MLflow copies this file into each logged model and runs it there ("models from code"), so that no pickle is loaded.
"""

import base64
from typing import Any

import pandas
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, Schema

import etude

KINDS = {"pieces": int, "bars": int, "seed": int, "temperature": float}  # the columns of a request; each may be missing
TYPES = {int: "long", float: "double"}
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(TYPES[kind], name, required=False) for name, kind in KINDS.items()]),
    outputs=Schema([ColSpec("string", "midi")]),
)


class Composer(PythonModel):
    """Samples pieces on request."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model from the folder that was logged."""
        self.model = etude.load(context.artifacts["model"])

    def predict(
        self, context: PythonModelContext, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> pandas.DataFrame:
        """Sample the pieces of each request.

        Args:
            context: not used.
            model_input: a request a row, in the columns ``pieces`` (how many, default 1), ``bars`` (of each, default:
                until the model ends), ``seed`` (default 1) and ``temperature`` (default: the model's own). A column may
                be missing.
            params: not used.

        Returns:
            The column ``midi``: a MIDI file a row, as base64, the pieces of the first request first.
        """
        files = []
        for request in model_input.to_dict("records"):
            given = {name: kind(request[name]) for name, kind in KINDS.items() if not pandas.isna(request.get(name))}
            files += [base64.b64encode(piece.to_midi()).decode() for piece in self.model.generate(**given)]
        return pandas.DataFrame({"midi": files})


set_model(Composer())
