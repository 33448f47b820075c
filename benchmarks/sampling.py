"""Sampling speed of the models of the pipeline, compared with a loop without a cache, with GPT-2 and with real time.

Needs data/tokenize and models/ as `dvc repro` leaves them. GPT-2 of the transformer's size is that of transformers of
Hugging Face, with random weights, where it is installed (`pip install -e '.[benchmark]'`). The contestants take
turns, round by round; the best round of each counts. The loop without a cache takes minutes and runs once.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from etude import sampling
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.metrics.voice_leading import QUARTERS
from etude.models.building import set_threads
from etude.music.melody import find_melody
from etude.representations.base.grammar import BOS, EOS
from etude.representations.base.loading import load_representation
from etude.sampling.constraints import keep_given
from etude.sampling.harmonies import HarmonyTask
from etude.sampling.timing import Timing, timing_rules
from etude.sampling.tokens import sample_tokens
from etude.tasks.capabilities import harmonizing_models
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import harmonize, place_on_grid
from etude.tasks.trained_model import TrainedModel

BARS = 16  # of the melody that is harmonised
SLOW = "no cache"  # takes minutes
PARTS = ("others", "harmonise", "real-time")


class Endless:
    """Rules under which no piece ends, so that all have the same number of tokens."""

    def __init__(self, rules: Timing) -> None:
        """Args: the rules that apply otherwise."""
        self.rules, self.start, self.move, self.beyond = rules, rules.start, rules.move, rules.beyond

    def close(self, state: NDArray[np.int64]) -> None:
        """See Timing."""

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Rules."""
        found = self.rules.allowed(last, state)
        found[:, EOS] = False
        return found

    def may_end(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        return np.zeros(len(last), dtype=bool)


def seconds(work: Callable[..., Any], *arguments: Any) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def without_cache(model: Any, count: int, tokens: int, seed: int) -> None:
    """The loop that reads all tokens again for each that it draws, without rules and filters."""
    generator = torch.Generator().manual_seed(seed)
    written = torch.full((count, 1), BOS)
    with torch.no_grad():
        for _ in range(tokens):
            probabilities = model(written)[0][:, -1].softmax(-1)
            written = torch.cat([written, torch.multinomial(probabilities, 1, generator=generator)], dim=1)


def gpt2(settings: Settings, vocabulary: int, tokens: int) -> Any:
    """GPT-2 of the transformer's size."""
    from transformers import GPT2Config, GPT2LMHeadModel

    section = settings.models["transformer"]
    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_positions=tokens + 1,
            n_embd=section["hidden"],
            n_layer=section["layers"],
            n_head=section["heads"],
            bos_token_id=BOS,
            eos_token_id=None,
            pad_token_id=0,
            attn_implementation="sdpa",
        )
    ).eval()


def compare_with_gpt2(settings: Settings, session: Session, tokens: int, rounds: int, slow: bool) -> None:
    """Print tokens a second of the transformer, a loop without a cache and GPT-2, one piece and 16 at a time."""
    loaded = TrainedModel.load(settings, session, "transformer")
    model, representation = loaded.model, loaded.representation
    rules = Endless(timing_rules(representation, representation.rules(loaded.observed), None, None))
    contestants: dict[str, Callable[[int], Any]] = {
        "etude": lambda count: sample_tokens(model, rules, config, range(count))
    }
    if slow:
        contestants[SLOW] = lambda count: without_cache(model, count, tokens, 1)
    try:
        other = gpt2(settings, representation.vocabulary, tokens)
    except ImportError:
        print("transformers is not installed: no GPT-2")
    else:

        def generate(count: int) -> None:
            prompt = torch.full((count, 1), BOS)
            with torch.no_grad():
                other.generate(
                    prompt,
                    attention_mask=torch.ones_like(prompt),
                    do_sample=True,
                    top_p=config.top_p,
                    top_k=0,
                    min_new_tokens=tokens,
                    max_new_tokens=tokens,
                    use_cache=True,
                )

        contestants["GPT-2"] = generate
    print(f"| pieces at a time | {' | '.join(f'{name}, tokens a second' for name in contestants)} | etude / each |")
    print("| ---: |" + " ---: |" * (len(contestants) + 1))
    for count in (1, 16):
        config = replace(loaded.config, max_tokens=tokens, batch_size=count)
        best = dict.fromkeys(contestants, float("inf"))
        for turn in range(rounds):
            for name, work in contestants.items():
                if turn == 0 or name != SLOW:
                    best[name] = min(best[name], seconds(work, count))
        speeds = [count * tokens / best[name] for name in contestants]
        ratios = " and ".join(f"{speeds[0] / speed:.1f}" for speed in speeds[1:])
        print(f"| {count} | {' | '.join(f'{speed:,.0f}' for speed in speeds)} | {ratios} |", flush=True)


