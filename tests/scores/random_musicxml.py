"""The random scores as MusicXML 4.0 (W3C), in its many ways of saying one thing."""

import io
import random
import zipfile
from collections.abc import Iterator

from scores.random_scores import LETTERS, QUARTER, Bar, Event, Meter, Part, Pitch, Score, Tempo, shared_ticks

TYPES = {3360: "whole", 1680: "half", 840: "quarter", 420: "eighth", 210: "16th", 105: "32nd", 52: "64th"}
ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
BEAT_UNITS = (("quarter", "", 1), ("half", "", 2), ("quarter", "<beat-unit-dot/>", 1.5), ("eighth", "", 0.5))
HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<!DOCTYPE score-{0} PUBLIC "-//Recordare//DTD MusicXML 4.0 {1}//EN" "http://www.musicxml.org/dtds/{0}.dtd">\n',
    '<?xml version="1.0"?>\n',
    "",
)


def musicxml(score: Score) -> str:
    """The score, by parts or by measures."""
    draw = random.Random(f"musicxml {score.seed}")
    kind = "timewise" if draw.random() < 0.1 else "partwise"
    parts = [list(_Writer(score, part, number, draw).measures()) for number, part in enumerate(score.parts)]
    names = [f"P{number + 1}" for number in range(len(parts))]
    inner, outer = ("measure", "part") if kind == "partwise" else ("part", "measure")
    text = []
    for place, row in enumerate(parts if kind == "partwise" else zip(*parts, strict=True)):
        text.append(f'<part id="{names[place]}">' if kind == "partwise" else f"<measure {row[0][0]}>")
        for at, (attributes, body) in enumerate(row):
            start = f"<measure {attributes}>" if kind == "partwise" else f'<part id="{names[at]}">'
            text.append(f"{start}\n{body}</{inner}>\n")
        text.append(f"</{outer}>\n")
    head = draw.choice(HEAD).format(kind, kind.capitalize())
    listed = "".join(_listed(part, name, draw) for part, name in zip(score.parts, names, strict=True))
    return f'{head}<score-{kind} version="4.0">\n<part-list>\n{listed}</part-list>\n{"".join(text)}</score-{kind}>\n'


def mxl(text: str) -> bytes:
    """MusicXML in its compressed form."""
    data = io.BytesIO()
    rootfile = '<rootfile full-path="music/score.xml"/>'
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", f"<container><rootfiles>{rootfile}</rootfiles></container>")
        archive.writestr("music/score.xml", text)
    return data.getvalue()


def _listed(part: Part, name: str, draw: random.Random) -> str:
    instrument = part.instrument
    channel = "<midi-channel>1</midi-channel>" if draw.random() < 0.5 else ""
    return (
        f'<score-part id="{name}"><part-name>{instrument.name}</part-name>'
        f'<score-instrument id="{name}-I1"><instrument-name>{instrument.name}</instrument-name></score-instrument>'
        f'<midi-instrument id="{name}-I1">{channel}<midi-program>{instrument.program + 1}</midi-program>'
        "</midi-instrument></score-part>\n"
    )


