"""Lead sheets as rows."""

import json
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_sheets import make_song, without_piano
from symusic.core import NoteTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.representations.base.round_trip import round_trip
from etude.representations.leadsheet import (
    BAR,
    CHORD,
    FIRST,
    KIND,
    MELODY,
    NOTE,
    SECOND,
    STEP,
    LeadSheet,
    bars_of_rows,
    cut,
    segments,
)

SHEET = LeadSheet(4, "MELODY", "PIANO")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 7), st.integers(1, 6))
def test_songs_come_back(seed: int, beats: int, bars: int) -> None:
    song = make_song(seed, bars, beats)
    rows = SHEET.encode(song)
    back = SHEET.decode(rows)
    found = round_trip(song, back, 4)
    assert found.kept == found.notes and found.extra == found.onset_error == found.duration_error == 0
    assert found.meters == found.meters_kept
    assert np.array_equal(SHEET.encode(back), rows)
    assert next((m.time, m.text) for m in back.markers) == (0, song.markers[0].text)


def test_rows_say_what_is_where() -> None:
    rows = SHEET.encode(make_song(1, 2)).astype(int)
    assert rows[rows[:, KIND] == BAR].tolist() == [[BAR, 0, 16, 4, 4], [BAR, 16, 16, 4, 4]]
    assert (rows[:, KIND] == CHORD).sum() == 2 and (rows[:, KIND] == MELODY).sum() == 8
    assert (np.diff(rows[:, STEP]) >= 0).all()
    given_only = SHEET.encode_given(without_piano(make_song(1, 2))).astype(int)
    assert np.array_equal(given_only, rows[rows[:, KIND] != NOTE])


def test_where_no_track_has_the_name_the_melody_is_found_and_all_others_accompany() -> None:
    song = make_song(1)
    rows = SHEET.encode(song)
    for track, name in zip(song.tracks, ("Lead vocal", "Guitar"), strict=True):
        track.name = name
    song.tracks.insert(0, song.tracks.pop(1))
    other = LeadSheet(4, "MELODY", "PIANO")
    assert np.array_equal(other.encode(song), rows)
    part = other.part_of(song)
    assert [track.name for track in part.tracks] == ["MELODY", "PIANO"] and np.array_equal(other.encode(part), rows)


def test_chords_that_a_piece_does_not_state_are_recognised() -> None:
    song = make_song(1)
    stated = SHEET.encode(song)
    song.markers.clear()
    found = SHEET.encode(song)
    bar = {int(row[STEP]): row[FIRST] for row in stated if row[KIND] == CHORD}
    assert {int(row[STEP]): row[FIRST] for row in found if row[KIND] == CHORD}.items() <= bar.items()
    alone = SHEET.encode(without_piano(song))
    assert not {CHORD, NOTE} & set(alone[:, KIND].tolist()), "a melody alone has neither"


def test_keys_are_struck_once_at_a_time_and_only_those_of_a_piano() -> None:
    song = make_song(1, 1)
    piano = TrackTick("PIANO")
    for time, length, pitch in ((0, 48, 60), (24, 24, 60), (24, 6, 60), (0, 24, 12), (0, 1, 72)):
        piano.notes.append(NoteTick(time, length, pitch, 80))
    song.tracks[1] = piano
    rows = SHEET.encode(song).astype(int)
    notes = rows[rows[:, KIND] == NOTE][:, [STEP, FIRST, SECOND]].tolist()
    assert notes == [[0, 60, 4], [0, 72, 1], [4, 60, 4]]


def test_chords_after_the_last_note_and_bars_cut_short_are_kept() -> None:
    song = without_piano(make_song(1, 2))
    song.markers.append(TextMetaTick(96 * 3, "chord:C:maj"))
    assert bars_of_rows(SHEET.encode_given(song))[2] == 16 * 4
    song = make_song(1, 3)
    song.time_signatures.append(TimeSignatureTick(96 + 48, 4, 4))  # the second bar has two beats
    rows = SHEET.encode(song)
    assert bars_of_rows(rows)[1].tolist() == [16, 8, 16, 16]
    assert np.array_equal(SHEET.encode(SHEET.decode(rows)), rows)


def test_passages_are_cut_out_with_the_chord_that_goes_on() -> None:
    song = make_song(1, 20)
    del song.markers[5:7]
    song.tracks[1].notes = type(song.tracks[1].notes)([note for note in song.tracks[1].notes if note.time < 96 * 18])
    rows = SHEET.encode(song)
    part = cut(rows, 6, 8).astype(int)
    assert bars_of_rows(part)[2] == 32 and part[part[:, KIND] == CHORD][0, STEP] == 0
    whole = rows.astype(int)
    inside = whole[(whole[:, KIND] == NOTE) & (whole[:, STEP] >= 96) & (whole[:, STEP] < 128)]
    assert np.array_equal(part[part[:, KIND] == NOTE][:, [STEP, FIRST]], inside[:, [STEP, FIRST]] - [96, 0])
    found = segments(rows, 8, 9)
    assert len(found) == 2 and all(bars_of_rows(one)[2] == 128 for one in found), "no piano in the last two bars"
    assert len(segments(rows, 8, 1)) == 1 and segments(rows, 19, 1) == []


def test_what_is_learned_is_saved(tmp_path: Path) -> None:
    songs = [make_song(seed) for seed in range(4)]
    surveys = [json.loads(json.dumps(SHEET.survey(part))) for part in (songs[:1], songs[1:])]
    made = LeadSheet(4, "MELODY", "PIANO").learn(surveys, {"MELODY": 73, "PIANO": 0, "BRIDGE": 48})
    assert made.density == [2.0] * 4 and made.voices == {"MELODY": 73, "PIANO": 0}
    notes = np.array([[0, 36], [2, 60], [2, 64]])
    loud = made.velocities(notes, np.array([0])).tolist()
    assert loud[0] > loud[1] and len(loud) == 3
    made.save(tmp_path)
    values = {"steps_per_beat": 4, "melody": "MELODY", "accompaniment": "PIANO"}
    back = LeadSheet.load(tmp_path, values, made.voices)
    assert back.density == made.density and back.velocities(notes, np.array([0])).tolist() == loud
    observed = made.observe([made.encode(song) for song in songs])
    assert len(observed["ends"]) == 4 and len(observed["rows"]) == observed["ends"][-1]
