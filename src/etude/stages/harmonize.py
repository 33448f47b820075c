"""Stage harmonize: sample the other voices of a chorale to the melodies of the test pieces, and measure them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import key_of, read_ingest, split_ids
from etude.artifacts.shards import Shards, cut
from etude.audio.render import write_sound_of
from etude.config.sections import Harmonize, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, whole_folder, write_json
from etude.metrics.distance import round_floats
from etude.metrics.voice_leading import (
    KINDS,
    PARALLELS,
    QUARTERS,
    SILENCE,
    agreement,
    count,
    pitches_of,
    rates,
    sounding,
)
from etude.representations.base.grid import REST
from etude.representations.base.survey import DRUMS, program_of
from etude.sampling.constraints import keep_given
from etude.sampling.harmonies import HarmonyTask, harmony_sampler
from etude.stages import main
from etude.tasks.capabilities import HARMONIZE, is_able, name_able
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import Harmony, MelodyOnGrid, grid_of, harmonize, place_on_grid, to_score
from etude.tasks.trained_model import TrainedModel

TOGETHER = 4  # melodies of a shard
FOUND = "found.json"
METHODS = {"gibbs": "pseudo-Gibbs sampling", "tokens": "a particle filter"}


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Harmonise the melodies of the test pieces by one model.

    Writes data/harmonize/MODEL and reports/harmonize/MODEL.json. Returns the path of the report. Each melody is
    harmonised twice, with the rules and by likelihood alone, which shows the cost of the rules. A melody that cannot be
    harmonised is left out, with the reason.
    """
    made = catalog.data("harmonize", model_name)
    folder, report = session.write(made), session.write(catalog.report("harmonize", model_name))
    if not is_able(settings, model_name, HARMONIZE):
        raise EtudeError(f"model={model_name} cannot harmonise. {name_able(settings, session, HARMONIZE)}")
    source, ingest = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    loaded = TrainedModel.load(settings, session, model_name)
    harmonizer = Harmonizer.of(loaded)
    voices, steps = harmonizer.representation.voices, harmonizer.representation.steps
    every = [name for names in splits.values() for name in names]
    real = rates(count(pitches_of(score, voices, steps), steps) for _, score in source.scores(sorted(every)))
    names = splits["test"][: settings.harmonize.pieces]
    common = {"settings": settings, "session": replace(session, progress=False), "model": model_name}
    tasks = [
        {**common, "pieces": source.only(part), "names": part, "start": place * TOGETHER}
        for place, part in enumerate(cut(names, TOGETHER))
    ]
    decides = {"config": vars(settings.harmonize), "model": loaded.trained, "names": names, "pieces": ingest["shards"]}
    shards = Shards(session, made, key_of(decides, "harmonize", settings, model_name))
    with shards.lock():
        done = shards.map(harmonize_shard, tasks)
        shards.complete()
        found = [piece for shard in done for piece in read_json(shard / FOUND, made.made_by)]
        left_out = [piece for piece in found if "reason" in piece]
        pieces = [piece for piece in found if "reason" not in piece]
        result = {**summary(harmonizer, pieces, real), "left_out": left_out}
        with whole_folder(folder) as part:
            for shard in done:
                for file in sorted(shard.glob("*.mid")):
                    shutil.copyfile(file, part / file.name)
            if pieces:
                result["example"] = f"{typical(result['pieces'])}.mid"
                result["sound"] = write_sound_of(part / result["example"], settings.mix).name
        write_json(report, result)
    return report


def harmonize_shard(task: Mapping[str, Any], folder: Path) -> None:
    """Harmonise some melodies, all at once, and measure them, on one thread.

    Two threads have to wait for each other at every token, and are no faster than one.
    """
    harmonizer = Harmonizer.of(TrainedModel.load(task["settings"], task["session"], task["model"], threads=1))
    config: Harmonize = task["settings"].harmonize
    given: dict[str, GivenMelody] = {}
    asked: list[HarmonyTask] = []
    found: dict[str, Json] = {}
    for place, (name, score) in enumerate(task["pieces"].scores(task["names"]), task["start"]):
        found[name] = {"id": name}
        try:
            given[name] = given_melody(harmonizer, score, config)
        except EtudeError as error:
            found[name]["reason"] = str(error)
        else:
            asked += harmony_tasks(harmonizer, given[name], config, place)
    best = iter([first for first, *_ in harmonize(harmonizer.model, harmonizer.representation, asked)] if asked else [])
    for name, melody in given.items():
        facts, made = measure_harmony(harmonizer, melody, config, next(best), next(best))
        found[name] |= facts
        (folder / f"{name}.mid").write_bytes(made.dumps_midi())
    write_json(folder / FOUND, list(found.values()))


