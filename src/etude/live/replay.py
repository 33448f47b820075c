"""A session played again: the same bars from the same model, controls, seed and player, as fast as they are written."""

from collections.abc import Callable

from etude.core.errors import EtudeError
from etude.core.progress import follow
from etude.live.answer import BAR, heard, with_answer
from etude.live.bars import Bar
from etude.live.chords import Chords
from etude.live.engine import Band, punched, write_bar
from etude.live.grid_writer import GridWriter
from etude.live.harmony import FourVoices, Harmony
from etude.live.session import ACCOMPANY, ANSWER, CHORDS, Asked, Recording, Replayed, past_of
from etude.live.sounding import Slot
from etude.live.writers import Writer, writer_of
from etude.tasks.trained_model import TrainedModel


def harmony_of(kind: str, writer: Writer | None, seed: int) -> Harmony:
    """What accompanies: ``voices`` of a model, or ``chords``.

    Raises:
        EtudeError: the model has no voice grid.
    """
    if kind == CHORDS:
        return Chords()
    if not isinstance(writer, GridWriter):
        raise EtudeError("harmony = voices needs a model of the voice grid, as voices. harmony=chords needs none.")
    return FourVoices(writer, seed)


def replay(
    session: Replayed, loaded: TrainedModel | None, band: Callable[[Writer], Band | None], show: bool = False
) -> Recording:
    """Write the bars of a session again.

    Args:
        session: what was kept of it.
        loaded: its model; None for an accompaniment of chords.
        band: what plays along, for the writer of the model.
        show: with a progress bar.

    Raises:
        EtudeError: the model cannot play it.
    """
    writer = None if loaded is None else writer_of(loaded, session.seed)
    harmony = harmony_of(session.harmony, writer, session.seed) if session.role == ACCOMPANY else None
    made = Recording.of(session.model, loaded, writer, harmony, session.seed, session.role, session.harmony)
    plain: list[Bar] = []  # as the model wrote them
    plays = band(writer) if writer is not None else None
    for number, asked in enumerate(follow(session.bars, "replay", len(session.bars), show)):
        if harmony is not None:
            slot = _accompanied(harmony, made.slots, asked, number)
        elif session.role == ANSWER:
            assert writer is not None
            slot = _answered(writer, made, asked, number)
        else:
            assert writer is not None
            slot = _played(writer, plays, made, plain, asked, number)
        made.slots.append(slot)
    return made


def _played(writer: Writer, band: Band | None, made: Recording, plain: list[Bar], asked: Asked, number: int) -> Slot:
    if asked.repeats:
        last = made.slots[-1] if made.slots else Slot(Bar(()), asked.controls, asked.controls, 0)
        slot = Slot(last.bar, asked.controls, last.written, number, repeats=True, band=last.band)
        plain.append(last.bar)
        return slot
    past = past_of(made.slots, plain, asked.number, asked.known)
    bar, sounds = write_bar(writer, band, past, asked.written, made.seed, asked.number)
    plain.append(bar)
    slot = Slot(bar, asked.controls, asked.written, asked.number, asked.known, band=sounds)
    return slot if not asked.player else punched(slot, asked.player, made.voices)


def _answered(writer: Writer, made: Recording, asked: Asked, number: int) -> Slot:
    listened = heard(asked.player)
    if asked.since is None or asked.since >= BAR:
        return Slot(listened, asked.controls, asked.controls, number, player=asked.player, since=BAR)
    notes = tuple(note for note in listened.notes if note.onset < asked.since)
    opening = Bar(notes, asked.since) if asked.since else None
    past = [slot.bar for slot in made.slots]
    bar, _ = write_bar(writer, None, past, asked.written, made.seed, number, opening)
    return with_answer(
        asked.player, asked.controls, asked.written, number, bar, asked.since, asked.ends, sum(asked.late)
    )


def _accompanied(harmony: Harmony, slots: list[Slot], asked: Asked, number: int) -> Slot:
    harmony.open([slot.bar for slot in slots], asked.controls, number)
    for frame, cell in enumerate(asked.melody):
        if frame in asked.late:
            harmony.skip(frame, cell)
        else:
            harmony.step(frame, cell, False)
    return Slot(
        harmony.end(), asked.controls, asked.controls, number, player=asked.player, melody=asked.melody, late=asked.late
    )
