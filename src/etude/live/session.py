"""A session on disk: model, seed, controls and what somebody played, from which the same music is written again."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json
from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.harmony import Harmony
from etude.live.sounding import Slot, session_score
from etude.live.writers import Writer
from etude.tasks.trained_model import TrainedModel

KIND = "etude session 1"
NAME = re.compile(r"[\w-]{1,64}")  # of a model
PLAY, ANSWER, ACCOMPANY = "play", "answer", "accompany"
ROLES = (PLAY, ANSWER, ACCOMPANY)
FOUR, CHORDS = "voices", "chords"
HARMONIES = (FOUR, CHORDS)
CELLS = 16  # of the melody in a bar
WEIGHTS = "model.safetensors"
TEMPO = 100.0  # BPM where no model has one


@dataclass
class Recording:
    """What was played, and what decides it."""

    model: str
    weights: str  # digest of the model's weights
    seed: int
    role: str = PLAY
    voices: dict[str, int] = field(default_factory=dict)
    tempo: float = 120.0  # BPM, where nothing states one
    harmony: str = "voices"  # of an accompaniment
    slots: list[Slot] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        model: str,
        loaded: TrainedModel | None,
        writer: Writer | None,
        harmony: Harmony | None,
        seed: int,
        role: str,
        kind: str,
    ) -> "Recording":
        """One without bars, for what writes them; ``kind`` is that of the harmony."""
        voices = harmony.voices if harmony is not None else writer.voices if writer is not None else {}
        tempo = TEMPO if writer is None else writer.tempo
        weights = "" if loaded is None else weights_of(loaded.trained)
        return cls(model, weights, seed, role, dict(voices), tempo, kind)

    def score(self) -> ScoreTick:
        """All that sounded."""
        return session_score(self.slots, self.voices, self.tempo)

    def midi(self) -> bytes:
        """That as the bytes of a MIDI file."""
        return bytes(self.score().dumps_midi())

    def as_json(self) -> dict[str, Any]:
        """The session without the notes of the model, which follow from the rest."""
        kept = replace(self, slots=list(self.slots))  # bars may be added meanwhile, by the thread that plays
        bars: list[dict[str, Any]] = []
        before = Controls()
        for number, slot in enumerate(kept.slots):
            bar: dict[str, Any] = {}
            if slot.controls != before or not number:
                bar["controls"] = slot.controls.as_json()
            before = slot.controls
            if slot.repeats:
                bar["repeats"] = True
            elif slot.written.written() != slot.controls.written():
                bar["written"] = slot.written.as_json()
            if slot.number != number and not slot.repeats:
                bar["for"] = slot.number
            if slot.known:
                bar["known"] = slot.known
            for name in ("since", "ends"):
                if getattr(slot, name) is not None:
                    bar[name] = getattr(slot, name)
            if slot.player:
                bar["player"] = [list(note) for note in slot.player]
            if slot.melody:
                bar["melody"] = list(slot.melody)
            if slot.late:
                bar["late"] = list(slot.late)
            bars.append(bar)
        return {
            "kind": KIND,
            "model": self.model,
            "weights": self.weights,
            "seed": self.seed,
            "role": self.role,
            **({"harmony": self.harmony} if self.role == ACCOMPANY else {}),
            "bars": bars,
            "midi": hashlib.sha256(kept.midi()).hexdigest(),
        }

    def write(self, path: Path) -> None:
        """Write the session as JSON, whole or not at all."""
        write_json(path, self.as_json(), sealed=False)


@dataclass(frozen=True)
class Asked:
    """A bar of a session that is to be played again."""

    controls: Controls
    written: Controls
    number: int
    known: int
    repeats: bool
    player: tuple[Note, ...]
    since: int | None
    ends: int | None
    melody: tuple[int, ...]
    late: tuple[int, ...]


@dataclass(frozen=True)
class Replayed:
    """A session that was read."""

    model: str
    weights: str
    seed: int
    role: str
    harmony: str
    bars: tuple[Asked, ...]
    midi: str  # digest of what was played


def read_session(path: Path) -> Replayed:
    """Read a session. Raises EtudeError where the file is none."""
    try:
        plain = read_json(path, "etude live session=...")
    except (OSError, ValueError, RecursionError) as error:  # a number of too many digits, lists in lists in lists
        raise EtudeError(f"{path} cannot be read ({type(error).__name__}). Give another session.") from None
    return session_of(plain, str(path))


def session_of(plain: Any, where: str) -> Replayed:
    """The session of what ``Recording.as_json`` gave.

    Raises:
        EtudeError: it is none, or a value of it is not as it should be.
    """
    if not isinstance(plain, dict) or plain.get("kind") != KIND:
        raise EtudeError(f"{where} is no session of etude live. Give a file that etude live session=... has written.")
    try:
        bars, controls = [], Controls()
        for number, bar in enumerate(plain["bars"]):
            controls = Controls.of_json(bar["controls"]) if "controls" in bar else controls
            written = Controls.of_json(bar["written"]) if "written" in bar else controls
            bars.append(
                Asked(
                    controls,
                    written,
                    _whole(bar.get("for", number), 0, number),
                    _whole(bar.get("known", 0), 0, number),
                    bool(bar.get("repeats", False)),
                    tuple(_note(note) for note in bar.get("player", ())),
                    _maybe(bar.get("since")),
                    _maybe(bar.get("ends")),
                    tuple(_whole(cell, -2, 127) for cell in _at_most(CELLS, bar.get("melody", ()))),
                    tuple(_whole(frame, 0, 65535) for frame in bar.get("late", ())),
                )
            )
        if not bars:
            raise ValueError("it has no bars")
        if not NAME.fullmatch(plain["model"]):
            raise ValueError(f"model {plain['model'][:40]}")
        role = str(plain["role"])
        harmony = str(plain.get("harmony", FOUR))
        if role not in ROLES or harmony not in HARMONIES:
            raise ValueError(f"role {role[:40]}, harmony {harmony[:40]}")
        texts = (plain["model"], str(plain["weights"]), _whole(plain["seed"], 0, 2**63))
        return Replayed(*texts, role, harmony, tuple(bars), str(plain["midi"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {str(error)[:80]}"
        raise EtudeError(f"{where} is a session that was changed ({reason}), so that it cannot be played.") from None


def _whole(value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{str(value)[:40]} is no whole number from {least} to {most}")
    return value


def _at_most(count: int, values: Any) -> Any:
    if len(values) > count:
        raise ValueError(f"{len(values)} values where {count} are the most")
    return values


def _maybe(value: Any) -> int | None:
    return None if value is None else _whole(value, 0, 65535)


def _note(values: Any) -> Note:
    onset, length, pitch, velocity, voice = values
    return Note(
        _whole(onset, 0, 65535), _whole(length, 1, 10**6), _whole(pitch, 0, 127), _whole(velocity, 1, 127),
        _whole(voice, 0, 15),
    )  # fmt: skip


def weights_of(trained: Mapping[str, Any]) -> str:
    """The digest of a trained model's weights."""
    return str(trained["sha256"][WEIGHTS])


def check_same(session: Replayed, trained: Mapping[str, Any], where: str) -> str | None:
    """A sentence where a session was played by other weights; None where it was played by these."""
    if session.weights == weights_of(trained):
        return None
    return (
        f"{where} was played by other weights of {session.model} (digest {session.weights[:12]}, here "
        f"{weights_of(trained)[:12]}): the music differs"
    )


def past_of(slots: Sequence[Slot], plain: Sequence[Bar], number: int, known: int) -> list[Bar]:
    """The bars before ``number``: as they were heard as far as known, then as the model wrote them."""
    return [*(slot.bar for slot in slots[:known]), *plain[known:number]]
