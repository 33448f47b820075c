"""Three thousand random scores are read as they are written: every note, bar line, tempo and key."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import pytest
from scores.random_abc import abc
from scores.random_humdrum import humdrum
from scores.random_musicxml import musicxml, mxl
from scores.random_scores import (
    INSTRUMENTS,
    QUARTER,
    Bar,
    Event,
    Key,
    Meter,
    Part,
    Pitch,
    Score,
    Section,
    Tempo,
    make_score,
    sounding,
)
from symusic.core import ScoreTick

from etude.config.sections import Reading
from etude.scores.readers import read
from etude.scores.reading import Facts

T = TypeVar("T")
SEEDS = 1000  # of each format
CHUNK = 100
DEFAULT = 120  # quarter notes a minute
FORMATS = {"musicxml": (musicxml, ".musicxml"), "abc": (abc, ".abc"), "humdrum": (humdrum, ".krn")}


def ticks(value: Fraction) -> int:
    return int(value * QUARTER)


def in_force(changes: Sequence[tuple[Fraction, T]], time: Fraction, default: T) -> T:
    """The last value at ``time``."""
    place = bisect_right([onset for onset, _ in changes], time)
    return changes[place - 1][1] if place else default


def differences(score: Score, piece: ScoreTick, facts: Facts, repeats: str, respelled: bool) -> list[str]:
    """What a piece has other than the score; ``respelled``: its keys may be enharmonic.

    The piece may lack bar lines after bars that are short, in the middle of it, if it says how many.
    """
    wanted = sounding(score, repeats)
    found = []

    notes: Counter[tuple[int, int, int, int]] = Counter()
    for part, expected in zip(score.parts, wanted.parts, strict=True):
        notes.update((part.instrument.program, ticks(on), ticks(length), pitch) for on, length, pitch in expected)
    read_notes = Counter(
        (track.program, note.time, note.duration, note.pitch) for track in piece.tracks for note in track.notes
    )
    for what, counts in (("lacks", notes - read_notes), ("has", read_notes - notes)):
        for program, time, length, pitch in sorted(counts.elements())[:8]:
            found.append(f"{what} pitch {pitch} at {time / QUARTER:g} for {length / QUARTER:g}, program {program}")

    signs = {Fraction(one.time, QUARTER): (one.numerator, one.denominator) for one in piece.time_signatures}
    off = []
    for onset, meter in wanted.bars:
        since = max(sign for sign in signs if sign <= onset)
        above, below = signs[since]
        if f"{above}/{below}" != meter or (onset - since) % Fraction(4 * above, below):
            off.append(f"a bar of {meter} at {float(onset):g}: {above}/{below} since {float(since):g}")
    changed = facts["changed"]
    assert isinstance(changed, dict)
    if len(off) > (changed.get("bars_off", 0) if wanted.irregular else 0):
        found += off
    if (changed.get("grace_notes", 0) > 0) != score.has_graces():
        found.append(f"grace notes: {changed}")

    start = wanted.meters[0][0]
    tempos = [(Fraction(one.time, QUARTER), one.qpm) for one in piece.tempos]
    for now in {start, *(onset for onset, _ in tempos + wanted.tempos if onset >= start)}:
        bpm, read_bpm = in_force(wanted.tempos, now, DEFAULT), in_force(tempos, now, 0.0)
        if abs(bpm - read_bpm) > 0.01:
            found.append(f"tempo {bpm} at {float(now):g}: {read_bpm:g}")

    keys = [(Fraction(one.time, QUARTER), Key(one.key, one.tonality == 1)) for one in piece.key_signatures]
    for now in {start, *(onset for onset, _ in keys + wanted.keys if onset >= start)}:
        key, read_key = in_force(wanted.keys, now, None), in_force(keys, now, None)
        same = key == read_key
        if respelled and key and read_key:
            same = (key.sharps - read_key.sharps) % 12 == 0 and key.minor == read_key.minor
        if not same:
            found.append(f"{key} at {float(now):g}: {read_key}")
    return found


def test_sounding_joins_ties_and_plays_repeats_after_a_pickup() -> None:
    meter, key, tied = Meter((3,), 4), Key(-1, False), Pitch(28, 0)
    bars = [Bar(meter, key, QUARTER), Bar(meter, key, meter.length), Bar(meter, key, meter.length)]
    first = Event(0, QUARTER, 0, pitches=(tied,), tied={tied})
    second = Event(0, 2 * QUARTER, 1, pitches=(tied,))
    last = Event(0, 2 * QUARTER, 1, pitches=(Pitch(31, 1),), graces=(tied,))
    flute = Part(INSTRUMENTS[0], -1, -2, 1, [[[first], [second], [last]]])
    score = Score(0, bars, [Section(range(2)), Section(range(2, 3), 2)], [Tempo(0, 0, 60), Tempo(2, 0, 90)], [flute])
    expected = sounding(score, "played")
    assert expected.parts == [[(2, 4, 58), (6, 3, 64), (9, 3, 64)]]
    assert expected.bars == [(3, "3/4"), (6, "3/4"), (9, "3/4")] and not expected.irregular
    assert expected.tempos == [(2, 60), (6, 90)] and expected.keys == [(2, key)]
    assert sounding(score, "written").parts == [[(2, 4, 58), (6, 3, 64)]]


def test_the_scores_have_what_scores_have() -> None:
    scores = [make_score(seed) for seed in range(200)]
    parts = [part for score in scores for part in score.parts]
    events = [event for part in parts for voice in part.voices for bar in voice for event in bar]
    assert sum(bool(event.tied) for event in events) > 300 and sum(len(event.pitches) > 1 for event in events) > 300
    assert {(event.tuplet.actual, event.tuplet.normal) for event in events if event.tuplet} == {
        (3, 2), (5, 4), (6, 4), (7, 4), (2, 3), (4, 3)
    }  # fmt: skip
    assert sum(part.semitones != 0 for part in parts) > 50 and sum(len(part.voices) > 1 for part in parts) > 50
    for some in (
        [score for score in scores if score.pickup], [score for score in scores if score.endings()],
        [score for score in scores if any(section.times > 2 for section in score.sections)],
        [score for score in scores if len(score.tempos) > 1], [score for score in scores if score.has_graces()],
    ):  # fmt: skip
        assert len(some) > 8


@pytest.mark.parametrize("start", range(0, SEEDS, CHUNK))
@pytest.mark.parametrize("name", FORMATS)
def test_random_scores_are_read_as_they_are_written(name: str, start: int, tmp_path: Path) -> None:
    write, suffix = FORMATS[name]
    failed = []
    for seed in range(start, start + CHUNK):
        score = make_score(seed)
        text = write(score)
        path = tmp_path / f"{seed}{suffix}"
        if suffix == ".musicxml" and seed % 10 == 0:
            path = path.with_suffix(".mxl")
            path.write_bytes(mxl(text))
        else:
            path.write_text(text, encoding="utf-8")
        repeats = "written" if seed % 3 == 0 else "played"
        try:
            piece, facts = read(path, None, Reading(None, False, float(DEFAULT), True, QUARTER, None, None, repeats))
            respelled = name == "abc" and score.parts[0].semitones != 0
            found = differences(score, piece, facts, repeats, respelled)
        except Exception as error:  # it must not hide which seed it was
            found = [f"{type(error).__name__}: {error}"]
        if found:
            failed.append((seed, repeats, text, found))
    if failed:
        seed, repeats, text, found = failed[0]
        others = ", ".join(str(one[0]) for one in failed[1:])
        differing = "\n".join(found)
        pytest.fail(f"seed {seed} ({repeats}):\n{text}\n{differing}\n(also wrong: {others or 'none'})", pytrace=False)