class _Writer:
    """The measures of one part."""

    def __init__(self, score: Score, part: Part, number: int, draw: random.Random) -> None:
        self.score, self.part, self.first, self.draw = score, part, number == 0, draw
        self.shared = shared_ticks(score)
        self.unit = self.shared  # ticks that one division has
        self.marked = self.first or draw.random() < 0.8  # whether it shows repeats and endings, as the first part does
        self.voices = ("1", "5") if part.staves == 2 else draw.choice((("1", "2"), ("2", "1"), ("1", "2")))
        self.held: list[set[Pitch]] = [set(), set()]  # pitches tied to the next event, by voice

    def measures(self) -> Iterator[tuple[str, str]]:
        """The attributes and the content of each measure."""
        for place, bar in enumerate(self.score.bars):
            number = place if self.score.pickup else place + 1
            implicit = ' implicit="yes"' if bar.short and self.draw.random() < 0.8 else ""
            text = self._left(place) + self._attributes(place, bar) + self._music(place, bar) + self._right(place)
            yield f'number="{number}"{implicit}', text

    def _left(self, place: int) -> str:
        ending, opens = self.score.endings().get(place), place in self.score.opens()
        if place == 0 and not self.score.endings() and self.draw.random() < 0.5:
            opens = False  # a repeat from the start needs no sign
        if not self.marked or not (ending or opens):
            return ""
        volta = f'<ending number="{_passes(ending.passes, self.draw)}" type="start"/>' if ending else ""
        repeat = '<repeat direction="forward"/>' if opens else ""
        return f'<barline location="left">{volta}{repeat}</barline>\n'

    def _right(self, place: int) -> str:
        section = self.score.closes().get(place)
        endings = [one for one in self.score.endings().values() if one.bars.stop - 1 == place]
        if not self.marked or not (section or endings):
            return ""
        text = ""
        if endings:
            kind = "stop" if section or self.draw.random() < 0.5 else "discontinue"
            text = f'<ending number="{_passes(endings[0].passes, self.draw)}" type="{kind}"/>'
        if section:
            often = f' times="{section.times}"' if section.times > 2 and not endings else ""
            text += f'<repeat direction="backward"{often}/>'
        return f'<barline location="right"><bar-style>light-heavy</bar-style>{text}</barline>\n'

    def _attributes(self, place: int, bar: Bar) -> str:
        before = self.score.bars[place - 1] if place else None
        text = ""
        if before is None or self.draw.random() < 0.03:
            self.unit = self.shared // self.draw.choice([parts for parts in (1, 2, 3, 5) if self.shared % parts == 0])
            text += f"<divisions>{QUARTER // self.unit}</divisions>"
        if before is None or before.key != bar.key:
            key = self.part.written(bar.key)
            mode = "<mode>minor</mode>" if key.minor else "<mode>major</mode>"
            text += f"<key><fifths>{key.sharps}</fifths>{mode}</key>"
        if before is None or before.meter != bar.meter:
            symbol = {Meter((4,), 4): "common", Meter((2,), 2): "cut"}.get(bar.meter)
            shown = f' symbol="{symbol}"' if symbol and self.draw.random() < 0.5 else ""
            if self.draw.random() < 0.5:
                beats = "+".join(map(str, bar.meter.beats))
                sign = f"<beats>{beats}</beats><beat-type>{bar.meter.unit}</beat-type>"
            else:
                sign = "".join(f"<beats>{n}</beats><beat-type>{bar.meter.unit}</beat-type>" for n in bar.meter.beats)
            text += f"<time{shown}>{sign}</time>"
        if before is None and self.part.staves == 2:
            text += "<staves>2</staves>"
        if before is None and self.part.semitones:
            text += self._transpose()
        return f"<attributes>{text}</attributes>\n" if text else ""

    def _transpose(self) -> str:
        letters, semitones, octaves = self.part.letters, self.part.semitones, 0
        if abs(semitones) > 11 and self.draw.random() < 0.7:
            octaves = 1 if semitones > 0 else -1
            letters, semitones = letters - 7 * octaves, semitones - 12 * octaves
        octave = f"<octave-change>{octaves}</octave-change>" if octaves else ""
        return f"<transpose><diatonic>{letters}</diatonic><chromatic>{semitones}</chromatic>{octave}</transpose>"

    def _music(self, place: int, bar: Bar) -> str:
        items: list[tuple[int, int, Event | Tempo]] = []  # onset, voice, what
        tempos = [tempo for tempo in self.score.tempos if self.first and tempo.bar == place]
        items += [(tempo.onset, 0, tempo) for tempo in tempos]
        for voice, bars in enumerate(self.part.voices):
            items += [(event.onset, voice, event) for event in bars[place]]
        order = self.draw.choice(("voices", "voices", "voices", "backwards", "time"))
        items.sort(
            key=lambda item: (item[1] if order == "voices" else -item[1] if order == "backwards" else 0, item[0])
        )
        now, text = 0, []
        for onset, voice, what in items:
            if isinstance(what, Tempo) and self.draw.random() < 0.15:
                text.append(self._tempo(what, onset - now))
                continue
            text.append(self._move(onset - now))
            now = onset
            if isinstance(what, Tempo):
                text.append(self._tempo(what, 0))
            else:
                text += self._event(what, voice, bar)
                now = what.end
        if self.draw.random() < 0.5:
            text.append(self._move(bar.length - now))
        return "".join(text)

    def _move(self, ticks: int) -> str:
        """To another place in the measure."""
        name = "forward" if ticks > 0 else "backup"
        return f"<{name}><duration>{abs(ticks) // self.unit}</duration></{name}>\n" if ticks else ""

    def _tempo(self, tempo: Tempo, ahead: int) -> str:
        """A tempo mark that stands ``ahead`` ticks before the place at which it holds."""
        name, dot, beats = self.draw.choice(BEAT_UNITS)
        mark = (
            f"<direction-type><metronome><beat-unit>{name}</beat-unit>{dot}<per-minute>{tempo.bpm / beats:.9g}"
            "</per-minute></metronome></direction-type>"
        )
        sound = f'<sound tempo="{tempo.bpm}"/>'
        if ahead:
            words = "<direction-type><words>Allegro</words></direction-type>"
            return f'<direction>{words}<offset sound="yes">{ahead // self.unit}</offset>{sound}</direction>\n'
        return self.draw.choice(
            (sound, f"<direction>{mark}{sound}</direction>\n", f'<direction placement="above">{mark}</direction>\n')
        )

    def _event(self, event: Event, voice: int, bar: Bar) -> Iterator[str]:
        staff = f"<staff>{voice + 1}</staff>" if self.part.staves == 2 else ""
        named = f"<voice>{self.voices[voice]}</voice>"
        slash = self.draw.choice(("<grace/>", '<grace slash="yes"/>'))
        for pitch in event.graces:
            yield f"<note>{slash}{self._pitch(pitch)}{named}<type>eighth</type>{staff}</note>\n"
        length = f"<duration>{event.length // self.unit}</duration>"
        shape = f"<type>{TYPES[event.value]}</type>" + "<dot/>" * event.dots
        tuplet, bracket = "", ""
        if event.tuplet:
            tuplet = (
                f"<time-modification><actual-notes>{event.tuplet.actual}</actual-notes>"
                f"<normal-notes>{event.tuplet.normal}</normal-notes></time-modification>"
            )
            bracket = '<tuplet type="start"/>' * event.first + '<tuplet type="stop"/>' * event.last
        if not event.pitches:
            whole = ' measure="yes"' if event.length == bar.length else ""
            notation = f"<notations>{bracket}</notations>" if bracket else ""
            yield f"<note><rest{whole}/>{length}{named}{shape}{tuplet}{staff}{notation}</note>\n"
        held, self.held[voice] = self.held[voice], event.tied
        for place, pitch in enumerate(self.draw.sample(event.pitches, len(event.pitches))):
            kinds = [kind for kind, pitches in (("stop", held), ("start", event.tied)) if pitch in pitches]
            ties = "".join(f'<tie type="{kind}"/>' for kind in kinds)
            notation = (bracket if place == 0 else "") + "".join(f'<tied type="{kind}"/>' for kind in kinds)
            notation = f"<notations>{notation}</notations>" if notation else ""
            chord = "<chord/>" if place else ""
            sign = f"<accidental>{ACCIDENTALS[pitch.alter]}</accidental>" if self.draw.random() < 0.1 else ""
            yield (
                f"<note>{chord}{self._pitch(pitch)}{length}{ties}{named}{shape}{sign}{tuplet}{staff}{notation}</note>\n"
            )

    def _pitch(self, pitch: Pitch) -> str:
        alter = f"<alter>{pitch.alter}</alter>" if pitch.alter or self.draw.random() < 0.1 else ""
        letter, octave = LETTERS[pitch.step % 7], pitch.step // 7
        return f"<pitch><step>{letter}</step>{alter}<octave>{octave}</octave></pitch>"


def _passes(numbers: tuple[int, ...], draw: random.Random) -> str:
    return draw.choice((",", ", ")).join(map(str, numbers))
