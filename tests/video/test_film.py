"""Frames: the same for the same piece, with words that fit, and harmony that is not in colours alone."""

from dataclasses import replace

import numpy as np
import pytest
from symusic.core import ScoreTick
from video.pieces import RATE, SMALL, band, line, silence

from etude.core.errors import EtudeError
from etude.video.film import Film, Words, _names
from etude.video.layout import Layout
from etude.video.piece import LONGEST, Shooting, film_of

MIDDLE = Shooting(width=480, height=270, fps=10)


def film(score: ScoreTick, how: Shooting = SMALL, words: Words | None = None, seconds: float = 1) -> Film:
    return film_of(score, silence(seconds), RATE, how, words or Words())


def test_frames_have_the_planes_of_their_size() -> None:
    made = film(band())
    frames = [frame.copy() for frame in made]
    assert len(frames) == made.count == 50, "four seconds and one for the release"
    assert all(frame.shape == (135, 160) for frame in frames)
    assert len({frame.tobytes() for frame in frames[:40]}) == 40, "it moves"
    again = [frame.copy() for frame in film(band())]
    assert all(np.array_equal(one, other) for one, other in zip(frames, again, strict=True))


def test_a_frame_does_not_depend_on_those_before() -> None:
    made = film(band(), MIDDLE, Words("Title", "Composer"))
    alone = film(band(), MIDDLE, Words("Title", "Composer")).draw(30).copy()
    for number in range(30):
        made.draw(number)
    assert np.array_equal(made.draw(30), alone)


def test_a_note_lights_up_when_it_starts_and_goes_out_when_it_ends() -> None:
    made = film(line(60, 72), MIDDLE)
    layout, boxes = made.strip.layout, made.strip.boxes
    row = layout.head + int(boxes.top[1] + boxes.bottom[1]) // 2
    levels = []
    for number in range(12):
        made.draw(number)
        left = round(made.strip.column(number / 10)) - layout.playhead
        levels.append(int(made.frame.luma[row, int(boxes.right[1]) - left - 8]))
    lit = [level > levels[0] + 15 for level in levels]
    assert lit == [False] * 5 + [True] * 5 + [False] * 2 and levels[11] < levels[0]


def test_the_chord_is_written_and_the_words_change_with_it() -> None:
    made = film(band(), MIDDLE)
    layout = made.strip.layout

    def corner(second: float) -> np.ndarray:
        made.draw(round(second * 10))
        return made.frame.luma[layout.chords :, : layout.playhead - 8].copy()

    assert np.array_equal(corner(0.5), corner(1.5)) and not np.array_equal(corner(1.5), corner(2.5))
    assert corner(1).max() > 180, "in bright letters"
    assert corner(4.5).max() < 40, "nothing after the end"


@pytest.mark.parametrize("size", [(480, 270), (270, 480), (160, 90)])
@pytest.mark.parametrize("view", ["roll", "score"])
def test_the_title_stands_at_the_start_above_all_notes_and_goes(size: tuple[int, int], view: str) -> None:
    how = replace(SMALL, width=size[0], height=size[1], view=view)
    plain, titled = film(band(), how), film(band(), how, Words("", "A. Nobody, who wrote it"))
    head, differs = plain.strip.layout.head, []
    for number in (0, 10, 30, 40):
        plain.draw(number), titled.draw(number)
        assert np.array_equal(plain.frame.luma[head:], titled.frame.luma[head:]), "no note is covered"
        differs.append(not np.array_equal(plain.frame.luma[:head], titled.frame.luma[:head]))
    assert differs == [True, True, False, False]


