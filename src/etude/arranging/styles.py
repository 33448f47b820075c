"""Styles: which instruments a band has and what each plays, as the files of conf/style say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from etude.arranging.style_files import FILE
from etude.config.check import Count, Fraction, OneOf, Range, check, construct
from etude.core.errors import EtudeError, closest
from etude.core.project import conf_folder, working_root
from etude.music.tune import MELODY

Program = Annotated[int, Range(0, 127)]
Pitch = Annotated[int, Range(0, 127)]
Kind = Annotated[str, OneOf(("bass", "chords", "arpeggio", "pad", "second", "voice", "drums", "accompaniment"))]
Written = dict[str, tuple[str, ...]]  # meter -> the patterns of successive bars
Groove = dict[str, Written]  # instrument of a kit, or "" for a part that has one line -> its patterns

# keys of the General MIDI drum kit by the names that patterns use
KIT = {
    "kick": 36, "side_stick": 37, "snare": 38, "clap": 39, "brush": 38, "closed_hat": 42, "pedal_hat": 44,
    "open_hat": 46, "floor_tom": 41, "low_tom": 45, "mid_tom": 47, "high_tom": 50, "crash": 49, "ride": 51,
    "ride_bell": 53, "tambourine": 54, "cowbell": 56, "low_conga": 64, "high_conga": 63, "cabasa": 69, "shaker": 70,
    "claves": 75, "triangle": 81,
}  # fmt: skip
SIGNS = {"bass": "13578a", "chords": "xX", "arpeggio": "12345678", "drums": "xXo"}  # besides holds and rests
LEVELS = ("soft", "full", "fill")
LEARNED = "accompaniment"
STRAIGHT = 0.5  # share of a quarter note that its first eighth takes, without swing
FULL = 0.6  # energy from which the full pattern is played


@dataclass(frozen=True)
class Part:
    """One instrument.

    ``play`` says what it does, ``enters`` the least energy of a phrase in which it does; ``range`` are its lowest and
    highest pitch. A pad and chords have ``voices`` notes at once; a voice is the ``voice``-th of such a chord, counted
    from the top. An accompaniment is what a trained model plays, in a ``texture`` that it knows. ``gain`` (dB), ``pan``
    (-1 left, 1 right) and ``send`` (dB to the reverb; None: as ``mix`` says) are its place in the mix.
    """

    play: Kind
    program: Program = 0
    enters: Fraction = 0.0
    range: tuple[Pitch, Pitch] = (48, 76)
    velocity: Annotated[int, Range(1, 127)] = 80
    voices: Annotated[int, Range(1, 6)] = 3
    voice: Count = 1
    texture: str | None = None
    gain: Annotated[float, Range(-40, 12)] = 0.0
    pan: Annotated[float, Range(-1, 1)] = 0.0
    send: Annotated[float, Range(-60, 12)] | None = None
    soft: Groove = field(default_factory=dict)
    full: Groove = field(default_factory=dict)
    fill: Groove = field(default_factory=dict)

    def groove(self, energy: float) -> Groove:
        """The patterns for an energy: full ones from ``FULL`` on, where the part has them."""
        return self.full or self.soft if energy >= FULL else self.soft or self.full


@dataclass(frozen=True)
class Style:
    """A style: its feel, and its parts in the order of their tracks."""

    name: str
    swing: Annotated[float, Range(0.5, 0.75)]
    lead: Program | None
    lead_gain: Annotated[float, Range(-40, 12)]
    tempo: Annotated[float, Range(10, 400)]
    intro: Annotated[int, Range(0, 64)]
    ending: Annotated[int, Range(0, 64)]
    ritardando: Annotated[float, Range(0, 0.9)]
    parts: dict[str, Part]

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Style":
        """Check the section ``style`` of the settings.

        Raises:
            EtudeError: a key is missing, unknown or out of range, or a pattern has a sign that its part does not know
                or does not fit its meter. The message names the file.
        """
        try:
            return cls._of(values)
        except EtudeError as error:
            reason = str(error).replace("Set it in conf/.", "Set it there.")
            raise EtudeError(f"{_file_of(values)}: {reason}") from None

    @classmethod
    def _of(cls, values: Mapping[str, Any]) -> "Style":
        listed = check(values.get("parts"), dict, "style.parts")
        if not listed:
            raise EtudeError("style.parts names no instrument. Name some, as the files in conf/style do.")
        for name in listed:
            if str(name).strip().casefold() == MELODY.casefold():
                raise EtudeError(
                    f"style.parts.{name} has the name of the track with the given tune. Call the part something else, "
                    f"as {name} 2."
                )
        parts = {name: _part(check(part, dict, f"style.parts.{name}"), name) for name, part in listed.items()}
        rest = {key: value for key, value in values.items() if key not in ("parts", "about", "mix", FILE)}
        return construct(cls, rest, "style", parts=parts)

    @property
    def learned(self) -> list[str]:
        """The parts that a trained model plays."""
        return [name for name, part in self.parts.items() if part.play == LEARNED]

    @property
    def feel(self) -> str:
        """The word over a score of it: Swing, or none."""
        return "Swing" if self.swing > STRAIGHT else ""

    @property
    def meters(self) -> list[str]:
        """The meters that its patterns are written in, those of all parts together."""
        found = (
            meter
            for part in self.parts.values()
            for level in LEVELS
            for written in getattr(part, level).values()
            for meter in written
        )
        return list(dict.fromkeys(found))


def _file_of(values: Mapping[str, Any]) -> str:
    """The file that the values of a style come from; its name alone where it is none of conf/style."""
    name = values.get("name")
    known = (conf_folder(working_root()) / "style" / f"{name}.yaml").is_file()
    return str(values.get(FILE) or (f"conf/style/{name}.yaml" if known else f'The style "{name}"'))


def _part(values: Mapping[str, Any], name: str) -> Part:
    where = f"style.parts.{name}"
    kind = check(values.get("play"), Kind, f"{where}.play")
    grooves = {
        level: _groove(check(values[level], dict, f"{where}.{level}"), kind, f"{where}.{level}")
        for level in LEVELS
        if values.get(level) is not None and kind != LEARNED  # a model that is handed a part knows no patterns
    }
    plain = {key: value for key, value in values.items() if key not in LEVELS}
    if "range" in plain:
        limits = check(plain.pop("range"), list[Pitch], f"{where}.range")
        if len(limits) != 2 or limits[0] >= limits[1]:
            raise EtudeError(f"{where}.range = {limits} must be two MIDI pitches, the lower first.")
        grooves["range"] = tuple(limits)  # type: ignore[assignment]
    part = construct(Part, plain, where, **grooves)
    if part.play in SIGNS and not (part.soft or part.full):
        raise EtudeError(f"{where} has no pattern. Give it one under soft or full, as the files in conf/style do.")
    return part


def _groove(values: Mapping[str, Any], kind: str, where: str) -> Groove:
    from etude.arranging.patterns import HOLD, REST, pulses

    by_name = values if kind == "drums" else {"": values}
    made: Groove = {}
    for instrument, written in by_name.items():
        place = f"{where}.{instrument}".rstrip(".")
        if kind == "drums" and instrument not in KIT:
            raise EtudeError(f"{place} is no instrument of the kit. {closest(instrument, KIT)}")
        made[instrument] = {}
        for meter, texts in check(written, dict, place).items():
            if not isinstance(meter, str):
                raise EtudeError(f"{place}.{meter} is no meter. Write one as 4/4.")
            if isinstance(texts, int | float):
                raise EtudeError(f'{place}.{meter} = {texts} is a number to YAML. Put the pattern in quotes: "{texts}"')
            listed: Sequence[str] = [texts] if isinstance(texts, str) else check(texts, list[str], f"{place}.{meter}")
            for text in listed:
                known = SIGNS.get(kind, "") + HOLD + REST
                for sign in "".join(sign for pulse in pulses(text, meter, f"{place}.{meter}") for sign in pulse):
                    if sign not in known:
                        raise EtudeError(
                            f'{place}.{meter} = "{text}": "{sign}" is none of its signs: {" ".join(known)}'
                        )
            if not listed:
                raise EtudeError(f"{place}.{meter} has no pattern.")
            made[instrument][meter] = tuple(listed)
        if not made[instrument]:
            raise EtudeError(f"{place} has no meter. Write as: 4/4: x...x...x...x...")
    return made
