"""A performance: a model in its role with its controls and its recording, ready to be played to outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from etude.core.errors import EtudeError
from etude.live.accompany import Accompanist
from etude.live.answer import Answerer
from etude.live.band import StyleBand, style_names
from etude.live.clock import Clock
from etude.live.controls import WHAT, Console, Controls, Surface
from etude.live.engine import AHEAD, ENDLESS, Bounds, Engine, Listener
from etude.live.harmony import Harmony
from etude.live.player import Player
from etude.live.replay import harmony_of
from etude.live.sender import Sender
from etude.live.session import ACCOMPANY, ANSWER, CHORDS, PLAY, Recording
from etude.live.writers import Writer, writer_of
from etude.tasks.trained_model import TrainedModel

Say = Callable[[str], None]


@dataclass(frozen=True)
class Performance:
    """Who plays, and how."""

    role: str
    writer: Writer | None
    harmony: Harmony | None
    console: Console
    recording: Recording

    @classmethod
    def of(
        cls,
        name: str,
        loaded: TrainedModel | None,
        role: str = PLAY,
        kind: str = CHORDS,
        seed: int = 1,
        temperature: float | None = None,
        asked: Mapping[str, str] | None = None,
    ) -> Self:
        """Prepare one.

        Args:
            name: of the model.
            loaded: the model; None: chords accompany.
            role: play, answer or accompany.
            kind: of an accompaniment: voices or chords.
            seed: of the random numbers.
            temperature: at which it starts; None: the model's own.
            asked: controls by name, as texts, at which it starts.

        Raises:
            EtudeError: the model cannot play the role, or a control is not as it should be.
        """
        writer = None if loaded is None else writer_of(loaded, seed)
        harmony = harmony_of(kind, writer, seed) if role == ACCOMPANY else None
        recording = Recording.of(name, loaded, writer, harmony, seed, role, kind)
        surface = Surface(
            CHORDS if loaded is None else name,
            tuple(recording.voices),
            loaded is not None and bool(getattr(loaded.model, "can_condition", False)),
            loaded is None or hasattr(loaded.model, "step"),
            style_names() if role == PLAY else (),
        )
        own = 1.0 if loaded is None else loaded.config.temperature or 1.0
        controls = Controls(
            tempo=None if role == PLAY else recording.tempo,
            temperature=float(own if temperature is None else temperature),
        )
        for key in WHAT:
            if asked and asked.get(key):
                controls = surface.change(controls, key, asked[key])
        return cls(role, writer, harmony, Console(surface, controls), recording)

    def engine(
        self,
        sender: Sender,
        clock: Clock,
        player: Player | None = None,
        listeners: Sequence[Listener] = (),
        say: Say = lambda text: None,
        bounds: Bounds = ENDLESS,
        ahead: int = AHEAD,
    ) -> Engine | Answerer | Accompanist:
        """What plays it. Raises EtudeError where nobody is there to be answered or accompanied."""
        console, recording = self.console, self.recording
        if self.role == PLAY:
            assert self.writer is not None
            band = StyleBand(recording.voices, recording.tempo, recording.seed)
            return Engine(self.writer, console, recording, sender, clock, listeners, band, ahead, say, bounds, player)
        if player is None:
            raise EtudeError(f"role = {self.role} listens to somebody. Say to whom.")
        if self.role == ANSWER:
            assert self.writer is not None
            return Answerer(self.writer, console, recording, sender, clock, player, say, bounds)
        assert self.harmony is not None
        return Accompanist(self.harmony, console, recording, sender, clock, player, say, bounds)
