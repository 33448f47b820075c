"""The corpus of the music21 package."""

import pytest

from etude.core.errors import EtudeError
from etude.datasets import corpus


def test_a_package_without_its_corpus_is_explained() -> None:
    with pytest.raises(EtudeError, match=r"has no corpus/nothing\. Install music21"):
        corpus.find("nothing")
