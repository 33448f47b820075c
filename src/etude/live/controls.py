"""What can be changed while the music plays: names, ranges, and how a text or a MIDI controller sets them."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from etude.core.errors import EtudeError, closest
from etude.representations.attributes import MODES, NAMES, UNITS, WORDS, key_of

ATTRIBUTES = tuple(name for name in NAMES if name != "tempo")  # control attributes; the tempo is the player's own
MOODS = {  # the four quarters of Russell's circumplex (1980): energy and brightness
    "happy": ("high", "high"),
    "tense": ("high", "low"),
    "sad": ("low", "low"),
    "calm": ("low", "high"),
}
NUMBERS: dict[str, tuple[float, float]] = {"tempo": (20, 300), "temperature": (0.1, 3), "top_p": (0.05, 1)}
TRANSPOSE = 24  # semitones up or down
LONGEST = 512  # letters of a value
WHAT = {
    "tempo": "BPM, from 20 to 300; auto: as the model writes it",
    "temperature": "from 0.1 to 3: below 1 more probable notes, above 1 more varied ones",
    "top_p": "from 0.05 to 1: only the most probable notes up to this total probability",
    "transpose": f"semitones, from -{TRANSPOSE} to {TRANSPOSE}",
    "instruments": "General MIDI programs by voice, as Bass:32,Alto:48, or one number for all",
    "scale": "a key, as D minor, outside of which notes become rare; any: all notes as they come",
    "mute": "voices that are silent, as Bass,Tenor; none: all sound",
    "style": "a band of conf/style that plays along, as bossa; none: no band",
    "mood": f"{', '.join(MOODS)}; any: none (sets energy and brightness)",
    "key": "as D minor; any: as it comes",
    "mode": "major or minor; any: as it comes",
    **{name: f"a number ({UNITS[name]}), or {', '.join(WORDS)}; any: as it comes" for name in UNITS if name != "tempo"},
}
OPEN = ("any", "none", "auto", "null", "")
# MIDI controllers: the modulation wheel, and general purpose controllers 1 to 4 and what comes after them
CONTROLLERS = {
    1: "temperature",
    16: "tempo",
    17: "density",
    18: "energy",
    19: "brightness",
    20: "transpose",
    21: "top_p",
}


@dataclass(frozen=True)
class Controls:
    """The settings of a bar."""

    tempo: float | None = None  # BPM; None: as the model writes it
    temperature: float = 1.0
    top_p: float = 0.98
    scale: str | None = None  # a key outside of which notes are rare
    transpose: int = 0  # semitones
    instruments: tuple[tuple[str, int], ...] = ()  # voice -> program, where it is not the model's
    mute: tuple[str, ...] = ()  # voices
    style: str | None = None  # of the band that plays along
    attributes: tuple[tuple[str, Any], ...] = ()  # control attributes that are requested, by name

    def as_json(self) -> dict[str, Any]:
        """Plain values, without what is open."""
        plain = {
            "tempo": self.tempo,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "scale": self.scale,
            "transpose": self.transpose,
            "instruments": dict(self.instruments),
            "mute": list(self.mute),
            "style": self.style,
            **dict(self.attributes),
        }
        return {name: value for name, value in plain.items() if value not in (None, {}, [])}

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> "Controls":
        """What ``as_json`` gave. Raises ValueError, TypeError or AttributeError where a value is none of a control."""
        for name, value in plain.items():
            _check_plain(name, value)
        try:
            _check_fit(plain)
        except EtudeError as error:
            raise ValueError(str(error)) from None
        own = {
            name: plain[name]
            for name in ("tempo", "temperature", "top_p", "scale", "transpose", "style")
            if name in plain
        }
        return cls(
            **own,
            instruments=tuple(sorted(plain.get("instruments", {}).items())),
            mute=tuple(plain.get("mute", ())),
            attributes=tuple((name, plain[name]) for name in ATTRIBUTES if name in plain),
        )

    def as_text(self) -> str:
        """Each value as ``Surface.change`` takes it, as ``tempo=90 mute=Bass,Tenor``."""
        return " ".join(f"{name}={_text(value)}" for name, value in self.as_json().items())

    def written(self) -> tuple[Any, ...]:
        """What a bar is written for: bars that are written for equal values need not be written again."""
        return self.temperature, self.top_p, self.scale, self.style, self.attributes


@dataclass(frozen=True)
class Surface:
    """What a model and its player take: which controls, for which voices, which bands."""

    model: str
    voices: tuple[str, ...]
    conditional: bool = False  # whether it takes control attributes
    tilts: bool = True  # whether its notes are drawn one by one, so that some can be made rare
    styles: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The controls that it takes."""
        own = ["tempo", "temperature", "top_p", "transpose", "instruments", "mute"]
        return (
            own
            + ["scale"] * self.tilts
            + ["style"] * bool(self.styles)
            + (["mood", *ATTRIBUTES] if self.conditional else [])
        )

    def help(self) -> list[str]:
        """A line for each control."""
        return [f"{name}: {WHAT[name]}" for name in self.names]

    def change(self, controls: Controls, name: str, text: str) -> Controls:
        """The controls with one of them set from a text.

        Raises:
            EtudeError: there is no such control, the model does not take it, or its value is out of range.
        """
        text = text.strip()
        if name not in WHAT:
            raise EtudeError(f'There is no control "{name[:40]}". {closest(name[:40], WHAT)}')
        if len(text) > LONGEST:
            raise EtudeError(f"{name} = {text[:40]}... is too long: a value has at most {LONGEST} letters.")
        if name not in self.names:
            other = "There are no styles here." if name == "style" else "conditional does."
            raise EtudeError(f"{self.model} takes no {name}. {other}")
        if name == "mood":
            energy, brightness = MOODS.get(text.lower(), (None, None))
            if energy is None and text.lower() not in OPEN:
                raise EtudeError(f"mood = {text} must be {', '.join(MOODS)}, or any.")
            return _asked(_asked(controls, "energy", energy), "brightness", brightness)
        if name in ATTRIBUTES:
            return _asked(controls, name, None if text.lower() in OPEN else _attribute(name, text))
        if name == "style":
            if text.lower() not in OPEN and text not in self.styles:
                raise EtudeError(f'There is no style "{text}". {closest(text, self.styles)}')
            return replace(controls, style=None if text.lower() in OPEN else text)
        if name == "scale":
            if text.lower() not in OPEN:
                _check_key(name, text)
            return replace(controls, scale=None if text.lower() in OPEN else text)
        if name == "instruments":
            return replace(controls, instruments=self._instruments(controls, text))
        if name == "mute":
            return replace(controls, mute=() if text.lower() in OPEN else self._voices("mute", text))
        if name == "transpose":
            return replace(controls, transpose=int(_number(name, text, -TRANSPOSE, TRANSPOSE, whole=True)))
        if name == "tempo" and text.lower() in OPEN:
            return replace(controls, tempo=None)
        number = _number(name, text, *NUMBERS[name])
        changed: dict[str, Any] = {name: number}
        return replace(controls, **changed)

    def turn(self, controls: Controls, name: str, value: int) -> Controls:
        """The controls with one of them set by a MIDI controller, 0 to 127; what the model does not take stays."""
        if name not in self.names:
            return controls
        share = min(max(value, 0), 127) / 127
        if name in ATTRIBUTES:
            return self.change(controls, name, WORDS[min(int(share * len(WORDS)), len(WORDS) - 1)])
        low, high = {"tempo": (40, 200), "temperature": (0.2, 1.6), "transpose": (-12, 12)}.get(name, NUMBERS["top_p"])
        number = low + share * (high - low)
        return self.change(controls, name, f"{round(number) if name == 'transpose' else round(number, 2)}")

    def _voices(self, name: str, text: str) -> tuple[str, ...]:
        chosen = tuple(part.strip() for part in text.split(",") if part.strip())
        for voice in chosen or (text.strip(),):
            if voice not in self.voices:
                raise EtudeError(f'{name}: there is no voice "{voice}". {closest(voice, self.voices)}')
        return chosen

    def _instruments(self, controls: Controls, text: str) -> tuple[tuple[str, int], ...]:
        if text.lower() in OPEN:
            return ()
        chosen = dict(controls.instruments)
        for part in text.split(","):
            voice, given, program = part.rpartition(":")
            number = int(_number("instruments", program, 0, 127, whole=True))
            for one in self._voices("instruments", voice) if given else self.voices:
                chosen[one] = number
        return tuple(sorted(chosen.items()))


