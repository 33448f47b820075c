"""Building a page: systems that are models, folders and real pieces; prompts; what is refused, before any work."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_piece, tiny

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.listening.analysis import Key
from etude.listening.build import Request, build, draw_ids, read_questions
from etude.listening.clips import length_of, opening
from etude.listening.design import SHORTEST, Shape
from etude.listening.page import read_page
from etude.listening.sources import REAL, System, choose, continue_prompts, parse_systems, read_folder

SHORT = Shape(1, 1, 0)
LONG = 32  # beats: 24 seconds


@pytest.fixture(scope="module")
def project(trained: Session, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The tiny project, with samples of two models."""
    out = tmp_path_factory.mktemp("samples")
    for place, name in enumerate(("lstm", "gan")):
        folder = out / "data/generate" / name
        folder.mkdir(parents=True)
        for number in range(4):
            beats = 8 if number == 0 else LONG  # the first is too short for a clip
            make_piece(10 * place + number, beats).dump_midi(folder / f"{number:02d}.mid")
    return replace(trained, run=out)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scores"
    made.mkdir()
    for number in range(2):
        make_piece(50 + number, LONG).dump_midi(made / f"own{number}.mid")
    (made / "notes.txt").write_text("not a score")
    return made


def test_a_page_of_samples_real_pieces_and_a_folder(project: Session, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "a/listen.html"
    request = Request(f"lstm,gan,mine={folder}", output, pieces=1, seconds=10.0, shape=SHORT)
    built = build(tiny(), project, request)
    served, key = read_page(output), Key.read(output.with_suffix(".key.json"))
    assert key.systems == ("gan", "lstm", "mine", "real") and served.test == key.test
    assert built.clips == len(served.test.clips) == 4 + 2 and built.pages == 6 + 4
    value = json.loads(output.with_suffix(".key.json").read_text())
    known = value["clips"]
    pieces = {name: sorted(one["piece"] for one in known.values() if one["system"] == name) for name in key.systems}
    assert pieces["mine"][0] in ("own0.mid", "own1.mid") and pieces["real"][0] in ("p08", "p09")
    assert set(pieces["gan"]) <= {"01.mid", "02.mid", "03.mid"}, "00.mid is too short"
    assert {one["seconds"] for one in known.values()} == {10}, "a bar line at 9 seconds makes no clip shorter"
    loudness = [one["loudness"] for one in known.values()]
    assert max(loudness) - min(loudness) < 0.5
    text = output.read_text()
    clips = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])["clips"]  # type: ignore[index]
    by_prompt: dict[str, set[int]] = {}
    for clip, one in known.items():
        by_prompt.setdefault(one["prompt"], set()).add(len(clips[clip]))
    assert all(len(sizes) == 1 for sizes in by_prompt.values()), "the length of a file tells no system"
    for word in ("lstm", "mine", "own0", "p08", "scores"):
        assert word not in re.sub(r'"clips":\{[^}]*\}', "", text)


def test_the_same_request_gives_the_same_bytes_and_ids_need_the_scores(project: Session, tmp_path: Path) -> None:
    request = Request("lstm,gan", tmp_path / "a.html", pieces=1, seconds=10.0, real="false", shape=SHORT)
    build(tiny(), project, request)
    build(tiny(), project, replace(request, output=tmp_path / "b.html"))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.key.json").read_bytes() == (tmp_path / "b.key.json").read_bytes()
    systems = [System("lstm"), System("gan")]
    chosen = choose(tiny(), project, systems, 1, 1)
    own, other = (set(draw_ids(chosen, seed)[0].values()) for seed in (1, 2))
    assert own == set(Key.read(tmp_path / "a.key.json").system_of) and not own & other
    assert not own & set(draw_ids(choose(tiny(), project, systems, 1, 3), 1)[0].values())


def test_models_continue_the_same_prompt_as_the_real_piece(trained: Session, tmp_path: Path) -> None:
    pieces = {f"p{number}": make_piece(number, 12 if number == 1 else LONG) for number in range(6)}
    systems = [System("lstm"), System(REAL)]
    chosen = continue_prompts(tiny(generate={"max_tokens": 600}), trained, systems, pieces.items(), 2, 11.5, 1, 1)
    assert len(chosen.prompts) == 2 and list(chosen.pieces) == ["lstm", "real"]
    assert chosen.least == [10, 10] and any("p1 is passed over" in note for note in chosen.notes)
    (practice,) = {piece.source.removesuffix(", continued") for piece in chosen.training}
    assert practice not in chosen.prompts, "nobody practises on what is rated"
    for place, name in enumerate(chosen.prompts):
        prime = opening(pieces[name], 1)
        for own in chosen.pieces.values():
            start = opening(own[place].score, 1)
            found, expected = (
                sorted((note.time, note.pitch) for track in score.tracks for note in track.notes)
                for score in (start, prime)
            )
            assert found == expected
            assert length_of(own[place].score) >= SHORTEST, "an untrained model spends its tokens early"
    assert chosen.pieces["real"][0].score == pieces[chosen.prompts[0]]


