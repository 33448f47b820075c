"""MusicXML: what sounds, at which pitch, when and for how long."""

import zipfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.form import played
from etude.scores.musicxml import sheet_of
from etude.scores.notation import spans_of, strokes
from etude.scores.readers import read
from etude.scores.written import Key, Meter, Sheet

READING = Reading(None, False, 120.0, True, 48, None, None)
START = "<attributes><divisions>12</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"


def note(pitch: str, length: float = 1, inside: str = "", ahead: str = "") -> str:
    """A note: ``F#4`` and its length in quarter notes, ``r`` for a rest; ``inside`` and ``ahead`` are more elements."""
    step, alter, octave = pitch[0], pitch[1:-1], pitch[-1]
    place = "<rest/>" if pitch == "r" else f"<pitch><step>{step}</step>"
    if pitch != "r":
        place += f"<alter>{alter.count('#') - alter.count('b')}</alter><octave>{octave}</octave></pitch>"
    return f"<note>{ahead}{place}<duration>{round(length * 12)}</duration>{inside}</note>"


def tie(*kinds: str) -> str:
    return "".join(f'<tie type="{kind}"/>' for kind in kinds)


def voice(number: int) -> str:
    return f"<voice>{number}</voice>"


def document(*parts: Sequence[str], listed: str = "", wise: str = "partwise") -> str:
    """A score of parts, each with its measures; ``listed`` stands in the list of parts, in each of them."""
    names = "".join(
        f'<score-part id="P{n}"><part-name>P{n}</part-name>{listed}</score-part>' for n in range(len(parts))
    )
    body = ""
    if wise == "partwise":
        for number, bars in enumerate(parts):
            inner = "".join(f'<measure number="{place + 1}">{bar}</measure>' for place, bar in enumerate(bars))
            body += f'<part id="P{number}">{inner}</part>'
    else:
        for place, bars in enumerate(zip(*parts, strict=True)):
            inner = "".join(f'<part id="P{number}">{bar}</part>' for number, bar in enumerate(bars))
            body += f'<measure number="{place + 1}">{inner}</measure>'
    return f"<score-{wise}><part-list>{names}</part-list>{body}</score-{wise}>"


def sheet(*parts: Sequence[str], **more: str) -> Sheet:
    return sheet_of(ElementTree.fromstring(document(*parts, **more)))


def sounding(score: Sheet, part: int = 0) -> list[tuple[float, float, int]]:
    """Onset, length and pitch of the notes of a part, ties joined, in the written order."""
    spans = spans_of(score, range(len(score.bars)))
    return sorted((float(s.onset), float(s.end - s.onset), s.pitch) for s in strokes(score.parts[part], spans))


def test_ties_of_two_voices_chords_and_chains() -> None:
    first = (
        START
        + note("C5", 3, voice(1))
        + note("E5", 1, tie("start") + voice(1))
        + "<backup><duration>48</duration></backup>"
    )
    first += note("C4", 3, voice(2)) + note("E5", 1, tie("start") + voice(2))
    first += note("G4", 1, tie("start") + voice(2), "<chord/>")
    second = note("E5", 4, tie("stop", "start") + voice(1)) + "<backup><duration>48</duration></backup>"
    second += note("E5", 2, tie("stop") + voice(2)) + note("A4", 2, voice(2), "<chord/>") + note("G4", 2, voice(2))
    third = note("E5", 1, tie("stop") + voice(1)) + note("E5", 3, voice(1))
    assert sounding(sheet([first, second, third])) == [
        (0, 3, 60), (0, 3, 72), (3, 1, 67), (3, 3, 76), (3, 6, 76), (4, 2, 69), (6, 2, 67), (9, 3, 76),
    ]  # fmt: skip


def test_a_tie_that_only_tied_states_and_one_over_a_bar_that_is_not_full() -> None:
    tied = '<notations><tied type="start"/></notations>'
    goes_on = tied.replace("start", "continue")
    three = [START + note("C5", 4, tied), note("C5", 4, goes_on), note("C5", 4, tied.replace("start", "stop"))]
    assert sounding(sheet(three)) == [(0, 12, 72)]
    assert sounding(sheet([START + note("r", 3) + note("C5", 1, tied), note("C5", 4)])) == [(3, 5, 72)]
    other = [START + note("C4", 4), note("C4", 4)]
    short = [START + note("C5", 3, tie("start")), note("C5", 1, tie("stop")) + note("D5", 3)]
    assert sounding(sheet(short, other)) == [(0, 5, 72), (5, 3, 74)]


