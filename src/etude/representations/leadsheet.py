"""Lead sheets with their accompaniment: bars, tempos, chords, melody and the accompaniment's notes, one row each."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.artifacts import catalog
from etude.config.check import Range
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.music.bars import bars_of
from etude.music.chords import MARKER, Tones, text_of, tones_of
from etude.music.columns import columns_of
from etude.music.tune import chords_of, melody_of, others_of
from etude.representations.base.learned_files import read_learned

KIND, STEP, FIRST, SECOND, THIRD = range(5)  # columns of a row
BAR, TEMPO, CHORD, MELODY, NOTE = range(5)  # kinds of rows
NO_CHORD = 12  # in place of a root
LOW, HIGH = 21, 108  # MIDI pitches of a piano's keys
TICKS_PER_QUARTER = 24
LEVELS = 5  # of the control attribute density
OBSERVED = 32  # pieces
FILE = "leadsheet.json"


class LeadSheet:
    """Encode pieces as rows of five whole numbers, and back.

    The melody and the accompaniment are the tracks that the settings name; where a piece has none of that name, the
    melody is what ``etude.music.tune.melody_of`` finds, and the accompaniment all its other tracks but drums. The
    chords are the piece's own symbols, or are recognised (``etude.music.tune.chords_of``).

    A row is a kind, a step of the grid, and three values:

    - BAR: length in steps, beats and unit of its meter. Bars follow each other from step 0.
    - TEMPO: tenths of a quarter note a minute.
    - CHORD: root (NO_CHORD: none), pitch classes (bit i: class i), bass, from the piece's chord symbols.
    - MELODY: pitch and length of a note.
    - NOTE: pitch, length and velocity of a note of the accompaniment.

    Rows are in the order of step, kind and first value. Onsets and ends go to the nearest step, but a note keeps at
    least one. Accompaniment beyond a piano's keys is left out; of notes that sound at once on one key, the earlier
    ends where the later starts.
    """

    name, kind = "leadsheet", "leadsheet"
    merges_voices = False
    merges: str | None = None
    tells_time = is_voice_grid = has_controls = False
    part = "melody and accompaniment"

    def __init__(self, steps_per_beat: Annotated[int, Range(1, 24)], melody: str, accompaniment: str) -> None:
        """Args: steps of the grid in a quarter note, the names of both tracks."""
        self.steps, self.melody, self.accompaniment = steps_per_beat, melody, accompaniment
        self.voices: dict[str, int] = {melody: 0, accompaniment: 0}
        self.density: list[float] = []  # notes a quarter note that separate the levels of density
        self.loudness = np.full((2, 16 * steps_per_beat), 80.0)

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The rows of a piece: (rows, 5)."""
        melody = self._melody(score)
        return self._encode(score, melody, self._accompaniment(score, melody))

    def encode_given(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The rows of a lead sheet, without accompaniment."""
        return self._encode(score, self._melody(score), None)

    def part_of(self, score: ScoreTick) -> ScoreTick:
        """The melody and the accompaniment of a piece, as two tracks."""
        melody = self._melody(score)
        tracks = {self.melody: melody, self.accompaniment: self._accompaniment(score, melody)}
        found = score.copy()
        found.tracks = type(found.tracks)()
        for name, track in tracks.items():
            own = track.copy()
            own.name = name
            found.tracks.append(own)
        return found

    def _encode(self, score: ScoreTick, melody: TrackTick, accompaniment: TrackTick | None) -> NDArray[np.uint16]:
        quarter = score.ticks_per_quarter

        def step(ticks: NDArray[np.int32]) -> NDArray[np.int64]:
            return (2 * ticks.astype(np.int64) * self.steps + quarter) // (2 * quarter)

        def notes(track: TrackTick) -> tuple[NDArray[np.int64], ...]:
            found = columns_of(track)
            start = step(found.onset)
            return start, np.maximum(step(found.onset + found.length) - start, 1), found.pitch.astype(np.int64)

        rows: list[NDArray[np.int64]] = []

        def add(kind: int, steps: Any, first: Any, second: Any, third: Any) -> None:
            columns = np.broadcast_arrays(np.int64(kind), steps, first, second, third)
            rows.append(np.stack([np.atleast_1d(column) for column in columns], axis=1).astype(np.int64))

        start, length, pitch = notes(melody)
        add(MELODY, start, pitch, length, 0)
        if accompaniment is not None:
            start, length, pitch = notes(accompaniment)
            length = _cut(start, length, pitch)
            kept = (pitch >= LOW) & (pitch <= HIGH) & (length > 0)
            add(NOTE, start[kept], pitch[kept], length[kept], columns_of(accompaniment).velocity[kept])
        symbols = chords_of(score, melody)
        end = max(int(part[:, STEP].max(initial=0)) for part in rows)
        if accompaniment is None and symbols:  # a chord after the last note is accompanied too
            end = max(end, int(step(np.array([symbols[-1].time]))[0]))
        edge, size, meter = 0, 4 * self.steps, (4, 4)
        for bar in bars_of(score):
            room = round(bar.end * self.steps / quarter) - edge
            if room > 0:
                size, meter = room, (bar.beats, bar.unit)
                add(BAR, edge, size, *meter)
                edge += size
        while edge <= end:  # what starts at the end of the last bar, or after it
            add(BAR, edge, size, *meter)
            edge += size
        for tempo in score.tempos:
            add(TEMPO, step(np.array([tempo.time])), round(tempo.qpm * 10), 0, 0)
        for symbol in symbols:
            tones = tones_of(symbol.text)
            chord = (NO_CHORD, 0, NO_CHORD)
            if tones is not None:
                chord = (tones.root, sum(1 << pitch for pitch in tones.classes), tones.bass)
            add(CHORD, step(np.array([symbol.time])), *chord)
        whole = np.concatenate(rows)
        whole = whole[(whole[:, STEP] < edge) & (whole[:, STEP] < 1 << 16)]
        return whole[np.lexsort((whole[:, FIRST], whole[:, KIND], whole[:, STEP]))].astype(np.uint16)

    def _melody(self, score: ScoreTick) -> TrackTick:
        return next((track for track in score.tracks if track.name == self.melody), None) or melody_of(score)

    def _accompaniment(self, score: ScoreTick, melody: TrackTick) -> TrackTick:
        named = next((track for track in score.tracks if track.name == self.accompaniment), None)
        if named is not None:
            return named
        found = TrackTick(self.accompaniment)
        found.notes = others_of(score, melody).notes()
        return found

    def decode(self, items: NDArray[np.integer]) -> ScoreTick:
        """The piece of some rows: both tracks, chord symbols as markers, meters, tempos."""
        tick = TICKS_PER_QUARTER // self.steps
        if TICKS_PER_QUARTER % self.steps:
            raise ValueError(f"steps_per_beat = {self.steps} does not divide {TICKS_PER_QUARTER}")
        piece = ScoreTick(TICKS_PER_QUARTER)
        tracks = [TrackTick(name, self.voices[name], False) for name in (self.melody, self.accompaniment)]
        meter, whole = None, True
        for kind, step, first, second, third in np.asarray(items, dtype=np.int64).tolist():
            time = step * tick
            if kind == BAR:
                if (second, third) != meter or not whole:  # after a bar that is cut short the meter starts again
                    piece.time_signatures.append(TimeSignatureTick(time, second, third))
                meter, whole = (second, third), first * third == 4 * self.steps * second
            elif kind == TEMPO:
                piece.tempos.append(TempoTick(time, first / 10))
            elif kind == CHORD:
                tones = None if first == NO_CHORD else tones_of_row(first, second, third)
                piece.markers.append(TextMetaTick(time, MARKER + text_of(tones)))
            elif kind == MELODY:
                tracks[0].notes.append(NoteTick(time, second * tick, first, 80))
            elif kind == NOTE:
                tracks[1].notes.append(NoteTick(time, second * tick, first, max(1, third)))
        for track in tracks:
            piece.tracks.append(track)
        return piece

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """How many bars have how many notes, and the loudness by place in the bar, of some train pieces."""
        counts: dict[int, int] = {}
        sums = np.zeros((2, 2, 16 * self.steps))  # velocities and their number, of lowest notes and others
        for score in scores:
            rows = self.encode(score).astype(np.int64)
            places, lengths, _ = bars_of_rows(rows)
            notes = rows[rows[:, KIND] == NOTE]
            own = np.searchsorted(places, notes[:, STEP], side="right") - 1
            for size, length in zip(np.bincount(own, minlength=len(places)).tolist(), lengths.tolist(), strict=True):
                if size:
                    key = round(100 * size * self.steps / length)
                    counts[key] = counts.get(key, 0) + 1
            upper = _is_upper(notes[:, STEP])
            place = np.minimum(notes[:, STEP] - places[own], sums.shape[2] - 1)
            np.add.at(sums[0], (upper, place), notes[:, THIRD])
            np.add.at(sums[1], (upper, place), 1)
        return {"density": sorted(counts.items()), "loudness": sums.tolist()}

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> Self:
        """Learn the levels of density, of equal shares of train's bars, and the mean loudness; take the programs."""
        counts: dict[int, int] = {}
        for survey in surveys:
            for key, count in survey["density"]:
                counts[key] = counts.get(key, 0) + count
        keys = np.array(sorted(counts), dtype=np.float64)
        total = np.cumsum([counts[key] for key in sorted(counts)])
        at = np.searchsorted(total, total[-1] * np.arange(1, LEVELS) / LEVELS) if len(keys) else np.zeros(0, int)
        self.density = [float(key) / 100 for key in keys[at]]
        sums, numbers = np.sum([survey["loudness"] for survey in surveys], axis=0)
        mean = sums.sum() / numbers.sum() if numbers.sum() else 80.0
        self.loudness = (sums + 10 * mean) / (numbers + 10)  # ten notes of mean loudness at each place
        for name in (self.melody, self.accompaniment):
            self.voices[name] = (voices or {}).get(name, 0)
        return self

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        write_json(folder / FILE, {"density": self.density, "loudness": self.loudness.round(2).tolist()})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> Self:
        """Read what ``save`` wrote."""
        made = cls(values["steps_per_beat"], values["melody"], values["accompaniment"])
        kinds = {
            "density": list[Annotated[float, Range(0, 10_000)]],
            "loudness": list[list[Annotated[float, Range(0, 127)]]],
        }
        found = read_learned(folder / FILE, catalog.tokens("leadsheet").made_by, kinds)
        made.density, made.loudness = found["density"], np.array(found["loudness"])
        if len(made.density) >= LEVELS or made.loudness.shape != (2, 16 * made.steps):
            raise EtudeError(
                f"{folder / FILE}: density and loudness are not those of {made.steps} steps a quarter note."
            )
        made.voices = {name: voices.get(name, 0) for name in made.voices}
        return made

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """What sampling needs to know of the train pieces: lead sheets to accompany, in want of others.

        Returns:
            ``rows`` of ``OBSERVED`` train pieces at most, spread evenly, one piece after the other (rows, 5); ``ends``,
            where each of them ends (pieces,).
        """
        chosen = [
            np.asarray(train[place], np.uint16) for place in range(0, len(train), -(-len(train) // OBSERVED) or 1)
        ]
        return lay_out(chosen)

    def cells(self, score: ScoreTick) -> int:
        """Both tracks times grid steps of a piece."""
        return 2 * -(-score.end() * self.steps // score.ticks_per_quarter)

    def add(self, rows: NDArray[np.integer], notes: NDArray[np.int64]) -> NDArray[np.uint16]:
        """Put an accompaniment, notes (notes, 3) of step, pitch and length, in place of the one that a piece has."""
        given = np.asarray(rows, np.int64)
        given = given[given[:, KIND] != NOTE]
        notes = notes[np.lexsort((notes[:, 1], notes[:, 0]))]
        loud = self.velocities(notes[:, :2], bars_of_rows(given)[0])
        made = np.stack([np.full(len(notes), NOTE), notes[:, 0], notes[:, 1], notes[:, 2], loud], axis=1)
        whole = np.concatenate([given, made])
        return whole[np.lexsort((whole[:, FIRST], whole[:, KIND], whole[:, STEP]))].astype(np.uint16)

    def velocities(self, notes: NDArray[np.int64], bars: NDArray[np.int64]) -> NDArray[np.int64]:
        """The loudness of notes (notes, 2) of step and pitch, in this order, in bars that start so: (notes,)."""
        upper = _is_upper(notes[:, 0])
        place = notes[:, 0] - bars[np.searchsorted(bars, notes[:, 0], side="right") - 1]
        found = self.loudness[upper, np.minimum(place, self.loudness.shape[1] - 1)]
        return np.clip(np.rint(found), 1, 127).astype(np.int64)


def lay_out(pieces: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
    """Pieces in rows as ``observe`` keeps them: ``rows`` and ``ends``."""
    rows = np.concatenate([np.zeros((0, 5), np.uint16), *(np.asarray(piece, np.uint16) for piece in pieces)])
    return {"rows": rows, "ends": np.cumsum([len(piece) for piece in pieces], dtype=np.int64)}


def tones_of_row(root: int, classes: int, bass: int) -> Tones:
    """The chord of a CHORD row."""
    return Tones(root, frozenset(pitch for pitch in range(12) if classes >> pitch & 1), bass)


def bars_of_rows(rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The start and the length of each bar, and the end of the last, in steps."""
    bars = rows[rows[:, KIND] == BAR].astype(np.int64)
    end = int(bars[-1, STEP] + bars[-1, FIRST]) if len(bars) else 0
    return bars[:, STEP], bars[:, FIRST], end


def cut(rows: NDArray[np.integer], first: int, last: int) -> NDArray[np.uint16]:
    """The bars ``first`` to ``last`` (exclusive) of a piece in rows, from step 0: what starts in them.

    The tempo and the chord that go on from before start with them. Notes end with the last bar at the latest.
    """
    rows = np.asarray(rows, np.int64)
    starts, lengths, _ = bars_of_rows(rows)
    start, end = starts[first], starts[last - 1] + lengths[last - 1]
    found = [rows[(rows[:, STEP] >= start) & (rows[:, STEP] < end)]]
    for kind in (TEMPO, CHORD):
        before = rows[(rows[:, KIND] == kind) & (rows[:, STEP] <= start)]
        if len(before) and before[-1, STEP] < start:
            found.append(before[-1:])
    whole = np.concatenate(found)
    whole[:, STEP] = np.maximum(whole[:, STEP], start) - start
    for kind in (MELODY, NOTE):
        own = whole[:, KIND] == kind
        whole[own, SECOND] = np.minimum(whole[own, SECOND], end - start - whole[own, STEP])
    return whole[np.lexsort((whole[:, FIRST], whole[:, KIND], whole[:, STEP]))].astype(np.uint16)


def segments(rows: NDArray[np.integer], bars: int, most: int) -> list[NDArray[np.uint16]]:
    """Passages of ``bars`` bars of one length that a piece can be compared by, at most ``most``, from its middle.

    In each of their bars accompaniment starts and a chord sounds, and in at least half of them melody starts. They do
    not overlap.
    """
    rows = np.asarray(rows, np.int64)
    starts, lengths, end = bars_of_rows(rows)

    def has(kind: int) -> NDArray[np.bool_]:
        own = np.searchsorted(starts, rows[rows[:, KIND] == kind, STEP], side="right") - 1
        return np.bincount(own, minlength=len(starts)) > 0

    chords = rows[rows[:, KIND] == CHORD]
    changes = np.append(chords[:, STEP], end)
    silent = np.zeros(end + 1, np.int64)
    silent[: changes[0]] = 1
    for place in np.flatnonzero(chords[:, FIRST] == NO_CHORD):
        silent[changes[place] : changes[place + 1]] = 1
    quiet = np.add.reduceat(silent[:end], starts) if len(starts) else starts
    fits = has(NOTE) & (quiet == 0)
    sung = has(MELODY)
    found, bar = [], 0
    while bar + bars <= len(starts):
        part = slice(bar, bar + bars)
        if fits[part].all() and 2 * sung[part].sum() >= bars and len(set(lengths[part].tolist())) == 1:
            found.append(bar)
            bar += bars
        else:
            bar += 1
    count = min(most, len(found))
    chosen = [found[(2 * place + 1) * len(found) // (2 * count)] for place in range(count)]
    return [cut(rows, first, first + bars) for first in chosen]


def _is_upper(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 for each note that starts with the one before it, 0 for the lowest: (notes,)."""
    return np.asarray(np.diff(steps, prepend=-1) == 0).astype(np.int64)


def _cut(start: NDArray[np.int64], length: NDArray[np.int64], pitch: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lengths of notes, so that none sounds on when its key is struck again; 0: another starts with it."""
    order = np.lexsort((length, start, pitch))
    ends = (start + length)[order]
    same = pitch[order][1:] == pitch[order][:-1]
    ends[:-1] = np.where(same, np.minimum(ends[:-1], start[order][1:]), ends[:-1])
    found = np.empty_like(length)
    found[order] = ends - start[order]
    return found
