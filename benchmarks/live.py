"""The live engine: how soon, how punctual, how long.

    python benchmarks/live.py latency [--run RUN]     # an event, a bar, and a change of a control until it is heard
    python benchmarks/live.py ticks [--minutes 10]    # a harmony at every sixteenth at 120 BPM, one core kept busy
    python benchmarks/live.py endless [--minutes 10]  # what hangs, gaps and memory of each model, fast, or with --real
    python benchmarks/live.py answers [--phrases 50]  # answers to phrases of test pieces: when they start, in which key

``RUN`` is the folder of a manual run with a model that the pipeline does not train, as gru.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import mido
import numpy as np
import psutil
import torch
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

import etude
from etude.artifacts.midi_archive import Pieces
from etude.live.accompany import Accompanist
from etude.live.answer import Answerer
from etude.live.bars import Bar
from etude.live.clock import Clock, FastClock, RealClock
from etude.live.controls import Console, Controls, Surface
from etude.live.engine import Bounds, Engine
from etude.live.harmony import FourVoices
from etude.live.player import Player
from etude.live.ports import Input, Loop
from etude.live.sender import Sender
from etude.live.session import PLAY, Recording
from etude.live.writers import writer_of
from etude.music.key import MODES, SCALES, best_key
from etude.music.markers import fermatas
from etude.tasks.trained_model import TrainedModel

ROOT = Path(__file__).parents[1]
MODELS = ("ngram", "lstm", "gru", "lstm_attention", "transformer", "conditional", "voices", "gan", "wgan")
TEMPO = 120.0
LONGEST_PHRASE = 16  # quarter notes


def load(name: str, run: Path | None) -> TrainedModel | None:
    """A model of the pipeline or of a run; None where there is none."""
    folders = [top / "models" / name for top in (run, ROOT) if top is not None]
    found = next((folder for folder in folders if (folder / "config.json").is_file()), None)
    return None if found is None else etude.load(found).loaded


def spread(values: Sequence[float]) -> str:
    """Median, 95th and 99th percentile, and the highest."""
    return " / ".join(f"{value:.1f}" for value in [*np.percentile(values, (50, 95, 99)), max(values)])


@contextmanager
def busy(on: bool) -> Iterator[None]:
    """Keep one core busy with something else."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    if on:
        process.start()
    try:
        yield
    finally:
        if on:
            process.terminate()


def _spin() -> None:
    while True:
        pass


def controls_of(loaded: TrainedModel) -> Controls:
    """The controls that ``etude live`` starts with."""
    return Controls(temperature=float((loaded.trained["model"].get("generate") or {}).get("temperature") or 1.0))


def engine_of(loaded: TrainedModel, clock: Clock, bounds: Bounds, seed: int = 1) -> tuple[Engine, Loop, list[str]]:
    """An engine that sends to a loop, and what it says."""
    writer, said, loop = writer_of(loaded, seed), [], Loop(clock)
    console = Console(Surface(loaded.name, tuple(writer.voices)), controls_of(loaded))
    recording = Recording.of(loaded.name, loaded, writer, None, seed, PLAY, "voices")
    return (
        Engine(writer, console, recording, Sender([loop], clock, said.append), clock, say=said.append, bounds=bounds),
        loop,
        said,
    )


# --- latency


def latency(args: argparse.Namespace) -> None:
    """Milliseconds of an event and of a bar, and from a change of a control until it is heard."""
    with busy(args.busy):
        print("| model | event, ms: p50 / p95 / p99 / most | bar, ms |\n|---|---:|---:|")
        for name in args.models or MODELS:
            loaded = load(name, args.run)
            if loaded is None:
                print(f"| {name} | not trained | |")
                continue
            events, bars = _events(loaded), _bars(loaded)
            print(f"| {name} | {spread(events) if events else '–'} | {spread(bars)} |", flush=True)
        print("\n| model | from a change of a control until it is heard, in bars: p50 / p95 / p99 / most |\n|---|---:|")
        for name in args.models or ("lstm", "transformer", "voices"):
            if (loaded := load(name, args.run)) is not None:
                print(f"| {name} | {_heard(loaded, args.changes)} |", flush=True)


