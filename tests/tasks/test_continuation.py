"""A piece that somebody brings to etude generate: its tracks are found, and what cannot be is said."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import VOICES, make_piece, tiny
from sampling.tunes import tune
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.cli import main as cli
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.stages.generate import run
from etude.tasks.continuation import Given, able, on_voices

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def notes(piece: ScoreTick) -> set[tuple[str, int, int, int]]:
    return {(t.name, n.time, n.duration, n.pitch) for t in piece.tracks for n in t.notes}


@pytest.fixture
def theme(tmp_path: Path) -> str:
    make_piece(3, 8).dump_midi(tmp_path / "theme.mid")
    return str(tmp_path / "theme.mid")


def config(**changes: object) -> Settings:
    return tiny(generate={"pieces": 2, "max_tokens": 600, **changes})


def test_pieces_go_on_from_a_theme(trained: Session, theme: str, tmp_path: Path) -> None:
    folder = run(config(bars=4), replace(trained, out=tmp_path), "lstm", Given(prime=theme))
    for place in range(2):
        piece = ScoreTick(folder / f"{place:02d}.mid")
        assert {note for note in notes(piece) if note[1] < 8 * 24} == notes(make_piece(3, 8))
        assert 8 * 24 < piece.end() <= 16 * 24


def test_bars_of_a_piece_are_filled_in(trained: Session, theme: str, tmp_path: Path) -> None:
    given = Given(prime=theme, fill="2", tracks=["Tenor"])
    folder = run(config(), replace(trained, out=tmp_path), "deepbach", given)
    changed = notes(ScoreTick(folder / "00.mid")) ^ notes(make_piece(3, 8))
    assert changed and {(voice, time >= 96) for voice, time, _, _ in changed} == {("Tenor", True)}


def test_variants_that_cannot_say_so_and_who_can(trained: Session, theme: str, tmp_path: Path) -> None:
    def said(model_name: str, sentence: str, **given: object) -> None:
        with pytest.raises(EtudeError, match=sentence):
            run(config(), replace(trained, out=tmp_path), model_name, Given(**given))  # type: ignore[arg-type]
        assert not (tmp_path / "data").exists()

    said("gan", r"model=gan cannot go on from a piece\. Those can: model=lstm or", prime=theme)
    said("ngram", r"model=ngram cannot go on", prime=theme)
    with pytest.raises(EtudeError, match=r"cannot go on from a piece\. Those can: model=transformer or model=voices"):
        alone = replace(config(), models={"gan": config().models["gan"]})
        run(alone, replace(trained, out=tmp_path), "gan", Given(prime=theme))
    said(
        "lstm",
        r"model=lstm cannot fill in bars.*Those can: model=voices or model=deepbach",
        prime=theme,
        fill="1-2",
    )
    said("lstm", r"Name it, as in prime=theme\.mid", fill="1-2")
    said("lstm", r"prime = .*none\.mid is no file", prime=str(tmp_path / "none.mid"))
    said("deepbach", r"fill = 3-2 must name bars", prime=theme, fill="3-2")
    said("deepbach", r"theme\.mid: it ends before bar 9 begins", prime=theme, fill="9")
    said("deepbach", r"tracks = Viola: the model has the voices Soprano, Alto", prime=theme, fill="1", tracks=["Viola"])


def test_those_can_go_on_whose_tokens_tell_the_time(settings: Settings) -> None:
    assert able(settings) == ["lstm", "gru", "lstm_attention", "transformer", "conditional", "voices"]
    other = {**settings.models, "lstm": {**settings.models["lstm"], "representation": "pianoroll"}}
    assert "lstm" not in able(replace(settings, models=other))


def test_tracks_are_found_by_program_by_name_or_as_the_only_one() -> None:
    piece = make_piece(1)
    assert notes(on_voices(piece, PROGRAMS)) == notes(piece)
    for track in piece.tracks:
        track.program = 0
    found = on_voices(piece, PROGRAMS)
    assert notes(found) == notes(piece) and [t.program for t in found.tracks] == list(PROGRAMS.values())
    (only,) = on_voices(tune((0, 24, 60)), PROGRAMS).tracks
    assert only.name == "Soprano"
    piece.tracks[1].name = "Viola"
    with pytest.raises(EtudeError, match="its tracks Viola are none of the voices that the model has"):
        on_voices(piece, PROGRAMS)
    with pytest.raises(EtudeError, match="it has no notes"):
        on_voices(ScoreTick(24), PROGRAMS)


def test_bars_with_a_dash_are_bars_to_fill() -> None:
    assert cli.placed("bars=5-8", "generate") == "fill=5-8"
    assert cli.placed("bars=8", "generate") == "generate.bars=8"
    assert cli.placed("temperature=0.9", "harmonize") == "harmonize.temperature=0.9"
    assert cli.placed("seed=3", "generate") == "seed=3" and cli.placed("bars=8", "train") == "bars=8"
