"""What sounds of a bar: transposed, muted, on instruments, cut at the player; and a session as a score."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import BAR, VOICES

from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.engine import punched
from etude.live.sounding import PLAYER, Part, Slot, Sound, session_score, sounds_of, tempo_of, within

NOTES = (Note(0, 96, 40, 80, 1), Note(0, 48, 60, 80, 0), Note(48, 48, 62, 80, 0))
PLAIN = Slot(Bar(NOTES), Controls(), Controls(), 0)


@given(st.integers(-200, 300))
def test_a_pitch_keeps_its_name_and_is_one_of_midi(pitch: int) -> None:
    assert 0 <= within(pitch) <= 127 and (within(pitch) - pitch) % 12 == 0
    assert within(pitch) == pitch or not 0 <= pitch <= 127


def test_controls_change_what_sounds() -> None:
    controls = Controls(transpose=3, instruments=(("Top", 40),), mute=("Bass",))
    sounds = sounds_of(replace(PLAIN, controls=controls), VOICES)
    assert [(one.onset, one.pitch, one.part) for one in sounds] == [(0, 63, Part("Top", 40)), (48, 65, Part("Top", 40))]
    drums = sounds_of(replace(PLAIN, controls=controls), {"Top": -1, "Bass": 32})
    assert [(one.pitch, one.part.program) for one in drums] == [(60, -1), (62, -1)], "drums are not transposed"


def test_a_band_takes_the_place_of_the_voices() -> None:
    band = (Sound(0, 24, 36, 90, Part("Kit", -1)), Sound(24, 24, 50, 90, Part("bass", 33)))
    controls = Controls(transpose=2, mute=("Kit",))
    sounds = sounds_of(replace(PLAIN, band=band, controls=controls), VOICES)
    assert [(one.pitch, one.part.name) for one in sounds] == [(52, "bass")]


@pytest.mark.parametrize(
    ("since", "ends", "pitches"), [(48, None, [62]), (0, 48, [40, 60]), (0, 0, []), (BAR, None, [])]
)
def test_an_answer_sounds_from_its_start_to_its_end(since: int, ends: int | None, pitches: list[int]) -> None:
    sounds = sounds_of(replace(PLAIN, since=since, ends=ends), VOICES)
    assert sorted(one.pitch for one in sounds) == pitches


def test_the_melody_of_an_accompaniment_is_the_players() -> None:
    sounds = sounds_of(replace(PLAIN, melody=(60,) * 16), VOICES)
    assert [one.pitch for one in sounds] == [40]


def test_a_tempo_goes_on_until_another() -> None:
    assert tempo_of(PLAIN, 99) == 99
    assert tempo_of(replace(PLAIN, bar=replace(PLAIN.bar, tempo=80.0)), 99) == 80
    assert tempo_of(replace(PLAIN, controls=Controls(tempo=70), bar=replace(PLAIN.bar, tempo=80.0)), 99) == 70


def test_a_session_has_a_track_for_each_voice_on_each_instrument_and_for_the_player() -> None:
    changed = replace(PLAIN, controls=Controls(tempo=90, instruments=(("Top", 40),)), bar=Bar(NOTES, holds=(24, 0)))
    player = replace(PLAIN, player=(Note(5, 10, 70, 60, 15), Note(7, 10, 60, 60, 0)))
    score = session_score([PLAIN, changed, player], VOICES, 120)
    found = {(track.name, track.program): [note.time for note in track.notes] for track in score.tracks}
    assert found == {
        ("Top", 0): [0, 48, 192, 199], ("Bass", 32): [0, 96, 192], ("Top", 40): [96, 144], (PLAYER, 0): [197],
    }  # fmt: skip
    assert [note.duration for note in score.tracks[0].notes] == [48, 72, 48, 10], "the next bar has held the last note"
    assert [(one.time, round(one.qpm)) for one in score.tempos] == [(0, 120), (96, 90)]


def test_what_is_played_in_the_place_of_a_voice_is_kept_as_it_was_played() -> None:
    controls = Controls(transpose=3, mute=("Top",), instruments=(("Top", 40),))
    played = (Note(24, 100, 66, 70, 0),)
    slot = punched(replace(PLAIN, controls=controls), played, VOICES)
    assert [note[:3] for note in slot.bar.notes if not note.voice] == [(0, 24, 60), (24, 72, 63)]
    band = replace(slot, band=(Sound(0, 24, 36, 90, Part("Kit", -1)),))
    for one in (slot, band):
        score = session_score([one, replace(PLAIN, bar=Bar((), holds=(48, 0)))], VOICES, 120)
        found = {track.name: [(note.time, note.duration, note.pitch) for note in track.notes] for track in score.tracks
                 if track.program == 40}  # fmt: skip
        assert found == {"Top": [(24, 100, 66)]}, "not transposed, not muted, as long as it was held"


def test_a_band_holds_nothing_of_the_voices() -> None:
    band = replace(PLAIN, band=(Sound(0, 24, 36, 90, Part("Kit", -1)),))
    score = session_score([PLAIN, band, replace(PLAIN, bar=Bar((), holds=(48, 48)))], VOICES, 120)
    assert [note.duration for note in score.tracks[0].notes] == [48, 48]


def test_nothing_gives_a_score_with_empty_tracks() -> None:
    assert session_score([], VOICES, 120).note_num() == 0
