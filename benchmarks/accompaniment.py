"""Accompaniments measured: the recogniser, published systems, simple methods, and a trained model with its settings.

    python benchmarks/accompaniment.py chords                       # the recogniser against annotated chords
    python benchmarks/accompaniment.py published FOLDER [--run RUN] # ten segments that other systems accompanied
    python benchmarks/accompaniment.py model --run RUN              # passages of the test pieces, ways to sample

All read what the data stages made of dataset=pop909. RUN is the folder of a training of model=accompaniment. FOLDER
holds one folder a segment with leadsheet.mid (tracks of melody and block chords), test.mid (the real piece) and a file
for each system, whose second track is the accompaniment.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.artifacts.token_store import Store
from etude.baselines import block_chords
from etude.baselines.phrase_retrieval import PhraseRetrieval
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.metrics.accompaniment import MAJMIN, Accompanied, measure_set, of_rows
from etude.models.accompaniment_features import TEXTURES, bar_attributes, read_sheet, request
from etude.music.chords import mark, symbols_of, tones_of
from etude.music.columns import columns_of, columns_of_all
from etude.music.recognise import beats_of, recognise_beats, symbols_of_track, tones_at
from etude.representations.leadsheet import BAR, KIND, NOTE, LeadSheet
from etude.sampling.accompaniment import Steering, open_task, sample_accompaniments
from etude.tasks.accompaniment_comparison import accompany_passages, passages_of, with_notes
from etude.tasks.trained_model import TrainedModel

ROOT = Path(__file__).parents[1]
SYSTEMS = ("d3rm", "wholesonggen", "efficient_diffusion", "cne_no_velocity", "polyffusion")
COLUMNS = ("chord_accuracy", "chord_accuracy_exact", "chord_tones", "consonant", "unsupported")
SEEDS = 5  # of the samples for the few published segments
STEPS = 128  # of a published segment


def main() -> None:
    """Print the tables of one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["chords", "published", "model"])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--run", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    values = yaml.safe_load(
        compile_params(ROOT / "conf", ["dataset=pop909", "model=accompaniment", "tokenize=leadsheet"])
    )
    settings, session = (
        Settings.of(values),
        Session(root=ROOT, run=options.run and options.run.resolve(), progress=False),
    )
    if options.part == "chords":
        chords(settings, session)
        return
    loaded = None if options.run is None else TrainedModel.load(settings, session, "accompaniment", threads=1)
    store = Store(session.read(catalog.tokens("leadsheet")))
    if options.part == "published":
        published(options.folder, loaded, store)
    else:
        assert loaded is not None, "--run is needed"
        trained(loaded, store)


def line(name: str, found: dict[str, float]) -> None:
    """Print a row."""
    cells = [f"{found[key]:.3f} ± {found[f'{key}_sem']:.3f}" for key in COLUMNS]
    cells += [f"{found['notes_per_bar']:.1f}", f"{found['jsd_pitch']:.3f}", f"{found['jsd_onset']:.3f}"]
    print(" | ".join(["", f"{name:32}", *cells, ""]).strip(), flush=True)


def header() -> None:
    """Print the names of the columns."""
    print(f"| {'':32} | {' | '.join([*COLUMNS, 'notes/bar', 'jsd_pitch', 'jsd_onset'])} |\n|{'---|' * 9}")


def chords(settings: Settings, session: Session) -> None:
    """Share of the beats of the test pieces whose recognised chord is the annotated one."""
    source, _ = read_ingest(settings, session)
    rows: dict[str, list[tuple[float, float, float]]] = {"all tracks": [], "all, melody by a quarter": [], "PIANO": []}
    for _, score in source.scores(split_ids(settings, session, source)["test"]):
        beats = beats_of(score)
        symbols = symbols_of(score)
        place = np.searchsorted([symbol.time for symbol in symbols], beats.ticks[:-1], side="right") - 1
        truth = [tones_of(symbols[at].text) if at >= 0 else None for at in place.tolist()]
        piano = columns_of_all(track for track in score.tracks if track.name == "PIANO")
        others = columns_of_all(track for track in score.tracks if track.name != "PIANO")
        for name, parts in zip(
            rows, ((columns_of_all(score.tracks), None), (piano, others), (piano, None)), strict=True
        ):
            found = recognise_beats(parts[0], beats, parts[1])
            root, triad, exact = [], [], []
            for wanted, number in zip(truth, found.tolist(), strict=True):
                if wanted is None:
                    continue
                tones = tones_at(number)
                root.append(wanted.root == tones.root)
                exact.append(root[-1] and wanted.relative == tones.relative)
                third = {3, 4} & wanted.relative
                if len(third) == 1 and 7 in wanted.relative:
                    triad.append(root[-1] and MAJMIN[number] == (0 if third == {4} else 1))
            rows[name].append((float(np.mean(root)), float(np.mean(triad)), float(np.mean(exact))))
    for name, values in rows.items():
        means = np.mean(values, axis=0)
        print(f"{name}: root {means[0]:.3f}, majmin {means[1]:.3f}, exact {means[2]:.3f} ({len(values)} pieces)")


