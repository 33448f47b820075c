"""Measures of arrangements: each sees what it is for."""

from dataclasses import replace

from arranging.sheets import sheet, style
from symusic.core import NoteTick

from etude.arranging.band import Arrangement, arrange
from etude.metrics.arrangement import is_playable, measure_band

POP = style("pop")


def made() -> Arrangement:
    return arrange(sheet(8), POP, form="AB")


def track(one: Arrangement, name: str) -> object:
    return next(track for track in one.written.tracks if track.name == name)


def test_a_band_that_keeps_to_its_sheet() -> None:
    band = measure_band(made(), POP)
    assert (band.bass_roots, band.on_grid, band.fills, band.above, band.silent) == (1.0, 1.0, 1.0, 0.0, [])


def test_each_fault_is_seen() -> None:
    for name, wrong in (("Bass", "bass_roots"), ("Drums", "on_grid"), ("Piano", "above")):
        one = made()
        for note in track(one, name).notes:  # type: ignore[attr-defined]
            if name == "Drums":
                note.time += 5
            else:
                note.pitch += 1 if name == "Bass" else 36
        band, right = measure_band(one, POP), measure_band(made(), POP)
        assert getattr(band, wrong) != getattr(right, wrong)
        others = {"bass_roots", "on_grid", "above"} - {wrong}
        assert all(getattr(band, other) == getattr(right, other) for other in others)


def test_missing_fills_and_parts_are_seen() -> None:
    no_fills = replace(
        POP, parts={**POP.parts, "Drums": replace(POP.parts["Drums"], fill={"kick": {"4/4": ("x...",)}})}
    )
    one = arrange(sheet(8), no_fills, form="AB")
    assert measure_band(one, no_fills).fills == 0.0
    silent = made()
    silent.written.tracks = type(silent.written.tracks)(
        [track for track in silent.written.tracks if track.name != "Bass"]
    )
    assert measure_band(silent, POP).silent == ["Bass"] and measure_band(silent, POP).bass_roots is None


def test_what_cannot_be_played_is_seen() -> None:
    one = made().written
    assert is_playable(one)
    one.tracks[0].notes.append(NoteTick(0, 24, 60, 0))
    assert not is_playable(one)