def _events(loaded: TrainedModel) -> list[float]:
    """Milliseconds from the last note, or cell, to the next: all that is done for one."""
    writer = writer_of(loaded, 1)
    memory = getattr(writer, "memory", None)
    if memory is None:
        return []
    per_event: list[float] = []
    step, marks = memory.step, []

    def timed(last: int, state: object) -> object:
        marks.append(time.perf_counter())
        return step(last, state)

    memory.step = timed
    past: list[Bar] = []
    for number in range(24):
        marks.clear()
        bar = writer.write(past, controls_of(loaded), np.random.default_rng((1, number)))
        marks.append(time.perf_counter())
        past.append(bar)
        gaps = np.diff(marks) * 1000
        notes = getattr(writer.representation, "pitches", np.zeros(0))
        tokens = np.array(bar.tokens or ())
        if writer.representation.is_voice_grid:
            per_event += gaps.tolist()  # each cell is one
            continue
        cost = 0.0
        for token, gap in zip(tokens[-len(gaps) :].tolist(), gaps[: len(tokens)].tolist(), strict=False):
            cost += gap
            if notes[token] >= 0:
                per_event.append(cost)
                cost = 0.0
    return per_event


def _bars(loaded: TrainedModel) -> list[float]:
    writer, past, found = writer_of(loaded, 1), [], []
    for number in range(48):
        since = time.perf_counter()
        past.append(writer.write(past, controls_of(loaded), np.random.default_rng((1, number))))
        found.append((time.perf_counter() - since) * 1000)
    return found


def _heard(loaded: TrainedModel, changes: int) -> str:
    """Change the temperature at random times, and find the first bar that was written for it."""
    engine, _, _ = engine_of(loaded, RealClock(), Bounds(bars=4 * changes + 8))
    rng, shares = np.random.default_rng(1), []
    thread = threading.Thread(target=engine.run)
    thread.start()
    time.sleep(3)
    for change in range(changes):
        time.sleep(float(rng.uniform(0.5, 4.0)))
        bars = len(engine.planner.slots)
        at = time.monotonic()
        value = 0.8 + 0.001 * (change + 1)
        engine.console.set("temperature", f"{value}")
        while not (found := [s for s in engine.planner.slots[bars - 1 :] if s.written.temperature == value]):
            time.sleep(0.005)
        slot = engine.planner.slots.index(found[0])
        length = found[0].bar.length * 60 / (engine.console.controls.tempo or engine.recording.tempo) / 24
        while len(engine.planner.slots) == slot + 1 and engine.bar_line < at:
            time.sleep(0.002)
        shares.append((engine.bar_line - at) / length)
    engine.stop()
    thread.join()
    return spread(shares)


# --- ticks


def ticks(args: argparse.Namespace) -> None:
    """A melody is played for minutes: how many of its sixteenths had their harmony in time."""
    loaded = load("voices", args.run)
    assert loaded is not None
    with tempfile.TemporaryDirectory() as folder, busy(args.busy):
        path = Path(folder, "melody.mid")
        write_melody(path, args.minutes)
        clock, said = RealClock(), []
        writer = writer_of(loaded, 1)
        console = Console(Surface("voices", tuple(writer.voices)), Controls(tempo=TEMPO, temperature=0.6))
        harmony = FourVoices(writer, 1)
        recording = Recording.of("voices", loaded, writer, harmony, 1, "accompany", "voices")
        sender = Sender([Loop(clock)], clock, said.append)
        player = Player(Input(str(path), clock, said.append), console, said.append)
        made = Accompanist(harmony, console, recording, sender, clock, player, said.append, Bounds(60.0 * args.minutes))
        made.run()
    share = 1 - made.late / max(1, made.steps)
    print(f"{made.steps} sixteenths of 125 ms, {made.late} late: {100 * share:.2f} % on time")
    print(f"harmony of a note, ms: {spread([1000 * seconds for seconds in made.answered])}")