def published(folder: Path, loaded: TrainedModel | None, store: Store) -> None:
    """The systems' segments, and the model's accompaniments of the same lead sheets."""
    places = sorted(path for path in folder.iterdir() if path.is_dir())
    sheets = [read_segment(place) for place in places]
    real = [segment for segment, _ in sheets]
    header()
    line("real", measure_set(real, real))
    for system in SYSTEMS:
        made = []
        for place, segment in zip(places, real, strict=True):
            score = ScoreTick(place / f"{system}.mid")
            made.append(replace(segment, accompaniment=spans(score, 1)))
        line(system, measure_set(made, real))
    line("block chords", measure_set([replace(segment, accompaniment=segment.chords) for segment in real], real))
    rows = [own for _, own in sheets]
    found = PhraseRetrieval(store.pieces("train"))
    line("retrieval", measure_set([with_notes(s, found.accompany(r)) for s, r in zip(real, rows, strict=True)], real))
    if loaded is not None:
        for name, steering in ways().items():
            each = [
                measure_set([with_notes(s, n) for s, n in zip(real, notes, strict=True)], real)
                for seed in range(1, SEEDS + 1)
                for notes in [accompany_passages(loaded.model, rows, steering, seed)]
            ]
            line(name, {key: float(np.mean([one[key] for one in each])) for key in each[0]})


def read_segment(folder: Path) -> tuple[Accompanied, NDArray[np.integer]]:
    """A published segment with its real accompaniment, and its lead sheet in rows."""
    lead, real = ScoreTick(folder / "leadsheet.mid"), ScoreTick(folder / "test.mid")
    segment = Accompanied(spans(lead, 0), spans(lead, 1), spans(real, 1), STEPS, 16)
    mark(lead, symbols_of_track(columns_of(lead.tracks[1])))
    lead.tracks[0].name = "MELODY"
    rows = LeadSheet(4, "MELODY", "PIANO").encode_given(lead).astype(np.int64)
    bars = [[BAR, step, 16, 4, 4] for step in range(0, STEPS, 16)]
    rows = np.concatenate([bars, rows[(rows[:, KIND] != BAR) & (rows[:, 1] < STEPS)]])
    return segment, rows[np.lexsort((rows[:, 2], rows[:, 0], rows[:, 1]))]


def spans(score: ScoreTick, track: int) -> NDArray[np.int64]:
    """The notes of a track on the grid: (notes, 3) of onset, end and pitch."""
    notes = columns_of(score.tracks[track])
    start, end = (
        np.rint(times * 4 / score.ticks_per_quarter).astype(np.int64)
        for times in (notes.onset, notes.onset + notes.length)
    )
    found = np.stack([start, np.maximum(end, start + 1), notes.pitch.astype(np.int64)], axis=1)
    return found[found[:, 0] < STEPS]


def ways() -> dict[str, Steering]:
    """The settings of sampling that are compared."""
    return {
        "temperature 1.1, top_p 1": Steering(1.1, 1.0),
        "temperature 1.1, top_p .98": Steering(1.1, 0.98),
        "temperature 1, top_p 1": Steering(1.0, 1.0),
        "temperature 1, top_p .98": Steering(1.0, 0.98),
        "temperature .9, top_p .95": Steering(0.9, 0.95),
        "temperature .8, top_p .9": Steering(0.8, 0.9),
        "1, .98, 4 candidates, cost 0.5": Steering(1.0, 0.98, 4, 0.5),
        "1, .98, 8 candidates, cost 2": Steering(1.0, 0.98, 8, 2.0),
        "1.2, 1, 4 candidates, cost 0.5": Steering(1.2, 1.0, 4, 0.5),
        "1.2, .98, 4 candidates, cost 0.5": Steering(1.2, 0.98, 4, 0.5),
    }


def trained(loaded: TrainedModel, store: Store) -> None:
    """The model on the passages of the test pieces: ways to sample, and what control attributes do."""
    passages = passages_of(list(store.pieces("test")))
    real = [of_rows(rows) for rows in passages]
    print(f"{len(passages)} passages of 8 bars")
    header()
    line("human", measure_set(real, real))

    def show(name: str, make: Callable[[NDArray[np.integer]], NDArray[np.int64]]) -> None:
        line(name, measure_set([with_notes(one, make(rows)) for one, rows in zip(real, passages, strict=True)], real))

    show("block chords", block_chords.accompany)
    show("retrieval", PhraseRetrieval(store.pieces("train")).accompany)
    for name, steering in ways().items():
        made = accompany_passages(loaded.model, passages, steering, 1)
        line(name, measure_set([with_notes(one, notes) for one, notes in zip(real, made, strict=True)], real))
    controls(loaded, passages[::3], real[::3])


def controls(loaded: TrainedModel, passages: Sequence[NDArray[np.integer]], real: Sequence[Accompanied]) -> None:
    """Notes a bar for each level of density, and the share of bars with the requested texture."""
    model = loaded.model
    print("\nrequested | share of bars that have it | notes/bar | chord_accuracy")
    for kind, values in (("density", range(1, 6)), ("texture", TEXTURES.values())):
        for value in values:
            tasks = [open_task(model, rows, (1, place)) for place, rows in enumerate(passages)]
            asked = []
            for task in tasks:
                none = np.zeros(len(task.sheet.bars), np.int64)
                chosen = (none + value, none) if kind == "density" else (none, none + value)
                asked.append(replace(task, sheet=request(task.sheet, *chosen)))
            made = sample_accompaniments(model, asked, Steering(1.0, 0.98))
            has = []
            for rows, own in zip(passages, made, strict=True):
                given = rows[rows[:, KIND] != NOTE]
                sheet = replace(read_sheet(given, model.density, model.steps), notes=own.notes)
                found = bar_attributes(sheet, model.density, model.steps)[0 if kind == "density" else 1]
                has.append(float(np.mean(found == value)))
            figures = measure_set([with_notes(one, own.notes) for one, own in zip(real, made, strict=True)], real)
            cells = f"{np.mean(has):.2f} | {figures['notes_per_bar']:.1f} | {figures['chord_accuracy']:.3f}"
            print(f"{kind} {value} | {cells}", flush=True)


if __name__ == "__main__":
    main()
