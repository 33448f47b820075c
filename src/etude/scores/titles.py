"""What a score file says of itself: the title of the piece, and who wrote it."""

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path

from etude.scores import abc, humdrum, mxl
from etude.scores.instruments import INSTRUMENTS
from etude.scores.midi_bytes import TRACK_NAME, Damaged, Event, read_events, take_apart
from etude.scores.readers import is_midi

LONGEST = 200  # letters
# What programs write where nobody has given a title or a composer
UNTITLED = re.compile(
    r"(untitled( score)?|unbenannte partitur|title|titel|unknown"
    r"|anonymous|music21( fragment)?|composer( / arranger)?)?",
    re.IGNORECASE,
)
# Words that name a track, no piece
PLAIN = {
    "track", "staff", "voice", "channel", "part", "tempo", "conductor", "control", "midi", "midifile", "sequence",
    "sequenced", "seq", "song", "new", "unnamed", "master", "meter", "time", "signature", "signatures", "melody",
    "chords", "chord", "drums", "drum", "lead", "solo", "right", "left", "hand", "rh", "lh", "soprano", "alto", "tenor",
    "bass", "vocal", "vocals", "strings", "rhythm", "instrument", "spur", "music", "wrapper", "meta", "global",
}  # fmt: skip


def title_and_composer(path: Path, part: str | None = None) -> tuple[str, str]:
    """The title of a piece and its composer as its file states them, each "" where it does not.

    ABC has them in T: and C:, MusicXML as title of the movement or the work and as creator, Humdrum in OTL and COM. A
    MIDI file has a title alone, the name of its first track, where that has no notes, or is the only one, and is not
    named after instruments.

    Args:
        path: a score file, which has been read before; see ``etude.scores.readers.read``.
        part: which piece of a file that holds many.

    Raises:
        Exception: the readers', where the file has changed meanwhile.
    """
    ending = path.suffix.lower()
    title = composer = ""
    if is_midi(path):
        title = _name_of_sequence(path)
    elif ending == ".abc":
        text = abc.tune(path, part)
        title, composer = (_field(text, rf"{name}:[ \t]*([^%\n]*)") for name in "TC")
        title, composer = abc.readable(title), abc.readable(composer)
    elif ending == ".krn":
        text = path.read_text(encoding="utf-8", errors="replace")
        pieces = humdrum.split_pieces(text)
        _, text = pieces[int(part) - 1 if part else 0]
        title, composer = (_field(text, rf"!!!{name}[^:\n]*:[ \t]*(.*)") for name in ("OTL", "COM"))
        last, comma, first = composer.partition(",")
        composer = f"{first.strip()} {last.strip()}" if comma and "," not in first else composer
    elif ending in (".xml", ".musicxml", ".mxl"):
        root = mxl.document(path)
        title = root.findtext("movement-title") or ""
        title = root.findtext("work/work-title") or "" if UNTITLED.fullmatch(" ".join(title.split())) else title
        creators = root.findall("identification/creator")
        composer = next((one.text or "" for one in creators if one.get("type") == "composer"), "")
    return _cleaned(title), _cleaned(composer)


def _field(text: str, pattern: str) -> str:
    found = re.search(f"^{pattern}", text, re.MULTILINE)
    return found[1] if found else ""


def _cleaned(text: str) -> str:
    """A text in one line, without what no letter stands for; "" where it is no name."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST]
    return "" if UNTITLED.fullmatch(text) else text


def _name_of_sequence(path: Path) -> str:
    layout = take_apart(path.read_bytes())
    if layout.kind == 2 or not layout.tracks:
        return ""
    events: list[Event] = []
    with suppress(Damaged):
        events, _ = read_events(layout.tracks[0], 0, len(layout.tracks[0]), Counter())
    if len(layout.tracks) > 1 and any(message[0] & 0xF0 == 0x90 for _, message in events):
        return ""
    head = bytes([0xFF, TRACK_NAME])
    named = next((message for tick, message in events if not tick and message.startswith(head)), head + b"\0")
    data = named[3 if named[2] < 128 else 4 :]  # after its length
    try:
        name = data.decode("utf-8")
    except UnicodeDecodeError:
        name = data.decode("latin-1")
    words = set(re.findall(r"[^\W\d_]+", name.lower()))
    return "" if not words - PLAIN or not words - PLAIN - _instruments() else name


def _instruments() -> set[str]:
    """The words in names of instruments."""
    from pretty_midi import INSTRUMENT_MAP  # type: ignore[import-untyped]  # takes a quarter of a second

    names = [*INSTRUMENT_MAP, *(name for name, _ in INSTRUMENTS.values())]
    return {word for name in names for word in re.findall(r"[^\W\d_]+", name.lower())}
