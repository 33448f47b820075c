"""Bands: every style in every meter keeps the melody note for note and keeps to the lead sheet."""

import pytest
from arranging.sheets import STYLES, sheet, style

from etude.arranging.band import arrange
from etude.metrics.arrangement import is_playable, measure_band
from etude.music.bars import bars_of
from etude.music.columns import columns_of
from etude.music.tune import MELODY

METERS = [(4, 4), (3, 4), (6, 8), (2, 2), (5, 4), (2, 4), (9, 8), (7, 8)]


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("meter", METERS)
def test_every_style_plays_in_every_meter(name: str, meter: tuple[int, int]) -> None:
    made = arrange(sheet(8, meter), style(name), form="AB")
    for score in (made.written, made.performed):
        assert is_playable(score) and score.tracks[0].name == MELODY
    band = measure_band(made, style(name))
    assert band.bass_roots == 1.0 and band.on_grid in (None, 1.0) and band.fills in (None, 1.0)
    assert band.above == 0.0 and band.silent == []
    assert bars_of(made.written)[0].meter == f"{meter[0]}/{meter[1]}"


@pytest.mark.parametrize("name", STYLES)
def test_the_melody_is_kept_note_for_note(name: str) -> None:
    source = sheet(8, upbeat=1)
    made = arrange(source, style(name), humanised=0)
    assert made.performed is made.written
    notes = columns_of(made.written.tracks[0])
    shift = int(notes.onset[0]) - int(source.melody.onset[0])
    assert (notes.onset - shift == source.melody.onset).all() and (notes.pitch == source.melody.pitch).all()
    assert (notes.length == source.melody.length).all() and (notes.velocity == source.melody.velocity).all()


def test_tracks_are_named_and_have_the_programs_of_the_style() -> None:
    made = arrange(sheet(16), style("pop")).performed
    assert [(track.name, track.program, track.is_drum) for track in made.tracks] == [
        ("Melody", 73, False), ("Bass", 33, False), ("Piano", 0, False), ("Strings", 48, False),
        ("Second", 71, False), ("Drums", 0, True),
    ]  # fmt: skip
    assert arrange(sheet(4), style("pop", lead=None)).written.tracks[0].program == 40, "that of the source"


def test_the_same_seed_gives_the_same_bytes() -> None:
    def midi(seed: int) -> bytes:
        return bytes(arrange(sheet(8), style("folk"), seed=seed).performed.dumps_midi())

    assert midi(3) == midi(3) != midi(4)


def test_the_end_gets_slower_where_the_style_says_so() -> None:
    slow = arrange(sheet(8), style("ballad")).performed
    tempos = [mark.qpm for mark in slow.tempos]
    assert tempos == sorted(tempos, reverse=True) and tempos[-1] == pytest.approx(85, abs=0.1)
    assert len(arrange(sheet(8), style("pop")).performed.tempos) == 1


def test_without_chords_the_drums_and_the_melody_remain() -> None:
    made = arrange(sheet(8, chords=""), style("pop")).written
    assert {track.name for track in made.tracks} >= {"Melody", "Drums"} and "Bass" not in {t.name for t in made.tracks}