def write_melody(path: Path, minutes: float) -> None:
    """Phrases of test pieces one after another, at TEMPO, until the time is full."""
    score, track, at = ScoreTick(480), TrackTick("Melody", 0, False), 0.0
    score.tempos.append(TempoTick(0, TEMPO))
    listed = phrases(200)
    place = 0
    while at < minutes * TEMPO:
        notes = listed[place % len(listed)]
        start, place = notes[0][0] // 4 * 4, place + 1
        for onset, length, pitch in notes:
            track.notes.append(NoteTick(round((at + onset - start) * 480), round(length * 480), pitch, 80))
        at += -(-(notes[-1][0] + notes[-1][1] - start) // 4) * 4
    score.tracks.append(track)
    score.dump_midi(path)


Notes = list[tuple[float, float, int]]  # onset and length in quarter notes, pitch


def phrases(most: int) -> list[Notes]:
    """Phrases of the first voice of test pieces, up to fermatas."""
    return [phrase for phrase, _ in following(most)]


def following(most: int) -> list[tuple[Notes, Notes]]:
    """Those phrases, each with what comes after it up to the next fermata, in all voices."""
    split = json.loads((ROOT / "data/split/split.json").read_text(encoding="utf-8"))["test"]
    manifest = json.loads((ROOT / "data/ingest/manifest.json").read_text(encoding="utf-8"))
    archive, found = Pieces(ROOT / "data/ingest", manifest, "pieces", "make repro"), []
    for name in sorted(split):
        score = archive.score(name)
        quarter, start, own = score.ticks_per_quarter, 0, 0
        ends = sorted(fermatas(score))
        for end, after in pairwise(ends):
            notes = [note for note in score.tracks[0].notes if start <= note.time <= end]
            start = end + 1
            if len(notes) >= 5 and notes[-1].end - notes[0].time <= LONGEST_PHRASE * quarter and own < 2:
                own += 1
                later = [note for track in score.tracks for note in track.notes if end < note.time <= after]
                both = ([(n.time / quarter, n.duration / quarter, n.pitch) for n in part] for part in (notes, later))
                phrase, next_one = both
                found.append((phrase, next_one))
        if len(found) >= most:
            break
    return found[:most]


# --- endless


def endless(args: argparse.Namespace) -> None:
    """Minutes of music of each model: what hangs, what was late, the longest silence, memory."""
    print(
        "| model | bars | notes a bar | hanging | late bars | longest silence, bars | MB at a sixth, at the end |\n"
        "|---|---:|---:|---:|---:|---:|---:|"
    )
    for name in args.models or MODELS:
        loaded = load(name, args.run)
        if loaded is None:
            continue
        clock = RealClock() if args.real else FastClock()
        engine, loop, _ = engine_of(loaded, clock, Bounds(60.0 * args.minutes))
        since = clock.now()
        loop.sent = Watch(since + 60.0 * args.minutes / 6)  # type: ignore[assignment]
        engine.run()
        slots = engine.planner.slots
        silent = longest = 0
        for slot in slots[1:]:
            silent = 0 if slot.bar.notes or any(slot.bar.holds) else silent + 1
            longest = max(longest, silent)
        watch: Watch = loop.sent  # type: ignore[assignment]
        notes = sum(len(slot.bar.notes) for slot in slots) / len(slots)
        memory = psutil.Process().memory_info().rss / 2**20
        print(
            f"| {name} | {len(slots)} | {notes:.1f} | {sum(watch.sounding.values())} | {engine.planner.repeats} | "
            f"{longest} | {watch.memory:.0f}, {memory:.0f} |",
            flush=True,
        )


class Watch:
    """Stands for the list of what was sent, and keeps what sounds alone."""

    def __init__(self, early: float) -> None:
        """Args: the time at which memory is measured first."""
        self.early, self.memory = early, 0.0
        self.sounding: dict[tuple[int, int], int] = {}

    def append(self, sent: tuple[float, mido.Message]) -> None:
        """Take a message."""
        at, message = sent
        if not self.memory and at >= self.early:
            self.memory = psutil.Process().memory_info().rss / 2**20
        if message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            self.sounding[key] = self.sounding.get(key, 0) + (1 if message.type == "note_on" else -1)


# --- answers


def answers(args: argparse.Namespace) -> None:
    """Answers to phrases of test pieces."""
    print(
        "| model | answers | starts after the phrase, beats: p50 / p95 / p99 / most | same key | "
        "in its scale: median, share of answers above .8 |\n|---|---:|---:|---:|---:|"
    )
    print(f"| what Bach wrote next | {_written(args.phrases)} |")
    for name in args.models or ("lstm", "transformer", "lstm_attention", "voices"):
        loaded = load(name, args.run)
        if loaded is not None:
            print(f"| {name} | {_answers(loaded, args.phrases)} |", flush=True)


def _written(count: int) -> str:
    """The same of the phrases that follow in the pieces, in all voices."""
    same, shares = 0, []
    for notes, (_, answer) in zip(phrases(count), following(count), strict=True):
        key, totals = best_key(_totals(notes)), _totals(answer)
        if key is not None and totals.sum():
            same += best_key(totals) == key
            shares.append(_in_scale(totals, key))
    return f"{len(shares)} | – | {same} of {count} | {np.median(shares):.2f}, {np.mean(np.array(shares) >= 0.8):.2f}"


def _totals(notes: Sequence[tuple[float, float, int]]) -> np.ndarray:
    totals = np.zeros(12)
    for _, length, pitch in notes:
        totals[pitch % 12] += length
    return totals


def _in_scale(totals: np.ndarray, key: tuple[int, str]) -> float:
    return float((totals * SCALES[2 * key[0] + MODES.index(key[1])]).sum() / totals.sum())  # type: ignore[arg-type]


def _answers(loaded: TrainedModel, count: int) -> str:
    delays, same, shares, made = [], 0, [], 0
    for number, notes in enumerate(phrases(count)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "phrase.mid")
            score, track = ScoreTick(480), TrackTick("Melody", 0, False)
            score.tempos.append(TempoTick(0, 100))
            start = notes[0][0] // 4 * 4
            for onset, length, pitch in notes:
                track.notes.append(NoteTick(round((onset - start) * 480), round(length * 480), pitch, 80))
            score.tracks.append(track)
            score.dump_midi(path)
            clock, said, writer = FastClock(), [], writer_of(loaded, number)
            console = Console(
                Surface(loaded.name, tuple(writer.voices)), Controls(100.0, controls_of(loaded).temperature)
            )
            recording = Recording.of(loaded.name, loaded, writer, None, number, "answer", "voices")
            sender = Sender([Loop(clock)], clock, said.append)
            player = Player(Input(str(path), clock, said.append), console, said.append)
            answerer = Answerer(writer, console, recording, sender, clock, player, said.append)
            answerer.run()
        delays += [(started - ended) / 0.6 for ended, started in answerer.answers]
        made += len(answerer.answers)
        heard, answer = _totals(notes), np.zeros(12)
        for track in recording.score().tracks:
            if track.name != "You":
                for note in track.notes:
                    answer[note.pitch % 12] += note.duration
        key = best_key(heard)
        if key is None or not answer.sum():
            continue
        same += best_key(answer) == key
        shares.append(_in_scale(answer, key))
    above = np.mean(np.array(shares) >= 0.8)
    return f"{made} | {spread(delays)} | {same} of {count} | {np.median(shares):.2f}, {above:.2f}"


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("latency", "ticks", "endless", "answers"))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--phrases", type=int, default=50)
    parser.add_argument("--changes", type=int, default=30)
    parser.add_argument("--real", action="store_true", help="endless: in real time")
    parser.add_argument("--busy", action="store_true", help="keep one core busy with something else")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    sys.setswitchinterval(0.0005)
    globals()[args.what](args)


if __name__ == "__main__":
    main()
