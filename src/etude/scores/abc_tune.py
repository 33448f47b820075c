"""One tune in ABC (version 2.1, and the habits of 1.6 and 2.0) as a written score."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from fractions import Fraction

from etude.core.errors import EtudeError
from etude.scores.abc_fields import (
    ACCIDENTAL,
    LENGTH,
    NOTE,
    PITCH,
    ROOT,
    STEPS,
    TICKS,
    TONIC,
    Time,
    accidental,
    alterations,
    key_of,
    meter_of,
    moved_root,
    numbers_of,
    order_of,
    pitch_of,
    ratio,
    spelling,
    step_of,
    tempo_of,
    times,
    unit_of,
)
from etude.scores.abc_voice import Grid, Setting, Voice
from etude.scores.symbols import figure_of
from etude.scores.written import Key, Mark, Sheet, fill

MOST_LETTERS = 1_000_000  # of a tune; the longest symphonies have fewer
MOST_VOICES = 500
MOST_RESTING = 100_000  # bars that Z states, of all voices
MOST_MACROS = 100
MOST_EXPANDED = 200_000  # letters of the lines with macros
MOST_NESTED = 4  # tuplets in tuplets

FIELD = re.compile(r"[A-Za-z]:(?![|:])")  # a line of music may start with A:|
BLOCK = re.compile(r"%%b[e]gin(\w+)")
VERSION = re.compile(r"%abc-(\d{1,3})\.(\d{1,3})")
TOKEN = re.compile(
    rf"""
    (?P<note>{PITCH}({LENGTH}))
    | [ \t`\\)$*]+
    | (?P<grace>\{{([^{{}}|]*)\}})
    | (?P<text>"([^"]*)")
    | (?P<sign>!([^\s!|]+|[Dd]\.\s?[CcSs][^!|]*|[Tt]o\s?[Cc]oda)! | \+([A-Za-z0-9.()<>^_=,'/]+)\+)
    | (?P<field>\[([A-Za-z]):([^\[\]]*)\])
    | (?P<ending>\[\s?(\d[\d,.-]*|"[^"\]]*"(?![^|\]]{{0,80}}\])))
    | (?P<line>(?:\.?(?P<left>:*)\[?\|[|\]]*(?P<right>:*)|(?P<colons>:+))(?:(?:[ \t]*\[)?(?P<volta>\d[\d,.-]*))?)
    | (?P<chord>\[(?P<inner>(?:"[^"]*"|![^!]*!|[^\[\]|"!])*)\](?P<times>{LENGTH}))
    | (?P<rest>[zxZX]{LENGTH})
    | (?P<tie>\.?-[',]?)
    | (?P<broken>>+|<+)
    | (?P<tuplet>\((\d\d?)(?::(\d?\d?)(?::(\d?\d?))?)?)
    | (?P<overlay>\(&|&\)|&+)
    | (?P<space>[(.!]|y{LENGTH})
    | (?P<letter>[H-Wh-w~Y])
    | (?P<unknown>.)
    """,
    re.VERBOSE,
)
INNER = re.compile(
    rf'(?P<note>{PITCH}({LENGTH})(-?))|(?P<sign>!([^!]*)!)|(?P<text>"[^"]*")|(?P<letter>[H-Wh-w~Y])|(?P<rest>[zx]{LENGTH})'
)
PARAMETER = re.compile(r'([A-Za-z][\w-]{0,20})=("[^"]*"|[^\s"]+)|([\^_=]{1,2})\s*([A-Ga-g])(?![A-Za-z])|([^\s=^_]+)')
CLEF = re.compile(r"(?:treble|bass|alto|tenor|soprano|mezzosoprano|baritone|perc|none|[GCFP])\d?(?:([+-])(8|15))?,?$")
NUMBER = re.compile(r"[+-]?\d{1,3}(?!\d)")
OLD_CHORD = re.compile(rf"(?:(?:{ACCIDENTAL})?[A-Ga-g][,']*{LENGTH}){{2,}}")  # +CEG+ of ABC 1.4

SIGNS = {"H": "fermata", "S": "segno", "O": "coda", "~": "", "L": "", "M": "", "P": "", "T": "", "u": "", "v": ""}
UNTIL = ("", " al fine", " al coda")
MEANINGS = {
    "fermata": "fermata",
    "invertedfermata": "fermata",
    "segno": "segno",
    "coda": "coda",
    "fine": "fine",
    **dict.fromkeys(("dacoda", "tocoda"), "to_coda"),
    **{name + until.replace(" ", ""): "capo" + until for name in ("dc", "dacapo") for until in UNTIL},
    **{name + until.replace(" ", ""): "dalsegno" + until for name in ("ds", "dalsegno") for until in UNTIL},
}


def sheet_of(text: str) -> Sheet:
    """The score that the text of one tune writes; the fields of the file's head stand in it too.

    Repeats are marked, not played. Grace notes are counted, and so are symbols that ABC does not know. Accidentals
    hold to the bar line, in their octave; in a file of version 2.1 in all octaves, as that says.

    Raises:
        EtudeError: a length, a repeat of sections, a macro or the tune itself is absurd.
    """
    if len(text) > MOST_LETTERS:
        raise EtudeError(f"the tune is {len(text)} letters long, more than {MOST_LETTERS}. It is no tune")
    lines = list(_joined(lines_of(text)))
    tune = _Tune(keyed=any(line.startswith("K:") for line in lines))
    for line in lines:
        tune.read(line)
    return tune.sheet()


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text, without the blocks of text and PostScript that directives such as ``%%begintext`` start."""
    block = ""
    for line in text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = line.strip("\ufeff")
        started = BLOCK.match(line)
        if started:
            block = started[1]
        elif block and line.startswith("%%end" + block):
            block = ""
        elif not block or line.startswith("X:"):  # a tune starts, whatever the end of the block lacks
            block = ""
            yield line


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """The lines with those that ``+:`` continues in one, without remarks and empty lines."""
    parts: list[str] = []
    for line in lines:
        line = line.strip()
        if not line.startswith("%") and "%" in line:
            line = re.split(r"(?<!\\)%", line, maxsplit=1)[0].rstrip()
        if parts and line.startswith("+:"):
            parts.append(line[2:])
            continue
        if parts:
            yield " ".join(parts)
            parts = []
        if FIELD.match(line):
            parts = [line]
        elif line:
            yield line
    if parts:
        yield " ".join(parts)


class _Tune:
    """The tune as far as it is read."""

    def __init__(self, keyed: bool) -> None:
        self.keyed = keyed  # its head ends with a key
        self.base = Setting()
        self.defined: dict[str, list[tuple[str, str]]] = {}  # voice -> what the head says of it
        self.voices: dict[str, Voice] = {}
        self.voice: Voice | None = None  # the one that is read, from the first music on
        self.head = True  # before the key
        self.current = ""  # the voice that the head defines
        self.unit: Time | None = None
        self.tempo = ""  # of the head
        self.pace: float | None = None  # likewise, in quarter notes a minute
        self.propagate = "octave"
        self.signs = dict(SIGNS)
        self.kit: dict[int, int] = {}  # written pitch -> drum
        self.macros: list[tuple[str, str]] = []
        self.macro: re.Pattern[str] | None = None
        self.expanded = 0  # letters that macros have made
        self.resting = 0  # bars of rest that Z has made
        self.order = ""
        self.labels: dict[str, int] = {}  # P: in the tune -> the first bar after it
        self.lengths: dict[tuple[Time, str], Time] = {}
        self.text = False  # the last line is a field whose text goes on
        self.old = True  # before version 2.1
        self.changes: Counter[str] = Counter()

    # Lines and fields

    def read(self, line: str) -> None:
        """Read a line."""
        if line.startswith("%"):
            version = VERSION.match(line)
            if version:
                self._version(int(version[1]), int(version[2]))
            elif line.startswith("%%"):
                self._directive(line[2:])
        elif FIELD.match(line):
            self.text = self.old and line.endswith("\\") and line[0] not in "IKLMPQUVm"
            self.field(line[0], line[2:].strip())
        elif self.text:
            self.text = line.endswith("\\")
        elif not self.head or not self.keyed or "|" in line:
            self.head = False
            voice = self.music(self._start(), self._replaced(line))
            if voice.meter and voice.time >= voice.meter.length * TICKS and not line.endswith("\\"):
                voice.split()  # collections leave out the bar lines at the ends of lines

    def field(self, letter: str, text: str) -> None:
        """A field, on its own line or in brackets."""
        setting = self.base if self.voice is None else self.voice
        if letter == "K":
            self._key(setting, text)
            self.head, self.current = False, ""
        elif letter == "M":
            self._meter(setting, text)
        elif letter == "L":
            unit = unit_of(text)
            if unit:
                setting.unit = unit
                self.unit = unit
        elif letter == "V":
            self._switch(text)
        elif letter == "Q":
            if self.voice is None:
                self.tempo = text
            else:
                self._tempo(self.voice, text)
        elif letter == "P":
            if self.head:
                self.order = text
            elif text:
                voice = self._start()
                voice.split()
                self.labels.setdefault(text.split()[0], voice.place)
        elif letter == "I":
            self._directive(text.replace("=", " ", 1))
        elif letter == "U":
            sign, _, meaning = text.partition("=")
            self.signs[sign.strip()] = meaning.strip().strip("!+")
        elif letter == "m":
            self._define(text)

    def _version(self, major: int, minor: int) -> None:
        if (major, minor) >= (2, 1):
            self.propagate, self.old = "pitch", False

    def _directive(self, text: str) -> None:
        """A directive: ``%%MIDI program 1`` or ``I:MIDI program 1``."""
        name, *words = text.split() or [""]
        name = name.lower()
        if name == "propagate-accidentals" and words and words[0] in ("not", "octave", "pitch"):
            self.propagate = words[0]
        elif name == "abc-version" and words:
            version = VERSION.match("%abc-" + words[0])
            if version:
                self._version(int(version[1]), int(version[2]))
        elif name == "percmap" and len(words) > 1:
            self._drum(*words[:2])
        elif name == "midi" and words[:1] == ["drummap"] and len(words) > 2:
            self._drum(*words[1:3])
        elif name == "midi" and words[:1] in (["nobarlines"], ["barlines"]):
            self.propagate = "not" if words[0] == "nobarlines" else "octave"
        elif name == "midi" and words[:1] == ["voice"]:
            self._instrument(words[1:])
        elif name in ("midi", "transpose") and words:
            if self.voice is None and self.current:
                self.defined[self.current].append((name, " ".join(words)))
            else:
                self._sound(self.base if self.voice is None else self.voice, name, words)

    def _sound(self, setting: Setting, name: str, words: list[str]) -> None:
        """A directive that changes how one voice sounds."""
        number = NUMBER.match(words[-1])
        if number is None:
            return
        value = int(number[0])
        if name == "transpose":
            setting.moved = value
        elif words[0] == "program":
            setting.program = min(max(value, 0), 127)
        elif words[0] == "channel":
            setting.channel = value == 10
        elif words[0] == "transpose":
            setting.played = value
        elif words[0] == "rtranspose":
            setting.played += value
        if isinstance(setting, Voice):
            setting.settle()

    def _instrument(self, words: list[str]) -> None:
        """``%%MIDI voice ID instrument=1``: the program of a voice, numbered from 1; without an ID of the last one."""
        stated = [word.partition("=")[2] for word in words if word.startswith("instrument=")]
        name = next((word for word in words if "=" not in word and word != "mute"), self.current)
        if not stated or not NUMBER.fullmatch(stated[0]):
            self.changes["unknown_symbols"] += 1
        elif name in self.voices:
            self._sound(self.voices[name], "midi", ["program", str(int(stated[0]) - 1)])
        elif name:
            self.defined.setdefault(name, []).append(("midi", f"program {int(stated[0]) - 1}"))
        else:
            self._sound(self.base, "midi", ["program", str(int(stated[0]) - 1)])

    def _drum(self, note: str, drum: str) -> None:
        found = NOTE.match(note)
        if found and drum.isdecimal() and len(drum) < 4:
            self.kit[pitch_of(step_of(found[2], found[3])) + accidental(found[1] or "")] = int(drum)

    def _key(self, setting: Setting, text: str) -> None:
        """A key, a clef, or both: ``G``, ``Ador``, ``D exp ^f _b``, ``clef=bass``."""
        tonic, stated = TONIC.match(text), True
        rest = text[tonic.end() :] if tonic else text
        explicit = False
        changes: dict[int, int] = {}
        for word in PARAMETER.finditer(rest):
            if word[3]:
                changes[STEPS[word[4]] % 7] = accidental(word[3])
            explicit = explicit or word[5] == "exp"
        if tonic:
            letter, sign, mode = (tonic[1], tonic[2], tonic[3]) if tonic[1] else (tonic[4], tonic[5], tonic[6])
            sharps, named = key_of(letter.upper(), sign, mode or "")
            setting.alters, setting.key = alterations(sharps), Key(sharps, named)
        elif text[:2] in ("HP", "Hp"):  # bagpipes have these sharps, whether K:HP leaves them unwritten or not
            setting.alters, setting.key = alterations(2), Key(2, None)
        elif changes or not rest or rest[:4].lower() == "none":
            setting.alters, setting.key = alterations(0), None
        else:
            stated = False  # but a clef
        if changes or explicit:
            alters = [0] * 7 if explicit else list(setting.alters)
            for step, alter in changes.items():
                alters[step] = alter
            setting.alters = tuple(alters)
            same = next((sharps for sharps in range(-7, 8) if alterations(sharps) == setting.alters), None)
            if same is not None and (setting.key is None or setting.key.sharps != same):
                setting.key = Key(same, None)
        self._parameters(setting, rest)
        if isinstance(setting, Voice):
            if stated:
                setting.accidentals = {}
            setting.settle()

    def _parameters(self, setting: Setting, text: str) -> None:
        """What K: and V: say of clef, octave and transposition, and V: of the name."""
        for word in PARAMETER.finditer(text):
            name, value = (word[1] or "").lower(), (word[2] or "").strip('"')
            number = NUMBER.match(value)
            if name in ("name", "nm"):
                setting.name = value
            elif name == "octave" and number:
                setting.octave = int(number[0])
            elif name in ("transpose", "t") and number:
                setting.transpose = int(number[0])
            clef = CLEF.match(value if name == "clef" else word[5] or "")
            if clef:
                setting.clef = (1 if clef[2] == "8" else 2) * (1 if clef[1] == "+" else -1) if clef[1] else 0
                setting.percussion = clef[0].startswith(("perc", "P"))

    def _meter(self, setting: Setting, text: str) -> None:
        setting.meter = meter_of(text)
        self.changes["unknown_meters"] += setting.meter is None and text.lower() not in ("none", "")
        if isinstance(setting, Voice) and setting.meter:
            setting.meters.append((setting.place, setting.time, setting.meter))

    def _tempo(self, voice: Voice, text: str) -> None:
        pace = tempo_of(text, voice.unit)
        if pace:
            voice.tempos.append((voice.place, voice.time, pace))

    # Voices

    def _switch(self, text: str) -> None:
        """``V:1 name="Soprano"``: define a voice, in the head; else go on with it."""
        name, parameters = (*text.split(None, 1), "", "")[:2]
        if not name or name == "*":
            return
        if self.head:
            self.current = name
            self.defined.setdefault(name, []).append(("V", parameters))
            return
        self.voice = None
        voice = self._start(name)
        if parameters:
            self._parameters(voice, parameters)
            voice.settle()

    def _voice(self, name: str) -> Voice:
        voice = self.voices.get(name)
        if voice is None:
            if len(self.voices) == MOST_VOICES:
                raise EtudeError(f"the tune has more than {MOST_VOICES} voices (V:)")
            voice = Voice(**{item.name: getattr(self.base, item.name) for item in fields(Setting)})
            for kind, text in self.defined.get(name, ()):
                if kind == "V":
                    self._parameters(voice, text)
                else:
                    self._sound(voice, kind, text.split())
            if voice.meter:
                voice.meters.append((0, 0, voice.meter))
            voice.settle()
            self.voices[name] = voice
        return voice

    def _start(self, name: str = "") -> Voice:
        """The voice that is read; where none is yet, the one of this name or the first of all.

        What the head and its key leave open is settled before the first one.
        """
        if self.voice is None:
            if not self.voices:
                if self.unit is None:
                    meter = self.base.meter
                    self.base.unit = TICKS // 4 if meter and 4 * meter.beats < 3 * meter.unit else TICKS // 2
                self.pace = tempo_of(self.tempo, self.base.unit)
            self.voice = self._voice(name or next(iter(self.defined), "1"))
        return self.voice

    # Macros

    def _define(self, text: str) -> None:
        """``m: ~G3 = G{A}G{F}G``, or with ``n`` for any note."""
        name, equals, replacement = (part.strip() for part in text.partition("="))
        if not name or not equals:
            return
        if len(self.macros) == MOST_MACROS or len(name) + len(replacement) > 200:
            raise EtudeError(f"it states more than {MOST_MACROS} macros (m:), or one of more than 200 letters")
        self.macros = [macro for macro in self.macros if macro[0] != name] + [(name, replacement)]
        self.macros.sort(key=lambda macro: -len(macro[0]))
        patterns = [
            f"(?P<m{place}>{re.escape(name).replace('n', f'(?P<n{place}>[A-Ga-g])(?P<o{place}>[,{chr(39)}]*)', 1)})"
            for place, (name, _) in enumerate(self.macros)
        ]
        self.macro = re.compile("|".join(patterns))

    def _replaced(self, line: str) -> str:
        if self.macro is None:
            return line
        longest = max(len(replacement) for _, replacement in self.macros)
        if len(line) * longest < 10 * MOST_EXPANDED:
            line = self.macro.sub(self._expanded, line)
            self.expanded += len(line)
            if self.expanded <= MOST_EXPANDED:
                return line
        raise EtudeError(f"its macros (m:) make more than {MOST_EXPANDED} letters of it. It is no tune")

    def _expanded(self, found: re.Match[str]) -> str:
        number = next(place for place in range(len(self.macros)) if found[f"m{place}"] is not None)
        name, replacement = self.macros[number]
        if "n" not in name:
            return replacement
        step = step_of(found[f"n{number}"], found[f"o{number}"])
        return re.sub("[h-z]", lambda letter: spelling(step + ord(letter[0]) - ord("n")), replacement)

    # Music

    def music(self, voice: Voice, line: str) -> Voice:
        """Read a line of music; return the voice in which it ends."""
        for token in TOKEN.finditer(line):
            kind = token.lastgroup
            if kind == "note":
                sign, letter, marks, length = token.group(2, 3, 4, 5)
                pitch, step = self._sounding(voice, sign, letter, marks)
                key = (voice.unit, length)
                voice.play([(pitch, step, False)], self.lengths.get(key) or self._length(key))
            elif kind is None or kind == "space":
                continue
            elif kind == "line":
                self._line(voice, token)
            elif kind == "rest":
                self._rest(voice, token["rest"][0], token["rest"][1:])
            elif kind == "chord":
                self._chord(voice, token["inner"], token["times"])
            elif kind == "grace":
                self._grace(voice, token["grace"])
            elif kind == "text":
                self._symbol(voice, token["text"].strip('"'))
            elif kind == "tie":
                voice.tie(voice.last or [])
            elif kind == "broken":
                self.changes["unknown_symbols"] += not voice.dot(token["broken"])
            elif kind == "tuplet":
                self._tuplet(voice, token["tuplet"])
            elif kind == "sign":
                self._sign(voice, token["sign"])
            elif kind == "letter":
                self._letter(voice, token["letter"])
            elif kind == "field":
                self.field(token["field"][1], token["field"][3:-1].strip())
                voice = self._start()
            elif kind == "ending":
                # the one that has only text is the one after the last: ["last time"
                voice.start_ending(numbers_of(token["ending"]) or (max(voice.numbers, default=0) + 1,))
            elif kind == "overlay":
                self.changes["unknown_symbols"] += not voice.overlay(token["overlay"])
            else:
                self.changes["unknown_symbols"] += 1
        return voice

    def _sounding(self, voice: Voice, sign: str | None, letter: str, marks: str) -> tuple[int, int]:
        """The MIDI pitch of a note, and its diatonic step from middle C. ``sign`` is its accidental."""
        step = step_of(letter, marks)
        place = step % 7 if self.propagate == "pitch" else step
        if sign:
            alter = accidental(sign)
            self.changes["microtones"] += sign[-1] not in "^_="
            if self.propagate != "not":
                voice.accidentals[place] = alter
        else:
            if voice.ties and step in voice.ties.values():  # it keeps the accidental of the note before
                return next(pitch for pitch, tied in voice.ties.items() if tied == step), step
            alter = voice.accidentals.get(place, voice.alters[step % 7])
        pitch = pitch_of(step) + alter
        if self.kit and voice.sound < 0 and pitch in self.kit:
            return self.kit[pitch], step
        self.changes["transposed"] += voice.shift != 0
        return pitch + voice.shift, step

    def _length(self, key: tuple[Time, str]) -> Time:
        self.lengths[key] = times(key[0], *ratio(key[1]))
        self.changes["zero_length"] += not self.lengths[key]
        return self.lengths[key]

    def _line(self, voice: Voice, token: re.Match[str]) -> None:
        text, colons = token["line"], len(token["colons"] or "")
        if text in (".|", "[|]") and voice.meter and voice.time < voice.meter.length * TICKS:
            return  # a dotted or invisible line within a bar
        left, right = len(token["left"] or ""), len(token["right"] or "")
        if colons:  # "::" is ":||:"; of ":" where a bar starts or ends the bar line is missing
            left, right = (colons - colons // 2, colons // 2) if colons > 1 or voice.filled() else (0, 1)
        voice.line(left, right, any(end in text for end in ("||", "|]", "[|")) and text != "[|]")
        if token["volta"]:
            voice.start_ending(numbers_of(token["volta"]))

    def _rest(self, voice: Voice, letter: str, length: str) -> None:
        if letter in "zx":
            voice.play([], self._length((voice.unit, length)))
            return
        whole = voice.meter.length * TICKS if voice.meter else Fraction(4 * TICKS)
        number, denominator = ratio(length)
        bars = max(1, number // denominator)
        self.resting += bars
        if self.resting > MOST_RESTING:
            raise EtudeError(f"its rests ({letter}) are longer than {MOST_RESTING} bars")
        for bar in range(bars):
            if bar:
                voice.line(0, 0, False)
            voice.play([], int(whole) if whole.denominator == 1 else whole)

    def _chord(self, voice: Voice, text: str, length: str) -> None:
        """A chord is as long as its first note, times the length after the bracket."""
        notes: list[tuple[int, int, bool]] = []
        tied: list[bool] = []
        first = ""
        fermata = False
        for token in INNER.finditer(text):
            kind = token.lastgroup
            if kind == "note":
                pitch, step = self._sounding(voice, token[2], token[3], token[4])
                first = first if notes else token[5]
                notes.append((pitch, step, fermata))
                tied.append(bool(token[6]))
                fermata = False
            elif kind == "text":
                self._symbol(voice, token["text"].strip('"'))
            elif kind in ("sign", "letter"):
                name = token[kind].strip("!")
                fermata = fermata or _meaning(self.signs.get(name, name)) == "fermata"
            elif kind == "rest" and not notes and not first:
                first = token["rest"][1:]
        number, denominator = ratio(first)
        strokes = voice.play(notes, times(self._length((voice.unit, length)), number, denominator))
        if any(tied):
            voice.tie([stroke for stroke, ties in zip(strokes, tied, strict=False) if ties])

    def _grace(self, voice: Voice, text: str) -> None:
        """Grace notes do not sound; their accidentals hold as any."""
        for note in NOTE.finditer(text):
            self.changes["grace_notes"] += 1
            if note[1]:
                self._sounding(voice, note[1], note[2], note[3])

    def _symbol(self, voice: Voice, text: str) -> None:
        """A chord symbol, at sounding pitch. What starts with one of ``^_<>@`` is a remark, which may be "D.C."."""
        meaning = _meaning(text.lstrip("^_<>@"))
        if meaning and meaning != "fermata":
            self._mean(voice, text.lstrip("^_<>@"))
        if meaning or text[:1] in "^_<>@":
            return
        if voice.semitones % 12:
            text = ROOT.sub(lambda root: root[1] + moved_root(root[2], root[3], voice.semitones), text)
        figure = figure_of(text)
        if figure is not None and not voice.layer:
            voice.symbols.append((voice.place, voice.time, figure))

    def _tuplet(self, voice: Voice, text: str) -> None:
        """``(3`` or ``(p:q:r``: r notes, p of them in the time of q."""
        p, q, r = (int(part or 0) for part in (text[1:] + "::").split(":")[:3])
        compound = voice.meter is not None and voice.meter.beats % 3 == 0 and voice.meter.beats > 3
        usual = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, 3 if compound else 2)
        if p < 1 or len(voice.tuplets) == MOST_NESTED:
            self.changes["unknown_symbols"] += 1
        else:
            voice.tuplets.append([p, q or usual, r or p])

    def _sign(self, voice: Voice, text: str) -> None:
        """``!fermata!`` or, in an old dialect, ``+fermata+``; ``+CEG+`` is a chord of an older one."""
        name = text[1:-1]
        if text[0] == "+" and OLD_CHORD.fullmatch(name):
            self._chord(voice, name, "")
        else:
            self._mean(voice, name)

    def _letter(self, voice: Voice, letter: str) -> None:
        if letter in self.signs:
            self._mean(voice, self.signs[letter])
        else:
            self.changes["unknown_symbols"] += 1

    def _mean(self, voice: Voice, name: str) -> None:
        meaning = _meaning(name)
        if meaning == "fermata":
            voice.fermata = True
        elif meaning and not voice.layer:
            voice.signs.append(meaning)

    # The score

    def sheet(self) -> Sheet:
        """The score of all that was read."""
        self._start()
        names = [*self.defined, *(name for name in self.voices if name not in self.defined)]
        found = {name: self.voices[name] for name in names if name in self.voices}
        for voice in found.values():
            voice.finish()
        found = {name: voice for name, voice in found.items() if voice.bars}
        sheet = Sheet()
        if not found:
            return sheet
        sheet.tempos = [Mark(0, Fraction(0), self.pace)] if self.pace else []
        grid = Grid(list(found.values()))
        for name, voice in found.items():
            sheet.parts.append(grid.part(voice, voice.name or ("" if name.isdecimal() else name)))
            sheet.tempos += grid.marks(voice, voice.tempos)
        sheet.bars = grid.bars()
        for part, voice in zip(sheet.parts, found.values(), strict=True):
            self.changes["filled"] += fill(part, grid.filled(voice), sheet.bars)
        sheet.meters = grid.marks(grid.first, grid.first.meters)
        sheet.free = not sheet.meters
        sheet.tempos.sort(key=lambda mark: (mark.bar, mark.onset))
        sheet.sections = self._sections(len(sheet.bars))
        sheet.changes = +self.changes
        return sheet

    def _sections(self, bars: int) -> list[range] | None:
        """The order that the head states for the sections of the tune; ``None``: as they stand."""
        order = order_of(self.order)
        if not self.labels or not order:
            return None
        if not set(order) <= set(self.labels):
            self.changes["unknown_symbols"] += 1
            return None
        cuts = sorted({*self.labels.values(), bars})
        ends = dict(zip(cuts, [*cuts[1:], bars], strict=True))
        opening = [range(cuts[0])] if cuts[0] else []
        return opening + [range(self.labels[label], ends[self.labels[label]]) for label in order]


def _meaning(name: str) -> str | None:
    return MEANINGS.get(re.sub(r"[\s._]", "", name).lower()) if name else None