def test_a_tie_without_its_second_note_is_no_drone() -> None:
    bars = [START + note("C4", 4, tie("start")), note("D4", 4), note("C4", 4, tie("stop"))]
    assert sounding(sheet(bars)) == [(0, 4, 60), (4, 4, 62), (8, 4, 60)]


def test_grace_and_cue_notes_and_rests_do_not_sound() -> None:
    bar = START + note("D5", 0, ahead="<grace/>") + note("C5", 1) + note("E5", 1, ahead="<cue/>") + note("r", 1)
    score = sheet([bar + note("F5", 1)])
    assert sounding(score) == [(0, 1, 72), (3, 1, 77)]
    assert score.changes == {"grace_notes": 1, "cue_notes": 1}


@pytest.mark.parametrize(
    ("transpose", "pitch", "sharps"),
    [
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic>", 70, 0),  # a clarinet in B flat, written in D major
        ("<chromatic>-2</chromatic>", 70, 0),
        ("<diatonic>-5</diatonic><chromatic>-9</chromatic>", 63, -1),  # a saxophone in E flat
        ("<diatonic>-4</diatonic><chromatic>-7</chromatic>", 65, 1),  # a horn in F
        ("<diatonic>2</diatonic><chromatic>3</chromatic>", 75, -1),  # a small clarinet in E flat
        ("<diatonic>0</diatonic><chromatic>0</chromatic><octave-change>-1</octave-change>", 60, 2),  # a double bass
        ("<diatonic>-1</diatonic><chromatic>-2</chromatic><octave-change>-1</octave-change>", 58, 0),
    ],
)
def test_transposing_instruments_sound(transpose: str, pitch: int, sharps: int) -> None:
    inside = f"<key><fifths>2</fifths></key><transpose>{transpose}</transpose></attributes>"
    score = sheet([START.replace("</attributes>", inside) + note("C5", 4)])
    assert sounding(score) == [(0, 4, pitch)]
    assert score.parts[0].keys[0].value == Key(sharps, None)
    assert score.changes["transposed"] == 1


def test_the_transposition_may_change_and_end() -> None:
    there = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    back = "<attributes><transpose><chromatic>0</chromatic></transpose></attributes>"
    score = sheet([START + note("C5", 4), there + note("C5", 4), back + note("C5", 4)])
    assert [pitch for *_, pitch in sounding(score)] == [72, 70, 72]


def test_octave_clefs_do_not_change_the_pitch() -> None:
    clef = (
        "<attributes><clef><sign>G</sign><line>2</line><clef-octave-change>-1</clef-octave-change></clef></attributes>"
    )
    assert sounding(sheet([START + clef + note("C5", 4)])) == [(0, 4, 72)]


def test_microtones_double_accidentals_and_octaves() -> None:
    bar = START + note("Cb4") + note("B##3") + note("E4").replace("<alter>0", "<alter>-0.4") + note("F#9")
    assert [pitch for *_, pitch in sounding(sheet([bar]))] == [59, 61, 64, 126]


KIT = "".join(
    f'<midi-instrument id="I{key}"><midi-channel>10</midi-channel><midi-program>1</midi-program>'
    f"<midi-unpitched>{key}</midi-unpitched></midi-instrument>"
    for key in (36, 39, 43)
)


def drum(key: int | None, place: str = "F4") -> str:
    used = f'<instrument id="I{key}"/>' if key else ""
    step = f"<display-step>{place[0]}</display-step><display-octave>{place[1]}</display-octave>"
    return f"<note><unpitched>{step}</unpitched><duration>12</duration>{used}</note>"


def test_percussion_by_its_midi_number(tmp_path: Path) -> None:
    names = "".join(
        f'<score-instrument id="I{key}"><instrument-name>x</instrument-name></score-instrument>' for key in (36, 39, 43)
    )
    (tmp_path / "a.xml").write_text(
        document([START + drum(36) + drum(39) + drum(43, "G5") + drum(36)], listed=names + KIT)
    )
    piece, _ = read(tmp_path / "a.xml", None, READING)
    assert [(track.is_drum, [n.pitch for n in track.notes]) for track in piece.tracks] == [(True, [35, 38, 42, 35])]
    (tmp_path / "a.xml").write_text(
        document([START + drum(None) + drum(None, "C5") + drum(None, "G5") + drum(None, "E9")])
    )
    piece, _ = read(tmp_path / "a.xml", None, READING)
    assert [(track.is_drum, [n.pitch for n in track.notes]) for track in piece.tracks] == [(True, [36, 38, 42, 38])]


