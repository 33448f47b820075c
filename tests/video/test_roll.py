"""The roll: where notes lie, that drums are shown, and that tracks differ without colours."""

import numpy as np
from symusic.core import NoteTick, ScoreTick, TrackTick
from video.pieces import band, line

from etude.video.layout import GROUND, Layout
from etude.video.picture import planes_of
from etude.video.roll import LOOKS, Roll, row_of_drum, shape
from etude.video.scene import scene_of
from etude.video.strip import AHEAD, LIT, PAST

LAYOUT = Layout.of(640, 360, True)


def roll(score: ScoreTick, harmony: bool = True, fps: int = 30) -> Roll:
    return Roll(scene_of(score), LAYOUT, np.full(100, 0.5), harmony, fps)


def test_time_runs_to_the_right_by_even_steps() -> None:
    for fps in (10, 24, 25, 30, 60):
        found = roll(line(60, 72), fps=fps)
        assert found.step % 2 == 0 and found.column(1.0) == found.speed == found.step * fps
        assert found.seconds(np.array([found.column(2.5)])).tolist() == [2.5]


def test_notes_lie_at_their_time_and_pitch() -> None:
    found = roll(line(60, 72))
    boxes = found.boxes
    assert boxes.left.tolist() == [0, found.speed // 2]
    assert boxes.top[1] < boxes.top[0], "higher is further up"
    upper, lower = found.row(60)
    assert boxes.top[0] <= upper + 1 and boxes.bottom[0] >= lower - 1


def test_each_tile_has_notes_ahead_lit_and_past() -> None:
    found = roll(line(60, 72))
    looks = found.tile(0)
    x, y = 6, int(found.boxes.top[0] + found.boxes.bottom[0]) // 2
    levels = [int(looks[look].luma[y, x]) for look in (PAST, AHEAD, LIT)]
    ground = int(planes_of(np.full((2, 2, 3), GROUND, np.uint8)).luma[0, 0])
    assert ground + 10 < levels[0] < levels[1] < levels[2]
    assert all(plane.shape[0] in (found.height, found.height // 2) for plane in looks[0])


def test_drums_are_a_band_at_the_bottom() -> None:
    found = roll(band())
    drums = found.scene.notes.track == 2
    assert found.kit == ["kick", "snare"]
    assert found.boxes.top[drums].min() > found.boxes.bottom[~drums].max()
    kick = drums & (found.scene.notes.pitch == 36)
    assert found.boxes.top[kick].min() > found.boxes.top[drums & ~kick].max(), "the kick is the lowest"
    assert [row_of_drum(pitch) for pitch in (36, 40, 42, 50, 57, 76)] == [
        "kick", "snare", "hi-hat", "toms", "cymbals", "other",
    ]  # fmt: skip


def test_drums_alone_fill_the_view() -> None:
    score = ScoreTick(24)
    score.tracks.append(TrackTick("Drums", 0, True))
    score.tracks[0].notes.append(NoteTick(0, 12, 36, 80))
    found = roll(score)
    assert found.beats[1] - found.beats[0] > 50 and found.beats[0] < found.boxes.top[0] < found.beats[1]
    found.tile(0)


def test_tracks_differ_in_their_look_where_colours_are_those_of_degrees() -> None:
    found = roll(band())
    assert [found.look_of(track) for track in (0, 1)] == list(LOOKS[:2])
    masks = [shape(look, 14, 60, 5).tobytes() for look in LOOKS]
    assert len(set(masks)) == len(LOOKS)
    plain = roll(band(), harmony=False)
    assert [plain.look_of(track) for track in (0, 1)] == ["solid"] * 2
    assert plain.colour(0, 0) != plain.colour(0, 1) and plain.colour(0, 0) == plain.colour(7, 0)


def test_any_range_and_any_size_is_drawn() -> None:
    for score in (line(0, 127), line(60), line(0), line(127)):
        for width, height in ((160, 90), (240, 480), (1920, 1080)):
            layout = Layout.of(width, height, False)
            found = Roll(scene_of(score), layout, np.zeros(0), True, 30)
            assert (found.boxes.bottom > found.boxes.top).all() and found.boxes.bottom.max() <= found.height
            found.tile(-1), found.tile(0)


def test_few_tiles_are_kept() -> None:
    found = roll(line(*[60] * 200))
    for number in range(30):
        found.tile(number)
    assert len(found._tiles) <= 3 + LAYOUT.width // 512
