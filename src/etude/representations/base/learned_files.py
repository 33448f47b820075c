"""The files that a representation has learned: read with their types and ranges, as they may come from anybody."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from miditok import MusicTokenizer, TokenizerConfig

from etude.config.check import Range, check
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json

T = TypeVar("T", bound=MusicTokenizer)
Pitch = Annotated[int, Range(0, 127)]
Program = Annotated[int, Range(-1, 127)]  # -1 for drums
Tempo = Annotated[int, Range(1, 60_000_000)]  # BPM
MOST = 2**16  # tokens of a vocabulary, kept as uint16
MERGED = ("_vocab_base", "_model", "_vocab_base_byte_to_token", "has_bpe")  # keys where tokens are merged
PARTS = ("config", "tokenization", "miditok_version", "symusic_version", "hf_tokenizers_version", *MERGED)
NUMBER = Annotated[int, Range(-8192, 8192)] | Annotated[float, Range(-8192, 8192)]
Signs = dict[str, list[Annotated[int, Range(1, 255)]]]
RANGES = {
    "pitch_range": list[Annotated[int, Range(0, 128)]],
    "drums_pitch_range": list[Annotated[int, Range(0, 128)]],
    "tempo_range": list[Tempo],
    "num_tempos": Annotated[int, Range(1, 1024)],
    "num_velocities": Annotated[int, Range(1, 128)],
    "time_signature_range": Signs,
    "control_change_n_bins": Annotated[int, Range(1, 128)],
    "programs": list[Program],
    "use_note_duration_programs": list[Program],
}


def read_learned(file: Path, made_by: str, kinds: Mapping[str, Any]) -> Json:
    """The keys of a JSON file of a representation.

    Args:
        file: a mapping of exactly these keys.
        made_by: the command that writes it, for messages.
        kinds: the annotation of each key.

    Raises:
        EtudeError: the file is missing or damaged, or a key is not what it must be.
    """
    found = check(read_json(file, made_by), dict, str(file))
    if set(found) != set(kinds):
        raise EtudeError(f"{file} must have the keys {', '.join(kinds)}. Make it again with: {made_by}")
    return {key: check(found[key], kind, f"{file}: {key}") for key, kind in kinds.items()}


def read_tokenizer(kind: type[T], file: Path, made_by: str) -> T:
    """MidiTok's tokenizer of a tokenizer.json whose vocabulary is not larger than any of etude.

    Raises:
        EtudeError: the file is missing or damaged, or has what no such file has.
    """
    found = check(read_json(file, made_by), dict, str(file))
    config = check(found.get("config"), dict, f"{file}: config")
    for key, known, where in (
        *((key, PARTS, str(file)) for key in found),
        *((key, TokenizerConfig().to_dict(), f"{file}: config") for key in config),
    ):
        if key not in known:
            raise EtudeError(f"{where} has a key {str(key)[:60]!r} that no tokenizer of etude has.")
    _check_config(config, f"{file}: config")
    vocabulary = check(found.get("_vocab_base", {}), dict[str, Annotated[int, Range(0, MOST)]], f"{file}: _vocab_base")
    if len(vocabulary) > MOST:
        raise EtudeError(f"{file}: _vocab_base has {len(vocabulary)} tokens, {MOST} is the most.")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))) or not all("_" in name for name in vocabulary):
        raise EtudeError(f"{file}: _vocab_base must number tokens, as Pitch_60, from 0 without a gap.")
    if "_model" in found:
        json.loads(check(found["_model"], str, f"{file}: _model"))
    return kind(params=file)


def _check_config(config: Json, where: str) -> None:
    """Refuse settings of MidiTok by which its vocabulary would never end."""
    for key, value in config.items():
        if key in RANGES:
            check(value, RANGES[key], f"{where}.{key}")
        else:
            for number in _numbers(value):
                check(number, NUMBER, f"{where}.{key}")
    steps = 0
    for key in ("beat_res", "beat_res_rest"):
        grids = check(config.get(key, {}), dict[str, Annotated[int, Range(1, 960)]], f"{where}.{key}")
        for span, resolution in grids.items():
            start, _, end = span.partition("_")
            if not (start.isdecimal() and end.isdecimal() and len(span) < 12):
                raise EtudeError(f"{where}.{key}: {span[:60]!r} must be two numbers of beats, as 0_16.")
            steps += (int(end) - int(start)) * resolution
    signs = config.get("time_signature_range", {})
    for beat in signs:
        if not (beat.isdecimal() and 1 <= int(beat[:9]) <= 256):
            raise EtudeError(f"{where}.time_signature_range: {beat[:60]!r} must be the unit of a meter, as 4.")
    if steps > MOST or sum(map(len, signs.values())) > MOST:
        raise EtudeError(f"{where} asks for more than {MOST} tokens, which is the most.")


def _numbers(value: Any) -> list[float]:
    """All numbers in a value of JSON."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    own = [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
    return own + [number for one in inner for number in _numbers(one)]