def test_folders_of_prompts_and_of_continuations(trained: Session, folder: Path, tmp_path: Path) -> None:
    (folder / "own1.mid").unlink()
    mine = tmp_path / "mine"
    mine.mkdir()
    make_piece(60, LONG).dump_midi(mine / "own0.mid")
    own = str(folder)
    request = Request(
        f"mine={mine}", tmp_path / "a.html", prompts=own, prompt_bars=1, seconds=12.0, real=own, shape=SHORT
    )
    build(tiny(), trained, request)
    known = json.loads((tmp_path / "a.key.json").read_text())["clips"].values()
    assert {(one["system"], one["prompt"]) for one in known} == {("mine", "own0"), ("real", "own0"), (None, None)}
    (mine / "own0.mid").unlink()
    with pytest.raises(EtudeError, match=r"holds no score file own0\.mid"):
        build(tiny(), trained, replace(request, output=tmp_path / "b.html"))
    assert not (tmp_path / "b.html").exists()
    with pytest.raises(EtudeError, match="a comparison takes two systems"):
        build(tiny(), trained, replace(request, output=tmp_path / "b.html", real="true"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": "lstn"}, 'no model "lstn". Did you mean "lstm"'),
        ({"models": "lstm,lstm"}, 'the name "lstm" is given twice'),
        ({"models": "lstm,real"}, 'no model "real"'),
        ({"models": "lstm,mine=/nowhere"}, "/nowhere is no folder"),
        ({"models": "lstm,=/nowhere"}, "a folder needs a name"),
        ({"models": "lstm", "real": "false"}, "two systems at least"),
        ({"models": "transformer"}, "transformer"),
        ({"seconds": 9.0}, "seconds = 9 must be between 10 and 30"),
        ({"pieces": 4}, r"has 3 pieces of at least 10 seconds \(shorter: 1, not readable: 0\), and pieces = 4"),
        ({"pieces": 2, "prompts": "2"}, "both given"),
        ({"prompts": "0", "models": "lstm"}, "prompts = 0"),
        ({"prompts": "/nowhere", "models": "lstm,voices"}, "prompts = /nowhere"),
        ({"prompts": "2", "models": "lstm,ngram"}, "models = ngram cannot continue a prompt. Those can: model=lstm"),
        ({"prompts": "2", "models": "lstm", "seconds": 13.0}, "only 0 test pieces last 13 seconds"),
        (
            {"prompts": "2", "models": "lstm", "prompt_bars": 3, "seconds": 12.0},
            "0 of 2 can be used. prompts: p0. is passed over: its first 3 bars last 9.0 seconds",
        ),
        ({"real": "yes"}, "real = yes"),
        ({"output": Path("listen.mp3")}, "must name a file that ends in .html"),
    ],
)
def test_what_cannot_be_is_refused(project: Session, tmp_path: Path, change: dict[str, object], message: str) -> None:
    request = replace(Request("lstm,gan", tmp_path / "a.html", shape=SHORT), **change)  # type: ignore[arg-type]
    with pytest.raises(EtudeError, match=message):
        build(tiny(), project, request)
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob("*.json"))


def test_one_broken_file_costs_that_file(project: Session, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.mid").write_bytes(b"MThd, and no more")
    systems = [System("gan"), System("mine", folder)]
    (note,) = choose(tiny(), project, systems, 2, 1).notes
    assert note.startswith("mine: broken.mid is left out: ")
    with pytest.raises(EtudeError, match=r"mine has 2 pieces .* \(shorter: 0, not readable: 1\), and pieces = 3"):
        choose(tiny(), project, systems, 3, 1)
    found, unread = read_folder(tiny(), folder, "prompts")
    assert list(found) == ["own0", "own1"] and unread[0].startswith("prompts: broken.mid is left out: ")
    (folder / "own1.musicxml").write_text("")
    with pytest.raises(EtudeError, match="holds two files own1"):
        read_folder(tiny(), folder, "prompts")


@pytest.mark.parametrize("name", ["a.html", "a.key.json"])
def test_a_page_that_is_there_stays(project: Session, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(EtudeError, match="overwrite=true"):
        build(tiny(), project, Request("lstm,gan", tmp_path / "a.html", shape=SHORT))
    assert (tmp_path / name).read_text() == "mine"


def test_systems_by_name_and_folder(tmp_path: Path) -> None:
    assert parse_systems(f"lstm, mine={tmp_path}", ["lstm"]) == [System("lstm"), System("mine", tmp_path)]


def test_questions_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    path.write_text("- text: Do you play?\n  choices: [yes, 'no', 3]\n- {text: 'How?', choices: [a, b], place: end}\n")
    first, second = read_questions(path)
    assert first.choices == ("yes", "no", "3") and (first.place, second.place) == ("start", "end")
    for text in (
        "text: x",
        "- {text: x, choices: [a]}",
        "- {text: x, choices: [a, b], place: top}",
        "- {choices: [a, b]}",
        "- [",
    ):
        path.write_text(text)
        with pytest.raises(EtudeError, match="questions ="):
            read_questions(path)
