"""Bars from models of MidiTok's streams of tokens, under the rules by which pieces are continued."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etude.config.sections import Generate
from etude.live.bars import TICKS, Bar, notes_in, score_of
from etude.live.controls import Controls
from etude.live.memory import Memory
from etude.live.writers import key_in, outside, recent
from etude.representations.attributes import Attributes
from etude.representations.base.grammar import BOS, EOS, PAD
from etude.sampling.control_tokens import forced_controls
from etude.sampling.filters import draw, softmax
from etude.sampling.tempering import Tempering
from etude.sampling.timing import Stream, timing_rules
from etude.sampling.tokens import apply_filters
from etude.tasks.trained_model import TrainedModel

MOST = 256  # tokens of a bar
HEARD = 8  # bars whose key goes on where control attributes without a key are requested


class StreamWriter:
    """Writes token by token, until what comes next would start in the next bar. A piece never ends."""

    def __init__(self, loaded: TrainedModel, seed: int) -> None:
        """Args: the model; the seed, which decides the key where attributes without one are requested at the start."""
        self.loaded, self.seed = loaded, seed
        self.representation, self.voices = loaded.representation, loaded.representation.voices
        self.tempo = 120.0
        self.config: Generate = loaded.config
        conditional = getattr(loaded.model, "can_condition", False) and isinstance(self.representation, Attributes)
        self.guidance = loaded.config.guidance if conditional else 1.0
        self.conditional = conditional
        self.grammar = self.representation.rules(loaded.observed)
        self.memory = Memory(loaded.model, self.guidance)
        self.tempering = Tempering(loaded.representation, loaded.config.rhythm)
        self._forced: dict[tuple[Any, ...], NDArray[np.int64]] = {}

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        """See Writer."""
        asked = controls.attributes if self.conditional else ()
        read = past[recent(past, asked) :]
        tilt = outside(self.representation.pitches, controls.scale)
        rules = self._rules(past, controls)
        tokens = self._tokens(read, opening, rules)
        (last, state), known = self.memory.recall(tokens), self._place(rules, tokens)
        origin = self._start_of_next(rules, known) if opening is None else int(known[0, rules.START])
        rules.since = origin if opening is None else origin + opening.length * rules.unit // TICKS
        written: list[int] = []
        if opening is None and rules.lines:
            line = int(np.flatnonzero(rules.line)[0])
            _, state = self.memory.step(last, state)
            last, known = line, rules.move(np.array([line]), known)
            written.append(line)
        at = int(known[0, rules.CURSOR])
        config = replace(self.config, top_p=controls.top_p)
        for uniform in rng.random(MOST):
            log_probabilities, after = self.memory.step(last, state)
            scores = self.tempering.temper(log_probabilities.numpy(), controls.temperature) + tilt
            allowed = rules.allowed(np.array([last]), known)
            allowed[:, [PAD, BOS, EOS]] = False
            if not written and not rules.lines:
                allowed &= ~self._crosses(rules, known, origin)  # what leaves the bar empty ends it
            if not allowed.any():
                break
            probabilities = apply_filters(softmax(np.where(allowed, scores, -np.inf)), config)
            token = int(draw(probabilities, np.array([uniform]))[0])
            if self._crosses(rules, known, origin)[0, token]:
                break
            last, state, known = token, after, rules.move(np.array([token]), known)
            written.append(token)
        return self._bar(written, rules, known, controls, opening, at - origin)

    def read(self, past: Sequence[Bar]) -> None:
        """See Writer."""
        rules = self._rules(past, Controls())
        self.memory.recall(self._tokens(past[recent(past, ()) :], None, rules))

    # --- what was

    def _rules(self, past: Sequence[Bar], controls: Controls) -> Stream:
        forced = self._forced_for(past, controls) if self.conditional else None
        rules = timing_rules(self.representation, self.grammar, None, None, forced)
        assert isinstance(rules, Stream)
        return rules

    def _forced_for(self, past: Sequence[Bar], controls: Controls) -> NDArray[np.int64]:
        """The control tokens of a bar: where attributes without a key are requested, the key goes on."""
        asked = dict(controls.attributes)
        if asked and "key" not in asked and "mode" not in asked:
            key = key_in(past[-HEARD:])
            if key is not None:
                asked["key"] = key
        place = tuple(asked.items())
        if place not in self._forced:
            if len(self._forced) > 64:
                self._forced.clear()
            self._forced[place] = forced_controls(self.representation, self.loaded.observed, asked, self.seed, [0])
        return self._forced[place]

    def _tokens(self, read: Sequence[Bar], opening: Bar | None, rules: Stream) -> list[list[int]]:
        """The tokens of each bar that is read, and of what is opening; as one, where a player has played some of it."""
        if opening is None and all(bar.tokens is not None for bar in read):
            return [list(bar.tokens or ()) for bar in read]
        bars = [*read, *([opening] if opening is not None else [])]
        score = score_of(bars, self.voices, self.tempo)
        tokens = self.representation.encode(score)[1:-1].astype(np.int64)
        return [rules.with_forced(np.concatenate([[BOS], tokens]))[0, 1:].tolist()] if len(tokens) else []

    def _place(self, rules: Stream, bars: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """The state of the rules after some bars."""
        known = rules.start(1)
        for bar in bars:
            for token in bar:
                known = rules.move(np.array([token]), known)
        return known

    def _start_of_next(self, rules: Stream, known: NDArray[np.int64]) -> int:
        """Where the next bar starts, in units of the rules."""
        if known[0, rules.BAR] < 0 or (not rules.lines and not known[0, rules.CURSOR] and not known[0, rules.RINGS]):
            return int(known[0, rules.START])
        return int(known[0, rules.START] + known[0, rules.LENGTH])

    def _crosses(self, rules: Stream, known: NDArray[np.int64], start: int) -> NDArray[np.bool_]:
        """Whether each token leaves the bar that starts at ``start``: (1, V)."""
        end = start + known[0, rules.LENGTH]
        shifted = (known[:, rules.CURSOR, None] + rules.shift >= end) & (rules.shift > 0)
        found: NDArray[np.bool_] = rules.line[None] | shifted
        return found

    # --- the bar

    def _bar(
        self,
        written: list[int],
        rules: Stream,
        known: NDArray[np.int64],
        controls: Controls,
        opening: Bar | None,
        at: int,
    ) -> Bar:
        length = int(known[0, rules.BEATS]) * TICKS // rules.unit
        above = int(known[0, rules.LENGTH]) // rules.unit
        meter = (above, round(4 * above * TICKS / length)) if length else (4, 4)
        score = self.representation.decode(np.array(written, dtype=np.int64))
        offset = at * TICKS // rules.unit if not rules.lines or opening is not None else 0
        notes = tuple(note._replace(onset=note.onset + offset) for note in notes_in(score, 0, length + TICKS * 64))
        kept = opening.notes if opening is not None else ()
        inside = tuple(note for note in notes if note.onset < length)
        tempo = float(known[0, rules.TEMPO]) / 1000 if rules.tempo[written].any() else None
        return Bar(
            tuple(sorted((*kept, *inside))),
            length,
            meter,
            tempo,
            None if opening is not None else tuple(written),
            controls.attributes if self.conditional else (),
        )
