"""Lists and mappings as they are typed on the command line: ``[a.mid, "b, c.wav"]`` and ``{bass.wav: -3}``."""

from collections.abc import Iterator

from etude.core.errors import EtudeError

QUOTES = "\"'"
ENDS = {"[": "]", "{": "}"}


def read_list(key: str, text: str) -> list[str]:
    """The items of a list; of a text without brackets, the items between its commas. Items may stand in quotes."""
    inside = _inside(key, text, "[")
    return [_unquoted(item) for item in _items(key, inside, ",")]


def read_mapping(key: str, text: str) -> dict[str, str]:
    """The names and values of a mapping. Names may stand in quotes.

    Raises:
        EtudeError: it is none, or names something twice.
    """
    found: dict[str, str] = {}
    for item in _items(key, _inside(key, text, "{"), ","):
        *names, value = _items(key, item, ":")
        name = _unquoted(":".join(names))
        if not names or not name:
            raise EtudeError(
                f"{key} = {text}: {item} is no name with a value, as in {key}={{bass.wav: 1}}. "
                "Names with commas stand in quotes."
            )
        if name in found:
            raise EtudeError(f"{key} = {text} names {name} twice.")
        found[name] = _unquoted(value)
    return found


def _inside(key: str, text: str, start: str) -> str:
    text = text.strip()
    if text[:1] in ENDS:
        if text[0] != start or not text.endswith(ENDS[start]):
            raise EtudeError(f"{key} = {text} must start with {start} and end with {ENDS[start]}.")
        return text[1:-1]
    return text


def _items(key: str, text: str, mark: str) -> Iterator[str]:
    """The parts of a text between marks that stand in no quotes, without the spaces around them or empty ones."""
    part, quote = "", ""
    for letter in text:
        # an apostrophe within a word is none
        if letter in QUOTES and (letter == quote or (not quote and not part.strip())):
            quote = "" if quote else letter
        if letter == mark and not quote:
            if part.strip():
                yield part.strip()
            part = ""
        else:
            part += letter
    if quote:
        raise EtudeError(f"{key} = {text}: a quote {quote} is not closed.")
    if part.strip():
        yield part.strip()


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] in QUOTES and text[-1] == text[0] else text
