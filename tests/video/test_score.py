"""The score: noteheads at their time, lit in the colour of their degree; shapes of Verovio as pixels."""

from dataclasses import replace

import numpy as np
import pytest
from symusic.core import KeySignatureTick, ScoreTick
from video.pieces import SMALL, band, line, silence

from etude.core.errors import EtudeError
from etude.video.drawing import SIGNS, START, drawing_of, paint
from etude.video.film import Words
from etude.video.harmony import colour_of
from etude.video.layout import Layout
from etude.video.piece import film_of
from etude.video.scene import scene_of
from etude.video.score import ScoreStrip
from etude.video.strip import AHEAD, LIT

LAYOUT = Layout.of(640, 360, False)


def strip(score: ScoreTick) -> ScoreStrip:
    return ScoreStrip(score, scene_of(score), LAYOUT, np.zeros(10), True)


@pytest.fixture(scope="module")
def scale() -> ScoreStrip:
    return strip(line(60, 62, 64, 65, 67, 69, 71, 72))


def test_each_notehead_is_at_the_playhead_when_it_starts(scale: ScoreStrip) -> None:
    boxes = scale.boxes
    assert boxes.onset.tolist() == [0.5 * place for place in range(8)]
    middles = (boxes.left + boxes.right) / 2
    assert np.abs(middles - scale.columns(boxes.onset)).max() <= 2
    assert np.all(np.diff(boxes.top) < 0), "a scale rises"


def test_time_and_columns_are_opposites_and_never_go_back(scale: ScoreStrip) -> None:
    seconds = np.linspace(-2, 8, 300)
    columns = scale.columns(seconds)
    assert np.all(np.diff(columns) > 0)
    assert np.abs(scale.seconds(columns) - seconds).max() < 0.02


def test_heads_have_the_colour_of_their_degree_and_light_up(scale: ScoreStrip) -> None:
    ahead, lit = (scale.tile(0)[look].luma for look in (AHEAD, LIT))
    box = scale.boxes
    inside = np.s_[box.top[0] : box.bottom[0], box.left[0] : box.right[0]]
    assert lit[inside].max() > ahead[inside].max()
    heads = [colour for colour, one in zip(scale.colours, scale.shapes, strict=True) if one.is_head]
    assert heads == [colour_of(degree) for degree in (0, 2, 4, 5, 7, 9, 11, 0)]


def test_tied_notes_keep_lit_and_drums_are_left_out() -> None:
    found = strip(line(60, 62, quarters=6))  # across bar lines
    assert len(found.boxes.onset) > 2 and found.boxes.end.max() == pytest.approx(6)
    assert len(strip(band()).boxes.onset) == 9


def test_a_performance_is_engraved_on_a_readable_grid() -> None:
    score = line(60, 62, 64, 65).resample(480)
    for place, note in enumerate(score.tracks[0].notes):
        note.time += (7, 13, 5, 11)[place]
    found = strip(score)
    assert len(found.boxes.onset) == 4 and found.boxes.onset[0] == pytest.approx(7 / 960), "lit when it sounds"


def test_clefs_key_and_names_stand_at_the_left_edge() -> None:
    score = band()
    score.key_signatures.append(KeySignatureTick(0, -5, 0))
    how = replace(SMALL, view="score", width=854, height=480)
    made = film_of(score, silence(5), 48000, how, Words())
    layout, margin = made.strip.layout, made.strip.margin()
    assert margin is not None
    stands = int((margin.cover[0] == 255).sum())
    assert margin.cover.shape == (layout.energy - layout.view, margin.cover.shape[1]) and stands < layout.playhead
    seen = []
    for number in (0, 20, 45):
        made.draw(number)
        seen.append(made.frame.luma[layout.view : layout.energy, :stands].copy())
    assert all(np.array_equal(one, seen[0]) for one in seen)
    flats = (seen[0] > 200).any(axis=0)
    assert np.count_nonzero(np.diff(flats.astype(int)) == 1) >= 6, "a clef and five flats, next to each other"
    plain = film_of(band(), silence(5), 48000, how, Words()).strip.margin()
    assert plain is not None and plain.cover.shape[1] < margin.cover.shape[1], "C major needs less room"


