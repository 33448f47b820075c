"""Lead sheets and songs: every note in its place, intro, upbeat, choruses, ending."""

import numpy as np
import pytest
from arranging.sheets import sheet, tune
from symusic.core import ScoreTick, TrackTick

from etude.arranging.form import given_form
from etude.arranging.lead_sheet import ENDING, INTRO, TUNE, LeadSheet, Song, key_of, lay_out, lead_sheet_of
from etude.core.errors import EtudeError
from etude.music.columns import Columns, columns_of


def song(made: LeadSheet, form: str = "AB", choruses: int = 1, intro: int = 2, ending: int = 1) -> Song:
    tunes = len(made.bars) - int(made.pickup)
    return lay_out(made, given_form(form, tunes), choruses, intro, ending)


def times(notes: Columns, quarter: int) -> list[tuple[float, float, int]]:
    return [
        (onset / quarter, length / quarter, pitch)
        for onset, length, pitch in zip(notes.onset.tolist(), notes.length.tolist(), notes.pitch.tolist(), strict=True)
    ]


def test_a_lead_sheet_has_the_notes_in_finer_ticks_without_empty_bars() -> None:
    for quarter in (24, 220, 480, 7, 9600):
        piece = tune(4, quarter=quarter)
        for note in piece.tracks[0].notes:
            note.time += 8 * quarter
        made = lead_sheet_of(piece, piece.tracks[0])
        assert made.quarter >= 480 and made.quarter % 48 == 0 and made.quarter % quarter == 0
        assert times(made.melody, made.quarter) == times(columns_of(tune(4, quarter=quarter).tracks[0]), quarter)
        assert [bar.start // made.quarter for bar in made.bars] == [0, 4, 8, 12] and not made.pickup


@pytest.mark.parametrize("quarter", [1021, 25000, 32749])
def test_ticks_stay_within_what_midi_holds(quarter: int) -> None:
    piece = tune(4, quarter=quarter)
    made = lead_sheet_of(piece, piece.tracks[0])
    assert 480 <= made.quarter <= 32767 and made.quarter % quarter == 0
    assert times(made.melody, made.quarter) == times(columns_of(piece.tracks[0]), quarter)


def test_a_piece_without_notes_is_refused() -> None:
    with pytest.raises(EtudeError, match="it has no notes to arrange"):
        lead_sheet_of(ScoreTick(24), TrackTick("empty"))


def test_the_intro_leads_to_the_tune_and_the_last_chord_rings() -> None:
    made = song(sheet(8))
    assert [one.kind for one in made.bars] == [INTRO] * 2 + [TUNE] * 8 + [ENDING]
    bar = made.bars[0].bar.length
    assert times(made.melody, made.quarter)[0][0] * made.quarter == 2 * bar
    assert [chord.symbol for chord in made.chords[:3]] == ["C", "G7", "C"], "the dominant leads to the tonic"
    assert (made.chords[-1].symbol, made.chords[-1].start, made.chords[-1].end) == ("G7", 10 * bar, made.end)
    assert [place for place, one in enumerate(made.bars) if one.leads_to is not None] == [1, 5]


def test_an_upbeat_is_in_the_last_bar_of_the_intro() -> None:
    made = song(sheet(8, upbeat=1), intro=2)
    assert sheet(8, upbeat=1).pickup and len(made.bars) == 2 + 8 + 1
    assert times(made.melody, made.quarter)[0][0] == 7, "the last quarter of the second bar"
    alone = song(sheet(8, upbeat=1), intro=0)
    assert [one.kind for one in alone.bars[:2]] == [INTRO, TUNE] and alone.bars[0].energy < 0, "nobody else plays"
    assert alone.chord_at(0) is None and alone.chord_at(alone.bars[1].bar.start) is not None


def test_choruses_play_the_tune_again_note_for_note() -> None:
    made, once = sheet(8, chords="C | F"), song(sheet(8, chords="C | F"), intro=0, ending=0)
    twice = song(made, choruses=2, intro=0, ending=0)
    first, again = np.split(np.array(times(twice.melody, 1)), 2)
    assert np.array_equal(first, np.array(times(once.melody, 1)))
    assert np.array_equal(again - [once.end, 0, 0], first) and twice.end == 2 * once.end
    assert [chord.symbol for chord in twice.chords] == 2 * [chord.symbol for chord in once.chords]


def test_the_upbeat_of_a_later_chorus_gets_a_bar_where_the_tune_leaves_no_room() -> None:
    made = sheet(7, upbeat=1)  # its last bar is full
    twice = song(made, "A", choruses=2, intro=0, ending=0)
    assert [one.kind for one in twice.bars].count(INTRO) == 2
    assert len(twice.melody.onset) == 2 * len(made.melody.onset)
    ends = twice.melody.onset[:-1].astype(int) + twice.melody.length[:-1]
    assert (ends <= twice.melody.onset[1:]).all(), "no notes of the melody overlap"


def test_the_lowest_note_of_the_melody_bounds_the_others() -> None:
    made = song(sheet(8), intro=1)
    start = made.bars[1].bar.start
    assert made.ceiling(start, start + 2 * made.quarter) == 72
    assert made.ceiling(0, 10) == 72, "before it starts, its first note"


def test_the_key_is_stated_or_found() -> None:
    piece = tune(8)
    assert key_of(piece, columns_of(piece.tracks[0])) == (0, "major")