def test_a_percussion_clef_is_of_its_staff_from_where_it_stands() -> None:
    def clef(sign: str, staff: int) -> str:
        return f'<attributes><clef number="{staff}"><sign>{sign}</sign></clef></attributes>'

    bars = [
        START + clef("G", 1) + clef("percussion", 2) + note("C5", 4, "<staff>1</staff>"),
        note("F4", 4, "<staff>2</staff>"),
    ]
    score = sheet([*bars, clef("percussion", 1) + note("C5", 4, "<staff>1</staff>")])
    assert [(n.pitch, n.program) for place in range(3) for n in score.parts[0].notes[place]] == [
        (72, None),
        (36, -1),
        (38, -1),
    ]
    assert score.changes["guessed_drums"] == 2


def test_chord_symbols_of_transposing_instruments() -> None:
    inside = '<transpose number="1"><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>'
    symbol = "<harmony><root><root-step>D</root-step></root><kind>minor</kind></harmony>"
    score = sheet([START.replace("</attributes>", inside) + symbol + note("C5", 4)])
    assert [mark.value for mark in score.parts[0].symbols] == [("Cm", (60, 63, 67))]


def test_instruments_that_change_within_a_part(tmp_path: Path) -> None:
    listed = '<score-instrument id="A"><instrument-name>Flute</instrument-name></score-instrument>'
    listed += '<score-instrument id="B"><instrument-name>Piccolo</instrument-name></score-instrument>'
    listed += '<midi-instrument id="A"><midi-program>74</midi-program></midi-instrument>'
    listed += '<midi-instrument id="B"><midi-program>73</midi-program></midi-instrument>'
    a, b = '<instrument id="A"/>', '<instrument id="B"/>'
    later = '<sound><midi-instrument id="A"><midi-program>1</midi-program></midi-instrument></sound>'
    bars = [START + note("C5", 2, a) + note("D5", 2, b), later + note("E5", 4, a)]
    (tmp_path / "a.xml").write_text(document(bars, listed=listed))
    piece, _ = read(tmp_path / "a.xml", None, READING)
    assert {track.program: [n.pitch for n in track.notes] for track in piece.tracks} == {0: [76], 72: [74], 73: [72]}