@dataclass(frozen=True)
class GivenMelody:
    """The melody of a real piece, and the piece itself on the same frames."""

    score: ScoreTick  # the first bars of the piece
    track: TrackTick  # its melody
    melody: MelodyOnGrid
    own: NDArray[np.int64]  # tokens of the piece, transposed as the melody (frames, voices)
    real: NDArray[np.int64]  # its pitches (frames, voices)
    allowed: NDArray[np.bool_]  # tokens that each cell may have (frames, voices, V)


def given_melody(harmonizer: Harmonizer, score: ScoreTick, config: Harmonize) -> GivenMelody:
    """Take the melody of a real piece, of which the first ``config.bars`` bars count.

    Raises:
        EtudeError: the piece has no melody, or the model no other voice.
    """
    representation = harmonizer.representation
    first = next(iter(representation.voices.values()))
    score = score.clip(0, config.bars * QUARTERS * score.ticks_per_quarter, clip_end=True)
    track = next((track for track in score.tracks if program_of(track) == first and len(track.notes)), None)
    if track is None or len(representation.voices) < 2:
        raise EtudeError("it has no melody, or the model no other voice")
    melody = place_on_grid(representation, harmonizer.observed, score, track)
    own = fit_length(grid_of(representation, transpose(score, melody.shift)), len(melody.grid), REST)
    real = fit_length(pitches_of(score, representation.voices, representation.steps), len(melody.grid), SILENCE)
    given = np.zeros(own.shape, dtype=bool)
    given[:, 0] = True
    return GivenMelody(score, track, melody, own, real, keep_given(melody.grid, given, harmonizer.observed))


def harmony_tasks(harmonizer: Harmonizer, given: GivenMelody, config: Harmonize, place: int) -> list[HarmonyTask]:
    """Two tasks for a melody: with the cost of parallels, and without it, from the same random numbers.

    ``place`` is that of the piece in the test split, which seeds the draws.
    """
    return [
        HarmonyTask(
            given.melody.piece, given.allowed, replace(config, parallel_cost=cost), harmonizer.rngs(config, place)
        )
        for cost in (config.parallel_cost, 0.0)
    ]


def measure_harmony(
    harmonizer: Harmonizer, given: GivenMelody, config: Harmonize, harmony: Harmony, alone: Harmony
) -> tuple[Json, ScoreTick]:
    """Measure the harmonies of a melody.

    Args:
        harmonizer: the model.
        given: the melody.
        config: how it was harmonised.
        harmony: drawn and chosen with the cost of parallels.
        alone: without it.

    Returns:
        The facts and the harmonised piece. The facts are ``bars`` (of four quarter notes), ``notes`` (of the real
        piece), and ``real`` (its own voices), ``harmony`` and ``alone``, each with ``nats`` and ``counts``. ``harmony``
        and ``alone`` also have the ``agreement`` with the real voices, by voice.
    """
    model, representation = harmonizer.model, harmonizer.representation
    task = HarmonyTask(given.melody.piece, given.allowed, config, [])
    pitches = {"real": given.real}
    nats = {"real": harmony_sampler(model.sampler).cost(model, representation, task, given.own)}
    for way, found in (("harmony", harmony), ("alone", alone)):
        sampled = sounding(found.grid, representation.low)
        pitches[way] = np.where(sampled == SILENCE, SILENCE, sampled - given.melody.shift)
        nats[way] = found.nats
    facts: Json = {
        "bars": len(given.own) / (QUARTERS * representation.steps),
        "notes": sum(len(track.notes) for track in given.score.tracks),
    }
    for way, found_pitches in pitches.items():
        facts[way] = {"nats": nats[way], "counts": count(found_pitches, representation.steps)}
        if way != "real":
            shares = agreement(found_pitches, given.real)[1:]
            facts[way]["agreement"] = dict(zip(list(representation.voices)[1:], shares.tolist(), strict=True))
    return facts, to_score(harmony, representation, given.melody, given.score, given.track)


