"""Broken scores: MusicXML, Humdrum and ABC that is cut, spliced, or absurd, and archives that are no scores."""

import io
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from scores.random_abc import abc
from scores.random_humdrum import humdrum
from scores.random_musicxml import musicxml, mxl
from scores.random_scores import make_score
from scores.test_fuzz import LIMITS

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.isolation import Lost
from etude.scores.readers import pieces_of
from etude.stages.ingest import ingest_files

READINGS = (
    Reading(None, False, 120.0, True, 24, None, None, "played"),
    Reading(None, False, 120.0, True, 480, None, None, "written"),
    Reading({"Melody": 73, "Piano": 0}, False, 120.0, True, 24, 80, 64.0, "played"),
)
# what a sentence about a file does not have: Python's words
PYTHON = re.compile(
    r"\w(Error|Exception|Warning)\b|Traceback|NoneType|invalid literal|out of range|to unpack|not subscriptable|"
    r"has no attribute|expected str|0x[0-9a-f]{4}|music21|ElementTree|codec can't|cannot be read \("
)
ENDED = re.compile("crashed|memory|not read after")  # a file that ended its process
HUGE = ("0", "-1", "-7", "1e9", "nan", "999999999999", "1" + "0" * 400, "0.0000001", "", "٣")
LONG = 20_000


def cut(text: str, draw: random.Random) -> str:
    return text[: draw.randrange(len(text))]


def spliced(text: str, draw: random.Random) -> str:
    start, end, place = (draw.randrange(len(text)) for _ in range(3))
    return text[:place] + text[min(start, end) : max(start, end)] + text[place:]


def flipped(text: str, draw: random.Random) -> str:
    characters = list(text)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        characters[draw.randrange(len(characters))] = draw.choice(text + "\0\ufeff{}[]()<>&*=|:\"'\\%^_/,\n\t é")
    return "".join(characters)


def lines_lost(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if draw.random() < 0.9)


