"""Performances: swing, stress, small differences, and what stays as it is."""

import numpy as np
from arranging.sheets import sheet

from etude.arranging.form import given_form
from etude.arranging.humanise import humanise, stress, swing
from etude.arranging.lead_sheet import Note, Song, lay_out


def song(meter: tuple[int, int] = (4, 4)) -> Song:
    return lay_out(sheet(4, meter), given_form("A", 4), 1, 0, 0)


def notes(made: Song) -> list[Note]:
    half = made.quarter // 2
    return [Note(start, start + half, 60 + start // half % 3, 80) for start in range(0, made.end, half)]


def test_the_first_eighth_takes_its_share() -> None:
    made = song()
    quarter = made.quarter
    assert [swing(tick, made, 2 / 3) for tick in (0, quarter // 2, quarter, 3 * quarter // 2)] == [
        0, round(quarter * 2 / 3), quarter, quarter + round(quarter * 2 / 3),
    ]  # fmt: skip
    times = [swing(tick, made, 0.67) for tick in range(0, made.end, 7)]
    assert times == sorted(times), "what is later stays later"
    assert swing(quarter // 2, made, 0.5) == quarter // 2
    assert swing(quarter // 2, song((6, 8)), 0.67) == quarter // 2, "a pulse of three is not swung"


def test_the_first_beat_is_stressed_most_and_phrases_rise() -> None:
    made = song()
    quarter, bar = made.quarter, made.bars[0].bar.length
    first, off, middle = stress(made, bar), stress(made, bar + quarter // 2), stress(made, bar + bar // 2)
    assert first > middle > off
    assert stress(made, 2 * bar) > stress(made, 0), "the height of the phrase is after its middle"


def test_a_performance_keeps_pitches_and_is_near_what_is_written() -> None:
    made = song()
    written = notes(made)
    for amount in (0.5, 1.0, 3.0):
        played = humanise(made, {"Piano": written}, {"Piano": "chords"}, amount, 0.5, 1)["Piano"]
        assert sorted(note.pitch for note in played) == sorted(note.pitch for note in written)
        late = [
            (after.start - before.start) / made.quarter * 0.6 for before, after in zip(written, played, strict=True)
        ]
        assert 0.001 < np.std(late) < 0.02 * amount and max(map(abs, late)) < 0.06 * amount
        assert all(0 < note.velocity < 128 and note.end > note.start >= 0 for note in played)
        ends: dict[int, int] = {}
        for note in played:
            assert ends.get(note.pitch, 0) <= note.start
            ends[note.pitch] = note.end


def test_the_melody_starts_where_it_is_written() -> None:
    made = song()
    played = humanise(made, {"Melody": notes(made)}, {"Melody": "melody"}, 1.0, 0.5, 1)["Melody"]
    assert [note[:3] for note in played] == [note[:3] for note in notes(made)]
    assert len({note.velocity for note in played}) > 3


def test_the_same_seed_plays_the_same() -> None:
    made = song()

    def play(seed: int) -> dict[str, list[Note]]:
        return humanise(made, {"Piano": notes(made)}, {"Piano": "chords"}, 1.0, 0.6, seed)

    assert play(1) == play(1) != play(2)
