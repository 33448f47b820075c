"""Call and response: it listens, and answers after the phrase, from what was played."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from etude.live.bars import TICKS, Bar, Note
from etude.live.clock import Clock
from etude.live.controls import Console, Controls
from etude.live.engine import ENDLESS, SETTLE, Bounds
from etude.live.player import Player
from etude.live.sender import Sender
from etude.live.session import Recording
from etude.live.sounding import Slot, sounds_of
from etude.live.writers import Writer, key_in, rng_of

STEP = 0.004  # seconds between two looks at what is played
GRID = TICKS // 4  # ticks to which the model sees the notes moved
SHORTEST = TICKS // 2  # of a silence that ends a phrase; an answer starts at most a beat after it
LONGEST = 4  # bars of an answer
BAR = 4 * TICKS
HEARD = 16  # bars whose notes of the player decide the key of an answer: a phrase alone says little


@dataclass(frozen=True)
class _Draft:
    """An order for a bar of an answer."""

    number: int
    since: int  # the tick from which it is the model's
    past: tuple[Bar, ...]
    opening: Bar | None
    controls: Controls


@dataclass
class _Measure:
    """A bar as it goes by."""

    line: float  # seconds
    tick: float
    controls: Controls
    number: int
    draft: _Draft | None = None  # of what is played of an answer
    bar: Bar | None = None
    ends: int | None = None
    late: int = 0  # the tick before which nothing of the answer sounded, as it was not there

    def slot(self, player: Player, now: float) -> Slot:
        """What has sounded in it up to now."""
        played = player.within(self.line, self.tick, BAR, now)
        return answered(played, self.controls, self.number, self.draft, self.bar, self.ends, self.late)


class Drafts:
    """Writes one bar at a time in a thread of its own; a new order takes the place of one that has not been started."""

    def __init__(self, writer: Writer, seed: int) -> None:
        """Args: who writes; the seed."""
        self.writer, self.seed = writer, seed
        self.fault: Exception | None = None
        self._asked: _Draft | None = None
        self._made: tuple[_Draft, Bar] | None = None
        self._played: tuple[Bar, ...] | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="drafts", daemon=True)
        self._thread.start()

    def ask(self, draft: _Draft) -> None:
        """Order a bar."""
        with self._changed:
            self._asked = draft
            self._changed.notify_all()

    def read(self, past: tuple[Bar, ...]) -> None:
        """Have what was played read, where nothing else is to do."""
        with self._changed:
            self._played = past
            self._changed.notify_all()

    def take(self, draft: _Draft, wait: bool) -> Bar | None:
        """The bar of an order; None where it is not there yet, and nobody waits."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self.fault is not None or self._has(draft))
            if self.fault is not None:
                raise self.fault
            return self._made[1] if self._made is not None and self._has(draft) else None

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _has(self, draft: _Draft) -> bool:
        return self._made is not None and self._made[0] is draft

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._asked is not None or self._played is not None)
                if self._closed:
                    return
                draft, self._asked = self._asked, None
                played, self._played = self._played, None
            try:
                if draft is None:
                    self.writer.read(played or ())
                    continue
                bar = self.writer.write(draft.past, draft.controls, rng_of(self.seed, draft.number), draft.opening)
            except Exception as error:
                with self._changed:
                    self.fault = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._made = draft, bar
                self._changed.notify_all()