def fit_length(rows: NDArray[np.int64], length: int, fill: int) -> NDArray[np.int64]:
    """The first ``length`` rows; rows of ``fill`` make up for missing ones."""
    rest = np.full((max(0, length - len(rows)), rows.shape[1]), fill)
    return np.concatenate([rows[:length], rest])


def transpose(score: ScoreTick, semitones: int) -> ScoreTick:
    """A copy of the piece, transposed except for its drums."""
    copy = score.copy()
    for track in copy.tracks:
        if program_of(track) != DRUMS:
            track.shift_pitch(semitones, inplace=True)
    return copy


def summary(harmonizer: Harmonizer, pieces: Sequence[Mapping[str, Any]], every: Mapping[str, float]) -> Json:
    """The content of reports/harmonize/MODEL.json: figures over all test pieces, and for each piece.

    Args:
        harmonizer: the model.
        pieces: the facts of ``measure_harmony``, with the pieces' ids.
        every: rates of all real pieces of the dataset.
    """
    notes, bars = sum(piece["notes"] for piece in pieces), sum(piece["bars"] for piece in pieces)
    total = {way: sum(piece[way]["nats"] for piece in pieces) for way in ("real", "harmony", "alone")}
    found = {way: rates(piece[way]["counts"] for piece in pieces) for way in total}
    metrics: dict[str, float] = {
        "harmony/pieces": len(pieces),
        "harmony/bars": bars,
        "harmony/nats_per_note": ratio(total["harmony"], notes),
        "harmony/nats_per_note_by_likelihood_alone": ratio(total["alone"], notes),
        "harmony/nats_per_note_of_the_real_voices": ratio(total["real"], notes),
        "harmony/loss": ratio(total["harmony"], total["alone"]) - 1,
    }
    for name, kinds in {**{kind: (kind,) for kind in PARALLELS}, "parallels": PARALLELS}.items():
        ours, theirs = (sum(rate[kind] for kind in kinds) for rate in (found["harmony"], every))
        metrics[f"harmony/{name}_beside_all_real"] = ratio(ours, theirs)
    voices = list(harmonizer.representation.voices)[1:]
    for way in ("harmony", "alone"):
        shares = {name: [piece[way]["agreement"][name] * piece["bars"] for piece in pieces] for name in voices}
        of = {name: ratio(sum(found), bars) for name, found in shares.items()}
        end = "" if way == "harmony" else "_by_likelihood_alone"
        metrics |= {f"harmony/agreement_{voice}{end}": share for voice, share in of.items()}
        metrics[f"harmony/agreement{end}"] = ratio(sum(of.values()), len(of))
    table = {kind: {way: rate[kind] for way, rate in {**found, "all_real": every}.items()} for kind in KINDS}
    report: Json = round_floats(
        {
            "model": harmonizer.model_name,
            "by": METHODS[harmonizer.model.sampler],
            "metrics": metrics,
            "rates": table,
            "pieces": [
                {**piece, **{way: {**piece[way], "counts": _some(piece[way]["counts"])} for way in total}}
                for piece in pieces
            ],
        }
    )
    return report


def typical(pieces: Sequence[Mapping[str, Any]]) -> str:
    """The id of the piece whose agreement with the real voices is the median of all."""
    agreements = {}
    for piece in pieces:
        by_voice = piece["harmony"]["agreement"]
        agreements[piece["id"]] = sum(by_voice.values()) / len(by_voice)
    middle = median_low(agreements.values())
    return next(name for name, agreement in agreements.items() if agreement == middle)


def ratio(part: float, whole: float) -> float:
    """``part`` over ``whole``; nan over nothing."""
    return part / whole if whole else float("nan")


def _some(counts: Mapping[str, float]) -> dict[str, float]:
    return {kind: number for kind, number in counts.items() if number and kind != "bars"}


if __name__ == "__main__":
    main(run)