def time_harmonies(settings: Settings, session: Session, rounds: int) -> None:
    """Print the seconds that a melody of 16 bars takes with the pipeline's settings, the model loaded."""
    store = Store(session.root / "data/tokenize/voicegrid")
    representation = load_representation(store)
    pieces = (representation.decode(tokens) for tokens in store.pieces("test"))
    score = next(piece for piece in pieces if piece.end() >= BARS * QUARTERS * piece.ticks_per_quarter)
    score = score.clip(0, BARS * QUARTERS * score.ticks_per_quarter, clip_end=True)
    print("\n| model | seconds for 16 bars |\n| --- | ---: |")
    for model_name in harmonizing_models(settings):
        harmonizer = Harmonizer.of(TrainedModel.load(settings, session, model_name))
        melody = place_on_grid(harmonizer.representation, harmonizer.observed, score, find_melody(score))
        given = np.zeros(melody.grid.shape, dtype=bool)
        given[:, 0] = True
        allowed = keep_given(melody.grid, given, harmonizer.observed)
        task = HarmonyTask(melody.piece, allowed, settings.harmonize, [])
        tasks = ([replace(task, rngs=harmonizer.rngs(settings.harmonize))] for _ in range(rounds))
        best = min(seconds(harmonize, harmonizer.model, harmonizer.representation, one) for one in tasks)
        print(f"| `{model_name}` | {best:.1f} |", flush=True)


def compare_with_real_time(settings: Settings, session: Session) -> None:
    """Print how many times faster than it sounds one piece is drawn, alone and on one core, by each model."""
    torch.set_num_threads(1)
    print("\n| model | seconds of music | seconds to draw | times real time, one core |")
    print("| --- | ---: | ---: | ---: |")
    for model_name in settings.models:
        if not (session.root / "models" / model_name).is_dir():
            print(f"| `{model_name}` | not trained | | |")
            continue
        loaded = TrainedModel.load(settings, session, model_name, threads=1)
        config = replace(loaded.config, pieces=1)
        start = time.perf_counter()
        (sampled,) = sampling.sample_pieces(loaded.model, loaded.representation, loaded.observed, config, 1)
        took = time.perf_counter() - start
        score = sampled.score
        lasts = score.end() / score.ticks_per_quarter * 60 / (score.tempos[0].qpm if len(score.tempos) else 120)
        print(f"| `{model_name}` | {lasts:.1f} | {took:.2f} | {lasts / took:.0f} |", flush=True)


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all, where none is named")
    parser.add_argument("--tokens", type=int, default=1024, help="of each piece compared with GPT-2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="leave out the loop without a cache, which takes minutes")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts = given.parts or PARTS
    session = Session(progress=False)
    settings = Settings.from_params(session.root / "params.yaml")
    set_threads(settings.trainer.threads)
    if "others" in parts:
        compare_with_gpt2(settings, session, given.tokens, given.rounds, not given.quick)
    if "harmonise" in parts:
        time_harmonies(settings, session, given.rounds)
    if "real-time" in parts:
        compare_with_real_time(settings, session)


if __name__ == "__main__":
    main()
