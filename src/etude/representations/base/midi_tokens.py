"""What the MidiTok representations share: one stream of tokens for all voices, with ranges learned from train.

MidiTok: Fradet et al., 2021. Its grid is one of the beat that the meter names: a quarter in 4/4, an eighth in 6/8. A
meter in half or whole notes is written in quarter notes, 2/2 as 4/4, so that no beat is longer than a quarter.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from miditok import MusicTokenizer, TokenizerConfig
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.artifacts import catalog
from etude.config.check import Range, check
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json, write_text
from etude.representations.base.grammar import BOS, EOS, Rules, Types, observe_follows
from etude.representations.base.learned_files import read_tokenizer
from etude.representations.base.merges import KINDS, NOTE, NOTES, Merged, Merges, Notes
from etude.representations.base.meters import with_written_meters
from etude.representations.base.representation import Observed
from etude.representations.base.survey import DRUMS, Survey, program_of
from etude.representations.base.vocabulary import ItemSpec

SIZES = 2**16  # tokens are kept as uint16
FILE = "notes.json"
PITCHES = ("Pitch", "PitchDrum", "NoteOn", "DrumOn")  # types of the tokens that start a note
FOUND_IN_TRAIN = ("use_velocities", "use_pitchdrum_tokens")  # whether there are tokens for these
Grid = Annotated[int, Range(1, 24)]
Beats = Annotated[int, Range(1, 64)]


class MidiTokens:
    """Encode pieces as tokens of one MidiTok tokenizer and back. A subclass names the tokenizer and what differs.

    Pitches, durations, tempos, meters, programs and velocities are those of train; velocities are written where train
    has more than one. What a valid or test piece has beyond them is left out (pitches, programs) or moved to the
    nearest (durations, tempos). A drum hit has its own kind of pitch token.
    """

    kind = "tokens"
    merges_voices = False
    tells_time = True
    is_voice_grid = has_controls = False
    ticks_per_quarter = 24  # of decoded pieces; every grid of positions_per_beat that divides it is exact
    tokenizer: ClassVar[type[MusicTokenizer]]
    ends: ClassVar[tuple[str, ...]] = ("Duration", "TimeSig")  # types that a complete piece may end with

    def __init__(
        self,
        positions_per_beat: Grid,
        max_beats: Beats,
        merges: str | None,
        vocabulary: Annotated[int, Range(8, SIZES)],
    ) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            positions_per_beat: steps of the grid in the beat of the meter: a quarter note, or a shorter note that the
                meter counts.
            max_beats: the longest duration, where train has one as long.
            merges: notes, bpe or unigram: tokens that stand for several, learned from train; None for the tokens as
                they are.
            vocabulary: number of tokens with the merged ones (at most, for notes); ignored without merges.
        """
        self.name = type(self).__module__.rpartition(".")[2]
        if merges is not None and merges not in (NOTES, *KINDS):
            raise EtudeError(f"tokenize.{self.name}.merges = {merges!r} must be notes, bpe, unigram or null.")
        self.positions_per_beat = positions_per_beat
        self.max_beats = max_beats
        self.merges = merges
        if merges in KINDS:
            self.tells_time = False  # a merged token may hold several notes, each at a time of its own
        self.size = vocabulary
        self.voices: dict[str, int] = {}
        self._made: MusicTokenizer | None = None
        self._merges: Merged | None = None

    @property
    def steps(self) -> int:
        """Steps of the grid a quarter note, in the coarsest meters: those that count quarter notes or longer ones."""
        return self.positions_per_beat

    # --- the vocabulary

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of some train pieces that ``learn`` needs, as plain values."""
        return Survey.of(map(with_written_meters, scores)).as_json()

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn the vocabulary, and the voices where none are given, from surveys of all train pieces in any order."""
        found = Survey.merge(surveys)
        self.voices = found.voices(voices)
        found.pitches(self.voices)
        self._ready(self.tokenizer(TokenizerConfig(**self.config(found))))

    def config(self, found: Survey) -> dict[str, Any]:
        """MidiTok's configuration for what was found in train."""
        pitches = found.pitches(self.voices)
        by_denominator: dict[int, list[int]] = {}
        for numerator, denominator in sorted(found.signatures | {(4, 4)}):  # MidiTok needs 4/4: what it falls back on
            by_denominator.setdefault(denominator, []).append(numerator)
        tempos = [round(60e6 / tempo) for tempo in found.tempos] or [120]
        programs = sorted(self.voices.values())
        drums = found.programs[DRUMS].pitches if DRUMS in programs and DRUMS in found.programs else set()
        return {
            "pitch_range": (min(pitches), max(pitches) + 1),
            "beat_res": {(0, self.beats(found)): self.positions_per_beat},
            "special_tokens": ["PAD", "BOS", "EOS"],
            "use_velocities": len(found.velocities) > 1,  # no velocity tokens where the music has no dynamics
            "use_pitchdrum_tokens": bool(drums),
            **({"drums_pitch_range": (min(drums), max(drums))} if drums else {}),
            "use_programs": True,
            "programs": programs,
            "use_note_duration_programs": programs,
            "one_token_stream_for_programs": True,
            "use_time_signatures": True,
            "time_signature_range": by_denominator,
            "use_tempos": True,
            "tempo_range": (min(tempos), max(tempos)),
            "num_tempos": min(max(tempos) - min(tempos) + 1, 64),
        }

    def beats(self, found: Survey) -> int:
        """Beats of the longest duration token, in the shortest beat of train's meters: eighths where it has 6/8."""
        finest = max([4, *(denominator for _, denominator in found.signatures)])
        return min(self.max_beats, math.ceil(max(1.0, found.duration * finest / 4)))

    def learn_merges(self, sequences: Iterable[NDArray[np.integer]]) -> None:
        """Learn the merged tokens from train pieces as ``encode`` gives them before this."""
        if self.merges is None:
            raise EtudeError(f"tokenize.{self.name}.merges = null asks for no merged tokens. Set it to bpe or unigram.")
        if self.merges == NOTES:
            self._ready(self.made, Notes.learn(self.types, self.size, sequences))
            return
        if self.size <= len(self.names):
            raise EtudeError(
                f"tokenize.{self.name}.vocabulary = {self.size} must be more than the {len(self.names)} tokens that "
                "train has before any are merged."
            )
        merged = Merges.learn(self.made, self.merges, self.size, sequences, self.types)
        self._ready(merged.tokenizer, merged)

    def _ready(self, made: MusicTokenizer, merges: Merged | None = None) -> None:
        for name in ("names", "types", "values", "pitches", "_blocks", "_ignored", "_table"):
            self.__dict__.pop(name, None)  # cached for another vocabulary
        self._made, self._merges = made, merges
        if self.vocabulary > SIZES:
            raise EtudeError(
                f"tokenize.{self.name}: train asks for {self.vocabulary} tokens, {SIZES} is the most. Lower "
                "positions_per_beat or max_beats."
            )

    @property
    def made(self) -> MusicTokenizer:
        """MidiTok's tokenizer."""
        if self._made is None:
            raise EtudeError(f"The vocabulary of {self.name} was neither learned nor loaded.")
        return self._made

    @property
    def vocabulary(self) -> int:
        """Number of tokens; 0 is padding, 1 the start, 2 the end of a piece."""
        return len(self.names) if self._merges is None else len(self._merges.parts)

    @property
    def item_spec(self) -> ItemSpec:
        """What a model reads: one token of ``vocabulary`` an item; whole notes are composed of their parts."""
        whole = isinstance(self._merges, Notes) and self._merges.notes
        return ItemSpec(self.vocabulary, parts=tuple(self.parts) if whole else ())

    @property
    def parts(self) -> list[tuple[int, ...]]:
        """The base tokens of each token."""
        return [(token,) for token in range(len(self.names))] if self._merges is None else self._merges.parts

    def save(self, folder: Path) -> None:
        """Write tokenizer.json into ``folder``, and notes.json where notes are tokens."""
        self.made.save(folder / "tokenizer.json")
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        write_text(folder / "tokenizer.json", text)
        if isinstance(self._merges, Notes):
            write_json(folder / FILE, self._merges.notes)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "MidiTokens":
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(**{name: value for name, value in values.items() if name != "_target_"})
        made.voices = dict(voices)
        tokenizer = read_tokenizer(cls.tokenizer, folder / "tokenizer.json", catalog.tokens(made.name).made_by)
        made._check_kind(tokenizer, folder / "tokenizer.json")
        made._ready(tokenizer, Merges(tokenizer, made.types_of(tokenizer)) if tokenizer.is_trained else None)
        made._load_notes(folder)
        return made

    def _check_kind(self, tokenizer: MusicTokenizer, file: Path) -> None:
        """Refuse a tokenizer that writes other kinds of tokens than ``learn`` makes: it would misread them."""
        piece = ScoreTick(self.ticks_per_quarter)
        for program in self.voices.values():
            piece.tracks.append(TrackTick(name="", program=max(program, 0), is_drum=program == DRUMS))
            for pitch in (60, 62):  # MidiTok takes no range of one pitch for drums
                piece.tracks[-1].notes.append(NoteTick(0, self.ticks_per_quarter, pitch, 80))
        if not self.voices:
            return
        like = self.tokenizer(TokenizerConfig(**self.config(Survey.of([piece])))).config.to_dict()
        found = tokenizer.config.to_dict()
        for key, value in like.items():
            if isinstance(value, bool) and key not in FOUND_IN_TRAIN and found[key] is not value:
                raise EtudeError(f"{file}: {key} = {found[key]}, tokenize.{self.name} has {value} there.")

    def _load_notes(self, folder: Path) -> None:
        if (file := folder / FILE).is_file():
            notes = check(read_json(file, catalog.tokens(self.name).made_by), list[list[int]], str(file))
            types = self.types
            for note in notes:
                if tuple(types[token] if 0 <= token < len(types) else "" for token in note) != NOTE:
                    raise EtudeError(f"{file}: {note} is no note of tokenizer.json: a program, a pitch, a duration.")
            self._ready(self.made, Notes(types, notes))

    # --- encode and decode

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, start and end included: (tokens,)."""
        ids = self.ids(score)
        if self._merges is not None:
            ids = self._merges.encode(ids)
        return np.array([BOS, *ids, EOS], dtype=np.uint16)

    def ids(self, score: ScoreTick) -> list[int]:
        """The base tokens of a piece, as MidiTok writes them."""
        if not any(len(track.notes) for track in score.tracks):
            return []
        try:
            sequence = self.made.encode(with_written_meters(score), encode_ids=False)
        except (KeyError, ValueError, IndexError) as error:
            raise EtudeError(
                f"MidiTok's {self.tokenizer.__name__} cannot write a piece of {len(score.tracks)} tracks and "
                f"{score.note_num()} notes ({type(error).__name__}: {error}). Leave the piece out, or take another "
                "representation than tokenize." + self.name
            ) from error
        found: list[int] = sequence.ids if not isinstance(sequence, list) else sequence[0].ids
        return found

    def decode(self, tokens: NDArray[np.integer]) -> ScoreTick:
        """The piece of some tokens; padding, start, end and a truncated last note are skipped."""
        ids = [int(token) for token in tokens if int(token) > EOS]
        if self._merges is not None:
            ids = [part for token in ids for part in self._merges.parts[token]]
        return self.piece(self.score(ids))

    def score(self, ids: list[int]) -> ScoreTick | None:
        """The piece of some base tokens, as MidiTok reads them; None where they hold no note."""
        types = self.types
        while ids and types[ids[-1]] not in self.ends:
            ids.pop()
        return self.made.decode(ids) if ids else None

    def piece(self, decoded: ScoreTick | None) -> ScoreTick:
        """MidiTok's piece with the voices by name and in order, on the ticks of decoded pieces."""
        piece = ScoreTick(self.ticks_per_quarter)
        if decoded is None:
            decoded = ScoreTick(self.ticks_per_quarter)
        decoded = decoded.resample(self.ticks_per_quarter, min_dur=1)
        found: dict[int, TrackTick] = {}
        for track in decoded.tracks:
            known = found.setdefault(program_of(track), track)
            if known is not track:
                known.notes.extend(track.notes)
                known.notes.sort(inplace=True)
        for name, program in self.voices.items():
            track = TrackTick(name=name, program=max(program, 0), is_drum=program == DRUMS)
            if program in found:
                track.notes = found[program].notes
            piece.tracks.append(track)
        piece.tempos = decoded.tempos
        piece.time_signatures = decoded.time_signatures
        return piece

    # --- where the notes are

    @cached_property
    def pitches(self) -> NDArray[np.int64]:
        """The MIDI pitch of the first note of each token, -1 for a token without a note: (V,)."""
        return self._first_values(PITCHES, -1)

    def note_items(self, items: NDArray[np.integer], bar: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The voice of the note that each item of an encoded piece is about, and its position in the bar.

        Args:
            items: (T,) tokens.
            bar: steps of the grid in a bar; tokens say so themselves.

        Returns:
            the place of the voice among ``voices``, and steps of the grid from the bar line: each (T,), -1 unknown.
        """
        order = list(self.voices.values())
        programs = self._first_values(("Program",), DRUMS - 1)  # no program is below that of drums
        voices = np.array([order.index(one) if one in order else -1 for one in programs.tolist()])
        tokens = np.asarray(items, dtype=np.int64)
        return _last_known(voices[tokens]), _last_known(self._first_values(("Position",), -1)[tokens])

    def _first_values(self, types: Sequence[str], none: int) -> NDArray[np.int64]:
        """The value of the first part of each token that has one of ``types``, ``none`` where none has: (V,)."""
        own = [int(value) if kind in types else None for kind, value in zip(self.types, self.values, strict=True)]
        return np.array([next((own[part] for part in parts if own[part] is not None), none) for parts in self.parts])

    # --- what sampling needs to know

    @cached_property
    def names(self) -> list[str]:
        """The base tokens by number, as MidiTok calls them."""
        return self.names_of(self.made)

    @staticmethod
    def names_of(tokenizer: MusicTokenizer) -> list[str]:
        """The base tokens of a tokenizer; what it adds to them for its own use comes after and is left out."""
        names = sorted(tokenizer.vocab, key=tokenizer.vocab.__getitem__)
        return [name for name in names if not name.endswith("-unigram")]

    @classmethod
    def types_of(cls, tokenizer: MusicTokenizer) -> list[str]:
        """The types of a tokenizer's base tokens."""
        return [name.split("_")[0] for name in cls.names_of(tokenizer)]

    @cached_property
    def types(self) -> list[str]:
        """The type of each base token: Bar, TimeSig, Position, Tempo, Program, Pitch, Duration, PAD, BOS, EOS."""
        return self.types_of(self.made)

    @cached_property
    def values(self) -> list[str]:
        """The value of each base token, as text."""
        return [name.split("_", 1)[1] for name in self.names]

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """What sampling needs to know of the train pieces: ``follows``, which type of token followed which."""
        return {"follows": observe_follows(self.types, train, None if self._merges is None else self._merges.parts)}

    def rules(self, observed: Observed) -> Rules:
        """What may follow what, as ``observe`` found it in train."""
        parts = None if self._merges is None else self._merges.parts
        return Types(self.types, self.values, observed["follows"], parts)

    def cells(self, score: ScoreTick) -> int:
        """Voices times sixteenths of a piece: the unit of the JSB literature."""
        return len(self.voices) * math.ceil(score.end() * 4 / score.ticks_per_quarter)


def _last_known(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each value, or the last one before it that is not -1: (T,)."""
    known = np.maximum.accumulate(np.where(values >= 0, np.arange(len(values)), -1))
    return np.where(known >= 0, values[np.maximum(known, 0)], -1)
