"""Texts from outside, as names of files that somebody sent, before they are shown."""

KEPT = "\n\t"
BYTES = range(0xDC80, 0xDD00)  # what stands for the bytes of a name that is no UTF-8


def visible(text: str) -> str:
    """A text without what would steer a terminal; lines and tabs stay."""
    return "".join(
        letter if letter.isprintable() or letter in KEPT or ord(letter) in BYTES else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def one_line(text: str) -> str:
    """A text, as a name, in one line."""
    return " ".join(visible(text).split())
