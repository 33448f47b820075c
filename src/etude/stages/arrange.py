"""Stage arrange: each model's best pieces as sound: stems on General MIDI programs, mix, mp3, picture and page.

The best of them also for a band, from their melody or top line, with a score. And the excerpt of a sample that has most
in common with a train piece, next to that of the train piece.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from etude.arranging.piece import arrange_piece, placed
from etude.arranging.styles import Style
from etude.artifacts import catalog
from etude.artifacts.catalog import Artifact
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest
from etude.audio.controllers import state
from etude.audio.files import file_names, write_audio
from etude.audio.loudness import decibels, loudness_of
from etude.audio.render import Rendering, render, write_sound
from etude.config.sections import Mix, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, require_unchanged, whole_folder, write_json, write_text
from etude.core.progress import follow
from etude.metrics.arrangement import measure_band
from etude.report.pianoroll import picture
from etude.report.sample import page
from etude.scores.engraving import engrave
from etude.scores.engraving import picture as engraving
from etude.scores.excerpts import excerpt_of
from etude.stages import main

DIGITS = 1  # of levels and lengths in the report: CPUs differ in the last bits of a sample


def best(pieces: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """The files of the ``count`` pieces with the lowest rank, the best first; equal ranks are sorted by name."""
    ranked = sorted((piece for piece in pieces if piece.get("rank") is not None), key=lambda p: (p["rank"], p["file"]))
    return [str(piece["file"]) for piece in ranked[:count]]


def sound_of(score: ScoreTick, settings: Mix) -> tuple[Rendering, Json]:
    """Render a piece, and measure the sound.

    Returns:
        The sound, and its facts: ``seconds``, ``peak_dbfs`` and ``loudness_lufs`` of the mix (``None`` for silence),
        and for each track its ``name``, ``notes``, ``program`` and ``rms_dbfs``.
    """
    sound = render(score, settings)
    tracks = [
        {"name": name, "notes": len(track.notes), "program": track.program, "rms_dbfs": _level(decibels(_rms(stem)))}
        for (name, stem), track in zip(sound.stems.items(), score.tracks, strict=False)
    ]
    return sound, {
        "seconds": round(sound.mix.shape[1] / settings.sample_rate, DIGITS),
        "peak_dbfs": _level(decibels(float(np.abs(sound.mix).max(initial=0.0)))),
        "loudness_lufs": _level(loudness_of(sound.mix, settings.sample_rate)),
        "tracks": tracks,
    }


def _rms(audio: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(audio, dtype=np.float64)))) if audio.size else 0.0


def _level(value: float) -> float | None:
    return round(value, DIGITS) + 0.0 if math.isfinite(value) else None


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Render the best samples of a model.

    Reads data/generate/MODEL and reports/evaluate/MODEL.json; writes data/arrange/MODEL and reports/arrange/MODEL.json.
    Returns the folder.
    """
    settings.model(model_name)
    sampled, measured = catalog.samples(model_name), catalog.evaluation(model_name)
    folder = session.read(sampled)
    report = read_json(session.read(measured), measured.made_by)
    made_with = read_json(folder / "manifest.json", sampled.made_by)["settings"]
    if (made_with["key"], made_with["generate"]) != (report["key"], report["settings"]["generate"]):
        raise EtudeError(
            f"{measured} measured other samples than {folder} holds. Measure these with: "
            f"{measured.made_by}{session.again}"
        )
    files = best(report["pieces"], settings.arrange.best)
    if not files:
        raise EtudeError(f"{measured} names no piece. Make it again with: {measured.made_by}")
    pieces: list[Json] = []
    bands: list[Json] = []
    style = Style.of(settings.style)
    player = None
    if style.learned and settings.arrange.bands:
        from etude.tasks.accompaniment import find_accompanist  # torch

        player = find_accompanist(settings, session)
    copied = next((piece for piece in report["originality"]["pieces"] if piece["score"] is not None), None)
    place = session.write(catalog.data("arrange", model_name))
    with whole_folder(place) as part:
        for file in follow(files, f"arranging {model_name}", len(files), session.progress):
            score, name = _read(folder / file, sampled, measured), Path(file).stem
            pieces.append(_write_piece(part, name, score, f"{model_name}, {name}", settings.mix, session.workers))
            if len(bands) < settings.arrange.bands and score.note_num():
                made, where = arrange_piece(
                    score, settings.arrange, style, None, True, str(folder / file), accompanist=player
                )
                title = f"{model_name}, {name}, for a band: {style.name}"
                mix = placed(settings.mix, style)
                written = _write_piece(part, f"{name}_band", state(made.performed, mix), title, mix)
                text = engrave(made.written, title, style.feel)
                write_text(part / f"{name}_band.musicxml", text)
                write_text(part / f"{name}_band.svg", engraving(text, titled=True))
                form = "".join(one.letter for one in made.song.bars if one.number == 0)
                kept = asdict(measure_band(made, style))
                about = {"of": file, "style": style.name, "learned": style.learned, "chords": where, "form": form}
                bands.append({**about, **written, "kept": kept})
        if copied is not None:
            source, _ = read_ingest(settings, session)
            (train,) = (score for _, score in source.scores([copied["nearest"]]))
            both = {"sample": _read(folder / copied["file"], sampled, measured), "train": train}
            (part / catalog.COPIES).mkdir()
            for start, (name, score) in zip(("start", "where"), both.items(), strict=True):
                window = excerpt_of(score, copied[start], copied["quarters"])
                (part / catalog.COPIES / f"{name}.mid").write_bytes(window.dumps_midi())
                write_sound(part / catalog.COPIES / f"{name}.mp3", window, settings.mix)
    facts = {"model": model_name, "key": report["key"], "sample_rate": settings.mix.sample_rate, "pieces": pieces}
    write_json(session.write(catalog.report("arrange", model_name)), {**facts, "bands": bands, "copied": copied})
    return place