def test_clefs_and_key_do_not_scroll_and_staves_go_on_to_the_left() -> None:
    found = strip(band())
    assert not any(shape.part in (START, SIGNS) for shape in found.shapes)
    lines = [shape for shape in found.shapes if shape.right - shape.left > LAYOUT.width / found.scale]
    assert len(lines) >= 10 and min(shape.left for shape in lines) * found.scale < -LAYOUT.playhead
    assert [text for _, text in found._places_of_names([], 1)] == ["Piano", "Bass"]
    assert [text for _, text in found._places_of_names([], 9999)] == [], "no room"


def test_of_a_long_piece_the_bars_around_a_part_are_engraved() -> None:
    score = line(*[60, 62, 64, 65, 67, 69, 71, 72] * 100)  # 400 seconds, 200 bars
    score.tracks[0].notes[390].duration = 24 * 60  # held for 15 bars
    score.key_signatures.append(KeySignatureTick(0, 0, 0))
    score.key_signatures.append(KeySignatureTick(96 * 50, -3, 0))
    scene = scene_of(score)
    part = ScoreStrip(score, scene, LAYOUT, np.zeros(10), True, (220.0, 224.0))
    onsets = set(part.boxes.onset.tolist())
    assert 0.5 * 440 in onsets and 0.5 * 460 in onsets and len(onsets) < 160
    assert min(onsets) == 204, "eight bars before, where the note that is held is still there"
    heads = (part.boxes.left + part.boxes.right) / 2
    single = part.boxes.onset >= 225
    assert np.abs(heads - part.columns(part.boxes.onset))[single].max() <= 2
    whole = ScoreStrip(line(60, 62), scene_of(line(60, 62)), LAYOUT, np.zeros(10), True)
    assert sum(shape.part == SIGNS for shape in part._start) == 4, "a clef and three flats"
    assert sum(shape.part == SIGNS for shape in whole._start) == 1


def test_a_name_is_whole_or_left_out() -> None:
    score, seen = line(60), []
    for name in ("", "Flauto", "Acoustic Grand Piano", "x" * 200):
        score.tracks[0].name = name
        margin = strip(score).margin()
        assert margin is not None and margin.cover.shape[1] < LAYOUT.playhead
        seen.append(margin)
    widths = [margin.cover.shape[1] for margin in seen]
    assert widths[1] < widths[2] and widths[3] < widths[2], "room is made for what fits"


def test_drums_alone_have_no_score() -> None:
    score = band()
    score.tracks = type(score.tracks)([score.tracks[2]])
    with pytest.raises(EtudeError, match=r"no notes but drums, which a score leaves out\. Show it with view=roll"):
        film_of(score, silence(1), 48000, type(SMALL)(view="score", width=160, height=90), Words())


def test_shapes_of_a_picture_are_painted_where_they_lie() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"><defs>'
        '<g id="E1"><path transform="scale(1,-1)" d="M0 0h10v10h-10z"/></g></defs>'
        '<svg class="definition-scale" viewBox="0 0 100 50"><g transform="translate(10, 5)">'
        '<g class="note" id="n1"><g class="notehead">'
        '<use xlink:href="#E1" transform="translate(20, 20) scale(2, 2)"/></g></g>'
        '<rect x="60" y="10" width="10" height="10"/><ellipse class="placeholder" cx="0" cy="0" rx="1" ry="1"/>'
        '<polyline fill="none" stroke-width="2" points="0,40 80,40"/><path d="M0 0 L80 0" stroke-width="4"/>'
        '<text x="5" y="30" text-anchor="middle" font-size="0px"><tspan font-size="12px">Tutti</tspan></text>'
        "</g></svg></svg>"
    )
    found = drawing_of(svg)
    assert (found.width, found.height) == (100, 50)
    assert [(shape.note, shape.is_head) for shape in found.shapes] == [("n1", True), *[("", False)] * 3]
    assert [(text.text, text.size, text.anchor) for text in found.writings] == [("Tutti", 12, "middle")]
    cover = paint(found.shapes, [(255, 255, 255)] * 4, 1.0, (0.0, 0.0), (50, 100))[..., 3]
    assert cover[15, 40] == 255 and cover[35, 40] == 0, "the sign, upside down as fonts are: 30 to 50, 5 to 25"
    assert cover[20, 75] == 255 and cover[45, 50] == 255 and cover[5, 50] == 255 and cover[38, 50] == 0
