"""Note and chord words: the vocabulary of the LSTM tutorials with music21, as a baseline.

All tracks but drums are one texture. Each onset is a word: the name with octave of a single pitch (C4), or the normal
order of the pitch classes of several (0.4.7), as music21's ``Chord.normalOrder`` defines it. Octaves and voices of
chords are lost, which is what the baseline shows.

Source: Skúli, How to Generate Music using a LSTM Neural Network in Keras, 2017, and the many after it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.config.check import Count
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.representations.base.grammar import BOS, EOS, Rules, Types, observe_follows
from etude.representations.base.learned_files import Tempo, read_learned
from etude.representations.base.midi_tokens import SIZES, Grid
from etude.representations.base.representation import Observed
from etude.representations.base.survey import DRUMS, Survey, program_of
from etude.representations.base.vocabulary import ItemSpec
from etude.representations.base.voice_tracks import TICKS_PER_QUARTER, empty_piece, fill, notes_by_voice

UNKNOWN = 3  # stands for a word that train lacks, and decodes to nothing
FIRST = 4
HALF = 0.5  # quarter notes from onset to onset, and the length of a note, where no duration is written
OCTAVE = 60  # chords are placed from octave 4 upwards


class NoteChord:
    """Encode pieces as words and back."""

    kind = "tokens"
    merges_voices = True  # a round trip cannot ask for the voice
    merges: str | None = None
    tells_time = is_voice_grid = has_controls = False

    def __init__(self, steps_per_beat: Grid, durations: bool, max_beats: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: steps of the grid, a quarter note.
            durations: before each word the time since the last onset, after it how long the longest note lasts; false:
                as the tutorials do, words alone, played an eighth note after each other.
            max_beats: longer times and durations, in quarter notes, are shortened to this.
        """
        if TICKS_PER_QUARTER % steps_per_beat:
            raise EtudeError(
                f"tokenize.notechord.steps_per_beat = {steps_per_beat} must divide {TICKS_PER_QUARTER}, the ticks of a "
                "quarter in decoded pieces: 1, 2, 3, 4, 6, 8, 12 or 24."
            )
        self.steps = steps_per_beat
        self.durations = durations
        self.max_beats = max_beats
        self.voices = {"Piano": 0}  # the tutorials write all to one
        self.tempo = 0
        self.words: list[str] = []

    @property
    def vocabulary(self) -> int:
        """Number of tokens: padding, start, end, unknown, the words, and with durations the times and durations."""
        return len(self.types)

    @property
    def item_spec(self) -> ItemSpec:
        """What a model reads: one token of ``vocabulary`` an item."""
        return ItemSpec(self.vocabulary)

    # --- the vocabulary

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of some train pieces that ``learn`` needs, as plain values."""
        kept = list(scores)
        words = {word for score in kept for word, _, _ in self.read(score)}
        return {**Survey.of(kept).as_json(), "words": sorted(words)}

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn the words and the usual tempo. The voices of the dataset make no difference: they are one texture."""
        self.tempo = Survey.merge(surveys).tempo
        self.words = sorted({word for survey in surveys for word in survey["words"]})
        if not self.words:
            raise EtudeError(
                "There is no note in the train pieces (but drums): nothing to learn words from. See what data/ingest "
                "holds."
            )
        if self.vocabulary > SIZES:
            raise EtudeError(f"tokenize.notechord: train has {self.vocabulary} words, {SIZES} is the most.")

    def save(self, folder: Path) -> None:
        """Write notechord.json into ``folder``."""
        write_json(folder / "notechord.json", {"words": self.words, "tempo": self.tempo})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "NoteChord":
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(values["steps_per_beat"], values["durations"], values["max_beats"])
        kinds = {"words": list[str], "tempo": Tempo}
        learned = read_learned(folder / "notechord.json", catalog.tokens("notechord").made_by, kinds)
        made.words, made.tempo = learned["words"], learned["tempo"]
        return made

    @property
    def types(self) -> list[str]:
        """The type of each token: PAD, BOS, EOS, Unknown, Word, Shift, Duration."""
        times = self.max_beats * self.steps if self.durations else -1
        shifts = ["Shift"] * (times + 1) + ["Duration"] * max(0, times)
        return ["PAD", "BOS", "EOS", "Unknown", *["Word"] * len(self.words), *shifts]

    @property
    def values(self) -> list[str]:
        """The value of each token, as text: the word, or steps."""
        times = range(self.max_beats * self.steps + 1) if self.durations else range(0)
        return ["None"] * FIRST + self.words + [str(time) for time in times] + [str(time) for time in times if time]

    # --- encode and decode

    def read(self, score: ScoreTick) -> list[tuple[str, int, int]]:
        """The words of a piece, in order: word, onset and duration of its longest note, both in steps."""
        programs = {program_of(track) for track in score.tracks} - {DRUMS}
        listed = notes_by_voice(score, {str(program): program for program in programs}, self.steps, 0, 127)
        notes = np.concatenate([np.zeros((0, 3), dtype=np.int64), *listed])
        notes = notes[np.lexsort((notes[:, 1], notes[:, 0]))]
        onsets, starts = np.unique(notes[:, 0], return_index=True)
        found = []
        for onset, group in zip(onsets.tolist(), np.split(notes, starts[1:]) if len(notes) else [], strict=True):
            pitches = tuple(dict.fromkeys(group[:, 1].tolist()))
            name = _note(pitches[0]) if len(pitches) == 1 else _chord(frozenset(pitch % 12 for pitch in pitches))
            found.append((name, onset, int(group[:, 2].max()) - onset))
        return found

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, start and end included: (tokens,)."""
        numbers = {word: number for number, word in enumerate(self.words, start=FIRST)}
        most = self.max_beats * self.steps
        shift = FIRST + len(self.words)
        tokens, last = [BOS], 0
        for word, onset, duration in self.read(score):
            token = numbers.get(word, UNKNOWN)
            if self.durations:
                tokens += [shift + min(onset - last, most), token, shift + most + min(duration, most)]
            else:
                tokens.append(token)
            last = onset
        return np.array([*tokens, EOS], dtype=np.uint16)

    def unknown(self, tokens: NDArray[np.integer]) -> int:
        """The number of words of a piece that train lacks."""
        return int((np.asarray(tokens) == UNKNOWN).sum())

    def decode(self, tokens: NDArray[np.integer]) -> ScoreTick:
        """The piece of some tokens; padding, start, end, unknown words and words without duration are skipped."""
        types, values = self.types, self.values
        grid = TICKS_PER_QUARTER  # so that an eighth note is whole, whatever the grid
        step = grid // self.steps
        time, word = 0, None
        notes: list[tuple[int, int, int]] = []
        for token in np.asarray(tokens, dtype=np.int64).tolist():
            if types[token] == "Shift":
                time += int(values[token]) * step
            elif types[token] in ("Word", "Unknown"):
                word = values[token] if types[token] == "Word" else None
                if not self.durations:
                    half = int(HALF * grid)
                    notes += [(time, pitch, time + half) for pitch in _pitches(word)]
                    time += half
            elif types[token] == "Duration":
                notes += [(time, pitch, time + int(values[token]) * step) for pitch in _pitches(word)]
                word = None
        piece = empty_piece(self.voices, self.tempo)
        fill(piece.tracks[0], np.array(notes, dtype=np.int64).reshape(-1, 3), grid)
        return piece

    def observe(self, train: Sequence[NDArray[np.integer]]) -> Observed:
        """What sampling needs to know of the train pieces: ``follows``, which type of token followed which."""
        return {"follows": observe_follows(self.types, train)}

    def rules(self, observed: Observed) -> Rules:
        """What may follow what, as ``observe`` found it in train."""
        return Types(self.types, self.values, observed["follows"])

    def cells(self, score: ScoreTick) -> int:
        """Voices times sixteenths of a piece, counted before its voices become one."""
        voices = sum(1 for track in score.tracks if not track.is_drum)
        return voices * math.ceil(score.end() * 4 / score.ticks_per_quarter)


@cache
def _note(pitch: int) -> str:
    from music21.pitch import Pitch  # takes seconds to import

    return str(Pitch(pitch).nameWithOctave)


@cache
def _chord(classes: frozenset[int]) -> str:
    from music21.chord import Chord

    return ".".join(str(pitch) for pitch in Chord(sorted(classes)).normalOrder)


@cache
def _pitches(word: str | None) -> tuple[int, ...]:
    """The pitches of a word; none of an unknown word."""
    from music21.pitch import Pitch

    if word is None:
        return ()
    if not word[0].isdigit():
        return (int(Pitch(word).midi),)
    found = [OCTAVE + int(word.split(".")[0])]
    for name in word.split(".")[1:]:
        found.append(found[-1] + (int(name) - found[-1]) % 12)
    return tuple(found)
