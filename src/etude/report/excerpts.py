"""A few short sounds for those who have built nothing yet: the README links to them."""

from collections.abc import Mapping
from pathlib import Path

from etude.audio.excerpt import excerpt, from_first_sound
from etude.audio.files import write_audio
from etude.report.inputs import Pieces, ReportInputs
from etude.report.players import QUALITY, SECONDS, Piece

BEST = "best_likelihood"  # the file name of the piece that is a video, too


def choose(inputs: ReportInputs, pieces: Pieces) -> dict[str, Piece]:
    """The pieces by file name.

    ``best_likelihood`` is of the model with the fewest nats per note on test, ``nearest_to_real`` of the one whose
    samples lie nearest to real music, ``harmony`` is the first harmonised melody. What no model has is left out.
    """
    found = {}
    for name, measure in ((BEST, "test/nats_per_note"), ("nearest_to_real", "samples/distance")):
        values = {model: inputs.evaluate[model]["metrics"].get(measure) for model in inputs.train}
        known = {model: value for model, value in values.items() if value is not None and pieces.samples[model]}
        if known:
            found[name] = pieces.samples[min(known, key=lambda model: known[model])][0]
    for piece in pieces.harmonies.values():
        found.setdefault("harmony", piece)
    return found


def write_excerpts(folder: Path, pieces: Mapping[str, Piece]) -> None:
    """Write each piece from its first note on as ``name``.mp3 into an existing folder: 30 seconds, some 200 kB."""
    for name, piece in pieces.items():
        sound = excerpt(from_first_sound(piece.audio, piece.sample_rate), piece.sample_rate, SECONDS)
        write_audio(folder / f"{name}.mp3", sound, piece.sample_rate, QUALITY)
