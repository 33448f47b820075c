"""A piece given to etude generate: its tracks are assigned to voices, and what cannot be done is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import VOICES, make_piece, tiny
from sampling.tunes import tune
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.cli.overrides import place_override
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.runs.given_piece import generate_given as run
from etude.tasks.given_piece import assign_voices
from etude.tasks.requests import GivenPiece

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def notes(piece: ScoreTick) -> set[tuple[str, int, int, int]]:
    return {(t.name, n.time, n.duration, n.pitch) for t in piece.tracks for n in t.notes}


@pytest.fixture
def theme(tmp_path: Path) -> str:
    make_piece(3, 8).dump_midi(tmp_path / "theme.mid")
    return str(tmp_path / "theme.mid")


def config(**changes: object) -> Settings:
    return tiny(generate={"pieces": 2, "max_tokens": 600, **changes})


def test_pieces_continue_a_theme(trained: Session, theme: str, tmp_path: Path) -> None:
    folder = run(config(bars=4), replace(trained, out=tmp_path), "lstm", GivenPiece(prime=theme))
    for place in range(2):
        piece = ScoreTick(folder / f"{place:02d}.mid")
        assert {note for note in notes(piece) if note[1] < 8 * 24} == notes(make_piece(3, 8))
        assert 8 * 24 < piece.end() <= 16 * 24


def test_candidates_of_a_continuation_are_refused(trained: Session, theme: str, tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="candidates = 4: a judge knows whole pieces"):
        run(config(candidates=4), replace(trained, out=tmp_path), "lstm", GivenPiece(prime=theme))


def test_bars_of_a_piece_are_filled_in(trained: Session, theme: str, tmp_path: Path) -> None:
    given = GivenPiece(prime=theme, fill="2", tracks=["Tenor"])
    folder = run(config(), replace(trained, out=tmp_path), "deepbach", given)
    changed = notes(ScoreTick(folder / "00.mid")) ^ notes(make_piece(3, 8))
    assert changed and {(voice, time >= 96) for voice, time, _, _ in changed} == {("Tenor", True)}


def test_sweeps_and_temperature_count_when_bars_are_filled_in(
    trained: Session, theme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def fill(*asked: Any) -> list[ScoreTick]:
        seen.append(asked[4])
        return [make_piece(1)]

    monkeypatch.setattr("etude.tasks.given_piece.fill_bars", fill)
    for changes in ({"sweeps": 7}, {"temperature": 1.5}):
        run(config(**changes), replace(trained, out=tmp_path), "deepbach", GivenPiece(prime=theme, fill="2"))
    own = config().harmonize
    assert [(one.sweeps, one.temperature) for one in seen] == [(7, own.temperature), (config().generate.sweeps, 1.5)]


def test_a_model_that_cannot_is_refused_with_those_that_can(trained: Session, theme: str, tmp_path: Path) -> None:
    def refused(model_name: str, sentence: str, **given: object) -> None:
        with pytest.raises(EtudeError, match=sentence):
            run(config(), replace(trained, out=tmp_path), model_name, GivenPiece(**given))  # type: ignore[arg-type]
        assert not (tmp_path / "data").exists()

    refused("gan", r"model=gan cannot continue a piece\. Those can: model=lstm or", prime=theme)
    refused("ngram", r"model=ngram cannot continue", prime=theme)
    alone = replace(config(), models={"gan": config().models["gan"]})
    with pytest.raises(EtudeError, match=r"cannot continue a piece\. None of the chosen models can"):
        run(alone, replace(trained, out=tmp_path), "gan", GivenPiece(prime=theme))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(config().as_dict(), sort_keys=False))
    with pytest.raises(EtudeError, match=r"Those can: model=lstm or .* or model=voices\."):
        run(alone, replace(trained, root=tmp_path), "gan", GivenPiece(prime=theme))
    refused(
        "lstm",
        r"model=lstm cannot fill in bars.*Those can: model=voices or model=deepbach",
        prime=theme,
        fill="1-2",
    )
    refused("lstm", r"Name it, as in prime=theme\.mid", fill="1-2")
    refused("lstm", r"prime = .*none\.mid is no file", prime=str(tmp_path / "none.mid"))
    refused("deepbach", r"fill = 3-2 must name bars", prime=theme, fill="3-2")
    refused("deepbach", r"theme\.mid: it ends before bar 9 starts", prime=theme, fill="9")
    refused(
        "deepbach", r"tracks = Viola: the model has the voices Soprano, Alto", prime=theme, fill="1", tracks=["Viola"]
    )


def test_tracks_are_found_by_program_by_name_or_as_the_only_one() -> None:
    piece = make_piece(1)
    assert notes(assign_voices(piece, PROGRAMS)) == notes(piece)
    for track in piece.tracks:
        track.program = 0
    found = assign_voices(piece, PROGRAMS)
    assert notes(found) == notes(piece) and [t.program for t in found.tracks] == list(PROGRAMS.values())
    second = piece.tracks[0].copy()
    piece.tracks.append(second)  # one part that two tracks hold
    assert len(assign_voices(piece, PROGRAMS).tracks[0].notes) == 2 * len(second.notes)
    piece.tracks[-1].program = 1
    with pytest.raises(EtudeError, match="its tracks Soprano are none of the voices that the model has, or more than"):
        assign_voices(piece, PROGRAMS)
    del piece.tracks[-1]
    (only,) = assign_voices(tune((0, 24, 60)), PROGRAMS).tracks
    assert only.name == "Soprano"
    piece.tracks[1].name = "Viola"
    with pytest.raises(EtudeError, match="its tracks Viola are none of the voices that the model has"):
        assign_voices(piece, PROGRAMS)
    with pytest.raises(EtudeError, match="it has no notes"):
        assign_voices(ScoreTick(24), PROGRAMS)


def test_bars_with_a_dash_are_bars_to_fill() -> None:
    assert place_override("bars=5-8", "generate") == "fill=5-8"
    assert place_override("bars=8", "generate") == "generate.bars=8"
    assert place_override("temperature=0.9", "harmonize") == "harmonize.temperature=0.9"
    assert place_override("seed=3", "generate") == "seed=3" and place_override("bars=8", "train") == "bars=8"