def lines_moved(text: str, draw: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    draw.shuffle(lines)
    return "".join(lines)


def another_number(text: str, draw: random.Random) -> str:
    """Some numbers are replaced with absurd ones."""
    places = list(re.finditer(r"\d+", text))
    for found in sorted(draw.sample(places, min(len(places), draw.choice((1, 1, 3)))), key=lambda one: -one.start()):
        text = text[: found.start()] + draw.choice(HUGE) + text[found.end() :]
    return text


def noise(text: str, draw: random.Random) -> bytes:
    return draw.choice((b"", text[:200].encode(), b"\xef\xbb\xbf", b"\xff\xfe")) + draw.randbytes(
        draw.choice((0, 9, 999))
    )


def other_encoding(text: str, draw: random.Random) -> bytes:
    return text.encode(draw.choice(("utf-16", "utf-32", "utf-16-le", "utf-8-sig", "cp500")))


COMMON = (
    cut,
    spliced,
    flipped,
    flipped,
    lines_lost,
    lines_moved,
    another_number,
    another_number,
    noise,
    other_encoding,
)


def after(pattern: str, addition: str, text: str, draw: random.Random, once: bool = False) -> str:
    """Put something after one (``once``) or all places of a pattern."""
    places = [found.end() for found in re.finditer(pattern, text)]
    for place in reversed(draw.sample(places, 1) if once and places else places):
        text = text[:place] + addition + text[place:]
    return text


def in_place(pattern: str, value: str, text: str, draw: random.Random, chance: float = 0.5) -> str:
    """Replace some places of a pattern."""
    return re.sub(pattern, lambda found: value if draw.random() < chance else found[0], text)


def xml_deep(text: str, draw: random.Random) -> str:
    return after(r"<measure[^>]*>", "<a>" * LONG + "</a>" * draw.choice((0, LONG)), text, draw, once=True)


def xml_entities(text: str, draw: random.Random) -> str:
    names = "abcdefghij"
    bomb = "".join(f'<!ENTITY {name} "{f"&{last};" * 10}">' for last, name in pairwise(names))
    outer = '<!ENTITY a SYSTEM "file:///etc/hostname">' if draw.random() < 0.3 else '<!ENTITY a "la la la">'
    body = re.sub(r"<\?xml[^>]*>|<!DOCTYPE[^>]*>", "", text)
    body = after("<part-name>", f"&{draw.choice('aj')};", body, draw, once=True)
    return f'<?xml version="1.0"?><!DOCTYPE score-partwise [{outer}{bomb}]>{body}'


def xml_absurd(text: str, draw: random.Random) -> str:
    """A value that no score has, in many places."""
    tag = draw.choice(
        ("divisions", "duration", "fifths", "beats", "beat-type", "octave", "alter", "chromatic", "actual-notes",
         "midi-program", "midi-channel", "voice", "staff", "per-minute", "step", "type", "octave-change")
    )  # fmt: skip
    value = draw.choice((*HUGE, "3+", "+" * 9, "a", "1/0", "-0", "9" * 15, "1+" * 9999 + "1"))
    return in_place(f"<{tag}>[^<]*</{tag}>", f"<{tag}>{value}</{tag}>", text, draw, draw.choice((0.05, 1)))


def xml_repeats(text: str, draw: random.Random) -> str:
    """Repeats that never end, endings without number, jumps everywhere."""
    times, number = (
        draw.choice(("1000000", "-3", "a", "9" * 30)),
        draw.choice(("1-1000000", "1,2,3", "0", "", "9" * 30)),
    )
    often = f'<repeat direction="backward" times="{times}"/>'
    sign = draw.choice((
        f'<barline location="right">{often}</barline>',
        f'<barline location="left"><ending number="{number}" type="start"/></barline>'
        f'<barline location="right"><ending number="{number}" type="stop"/>{often}</barline>',
        '<barline location="left"><repeat direction="forward"/></barline>',
        '<sound dacapo="yes"/>', '<sound segno="1"/><sound dalsegno="1"/>', '<sound tocoda="1" coda="1" fine="yes"/>',
    ))  # fmt: skip
    return after(r"</measure>", "", re.sub("</measure>", sign + "</measure>", text), draw)


def xml_times(text: str, draw: random.Random) -> str:
    """Time that runs backwards, or very far."""
    ticks = draw.choice(("1", "-1000", "99999", "1000000000", "9" * 30))
    move = f"<{draw.choice(('backup', 'forward'))}><duration>{ticks}</duration></{draw.choice(('backup', 'forward'))}>"
    move = re.sub(r"</\w+>$", f"</{move[1:].split('>')[0]}>", move)
    return after(r"</note>", move, text, draw, once=draw.random() < 0.5)


def xml_ties(text: str, draw: random.Random) -> str:
    """Every note is tied on, or held from nowhere."""
    kinds = draw.choice(('<tie type="start"/>', '<tie type="stop"/>', '<tie type="stop"/><tie type="start"/>'))
    return after("</duration>", kinds, text, draw)


def xml_many(text: str, draw: random.Random) -> str:
    """Very many measures, parts or notes."""
    kind = draw.choice(("measure", "note", "score-part", "part"))
    found = re.search(f"<{kind}[ >].*?</{kind}>", text, re.S)
    if not found:
        return text
    number = min(draw.choice((1_000, 20_000)), 2_000_000 // len(found[0]) + 1)
    return text[: found.start()] + found[0] * number + text[found.end() :]


def xml_skips(text: str, draw: random.Random) -> str:
    """Multiple rests, measure repeats, slashes without end."""
    style = draw.choice((
        "<multiple-rest>1000000</multiple-rest>", '<measure-repeat type="start" slashes="1">1000000</measure-repeat>',
        '<beat-repeat type="start"/>', '<slash type="start"/>',
    ))  # fmt: skip
    return after(
        r"<measure[^>]*>", f"<attributes><measure-style>{style}</measure-style></attributes>", text, draw, True
    )


def archive(text: str, draw: random.Random) -> bytes:
    """A compressed score whose archive is wrong."""
    kind = draw.choice(("cut", "bytes", "no container", "outside", "not there", "no zip", "bomb", "liar", "nested"))
    data = mxl(text)
    if kind == "cut":
        return data[: draw.randrange(len(data))]
    if kind == "bytes":
        changed = bytearray(data)
        for _ in range(draw.choice((1, 3, 20))):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed)
    if kind == "no zip":
        return text.encode()
    if kind in ("bomb", "liar"):
        data = mxl(text.replace("</part-list>", "</part-list>" + " " * draw.choice((5_000_000, 100_000_000)), 1))
        if kind == "bomb":
            return data
        place = data.rindex(b"PK\x01\x02")  # the directory's entry states another size than there is
        return data[: place + 24] + (1000).to_bytes(4, "little") + data[place + 28 :]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as written:
        if kind != "no container":
            name = {"outside": "../../etc/hostname", "not there": "b.xml", "nested": "a.mxl"}[kind]
            written.writestr(
                "META-INF/container.xml",
                f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>',
            )
        written.writestr("a.mxl" if kind == "nested" else "a.txt", data)
    return made.getvalue()


XML = (
    xml_deep, xml_entities, xml_absurd, xml_absurd, xml_repeats, xml_repeats, xml_times, xml_ties, xml_many, xml_skips,
)  # fmt: skip


def krn_spines(text: str, draw: random.Random) -> str:
    """Splits without end, merges of nothing, fields that are too many or too few."""
    kind = draw.choice(("split", "split", "add", "merge", "exchange", "end", "field", "fewer"))
    lines = text.splitlines()
    place = draw.randrange(1, len(lines))
    width = lines[place].count("\t") + 1
    if kind == "split":
        wide = ["\t".join(["*^"] * (width << power)) for power in range(draw.choice((3, 10, 16)))]
        return "\n".join([*lines[:place], *wide, *lines[place:]])
    if kind == "add":
        return "\n".join(
            [*lines[:place], *("\t".join(["*+"] * (width << power)) for power in range(14)), *lines[place:]]
        )
    row = {"merge": "*v", "exchange": "*x", "end": "*-"}.get(kind)
    if row:
        return "\n".join([*lines[:place], "\t".join([row, *["*"] * (width - 1)]), *lines[place:]])
    lines[place] = lines[place] + "\t." if kind == "field" else lines[place].partition("\t")[0]
    return "\n".join(lines)


def krn_tokens(text: str, draw: random.Random) -> str:
    """Notes that no score has."""
    token = draw.choice(
        ("4" + "." * LONG, "4" + "c" * LONG, "0" * 999 + "c", "1%0c", "0%1c", "99999999999%1c", "1%99999999999c", "4",
         "c", "[4c", "_4c", "4c]", "4cC", "4c#-", "4c" + "#" * LONG, "4qqqc", "4r4c", "999999999999c", "-4c", "٤c",
         "4c " * 5000)
    )  # fmt: skip
    return in_place(r"(?<=[\t\n])\d+\.*[a-gA-G][^\t\n]*", token.strip(), text, draw, 0.02 if len(token) > 999 else 0.3)


def krn_states(text: str, draw: random.Random) -> str:
    """Interpretations that no score has."""
    state = draw.choice(
        ("*M0/0", "*M99999999/1", "*M4/3", "*M4/0", "*M1+/8", "*MM0", "*MM1e999", "*MM-1", "*MMnan", "*k[h#]",
         "*k[" + "f#" * LONG + "]", "*>[" + "A," * LONG + "A]", "*>[]", "*>[Z]", "*>A", "*ITrd999999999c999999999",
         "*Trd1", "**kern", "**recip", "*Ixyz", "*clefX", "*staff99999999", "*part-1", "*tb0", "!|:", "=:|!",
         "=" * LONG)
    )  # fmt: skip
    lines = text.splitlines()
    for place in sorted(draw.sample(range(1, len(lines)), min(len(lines) - 1, draw.choice((1, 5)))), reverse=True):
        lines.insert(place, "\t".join([state] * (lines[place].count("\t") + 1)))
    return "\n".join(lines)


def krn_many(text: str, draw: random.Random) -> str:
    """Very many lines, labels or spines."""
    kind = draw.choice(("bars", "labels", "lines", "spines"))
    if kind == "bars":
        return text.split("\n*-")[0] + "\n=" * LONG
    if kind == "labels":
        names = [f"s{number}" for number in range(3000)]
        played = ",".join(names * 50)
        return f"**kern\n*>[{played}]\n*M4/4\n" + "".join(f"*>{name}\n4c\n=\n" for name in names) + "*-\n"
    if kind == "lines":
        return "**kern\n" + "4c\n" * LONG + "*-\n"
    return "\n".join("\t".join([field] * 5000) for field in ("**kern", "*M4/4", "1c", "==", "*-"))


KRN = (krn_spines, krn_spines, krn_tokens, krn_tokens, krn_states, krn_states, krn_many)


def abc_music(text: str, draw: random.Random) -> str:
    """Music that no tune has."""
    signs = (
        "(999:1:9", "(0:0:0", "(9:0:9", "(3:999999999:3", "(" * LONG, "Z99999999", "X" * LONG, "z99999999999",
        "A" + "9" * 400, "A/99999999999", "A" + "/" * LONG, "A" + ">" * LONG + "A", "A" + "'" * LONG,
        "^" * LONG + "A", "A,,,,,,,,,,,,,", "{" * LONG, "[" * LONG, "[A" * LONG, "{A[B{", '"', "!", "[", "]",
        "|:" * LONG, ":" * LONG + "|", "|" * LONG, "|1-1000000 A :|", "|1,2,3,4,5,6,7,8,9 A :|", "[1 " * 999,
        "&" * LONG, "A&" * 2000, "A-" * 9999 + "|", "-", "&&&", "y" * LONG, "!D.C.!", "!D.S.!!segno!",
        "!fine!!D.C.alfine!", "+" * 999, "~" * LONG, "$", "\\", "`" * LONG, "A0", "A/0", "[A0B0]0", "(3" * 999 + "A",
        "x0", "Z0", "|" + "x" * LONG + "|", "\x00", "A" * LONG,
    )  # fmt: skip
    return after("[A-Ga-gz|]", draw.choice(signs), text, draw, once=True)


def abc_fields(text: str, draw: random.Random) -> str:
    """Fields that no tune has, in the header or in the music."""
    fields = (
        "M:0/0", "M:1/0", "M:99999999/1", "M:4/3", "M:" + "1+" * 9999 + "1/8", "M:-4/4", "M:((((2)", "L:1/0", "L:0",
        "L:999999999", "L:1/" + "9" * 99, "Q:0", "Q:1/0=9", "Q:1/4=0", "Q:1/4=-5", "Q:1/4=1e999",
        "Q:" + "1/4 " * 9999 + "=9", "K:H", "K:" + "#" * 99, "K:C transpose=999999999", "K:C octave=99999999",
        "K:C exp " + "^f" * 9999, "P:((((A9)9)9)9)", "P:((((A99)99)99)99)", "P:" + "(" * LONG, "P:" + "A9" * 9999,
        "P:A", "P:Z", "V:" + "1" * 999, "V:", "U:", "U:T=" + "!T!" * 99, "m:", "m:A=AA", "m:~n2=nnnn",
        "%%MIDI program 99999999", "%%MIDI program -1", "%%MIDI transpose 99999999", "%%MIDI channel 0",
        "%%transpose 99999999", "%%propagate-accidentals", "I:", "I:" + "a" * LONG, "w:" + "la-" * LONG, "s:", "+:",
        "r:", "%%begintext", "%%beginps", "X:2", "X:1", "T:", "%abc-9.9", "%%score " + "(" * LONG, "\x00",
        "%%MIDI drum d" + "d9" * LONG,
    )  # fmt: skip
    lines = text.splitlines()
    lines.insert(draw.randrange(len(lines)), draw.choice(fields))
    return "\n".join(lines)


def abc_many(text: str, draw: random.Random) -> str:
    """Very many voices, tunes or bars; macros that grow."""
    kind = draw.choice(("voices", "tunes", "bars", "macros", "lines", "changes"))
    head = "X:1\nT:a\nM:4/4\nL:1/8\n"
    if kind == "voices":
        return head + "K:C\n" + "".join(f"V:{number}\nABcd efga|\n" for number in range(5000))
    if kind == "tunes":
        return "\n\n".join(f"X:{number}\nK:C\nAB|" for number in range(5000))
    if kind == "bars":
        return head + "K:C\n" + "A8|:" * LONG
    if kind == "macros":
        steps = "".join(f"m:{low}={high * 10}\n" for low, high in zip("hijklmnopq", "ijklmnopqA", strict=True))
        return f"{head}{steps}K:C\nh2 {'h' * 99}|\n"
    if kind == "lines":
        return head + "K:C\n" + "A\\\n" * LONG
    return head + "K:C\n" + "[M:3/4][L:1/16][K:D][Q:99][V:1]A" * 5000


ABC = (abc_music, abc_music, abc_fields, abc_fields, abc_many)

Change = Callable[[str, random.Random], str | bytes]
FORMATS: Sequence[tuple[str, Callable, Sequence[Change]]] = (
    (".musicxml", musicxml, XML),
    (".krn", humdrum, KRN),
    (".abc", abc, ABC),
    (".mxl", musicxml, (archive,)),
)


def mutant(place: int) -> tuple[str, bytes]:
    """A suffix and the bytes of a file, the same for the same ``place``."""
    draw = random.Random(place)
    suffix, write, own = FORMATS[place % 3 if place % 20 else 3]
    text = write(make_score(draw.randrange(200)))
    change = draw.choice(own) if suffix == ".mxl" or draw.random() < 0.6 else draw.choice(COMMON)
    data = change(text, draw)
    return suffix, data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")


def write_mutants(folder: Path, places: range) -> list[tuple[Path, Reading]]:
    """Broken files in a folder, with the way in which each is read."""
    items = []
    for place in places:
        suffix, data = mutant(place)
        path = folder / f"{place}{suffix}"
        path.write_bytes(data)
        items.append((path, READINGS[place % 7 % len(READINGS)]))
    return items


def ingest(item: tuple[Path, Reading]) -> int:
    """Ingest the first pieces of a file; the notes' bytes.

    Raises:
        EtudeError: the reason for which its first piece is refused.
    """
    path, reading = item
    entries = [{"file": path.name, "part": part} for part, _ in pieces_of(path)[:3]]
    results = ingest_files(entries, path.parent, reading, LIMITS)
    if not results:
        raise EtudeError("it holds no piece")
    if isinstance(results[0], Lost):
        raise EtudeError(results[0].reason)
    return len(results[0][0])