def test_the_title_stays_in_the_header() -> None:
    plain, titled = film(band(), MIDDLE), film(band(), MIDDLE, Words("Symphony", "A. Nobody"))
    plain.draw(40), titled.draw(40)
    left = np.s_[: plain.strip.layout.head // 2, :240]
    assert titled.frame.luma[left].max() > 150 and not np.array_equal(plain.frame.luma[left], titled.frame.luma[left])


def test_the_chord_that_sounds_is_written_once() -> None:
    for how in (replace(MIDDLE, width=1280, height=720), replace(MIDDLE, width=720, height=1280)):
        made = film(band(), how)
        layout = made.strip.layout
        box = np.s_[layout.chords :, layout.playhead + 8 : layout.playhead + 120]
        made.draw(1)
        assert made.frame.luma[box].max() < 100, "C: its box has no words"
        made.draw(16)
        assert made.frame.luma[box].max() > 180, "G7, which is to come, has words"


def test_names_of_tracks_are_whole_where_there_is_room() -> None:
    layout = Layout.of(1280, 720, True)
    names = ["Acoustic Grand Piano", "Bass"]
    assert _names(names, 800, 20, 44, layout) == (names, 0)
    shown, more = _names(names, 300, 20, 44, layout)
    assert shown[0].startswith("Acous") and shown[0].endswith("…") and shown[1] == "Bass" and not more
    assert _names(names * 5, 400, 20, 44, layout)[1] > 5
    assert _names(names, 5, 20, 44, layout) == ([], 2) and _names([], 5, 20, 44, layout) == ([], 0)


def test_nothing_scrolls_over_the_labels_at_the_left_edge() -> None:
    made = film(band(), replace(MIDDLE, width=854, height=480))
    layout, margin = made.strip.layout, made.strip.margin()
    assert margin is not None and margin.cover.shape[0] == layout.energy - layout.view
    labels = np.s_[layout.view : layout.energy, : int((margin.cover[0] == 255).sum())]
    seen = []
    for number in (0, 17, 33, 40):
        made.draw(number)
        seen.append(made.frame.luma[labels].copy())
    assert seen[0].max() > 100 and all(np.array_equal(one, seen[0]) for one in seen)
    assert film(band()).strip.margin() is None, "too small for letters"


@pytest.mark.parametrize("words", [Words("x" * 500, "y" * 500), Words("日本語 ♭\t\U0001f3b5"), Words(" ", "only this")])
def test_any_words_and_many_tracks_fit(words: Words) -> None:
    score = line(60)
    for number in range(30):
        track = score.tracks[0].copy()
        track.name = f"A track with a long name {number}"
        score.tracks.append(track)
    for how in (SMALL, MIDDLE, replace(SMALL, width=270, height=480), replace(MIDDLE, colours="tracks")):
        film(score, how, words).draw(0)


def test_it_lasts_until_piece_and_sound_have_ended_or_as_asked() -> None:
    assert film(line(60), seconds=0.2).count == 15, "half a second, and one for the release"
    assert film(line(60), seconds=3).count == 30
    assert film(line(60), replace(SMALL, start=1.0), seconds=3).count == 20
    assert film(line(60), replace(SMALL, seconds=0.5), seconds=3).count == 5
    assert film(line(60), replace(SMALL, start=2.5, seconds=9.0), seconds=3).count == 5


def test_a_later_start_shows_the_same_frames() -> None:
    whole, part = film(band()), film(band(), replace(SMALL, start=1.0))
    whole.draw(20), part.draw(10)
    below = np.s_[whole.strip.layout.head :]
    assert np.array_equal(whole.frame.luma[below], part.frame.luma[below])


def test_what_cannot_be_shown_is_a_sentence() -> None:
    with pytest.raises(EtudeError, match="no notes to show"):
        film(ScoreTick(24))
    with pytest.raises(EtudeError, match=r"start = 9 is after its end at 1\.5 seconds"):
        film(line(60), replace(SMALL, start=9.0))
    with pytest.raises(EtudeError, match=r"lasts 31\.0 minutes, and a video 30 at most"):
        film_of(line(60), np.zeros((2, 31 * 60 * 100), np.float32), 100, SMALL, Words())
    assert film_of(line(60), np.zeros((2, 31 * 60 * 100), np.float32), 100, replace(SMALL, seconds=1.0), Words()).count
    assert LONGEST == 1800


def test_a_picture_has_the_colours_of_the_frame() -> None:
    made = film(line(60), MIDDLE)
    image = made.picture(2)
    assert image.shape == (270, 480, 3)
    x0, x1 = (int(edge[0]) - round(made.strip.column(0.2)) + made.strip.layout.playhead
              for edge in (made.strip.boxes.left, made.strip.boxes.right))  # fmt: skip
    y = made.strip.layout.head + int(made.strip.boxes.top[0] + made.strip.boxes.bottom[0]) // 2
    red, _, blue = image[y, x1 - 10].astype(int)
    assert x0 < x1 and blue > red, "the tonic is blue"


def test_a_shorter_note_over_a_longer_one_lights_up_in_its_own_time() -> None:
    score = line(60, 72)
    score.tracks[0].notes[0].duration = 96  # two seconds
    other = line(60).tracks[0]
    other.notes[0].time, other.name = 48, "Oboe"  # from 1 to 1.5 seconds, on the same key
    score.tracks.append(other)
    made = film(score, MIDDLE)
    boxes, layout = made.strip.boxes, made.strip.layout
    place = int(np.flatnonzero(boxes.onset == 1.0)[0])
    row, levels = layout.head + int(boxes.top[place] + boxes.bottom[place]) // 2, []
    for number in (7, 8, 11, 12, 16, 17):
        made.draw(number)
        column = int(boxes.right[place]) - 6 - round(made.strip.column(number / 10)) + layout.playhead
        levels.append(int(made.frame.luma[row, column]))
    ahead, _, lit, _, past, _ = levels
    assert past < ahead < lit and levels == [ahead, ahead, lit, lit, past, past]
