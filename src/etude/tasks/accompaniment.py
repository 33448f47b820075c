"""A melody with chords, accompanied by a trained model."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.check import target
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.seeds import seed_of
from etude.models.accompaniment_features import TEXTURES, read_sheet, request
from etude.models.building import set_threads
from etude.music.chords import MARKER
from etude.representations.leadsheet import KIND, LEVELS, NOTE, STEP, LeadSheet, bars_of_rows
from etude.sampling.accompaniment import AccompanimentTask, Steering, sample_accompaniments
from etude.tasks.trained_model import TrainedModel, find_model, packaged_models

NAME = "accompaniment"  # of the model that is looked for where the settings name none

Texture = str | Sequence[str | None] | None
Density = int | Sequence[int | None] | None


def accompany(
    loaded: TrainedModel,
    lead_sheet: ScoreTick,
    seed: int,
    fixed: Collection[int] = (),
    texture: Texture = None,
    density: Density = None,
    steering: Steering | None = None,
) -> TrackTick:
    """Sample an accompaniment to a lead sheet; the same seed gives the same notes.

    Args:
        loaded: a trained model of the kind ``Accompaniment``.
        lead_sheet: a piece with chord symbols (``etude.music.chords.mark``, and ``symbols_of_track`` for a track of
            block chords), and a melody: the track that the model's settings name so, else the first with notes that is
            neither drums nor the accompaniment. In any meter; without a melody the chords alone are accompanied.
        seed: of the sampling.
        fixed: bars, from 1, of a given accompaniment (the track that the model's settings name so) that stay note for
            note, while the rest is sampled to fit.
        texture: held, block, arpeggio or broken, for all bars or for each; None leaves it open.
        density: from 1 (few notes) to 5 (many), for all bars or for each; None leaves it open.
        steering: temperature, candidates and the like; None: the model's own temperature and ``generate.top_p``, one
            candidate, eight where bars are fixed.

    Returns:
        the track, in the ticks of ``lead_sheet``, from its first bar to the one in which it ends. The notes of fixed
        bars are exactly as given; those that are sampled lie on the model's grid.

    Raises:
        EtudeError: the model does not accompany, the lead sheet has no chord symbol, or a request cannot be met.
    """
    model, representation = loaded.model, loaded.representation
    if not getattr(model, "can_accompany", False):
        raise EtudeError(f"model={loaded.name} cannot accompany a lead sheet. Take model=accompaniment.")
    if not any(marker.text.startswith(MARKER) for marker in lead_sheet.markers):
        raise EtudeError(
            f"The lead sheet has no chord symbols (markers such as {MARKER}C:maj). Give it some, or let "
            "etude.music.recognise name its chords."
        )
    given = _given(lead_sheet, representation)
    known = _melody(lead_sheet, representation, *([] if given is None else [given]))
    rows = representation.encode_given(known).astype(np.int64)
    starts = bars_of_rows(rows)[0]
    kept = _fixed_bars(fixed, len(starts), given, representation)
    if given is not None and kept.any():
        played = representation.encode(known).astype(np.int64)
        rows = np.concatenate([rows, played[(played[:, KIND] == NOTE) & (played[:, STEP] < bars_of_rows(rows)[2])]])
    sheet = read_sheet(rows, model.density, model.steps)
    sheet = request(sheet, _levels(density, len(starts)), _textures(texture, len(starts)))
    if steering is None:
        temperature = 1.0 if loaded.config.temperature is None else loaded.config.temperature
        steering = Steering(temperature, loaded.config.top_p, 8 if kept.any() else 1)
    task = AccompanimentTask(sheet, ~kept, np.random.default_rng(seed_of("accompaniment", seed)))
    notes = sample_accompaniments(model, [task], steering)[0].notes
    free = ~kept[np.searchsorted(starts, notes[:, 0], side="right") - 1]
    return _track(lead_sheet, representation, notes[free], given, kept, starts)


def _given(lead_sheet: ScoreTick, representation: LeadSheet) -> TrackTick | None:
    return next((track for track in lead_sheet.tracks if track.name == representation.accompaniment), None)


def _melody(lead_sheet: ScoreTick, representation: LeadSheet, *others: TrackTick) -> ScoreTick:
    """The lead sheet with its melody alone, named as the representation has it, and other tracks."""
    parts = [track for track in lead_sheet.tracks if not track.is_drum and track.name != representation.accompaniment]
    named = [track for track in parts if track.name == representation.melody]
    chosen = (named or [track for track in parts if len(track.notes)] or [TrackTick()])[0].copy()
    chosen.name = representation.melody
    found = lead_sheet.copy()
    found.tracks = type(found.tracks)()
    for track in (chosen, *others):
        found.tracks.append(track)
    return found


def _fixed_bars(fixed: Collection[int], count: int, given: TrackTick | None, representation: LeadSheet) -> np.ndarray:
    kept = np.zeros(count, bool)
    if fixed and given is None:
        raise EtudeError(
            f"fixed names bars, but the lead sheet has no track {representation.accompaniment} that has them. "
            "Give it one, or fix no bars."
        )
    for bar in fixed:
        if not 1 <= bar <= count:
            raise EtudeError(f"fixed names bar {bar}, but the lead sheet has the bars 1 to {count}.")
        kept[bar - 1] = True
    return kept


def _levels(density: Density, count: int) -> np.ndarray:
    values = _each(density, count, "density")
    for value in values:
        if value is not None and not 1 <= int(value) <= LEVELS:
            raise EtudeError(f"density = {value} must be between 1 (few notes) and {LEVELS} (many).")
    return np.array([int(value or 0) for value in values])


def _textures(texture: Texture, count: int) -> np.ndarray:
    values = _each(texture, count, "texture")
    for value in values:
        if value is not None and value not in TEXTURES:
            raise EtudeError(f"texture = {value} is not known. {closest(str(value), TEXTURES)}")
    return np.array([0 if value is None else TEXTURES[value] for value in values])


def _each(value: object, count: int, name: str) -> list:
    if value is None or isinstance(value, str | int):
        return [value] * count
    values = list(value)  # type: ignore[call-overload]
    if len(values) != count:
        raise EtudeError(f"{name} has values for {len(values)} bars, but the lead sheet has {count}.")
    return values


def _track(
    lead_sheet: ScoreTick,
    representation: LeadSheet,
    notes: np.ndarray,
    given: TrackTick | None,
    kept: np.ndarray,
    starts: np.ndarray,
) -> TrackTick:
    """Sampled notes in ticks, and the given notes of the fixed bars as they are."""
    quarter, steps = lead_sheet.ticks_per_quarter, representation.steps
    name = representation.accompaniment
    track = TrackTick(name, representation.voices[name] if given is None else given.program, False)
    loud = representation.velocities(notes[:, :2], starts)
    held: list[NoteTick] = []
    if given is not None:
        ticks = starts * quarter // steps
        for note in given.notes:
            bar = int(np.searchsorted(ticks, note.time, side="right")) - 1
            if kept[min(max(bar, 0), len(kept) - 1)]:
                held.append(note)
    struck = {(note.pitch, note.time) for note in held}
    for (step, pitch, length), velocity in zip(notes.tolist(), loud.tolist(), strict=True):
        start, end = step * quarter // steps, (step + length) * quarter // steps
        end = min([end, *(note.time for note in held if note.pitch == pitch and start < note.time < end)])
        if (pitch, start) not in struck and end > start:
            track.notes.append(NoteTick(start, end - start, pitch, velocity))
    for note in held:
        track.notes.append(note)
    track.notes.sort(lambda note: (note.time, note.pitch), inplace=True)
    return track


def accompanist_of(loaded: TrainedModel) -> Callable[[ScoreTick, str | None, int], TrackTick]:
    """A trained model as what arrangements ask for: lead sheet, texture and seed in, an accompaniment out."""

    def play(lead_sheet: ScoreTick, texture: str | None, seed: int) -> TrackTick:
        return accompany(loaded, lead_sheet, seed, texture=texture)

    return play


def find_accompanist(settings: Settings, session: Session) -> Callable[[ScoreTick, str | None, int], TrackTick]:
    """The accompanying model of the settings, of the run that is read, or the one that comes with etude.

    Raises:
        EtudeError: there is none; the message has what makes it.
    """
    able = [
        name for name, section in settings.models.items()
        if getattr(target(section, f"models.{name}"), "can_accompany", False)
    ]  # fmt: skip
    name = able[0] if able else NAME
    if session.find(catalog.model(name)) is None and name not in packaged_models():
        raise EtudeError(
            "The style has a part that a trained model plays (play: accompaniment), and there is no "
            f"{catalog.model(name)}. Train one with: make pop; then name its folder: session.run=runs/..."
        )
    folder = find_model(session, name)
    config = settings.sampling(name) if able else settings.generate
    set_threads(settings.trainer.threads)
    return accompanist_of(TrainedModel.read(folder, config, catalog.model(name).made_by))