def _write_piece(folder: Path, name: str, score: ScoreTick, title: str, mix: Mix, workers: int = 0) -> Json:
    """Write a piece as MIDI, sound, picture and page; with ``workers``, which share that work, its stems too.

    Returns the facts of its sound, with the name of the mix.
    """
    sound, facts = sound_of(score, mix)
    (folder / f"{name}.mid").write_bytes(score.dumps_midi())
    write_audio(folder / f"{name}.mp3", sound.mix, mix.sample_rate, mix.quality)
    if workers:
        _write_stems(folder / name, sound, mix, workers)
    picture(score, folder / f"{name}.png", title)
    write_text(folder / f"{name}.html", page(score, (folder / f"{name}.mp3").read_bytes(), title))
    return {"file": f"{name}.mp3", **facts}


def _read(path: Path, sampled: Artifact, measured: Artifact) -> ScoreTick:
    if not path.is_file():
        again = f"{sampled.made_by} and {measured.made_by}"
        raise EtudeError(f"{path} does not exist, and it was measured. Make both again with: {again}")
    try:
        return ScoreTick.from_file(require_unchanged(path, sampled.made_by))
    except (OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{path} cannot be read ({error}). Make it again with: {sampled.made_by}") from None


def _write_stems(folder: Path, sound: Rendering, settings: Mix, workers: int) -> None:
    """Write the stems as mp3 into a folder."""
    folder.mkdir()
    paths = [folder / f"{track}.mp3" for track in file_names(list(sound.stems))]
    with ThreadPoolExecutor(workers) as pool:  # the encoder takes nearly all the time, outside Python
        list(
            pool.map(
                lambda path, audio: write_audio(path, audio, settings.sample_rate, settings.quality),
                paths,
                sound.stems.values(),
            )
        )


if __name__ == "__main__":
    main(run)