def test_an_instrument_by_its_name_where_no_program_is_stated(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(
        document([START + note("C5", 4)]).replace("<part-name>P0", "<part-name>Violoncello")
    )
    assert [track.program for track in read(tmp_path / "a.xml", None, READING)[0].tracks] == [42]


def metronome(text: str, unit: str = "quarter", dots: int = 0) -> str:
    inner = f"<beat-unit>{unit}</beat-unit>{'<beat-unit-dot/>' * dots}<per-minute>{text}</per-minute>"
    return f"<direction><direction-type><metronome>{inner}</metronome></direction-type></direction>"


@pytest.mark.parametrize(
    ("mark", "tempo"),
    [
        (metronome("96"), 96),
        (metronome("ca. 80"), 80),
        (metronome("80-90"), 80),
        (metronome("70", "half"), 140),
        (metronome("40", "quarter", 1), 60),
        (metronome("120", "eighth"), 60),
        ('<direction><sound tempo="72.5"/></direction>', 72.5),
        ('<sound tempo="66"/>', 66),
        (metronome("60").replace("</direction>", '<sound tempo="64"/></direction>'), 64),
    ],
)
def test_a_tempo_stands_where_it_is_marked(tmp_path: Path, mark: str, tempo: float) -> None:
    (tmp_path / "a.xml").write_text(document([START + note("C5", 4), note("C5", 2) + mark + note("C5", 2)]))
    piece, info = read(tmp_path / "a.xml", None, READING)
    assert [(t.time / 48, round(t.qpm, 2)) for t in piece.tempos] == [(0, 120), (6, tempo)]
    assert info["tempo_stated"]


@pytest.mark.parametrize(
    ("time", "meter"),
    [
        ("<beats>3+2</beats><beat-type>8</beat-type>", Meter(5, 8)),
        ("<beats>2</beats><beat-type>4</beat-type><beats>3</beats><beat-type>8</beat-type>", Meter(7, 8)),
        ("<beats>12</beats><beat-type>16</beat-type>", Meter(12, 16)),
    ],
)
def test_additive_meters(time: str, meter: Meter) -> None:
    start = f"<attributes><divisions>12</divisions><time>{time}</time></attributes>"
    assert sheet([start + note("C5", 2.5)]).meters[0].value == meter


def test_keys_by_steps_and_modes() -> None:
    def key(inner: str) -> Key:
        return sheet([START + f"<attributes><key>{inner}</key></attributes>" + note("C5", 4)]).parts[0].keys[0].value

    steps = "<key-step>F</key-step><key-alter>1</key-alter><key-step>B</key-step><key-alter>-1</key-alter>"
    assert key(steps) == Key(0, None)
    assert key("<key-step>B</key-step><key-alter>-1</key-alter>") == Key(-1, None)
    assert key("<fifths>3</fifths><mode>minor</mode>") == Key(3, "minor")
    assert key("<fifths>0</fifths><mode>dorian</mode>") == Key(0, "dorian")


def test_without_a_meter_bars_are_as_long_as_they_are_filled() -> None:
    start = "<attributes><divisions>12</divisions><time><senza-misura/></time></attributes>"
    score = sheet([start + note("C5", 3), note("C5", 5)])
    assert [span.meter for span in spans_of(score, range(2))] == [(3, 4), (5, 4)]


def test_a_meter_that_changes_within_a_measure(tmp_path: Path) -> None:
    change = "<attributes><time><beats>3</beats><beat-type>8</beat-type></time></attributes>"
    (tmp_path / "a.xml").write_text(
        document([START + note("C5", 4), note("C5", 2) + change + note("D5", 1.5), note("E5", 1.5)])
    )
    piece, _ = read(tmp_path / "a.xml", None, READING)
    signs = [(sign.time / 48, sign.numerator, sign.denominator) for sign in piece.time_signatures]
    assert signs == [(0, 4, 4), (4, 2, 4), (6, 3, 8)]
    assert [n.time / 48 for n in piece.tracks[0].notes] == [0, 4, 6, 7.5]


def test_repeats_endings_and_jumps_in_their_three_spellings(tmp_path: Path) -> None:
    def line(inner: str, side: str = "right") -> str:
        return f'<barline location="{side}">{inner}</barline>'

    def order(*bars: str) -> str:
        steps = "CDEFGAB"
        filled = [bar.replace("_", note(f"{steps[place]}5", 4)) for place, bar in enumerate(bars)]
        (tmp_path / "a.xml").write_text(document([START + filled[0], *filled[1:]]))
        piece, info = read(tmp_path / "a.xml", None, READING)
        added = len(piece.tracks[0].notes) - len(bars)
        assert info["changed"] == ({"played_again": added} if added else {})
        return "".join("CDEFGAB"[(0, 2, 4, 5, 7, 9, 11).index(n.pitch - 72)] for n in piece.tracks[0].notes)

    forward, back = line('<repeat direction="forward"/>', "left"), line('<repeat direction="backward"/>')
    assert order(forward + "_", "_" + back, "_") == "CDCDE"
    assert order("_" + line('<repeat direction="backward" times="3"/>'), "_") == "CCCD"
    first = line('<ending number="1" type="start"/>', "left")
    closed = line('<ending number="1" type="stop"/><repeat direction="backward"/>')
    second, ended = line('<ending number="2" type="start"/>', "left"), line('<ending number="2" type="discontinue"/>')
    assert order(forward + "_", first + "_", "_" + closed, second + "_" + ended, "_") == "CDECFG"
    both = line('<ending number="1, 2" type="start"/>', "left")
    assert order(forward + "_", both + "_" + closed, second.replace('"2"', '"3"') + "_" + ended, "_") == "CDCDCEF"
    words = "<direction><direction-type><words>{}</words></direction-type></direction>"
    assert order("_", "_" + words.format("Fine"), "_" + words.format("D.C. al Fine")) == "CDECD"
    assert order("_", "_" + '<sound fine="yes"/>', "_" + '<sound dacapo="yes"/>') == "CDECD"
    sign = "<direction><direction-type><{}/></direction-type></direction>"
    segno, coda = sign.format("segno"), sign.format("coda")
    assert order("_", segno + "_", "_" + coda, "_" + words.format("D.S. al Coda"), coda + "_") == "CDEFDEG"
    both = words.format("To Coda").replace("</direction>", "<direction-type><coda/></direction-type></direction>")
    assert (
        order("_", segno + "_", "_" + both, "_" + words.format("D.S. al Coda"), words.format("CODA") + "_") == "CDEFDEG"
    )
    assert order("_", segno + "_", both + "_", "_" + words.format("D.S. al Coda"), coda + "_") == "CDEFDG"
    bars = "<barline><segno/></barline>_", "_", "_" + words.format("D.S."), "_"
    assert order("_", *bars) == "CDEFDEFG"
    assert order(forward + "_", first + "_" + closed, second + "_", forward + "_" + back, "_") == "CDCEFFG"
    to, fro = '<sound tocoda="c"/>', '<sound dalsegno="s"/>'
    assert order("_", '<sound segno="s"/>_', "_" + to, "_" + fro, '<sound coda="c"/>_') == "CDEFDEG"
    named = '<sound segno="a"/>_', "_", '<sound segno="b"/>_', "_", '_<sound dalsegno="a"/>', "_"
    assert order(*named) == "CDEFGCDEFGA"
    codas = "_", '_<sound tocoda="a"/>', "_", '_<sound dacapo="yes"/>', '<sound coda="b"/>_', '<sound coda="a"/>_'
    assert order(*codas) == "CDEFCDA"
    other = line('<repeat direction="backward"/>', "left"), line('<repeat direction="forward"/>', "right")
    assert order("_", "_", other[0] + "_") == "CDCDE"
    assert order("_" + other[1], "_" + back, "_") == "CDDE"
    again = line('<repeat direction="backward" after-jump="yes"/>')
    assert order(forward + "_", "_" + again, "_" + words.format("D.C."), "_") == "CDCDECDCDEF"
    assert order("_" + words.format("(Fine)"), words.format("Segno") + "_", "_" + words.format("D.S.")) == "CDEDE"
    assert order("_", "_", "_" + words.format("Play D.C. version ad lib.")) == "CDE"
    assert order("_", "_" + words.format("Am D C")) == "CD"
    for text in ("D.C. 2x", "Dacapo", "M.D.C.", "Menuetto da capo", "D. C. senza repetizione", "D.C."):
        assert order("_", "_" + words.format(text), "_") == "CDCDE"


def played_pitches(score: Sheet) -> list[int]:
    return [s.pitch for s in strokes(score.parts[0], spans_of(score, played(score)))]


def test_a_repeat_within_a_measure() -> None:
    start, stop = (
        f'<barline location="middle"><repeat direction="{way}"/></barline>' for way in ("forward", "backward")
    )
    upbeat = sheet([START + note("C5", 1) + start + note("D5", 1), note("E5", 4), note("F5", 2) + stop])
    assert spans_of(upbeat, range(len(upbeat.bars)))[0].onset == 2  # of two quarters
    held = "<backup><duration>48</duration></backup>" + note("C3", 4, voice(2))
    low = "<backup><duration>48</duration></backup>" + note("E3", 4, "<notations><fermata/></notations>" + voice(2))
    once = sheet([START + note("F4", 2) + start + note("G4", 2) + low])
    assert [[n.fermata for n in notes if n.pitch == 52] for notes in once.parts[0].notes.values()] == [[True], [False]]
    first = START + note("C5", 1) + start + note("D5", 3) + held
    score = sheet([first, note("E5", 2) + note("F5", 1) + stop + note("G5", 1) + held, note("A5", 4)])
    assert sounding(score) == [
        (0, 1, 72), (0, 4, 48), (1, 3, 74), (4, 2, 76), (4, 4, 48), (6, 1, 77), (7, 1, 79), (8, 4, 81),
    ]  # fmt: skip
    assert [(bar.length, bar.repeat, bar.times) for bar in score.bars] == [
        (1, False, 1), (3, True, 1), (3, False, 2), (1, False, 1), (4, False, 1),
    ]  # fmt: skip
    twice = strokes(score.parts[0], spans_of(score, played(score)))
    assert [(float(s.onset), s.pitch) for s in sorted(twice) if s.pitch > 60] == [
        (0, 72), (1, 74), (4, 76), (6, 77), (7, 74), (10, 76), (12, 77), (13, 79), (14, 81),
    ]  # fmt: skip


def test_measures_that_stand_for_those_before() -> None:
    style = "<attributes><measure-style><measure-repeat type='{}'>{}</measure-repeat></measure-style></attributes>"
    rest = '<note><rest measure="yes"/><duration>48</duration></note>'
    bars = [START + note("C5", 4), note("D5", 4), style.format("start", 2) + rest, rest]
    score = sheet([*bars, style.format("stop", "") + rest, note("E5", 4)])
    assert sounding(score) == [(0, 4, 72), (4, 4, 74), (8, 4, 72), (12, 4, 74), (20, 4, 76)]
    assert sounding(sheet([START + style.format("start", 1) + rest, rest])) == []


def test_a_tempo_by_the_unit_of_the_one_before() -> None:
    units = "<beat-unit>quarter</beat-unit><beat-unit>quarter</beat-unit><beat-unit-dot/>"
    same = f"<direction><direction-type><metronome>{units}</metronome></direction-type></direction>"
    score = sheet([START + metronome("80") + note("C5", 4), same + note("D5", 4)])
    assert [(mark.bar, mark.value) for mark in score.tempos] == [(0, 80), (1, 120)]
    tied = "<beat-unit>quarter</beat-unit><beat-unit-tied><beat-unit>eighth</beat-unit></beat-unit-tied>"
    more = f"<direction><direction-type><metronome>{tied}<per-minute>60</per-minute></metronome></direction-type>"
    assert sheet([START + more + "</direction>" + note("C5", 4)]).tempos[0].value == 90
    assert not sheet([START + same + note("C5", 4)]).tempos  # nothing is known of the one before


@pytest.mark.parametrize(
    ("name", "program"),
    [("Bass Guitar", 33), ("Corno in F", 60), ("Corno inglese", 69), ("Tenor Saxophone", 66), ("Clarinet in Bb", 71)],
)
def test_a_program_by_the_name_of_the_instrument(name: str, program: int) -> None:
    listed = f'<score-instrument id="I"><instrument-name>{name}</instrument-name></score-instrument>'
    assert sheet([START + note("C3", 4)], listed=listed).parts[0].program == program


def test_a_drum_by_the_name_of_the_instrument() -> None:
    listed = '<score-instrument id="I"><instrument-name>Triangle</instrument-name></score-instrument>'
    hit = "<note><unpitched><display-step>E</display-step><display-octave>4</display-octave></unpitched>"
    score = sheet([START + hit + "<duration>48</duration></note>"], listed=listed)
    assert [(n.pitch, n.program) for n in score.parts[0].notes[0]] == [(81, -1)]
    assert score.changes == {"guessed_drums": 1}


def test_absurd_numbers_of_signs_and_copies_are_refused() -> None:
    middle = '<barline location="middle"><repeat direction="forward"/></barline>'
    with pytest.raises(EtudeError, match="more than 1000 repeats and signs"):
        sheet([START + (note("C5", 1) + middle) * 1100 + note("C5", 1)])
    style = "<attributes><measure-style><measure-repeat type='start'>1</measure-repeat></measure-style></attributes>"
    chord = note("C5", 4) + note("D5", 4, ahead="<chord/>") * 300
    with pytest.raises(EtudeError, match="repeated measures have more than"):
        sheet([START + chord, style, *[""] * 700])
    back = '<sound segno="s"/>' + note("C5", 4) + '<sound dalsegno="t"/>'
    with pytest.raises(EtudeError, match="its repeats make more"):
        played(sheet([START + back, *[back] * 500]))


def test_divisions_that_fit_no_grid() -> None:
    bars = [
        f"<attributes><divisions>{primes}</divisions></attributes>" + note("C5", 1 / 12)
        for primes in (999983, 999979, 999961)
    ]
    with pytest.raises(EtudeError, match="fit no grid"):
        sheet(bars)


def test_signs_within_a_measure() -> None:
    segno = "<direction><direction-type><segno/></direction-type></direction>"
    two = START + note("C5", 2) + segno + note("D5", 2), note("E5", 4) + '<sound dalsegno="segno"/>'
    assert played_pitches(sheet(two)) == [72, 74, 76, 74, 76]
    fine, back = '<sound fine="yes"/>', '<sound dacapo="yes"/>'
    bars = START + note("C5", 1), note("D5", 3) + fine + note("E5", 1), note("F5", 3) + back + note("G5", 1)
    assert played_pitches(sheet(bars)) == [72, 74, 76, 77, 72, 74]  # a pickup: the rest is as long
    bars = START + note("C5", 1), note("D5", 2) + fine + note("E5", 1), note("F5", 2) + back + note("G5", 1)
    assert played_pitches(sheet(bars)) == [72, 74, 76, 77, 79, 72, 74, 76]  # but not where the pickup fills the bar
    two = START.replace("<beats>4", "<beats>2") + note("C5", 2), START + note("D5", 2) + fine + note("E5", 2)
    assert played_pitches(sheet([*two, note("F5", 4) + back])) == [72, 74, 76, 77, 72, 74, 76]
    coda, leave = "<direction><direction-type><coda/></direction-type></direction>", '<sound tocoda="coda"/>'
    bars = START + note("C5", 4) + leave, note("D5", 4) + back, note("E5", 2) + coda + note("F5", 2)
    assert played_pitches(sheet(bars)) == [72, 74, 72, 77]
    lower = "<backup><duration>48</duration></backup>" + note("C3", 2, voice(2))
    forward = '<barline location="right"><repeat direction="forward"/></barline>'
    ended = '<barline location="right"><repeat direction="backward"/></barline>'
    for sign, after in ((forward, ended), (segno, '<sound dalsegno="segno"/>')):  # after a voice that is not full
        found = played_pitches(sheet([START + note("C5", 4) + lower + sign, note("D5", 4) + after]))
        assert sorted(found) == [48, 72, 74, 74]
    bars = START + note("C5", 4), note("D5", 3) + fine + note("E5", 1), note("F5", 4) + back
    assert played_pitches(sheet(bars)) == [72, 74, 76, 77, 72, 74, 76]  # before the last note


def test_a_tie_back_over_a_repeat_is_struck() -> None:
    back = '<barline location="right"><repeat direction="backward"/></barline>'
    score = sheet([START + note("C5", 4), note("C5", 4, tie("start")) + back])
    found = strokes(score.parts[0], spans_of(score, played(score)))
    assert [(float(s.onset), float(s.end)) for s in found] == [(0, 4), (4, 8), (8, 12), (12, 16)]
    score = sheet([START + note("C5", 4, tie("stop")), note("C5", 4, tie("start")) + back])
    assert [float(s.end) for s in strokes(score.parts[0], spans_of(score, played(score)))] == [4, 12, 16]


def test_a_measure_without_a_meter_keeps_its_rests_and_one_with_too_long_a_rest_is_counted() -> None:
    free = "<attributes><time><senza-misura/></time></attributes>"
    four = "<attributes><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    score = sheet([START + note("C5", 4), free + note("D5", 2) + note("r", 5), four + note("E5", 4)])
    assert [bar.length for bar in score.bars] == [4, 7, 4] and not score.changes
    score = sheet([START + note("D5", 1) + note("r", 4), note("E5", 4)])
    assert [bar.length for bar in score.bars] == [4, 4] and score.changes == {"long_rests": 1}


def test_a_jump_to_nowhere_is_counted(tmp_path: Path) -> None:
    jump = "<direction><direction-type><words>D.S. al Coda</words></direction-type></direction>"
    (tmp_path / "a.xml").write_text(document([START + note("C5", 4), note("D5", 4) + jump]))
    assert read(tmp_path / "a.xml", None, READING)[1]["changed"] == {"unresolved_jumps": 1, "played_again": 2}


def test_a_part_that_is_not_listed_and_a_note_without_a_duration(tmp_path: Path) -> None:
    quarter = "<note><pitch><step>D</step><octave>5</octave></pitch><type>quarter</type><dot/></note>"
    text = document([START + note("C5", 1) + quarter + note("E5", 1.5)]).replace('<part id="P0">', '<part id="Q">')
    (tmp_path / "a.xml").write_text("\n " + text + "\0")
    piece, _ = read(tmp_path / "a.xml", None, READING)
    assert [(n.time / 48, n.duration / 48, n.pitch) for n in piece.tracks[0].notes] == [
        (0, 1, 72), (1, 1.5, 74), (2.5, 1.5, 76),
    ]  # fmt: skip


def test_pickups_and_first_measures_that_are_split(tmp_path: Path) -> None:
    def onsets(*parts: Sequence[str], split: bool = False) -> list[float]:
        text = document(*parts)
        (tmp_path / "a.xml").write_text(text.replace('number="2"', 'number="X1" implicit="yes"') if split else text)
        return sorted(n.time / 48 for track in read(tmp_path / "a.xml", None, READING)[0].tracks for n in track.notes)

    rest = '<note><rest measure="yes"/><duration>48</duration></note>'
    assert onsets([START + note("C5", 1), note("C5", 4)], [START + rest, note("C4", 4)]) == [3, 4, 4]
    assert onsets([START + note("C5", 2), note("D5", 2), note("C5", 4)], split=True) == [0, 2, 4]
    change = "<attributes><time><beats>3</beats><beat-type>8</beat-type></time></attributes>"
    assert onsets([START + note("C5", 2.5) + change + note("D5", 1.5), note("E5", 1.5)]) == [0, 2.5, 4]


def test_a_note_beyond_midi_is_counted_and_an_endless_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(document([START + note("C5", 3) + note("B9", 1)]))
    piece, info = read(tmp_path / "a.xml", None, READING)
    assert piece.note_num() == 1 and info["changed"] == {"out_of_range": 1}
    (tmp_path / "a.xml").write_text(document([START + note("C5", 4)]).replace(">48<", ">999999999<"))
    with pytest.raises(EtudeError, match="longer than 100000 quarter notes"):
        read(tmp_path / "a.xml", None, READING)


def test_a_rest_that_is_too_long_and_a_measure_without_anything_fill_their_bar() -> None:
    score = sheet([START + note("r", 8), "", note("C5", 4)], [START + note("C4", 4), "", note("C4", 4)])
    assert [bar.length for bar in score.bars] == [4, 4, 4]
    assert sounding(score) == [(8, 4, 72)]


def test_scores_by_measures_say_the_same() -> None:
    parts = [START + note("C5", 4), note("D5", 4)], [START + note("C4", 4), note("D4", 4)]
    one, other = sheet(*parts), sheet(*parts, wise="timewise")
    assert [sounding(score, part) for score in (one, other) for part in (0, 1)] == [
        [(0, 4, 72), (4, 4, 74)], [(0, 4, 60), (4, 4, 62)],
    ] * 2  # fmt: skip


def test_a_compressed_score_is_what_its_container_names(tmp_path: Path) -> None:
    def mxl(**files: str) -> Path:
        with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
            for name, text in files.items():
                archive.writestr(name.replace("__", "/").replace("_", "."), text)
        return tmp_path / "a.mxl"

    score = document([START + note("C5", 4)])
    container = '<container><rootfiles><rootfile full-path="b.xml"/></rootfiles></container>'
    assert (
        len(read(mxl(a_xml="<opus/>", b_xml=score, **{"META-INF__container_xml": container}), None, READING)[0].tracks)
        == 1
    )
    assert len(read(mxl(b_xml=score), None, READING)[0].tracks) == 1
    with pytest.raises(EtudeError, match="archive without a score"):
        read(mxl(a_txt="x"), None, READING)
    (tmp_path / "a.mxl").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(EtudeError, match="damaged archive"):
        read(tmp_path / "a.mxl", None, READING)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<score-partwise>", "XML is damaged in line 1"),
        ("<opus/>", "its root element is opus"),
        (document([START + note("C5", 4)]).replace("<duration>48", "<duration>x"), "'x' as a duration"),
        (document([START + note("C5", 4)]).replace("<divisions>12", "<divisions>0"), "0 divisions"),
        (document([START + note("C5", 4)]).replace("<octave>5", "<octave>"), "measure 1 of part P0"),
        (document([START + note("r", 4)]), "no notes"),
    ],
)
def test_a_refusal_is_a_sentence_about_the_file(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(EtudeError, match=reason):
        read(tmp_path / "a.xml", None, READING)


def test_durations_stay_exact() -> None:
    third = "".join(
        "<note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration></note>" for _ in range(12)
    )
    spans = spans_of(sheet([START + third]), range(1))
    assert [s.onset for s in strokes(sheet([START + third]).parts[0], spans)] == [Fraction(n, 3) for n in range(12)]
