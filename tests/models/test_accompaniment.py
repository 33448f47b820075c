"""The model of accompaniments, and what it reads."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_sheets import make_song

from etude.models.accompaniment import Accompaniment
from etude.models.accompaniment_features import (
    BLOCK,
    FARTHEST,
    HELD,
    KEYS,
    NAMES,
    Batch,
    bar_attributes,
    collate,
    items_of,
    nearest_length,
    read_sheet,
    transpose,
    window,
)
from etude.representations.leadsheet import LOW, LeadSheet

SHEET = LeadSheet(4, "MELODY", "PIANO")
DENSITY = [1.0, 2.0, 3.0, 4.0]


def small(dropout: float = 0.0) -> Accompaniment:
    torch.manual_seed(1)
    return Accompaniment(DENSITY, 4, 8, 1, dropout, 4, 5, 0.5).eval()


def batch_of(seed: int, beats: int = 4, bars: int = 4) -> Batch:
    sheet = read_sheet(SHEET.encode(make_song(seed, bars, beats)), DENSITY, 4)
    return collate([window(sheet, 0, bars, cold=True)])


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 63), st.integers(0, 87), st.integers(1, 40)), max_size=30),
    st.sampled_from([(16,), (0, 16, 32, 48), (0, 40)]),
)
def test_items_are_the_notes_and_the_way_between_them(
    found: list[tuple[int, int, int]], lines: tuple[int, ...]
) -> None:
    keys = {(step, key): length for step, key, length in found}
    notes = np.array([(s, k + LOW, n) for (s, k), n in sorted(keys.items()) if s >= lines[0]], np.int64).reshape(-1, 3)
    items = items_of(notes, np.array(lines), 64)
    step, back = lines[0], []
    for at, least, choice, length in zip(items.step, items.least, items.choice, items.length, strict=True):
        assert at == step and choice >= least
        if choice < KEYS:
            back.append((at, choice + LOW))
            assert length >= 0
        else:
            step += choice - KEYS + 1
            assert choice - KEYS < FARTHEST and length == -1
    assert step == 64 and back == [(s, p) for s, p, _ in notes.tolist()]
    assert {*lines} <= {*items.step.tolist()}


def test_an_item_sees_the_lead_sheet_ahead_but_no_later_note() -> None:
    model, batch = small(), batch_of(1)
    x, _ = model(batch)
    costs = model.choices(x, batch)
    song = make_song(1, 4)
    late = [note for note in song.tracks[1].notes if note.time >= 200]
    for note in late:
        note.pitch += 1
    sheet = read_sheet(SHEET.encode(song), DENSITY, 4)
    other = collate([window(sheet, 0, 4, cold=True)])
    changed = model.choices(model(other)[0], other)
    before = (batch.step[0] * 6 < 200).nonzero()[:, 0]
    assert torch.equal(costs[0, before], changed[0, before]) and not torch.equal(costs, changed)
    song.markers[3].text = "chord:F#:min7"
    moved = collate([window(read_sheet(SHEET.encode(song), DENSITY, 4), 0, 4, cold=True)])
    assert not torch.equal(model.choices(model(moved)[0], moved)[0, before], costs[0, before])


def test_the_choices_of_an_item_are_a_distribution_over_what_is_possible() -> None:
    model, batch = small(), batch_of(2, beats=3)
    logits = model.choices(model(batch)[0], batch)[0]
    assert torch.allclose(logits.softmax(-1).sum(-1), torch.ones(len(logits)))
    seen = {bool(must) for must in batch.must[0]}
    for row, step, least, must in zip(
        logits, batch.step[0].tolist(), batch.least[0].tolist(), batch.must[0], strict=True
    ):
        possible = torch.isfinite(row)
        assert not possible[:least].any() and possible[least:KEYS].all()
        assert possible[KEYS:].sum() == (0 if must else 12 - step % 12), "not beyond the bar line"
    assert seen == {True, False}, "where no note has to follow, and where one has"
    assert torch.isfinite(model.nats(batch)).all()


def test_padding_costs_nothing_and_changes_nothing() -> None:
    model = small()
    short, long = (read_sheet(SHEET.encode(make_song(seed, bars)), DENSITY, 4) for seed, bars in ((1, 2), (2, 4)))
    alone = model.nats(collate([window(short, 0, 2, cold=True)]))
    both = model.nats(collate([window(short, 0, 2, cold=True), window(long, 0, 4, cold=True)]))
    size = alone.shape[1]
    assert torch.allclose(both[0, :size], alone[0], atol=1e-5) and (both[0, size:] == 0).all()


@pytest.mark.parametrize("semitones", [1, 2])
def test_transposed_windows_are_those_of_the_transposed_piece(semitones: int) -> None:
    sheet = read_sheet(SHEET.encode(make_song(1, 4)), DENSITY, 4)
    moved = transpose(sheet, semitones)
    for name in ("bass", "next_root", "melody_class", "until_chord", "density"):
        place = NAMES.index(name)
        assert np.array_equal(moved.integers[:, place], sheet.integers[:, place])
    ours, theirs = window(sheet, 0, 4, cold=True), window(moved, 0, 4, cold=True)
    assert np.array_equal(theirs[1], ours[1]), "relative to roots below twelve nothing changes"
    keys = np.asarray(ours[9], int) < KEYS
    assert np.array_equal(theirs[9][keys], ours[9][keys] + semitones)


def test_a_window_starts_cold_or_knows_what_came_before() -> None:
    sheet = read_sheet(SHEET.encode(make_song(1, 6)), DENSITY, 4)
    cold, warm = (collate([window(sheet, 3, 5, cold=cold)]) for cold in (True, False))
    assert torch.equal(cold.choice, warm.choice) and not torch.equal(cold.dense, warm.dense)
    known = NAMES.index("known")
    assert cold.integers[0, 0, known] == 0 and warm.integers[0, 0, known] == 3
    assert cold.dense[0, 0, 64:].sum() == 0 < warm.dense[0, 0, 64:].sum()


def test_density_and_texture_of_bars() -> None:
    song = make_song(1, 3)
    notes = [note for note in song.tracks[1].notes if note.time < 96] + [
        note for note in song.tracks[1].notes if note.time == 96
    ]
    song.tracks[1].notes = type(song.tracks[1].notes)(notes)
    for beat in range(4):
        for pitch in (60, 64, 67):
            song.tracks[1].notes.append(type(notes[0])(192 + 24 * beat, 24, pitch, 80))
    levels, textures = bar_attributes(read_sheet(SHEET.encode(song), DENSITY, 4), DENSITY, 4)
    assert textures.tolist()[1:] == [HELD, BLOCK] and levels.tolist() == [3, 1, 4]
    assert nearest_length(np.array([1, 16, 17, 18, 19, 40])).tolist() == [0, 15, 15, 15, 16, 18]


def test_it_trains_in_bf16_on_any_cpu() -> None:
    model, batch = small().train(), batch_of(1)
    with torch.autocast("cpu", torch.bfloat16):
        cost = model.nats(batch).sum()
    cost.backward()
    assert torch.isfinite(cost)
    for weight in model.lstm.parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all()
