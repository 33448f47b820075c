"""The models that come with etude, read once."""

from typing import Any

import pytest

import etude


@pytest.fixture(scope="session")
def voices() -> Any:
    """A model of the voice grid."""
    return etude.load("voices").loaded


@pytest.fixture(scope="session")
def lstm() -> Any:
    """A model of a stream of tokens."""
    return etude.load("lstm_attention").loaded
