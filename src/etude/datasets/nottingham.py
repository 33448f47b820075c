"""The Nottingham music database: British and American folk tunes with chords, as Jukedeck cleaned them (MIDI)."""

import re

from etude.datasets.archived import Archived


class Nottingham(Archived):
    """1,034 tunes. The tracks have no names: the first is the melody, the second (13 tunes lack it) the chords."""

    ARCHIVE = "nottingham-dataset-{version}.zip"
    URL = "https://github.com/jukedeck/nottingham-dataset/archive/{version}.zip"
    FILES = re.compile(r"MIDI/([^/]+\.mid)")
    SOURCE = "github.com/jukedeck/nottingham-dataset, commit {version}, folder MIDI"
    LICENCE = "GNU General Public License, version 3 (the file LICENSE.md of the archive); the tunes are traditional."
    CITATION = (
        "Eric Foxley: Nottingham Music Database (abc.sourceforge.net/NMD); cleaned by Jukedeck "
        "(github.com/jukedeck/nottingham-dataset)."
    )
