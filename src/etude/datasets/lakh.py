"""The Lakh MIDI dataset: 178,561 MIDI files that were found on the web."""

import re

from etude.datasets.archived import Archived


class Lakh(Archived):
    """The full set. Names are the MD5 of the files; their content is unknown until ingest reads them."""

    ARCHIVE = "{version}.tar.gz"
    URL = "http://hog.ee.columbia.edu/craffel/lmd/{version}.tar.gz"
    FILES = re.compile(r"([0-9a-f]/[0-9a-f]{32}\.mid)")
    # of lmd_full, as muspy 0.5.0 publishes it (muspy/datasets/lmd.py)
    CHECKSUM = "sha256:6fcfe2ac49ca08f3f214cec86ab138d4fc4dabcd7f27f491a838dae6db45a12b"
    MAX_BYTES = 30_000_000_000
    MAX_FILES = 300_000
    SOURCE = "The Lakh MIDI Dataset v0.1 (colinraffel.com/projects/lmd), {version}"
    LICENCE = "Creative Commons Attribution 4.0 (CC BY 4.0) for the collection; the rights of the songs are not stated."
    CITATION = (
        "Colin Raffel: Learning-Based Methods for Comparing Sequences, with Applications to Audio-to-MIDI Alignment "
        "and Matching. PhD thesis, Columbia University, 2016."
    )