class Answerer:
    """Listens to a player and answers each phrase with one as long, which starts at most a beat after it ends.

    Bars of 4/4 run on at the tempo. While somebody plays, the answer is drafted at each silence, so that it is there
    when the silence turns out to be the end of the phrase. Who plays again has the word: the answer stops.
    """

    def __init__(
        self,
        writer: Writer,
        console: Console,
        recording: Recording,
        sender: Sender,
        clock: Clock,
        player: Player,
        say: Callable[[str], None] = lambda text: None,
        bounds: Bounds = ENDLESS,
    ) -> None:
        """Args: who writes; the controls; what is kept; where notes go; the time; who plays; when it ends."""
        self.console, self.recording, self.sender, self.clock, self.player = console, recording, sender, clock, player
        self.say, self.bounds = say, bounds
        self.drafts = Drafts(writer, recording.seed)
        self.on_bar: Callable[[int, float, float], None] = lambda number, line, beat: None  # number, its time, a beat's
        self.stopped = threading.Event()
        self.answers: list[tuple[float, float]] = []  # when each phrase ended, and when its answer started, in seconds
        self.late = 0
        self._slots = recording.slots
        self._measures: list[_Measure] = []  # the present one is the last
        self._phrase: float | None = None  # when it started
        self._draft: _Draft | None = None
        self._left = 0  # ticks of the answer that are not played yet
        self._scale: str | None = None  # of the answer
        self._awaited: _Draft | None = None  # of the present bar, which is not there yet

    def stop(self) -> None:
        """End the music at once; from any thread."""
        self.stopped.set()
        self.sender.woken.set()

    def run(self) -> None:
        """Listen and answer until it is stopped, the input is over and answered, or as long as asked."""
        start = line = self.clock.now() + SETTLE
        try:
            self.sender.advance(start)
            while not self.stopped.is_set() and not self._is_over(line - start):
                controls = self.console.controls
                tick = 60 / (controls.tempo or self.recording.tempo) / TICKS
                self._measures = [*self._measures[-LONGEST:], _Measure(line, tick, controls, len(self._slots))]
                self.on_bar(len(self._slots), line, TICKS * tick)
                if self._left:
                    self._go_on()
                elif self._phrase is not None:
                    self._refresh()
                    self.drafts.read(tuple(slot.bar for slot in self._slots))
                line += BAR * tick
                while (now := self.clock.now()) < line:
                    self._listen(now)
                    if not self.sender.advance(min(now + STEP, line)):
                        break
                self._slots.append(self._present.slot(self.player, self.clock.now()))
                self.player.forget(self._measures[0].line)
        finally:
            self.sender.quiet()  # first, as the drafts end with the bar that is written
            self._refresh()
            self.player.close()
            self.drafts.close()

    @property
    def _present(self) -> _Measure:
        return self._measures[-1]

    def _is_over(self, passed: float) -> bool:
        if self.bounds.bars is not None and len(self._slots) >= self.bounds.bars:
            return True
        if self.bounds.seconds is not None:
            return passed >= self.bounds.seconds - 1e-6
        return self.player.source.is_over and self._phrase is None and not self._left

    def _refresh(self) -> None:
        """Put into the last bars how long the notes were held that were not over at their end."""
        for measure in self._measures:
            if measure.number < len(self._slots):
                self._slots[measure.number] = measure.slot(self.player, self.clock.now())

    # --- listening

    def _listen(self, now: float) -> None:
        present = self._present
        at = (now - present.line) / present.tick  # ticks of the bar
        if self.player.listen(now):
            sounds = present.draft is not None and (present.ends is None or at < present.ends)
            if self._left or sounds:  # the player has the word
                self.sender.cut(now)
                if present.draft is not None:
                    present.ends = max(round(at), present.draft.since)
                self._left = 0
            self._phrase = self.player.notes[-1].start if self._phrase is None else self._phrase
            self._draft = self._awaited = None
        if self._awaited is not None:
            self._catch_up(-(-round(at) // GRID) * GRID)
        if self._phrase is None or self.player.held or self._left:
            return
        if self._draft is None:
            self._order(max(start_of_answer(self._ended()), -(-round(at) // TICKS) * TICKS))
        assert self._draft is not None
        starts = self._draft.since + (BAR if self._draft.number > present.number else 0)
        if at >= starts - 0.5:
            self._begin()

    def _ended(self) -> int:
        """Where the phrase has ended, in ticks of the present bar, on the grid."""
        return self._ticks(max(note.end or 0.0 for note in self.player.notes))

    def _ticks(self, time: float) -> int:
        return round((time - self._present.line) / self._present.tick / GRID) * GRID

    def _order(self, starts: int) -> None:
        """Have the answer drafted that starts at a tick of the present bar, or with the next one."""
        self._refresh()
        present = self._present
        now = present.slot(self.player, self.clock.now()).bar
        past = tuple(slot.bar for slot in self._slots)
        controls = self._in_key()
        if starts >= BAR or present.draft is not None:  # a bar has one answer
            since = max(starts - BAR, 0)
            rest = Bar((), since) if since else None
            self._draft = _Draft(present.number + 1, since, (*past, now), rest, controls)
        else:
            opening = Bar(now.notes, starts) if starts else None
            self._draft = _Draft(present.number, starts, past, opening, controls)
        self.drafts.ask(self._draft)

    def _in_key(self) -> Controls:
        """The controls, with the scale of all that was played lately where none is asked for."""
        controls = self.console.controls
        if controls.scale is not None:
            return controls
        present = self._present
        played = [slot.player for slot in self._slots[-HEARD:]]
        played.append(self.player.within(present.line, present.tick, BAR, self.clock.now()))
        return replace(controls, scale=key_in([Bar(notes) for notes in played]))

    # --- answering

    def _begin(self) -> None:
        """The phrase is over: the answer starts, in this bar, or with the next one, which takes the draft."""
        assert self._draft is not None and self._phrase is not None
        present, ended = self._present, max(note.end or 0.0 for note in self.player.notes)
        length = min(max(-(-(self._ended() - self._ticks(self._phrase)) // TICKS) * TICKS, BAR), LONGEST * BAR)
        starts = self._draft.since if self._draft.number == present.number else BAR
        if self._draft.number == present.number:
            bar = self.drafts.take(self._draft, not self.clock.real)
            if bar is None:  # not written yet: on the next beat
                self.late += 1
                self.say("the answer was not there in time: it starts a beat later")
                self._order(self._draft.since + TICKS)
                return
            self._left = length
            self._play(self._draft, bar)
        else:
            self._left = length
        self._phrase = None
        self.answers.append((ended, present.line + starts * present.tick))

    def _go_on(self) -> None:
        """The next bar of an answer, from its line on."""
        draft, present = self._draft, self._present
        if draft is None or draft.number != present.number:
            past = tuple(slot.bar for slot in self._slots)
            draft = _Draft(present.number, 0, past, None, replace(self.console.controls, scale=self._scale))
            self.drafts.ask(draft)
        self._awaited = draft
        self._catch_up(0)

    def _catch_up(self, at: int) -> None:
        """Play the bar that is waited for, if it is there; what should have sounded before a tick is left out."""
        draft = self._awaited
        assert draft is not None
        bar = self.drafts.take(draft, not self.clock.real)
        if bar is None:
            return
        self._awaited = None
        if at and at != draft.since:
            self.late += 1
            self._present.late = at
            self.say("a bar of the answer was not there in time: its first notes are left out")
        self._play(draft, bar)

    def _play(self, draft: _Draft, bar: Bar) -> None:
        present = self._present
        present.draft, present.bar, self._draft, self._scale = draft, bar, None, draft.controls.scale
        until = min(BAR, draft.since + self._left)
        self._left -= until - draft.since
        present.ends = until if not self._left else None
        if self._left:  # the next bar, while this one sounds
            past = (*(slot.bar for slot in self._slots), present.slot(self.player, self.clock.now()).bar)
            controls = replace(self.console.controls, scale=self._scale)
            self._draft = _Draft(present.number + 1, 0, past, None, controls)
            self.drafts.ask(self._draft)
        for sound in sounds_of(present.slot(self.player, self.clock.now()), self.recording.voices):
            if sound.onset >= max(draft.since, present.late):
                start = present.line + sound.onset * present.tick
                end = start + sound.length * present.tick
                self.sender.note(start, end, sound.part, sound.pitch, sound.velocity)


def start_of_answer(ended: int) -> int:
    """The tick at which an answer starts after a phrase that ended at a tick, half a beat to a beat later.

    On a beat where one is within that time, else half-way between two.
    """
    for grid in (TICKS, TICKS // 2):
        start = -(-(ended + SHORTEST) // grid) * grid
        if start <= ended + TICKS:
            break
    return start


def heard(played: Sequence[Note]) -> Bar:
    """What somebody played in a bar, as a model sees it: on the grid, one line, as its first voice."""
    moved = sorted((round(note.onset / GRID) * GRID, -note.pitch, note) for note in played)
    line: list[Note] = []
    for onset, _, note in moved:
        if line and line[-1].onset == onset:
            continue
        if line and line[-1].onset + line[-1].length > onset:
            line[-1] = line[-1]._replace(length=onset - line[-1].onset)
        length = max(GRID, round((note.onset + note.length) / GRID) * GRID - onset)
        line.append(Note(onset, length, note.pitch, note.velocity, 0))
    return Bar(tuple(note for note in line if note.onset < BAR), BAR)


def answered(
    played: tuple[Note, ...],
    controls: Controls,
    number: int,
    draft: _Draft | None,
    bar: Bar | None,
    ends: int | None,
    late: int,
) -> Slot:
    """The slot of a bar in which somebody played, and an answer perhaps; see ``with_answer``."""
    if draft is None or bar is None:
        return Slot(heard(played), controls, controls, number, player=played, since=BAR)
    return with_answer(played, controls, draft.controls, number, bar, draft.since, ends, late)


def with_answer(
    played: tuple[Note, ...],
    controls: Controls,
    written: Controls,
    number: int,
    bar: Bar,
    since: int,
    ends: int | None,
    late: int = 0,
) -> Slot:
    """The slot of a bar in which an answer sounds from one tick to another, and what was played before and after.

    Args:
        played: by somebody.
        controls: of the bar.
        written: those that the answer was written for.
        number: of the bar.
        bar: as the model wrote it.
        since: the tick from which it is the model's.
        ends: the tick at which the answer stops; None: it goes on with the next bar.
        late: the tick before which it was not there.
    """
    stop, first = BAR if ends is None else ends, max(since, late)
    own = [note for note in bar.notes if first <= note.onset < stop]
    if ends is not None:
        own = [note._replace(length=min(note.length, ends - note.onset)) for note in own]
    others = [note for note in heard(played).notes if not since <= note.onset < stop]
    sounding = Bar(tuple(sorted([*others, *own])), BAR)
    missed = (late,) if late else ()
    return Slot(sounding, controls, written, number, player=played, since=since, ends=ends, late=missed)
