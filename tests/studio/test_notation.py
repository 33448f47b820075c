"""The score: notes known by their time, parallels marked by a class and a sign, no styles of its own."""

import re
import xml.etree.ElementTree as ET
from typing import Any

from studio.served import melody

from etude.studio.notation import picture
from etude.studio.pieces import score_of

VOICES = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}
LINES: dict[str, tuple[int, ...]] = {
    "Soprano": (72, 74, 76),
    "Alto": (67, 67, 67),
    "Tenor": (64, 62, 60),
    "Bass": (53, 55, 48),
}  # fifths S-B: 72/53, 74/55


def four(lines: dict[str, tuple[int, ...]] = LINES) -> dict[str, Any]:
    tracks = [{**melody(line)["tracks"][0], "name": name, "program": VOICES[name]} for name, line in lines.items()]
    return {**melody(), "tracks": tracks}


def test_parallels_are_marked_by_a_class_and_a_sign() -> None:
    made = picture(score_of(four()), "T", 800, VOICES)
    root = ET.fromstring(made["svg"])
    marked = [node for node in root.iter() if "parallel" in node.get("class", "").split()]
    signs = [node.text for node in root.iter() if node.get("class") == "sign"]
    assert len(marked) == 4 and signs == ["5", "5"]
    staffs = {name: staff for name, staff, _, _ in made["notes"]}
    assert sorted(staffs[str(node.get("id"))] for node in marked) == [0, 0, 3, 3]
    plain = picture(score_of(four()), "T", 800, None)
    assert "parallel" not in plain["svg"] and "sign" not in plain["svg"]
    kept = picture(score_of(four(LINES | {"Bass": (53, 50, 45)})), "T", 800, VOICES)
    assert "parallel" not in kept["svg"]


def test_each_note_has_its_time_and_the_same_piece_the_same_picture() -> None:
    made = picture(score_of(four()), "T", 800, VOICES)
    assert [note[1:] for note in made["notes"] if note[1] == 0] == [[0, 0, 1], [0, 1, 2], [0, 2, 3]]
    assert all(f'id="{note[0]}"' in made["svg"] for note in made["notes"]) and len(made["notes"]) == 12
    assert picture(score_of(four()), "T", 800, VOICES) == made
    assert "<style" not in made["svg"] and not re.search(r'\sstyle="', made["svg"])


def test_a_narrow_page_has_more_lines() -> None:
    long = score_of(melody((67, 69, 71, 72) * 8))
    pictures = [picture(long, "T", width, None)["svg"] for width in (340, 1400)]
    heights = [int(re.findall(r'viewBox="0 0 \d+ (\d+)"', svg)[0]) for svg in pictures]
    assert heights[0] > 1.5 * heights[1]


def test_accidentals_of_chord_symbols_need_no_font() -> None:
    piece = melody()
    piece["marks"] = [[0, "chord:Bb7"], [96, "chord:F#m"]]
    svg = picture(score_of(piece), "T", 800, None)["svg"]
    sizes = {node.text: node.get("font-size") for node in ET.fromstring(svg).iter() if node.get("font-size")}
    assert sizes["♭"] == sizes["♯"] == sizes["B"] != "0px", "they are to be seen"
    assert "♭" in svg and "♯" in svg and not re.search("[\ue000-\uf8ff]", svg)