def _asked(controls: Controls, name: str, value: Any) -> Controls:
    asked = {**dict(controls.attributes), name: value}
    kept = tuple((one, asked[one]) for one in ATTRIBUTES if asked.get(one) is not None)
    _check_fit(dict(kept))
    return replace(controls, attributes=kept)


def _check_fit(asked: Mapping[str, Any]) -> None:
    if "key" in asked and "mode" in asked and key_of(asked["key"])[1] != asked["mode"]:
        raise EtudeError(f"key = {asked['key']} and mode = {asked['mode']} do not fit. Set one of them to any first.")


def _attribute(name: str, text: str) -> Any:
    if name == "key":
        _check_key(name, text)
        return text
    if name == "mode":
        if text not in MODES:
            raise EtudeError(f"mode = {text} must be {' or '.join(MODES)}, or any.")
        return text
    if text in WORDS:
        return text
    return _number(name, text, 0, 1 if name in ("energy", "brightness") else 127)


def _check_key(name: str, text: str) -> None:
    try:
        key_of(text)
    except EtudeError:
        raise EtudeError(f"{name} = {text[:40]} must be a key, as D minor, F#m or Bb major.") from None


def _check_plain(name: str, value: Any) -> None:
    """Raise ValueError where a value of a JSON file is none of a control."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in NUMBERS:
        fine = number and NUMBERS[name][0] <= value <= NUMBERS[name][1]
    elif name == "transpose":
        fine = number and isinstance(value, int) and abs(value) <= TRANSPOSE
    elif name == "instruments":
        fine = all(type(program) is int and 0 <= program <= 127 for program in value.values())
    elif name == "mute":
        fine = isinstance(value, list) and all(isinstance(voice, str) for voice in value)
    elif name == "style":
        fine = isinstance(value, str) and re.fullmatch(r"[\w-]+", value) is not None
    elif name == "scale" or name in ATTRIBUTES:
        fine = number or isinstance(value, str)
        try:
            _check_key(name, str(value)) if name == "scale" else _attribute(name, str(value))
        except EtudeError as error:
            raise ValueError(str(error)) from None
    else:
        fine = False
    if not fine:
        raise ValueError(f"{name} = {str(value)[:40]}")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{program}" for name, program in value.items())
    return ",".join(value) if isinstance(value, list) else str(value)


def _number(name: str, text: str, low: float, high: float, whole: bool = False) -> float:
    try:
        found = int(text) if whole else float(text)
    except ValueError:
        found = float("nan")
    if not low <= found <= high:
        kind = "a whole number" if whole else "a number"
        raise EtudeError(f"{name} = {text[:40]} must be {kind} from {low:g} to {high:g}.")
    return found


@dataclass
class Console:
    """The present controls, which several threads read and change."""

    surface: Surface
    controls: Controls = Controls()
    version: int = 0  # grows with each change
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _watchers: list[Any] = field(default_factory=list, repr=False)

    def set(self, name: str, text: str) -> None:
        """Set a control from a text. Raises EtudeError as ``Surface.change`` does; then nothing changes."""
        with self._lock:
            self._take(self.surface.change(self.controls, name, text))
        self._tell()

    def turn(self, name: str, value: int) -> None:
        """Set a control by a MIDI controller. Raises EtudeError as ``Surface.change`` does."""
        with self._lock:
            self._take(self.surface.turn(self.controls, name, value))
        self._tell()

    def watch(self, call: Any) -> None:
        """Call ``call`` after each change."""
        self._watchers.append(call)

    def _take(self, controls: Controls) -> None:
        if controls != self.controls:
            self.controls, self.version = controls, self.version + 1

    def _tell(self) -> None:
        for call in self._watchers:
            call()
