"""What real pieces are called on a page, and the captions of what was copied from them."""

from dataclasses import dataclass

from etude.core.files import Json


@dataclass(frozen=True)
class Words:
    """What real pieces are called: those that may have been copied, one of them, and the other two parts."""

    train: str = "train"
    piece: str = "train piece"
    test: str = "real test pieces"
    valid: str = "valid pieces"
    row: str = "model"  # what is compared with them


OWN = Words()  # of the project's own pieces


def transposed(copied: Json) -> str:
    """How a sample lies to the piece that it is nearest to: ``3 semitones lower``, ``in the same key``."""
    moved = -copied["semitones"]
    if not moved:
        return "in the same key"
    return f"{abs(moved)} semitone{'s' * (abs(moved) > 1)} {'higher' if moved > 0 else 'lower'}"


def describe_pair(what: str, copied: Json, words: Words = OWN) -> tuple[str, str]:
    """The captions of two excerpts: of a sample, which ``what`` names, and of the piece that it is nearest to."""
    title, name = copied["title"], copied["nearest"]
    piece = name if title == name else f"{title} ({name})"
    return (
        f"{what}, from quarter note {copied['start']:g}: {copied['score']:.0%} of its notes are in the {words.piece}.",
        f"The {words.piece} {piece}, from quarter note {copied['where']:g}; the other is {transposed(copied)}.",
    )
