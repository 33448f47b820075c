"""What the tests of the studio share."""

from collections.abc import Iterator

import pytest
from studio.served import Studio, make_models, serving

from etude.studio.models import Models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The models that come with etude."""
    return make_models(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="module")
def studio(models: Models) -> Iterator[Studio]:
    """A studio for the tests of a module that do not stop it; none stays, as tests elsewhere fork their process."""
    with serving(models) as made:
        yield made
