"""etude in Python: load a trained model; generate, continue, fill in, harmonise and score pieces; save and hear them.

    import etude

    model = etude.load("voices")
    piece = model.generate(bars=8, seed=7)[0]
    piece.save("piece.mid")

docs/api.md shows more.
"""

import html
import io
import operator
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from symusic.core import ScoreTick

from etude import sampling
from etude.artifacts import catalog
from etude.audio.controllers import as_stated, state
from etude.audio.files import Tags
from etude.audio.render import render, write_sound
from etude.config.check import Count, check
from etude.config.defaults import as_plain, defaults, section
from etude.config.sections import Arrange, Generate, Harmonize, Ingest, Mix
from etude.core.errors import EtudeError, closest
from etude.core.files import whole
from etude.core.project import PACKAGE, conf_folder, given_path, version_of_code
from etude.metrics.likelihood import piece_nats
from etude.models.sequence import SequenceModel
from etude.music.bars import bar_lines
from etude.report.pianoroll import picture, roll
from etude.report.sample import page
from etude.scores.engraving import musicxml
from etude.scores.engraving import picture as score_picture
from etude.scores.readers import pieces_of
from etude.tasks.continuation import continue_piece
from etude.tasks.given_piece import assign_voices
from etude.tasks.harmonize_file import harmonize_melody
from etude.tasks.harmonizer import Harmonizer, seeded_rngs
from etude.tasks.infilling import fill_bars
from etude.tasks.requests import HarmonizeFiles
from etude.tasks.score_files import read_score
from etude.tasks.trained_model import PACKAGED, TrainedModel, packaged_models

# that Piece.save writes
ENDINGS = (".mid", ".midi", ".musicxml", ".xml", ".mp3", ".mp4", ".webm", ".png", ".svg", ".html")


def _style(name: str) -> dict[str, Any]:
    """The values of a style of conf/style, or of a file of one's own."""
    from omegaconf import OmegaConf

    from etude.arranging.style_files import is_path, read_style

    files = {file.stem: file for file in (conf_folder(PACKAGE) / "style").glob("*.yaml")}
    if is_path(name):
        return read_style(given_path(name), sorted(files))
    if name not in files:
        raise EtudeError(f'There is no style "{name}". {closest(name, files)}')
    values = OmegaConf.to_container(OmegaConf.load(files[name]), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work on one thread: their number decides the order of sums, and so the last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Player:
    """A piece to hear and to see: a notebook shows it as a piano roll that follows the sound."""

    title: str
    page: str  # HTML, self-contained

    def _repr_html_(self) -> str:
        frame = "border:0;width:100%;height:46rem"
        return f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self.page)}" style="{frame}"></iframe>'

    def __repr__(self) -> str:
        return f"<Player of {self.title}: a notebook shows it; Piece.save writes .mp3 and .html files>"


@dataclass(frozen=True)
class Piece:
    """A piece of music; a notebook shows it as a piano roll."""

    score: ScoreTick  # symusic's, in ticks
    title: str = "Piece"
    changed: Mapping[str, int] = field(default_factory=dict)  # what reading a file changed, as "transposed": 32
    mix: Mapping[str, Any] = field(default_factory=dict)  # keys of the section ``mix`` for its sound, as "pan"

    @property
    def notes(self) -> int:
        """Number of notes."""
        return int(self.score.note_num())

    @property
    def bars(self) -> int:
        """Number of bars, the last of which is the one in which the last note ends."""
        return len(bar_lines(self.score)) - 1

    @property
    def seconds(self) -> float:
        """The time until the last note ends."""
        return roll(self.score)["end"] / 1000

    def to_midi(self) -> bytes:
        """The piece as the bytes of a MIDI file, which states the gain and pan of tracks that ``mix`` sets."""
        score = state(self.score, self._how()) if {"gain", "pan"} & set(self.mix) else self.score
        return bytes(score.dumps_midi())

    def _how(self) -> Mix:
        """How the piece sounds: what ``mix`` sets, then what its tracks state, then the settings of conf/."""
        return as_stated(self.score, section(Mix, "mix", self.mix), self.mix)

    def save(self, path: str | Path) -> Path:
        """Write the piece; the ending decides how. An existing file is replaced.

        Args:
            path: ends in .mid (MIDI), .musicxml (a score), .svg (a picture of the score), .mp3 (sound), .mp4 or .webm
                (a video of 1280 by 720 pixels), .png (a piano roll) or .html (a page with the piano roll and the
                sound).

        Returns:
            The path.

        Raises:
            EtudeError: another ending, the folder does not exist, or the file cannot be written.
        """
        path = given_path(path)
        ending = path.suffix.lower()
        if ending not in ENDINGS:
            raise EtudeError(f"{path} must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
        if not path.parent.is_dir():
            raise EtudeError(f"{path}: the folder {path.parent} does not exist. Make it, or name another.")
        try:
            if path.is_dir():
                raise EtudeError(f"{path} is a folder. Name a file.")
            with whole(path) as part:
                self._write(part, ending)
        except OSError as error:
            raise EtudeError(f"{path} cannot be written ({error.strerror or error}).") from None
        return path

    def _write(self, path: Path, ending: str) -> None:
        if ending in (".mid", ".midi"):
            path.write_bytes(self.to_midi())
        elif ending in (".musicxml", ".xml", ".svg") and all(track.is_drum for track in self.score.tracks):
            raise EtudeError(f"{self.title} has no notes but drums, which a score leaves out. Save it as .mid.")
        elif ending in (".musicxml", ".xml"):
            path.write_text(musicxml(self.score, self.title), encoding="utf-8")
        elif ending == ".svg":
            path.write_text(score_picture(musicxml(self.score, self.title)), encoding="utf-8")
        elif ending == ".mp3":
            write_sound(path, self.score, self._how(), at_once=True)
        elif ending in (".mp4", ".webm"):
            self._film(path)
        elif ending == ".png":
            picture(self.score, path, self.title)
        else:
            path.write_text(self.play().page, encoding="utf-8")

    def _film(self, path: Path) -> None:
        from etude.video.encode import RATE
        from etude.video.film import Words
        from etude.video.piece import Shooting, length_of, shoot
        from etude.video.sound import end_of_sound

        if not self.notes:
            raise EtudeError(f"{self.title} has no notes to show. Save it as .mid.")
        settings = replace(self._how(), sample_rate=RATE)
        length_of(self.score, end_of_sound(self.score, settings), Shooting())  # before it is rendered
        sound = render(self.score, settings).mix
        tags = Tags(self.title, "etude", version_of_code())
        shoot(path, self.score, sound, RATE, Shooting(), Words(self.title), tags)

    def arrange(
        self, style: str = "pop", chords: str | None = None, top_line: bool = False, seed: int = 1, **settings: Any
    ) -> "Piece":
        """Arrange the melody, which is the first track, for a band: bass, chords, drums and more.

        Args:
            style: a file of conf/style, as ``bossa``, or the path of one of your own, as ``my/funk.yaml``.
            chords: bar by bar, as ``"C | Am F | G"``; None: the chord symbols of the piece, its track of chords, what
                its other tracks sound, or chords for the melody.
            top_line: the melody are the highest notes of all tracks.
            seed: of ghost notes and of the performance.
            settings: other keys of the section ``arrange`` of conf/config.yaml, as ``form="AABA"`` and ``humanise=0``.

        Returns:
            The arrangement, one track a part.

        Raises:
            EtudeError: there is no melody, or chords, form, style or a setting are not as they should be.
        """
        check(style, str, "style"), check(chords, str | None, "chords")
        from etude.arranging.piece import arrange_piece, placed
        from etude.arranging.styles import Style

        band = Style.of(_style(style))
        config = section(Arrange, "arrange", {**settings, "seed": seed})
        made, _ = arrange_piece(self.score, config, band, chords, top_line, self.title)
        mix = placed(section(Mix, "mix", self.mix), band)
        places = {"gain": mix.gain, "pan": mix.pan, "send": mix.send}
        return Piece(made.performed, f"{self.title}, {band.name}", mix=places)

    def audio(self) -> tuple[np.ndarray, int]:
        """The sound: (2, samples) float32, and the samples a second."""
        config = self._how()
        return render(self.score, config).mix, config.sample_rate

    def play(self) -> Player:
        """A player with a piano roll, for a notebook."""
        from etude.audio.files import encode_mp3

        config = self._how()
        mp3 = encode_mp3(self.audio()[0], config.sample_rate, config.quality)
        return Player(self.title, page(self.score, mp3, self.title))

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        picture(self.score, stream, self.title)
        return stream.getvalue()

    def __repr__(self) -> str:
        names = ", ".join(track.name or f"program {track.program}" for track in self.score.tracks)
        return f"<Piece {self.title!r}: {self.bars} bars, {self.notes} notes; {names or 'no tracks'}>"


def read(path: str | Path, repeats: str = "played", part: str | None = None) -> Piece:
    """Read a MIDI, MusicXML, ABC or Humdrum file.

    Args:
        path: the file.
        repeats: of a score: "played", with endings, D.C. and D.S. as they sound, or "written".
        part: of a file that holds many pieces, as a book of ABC tunes: "1" is the first.

    Returns:
        The piece, at 120 BPM where a score states no tempo.

    Raises:
        EtudeError: there is no such file, or it cannot be read.
    """
    path = given_path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise EtudeError(f"{path} is {what}. Give a MIDI, MusicXML, ABC or Humdrum file.")
    if repeats not in ("played", "written"):
        raise EtudeError(f"repeats = {repeats!r} must be 'played' or 'written'.")
    limits = section(Ingest, "ingest", {"repeats": repeats})
    score, changed = read_score(path, limits, part=part, tempo=120)
    titles = dict(pieces_of(path)) if part is not None else {}
    return Piece(score, titles.get(part) or path.stem, changed)


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model. ``load`` makes one."""

    loaded: TrainedModel
    folder: Path  # its files

    @property
    def name(self) -> str:
        """Its name, as ``voices``."""
        return self.loaded.name

    @property
    def voices(self) -> list[str]:
        """The names of its voices, which are the tracks of its pieces."""
        return list(self.loaded.representation.voices)

    def __repr__(self) -> str:
        return f"<Model {self.name} of {self.folder}: {', '.join(self.voices)}>"

    def generate(
        self, pieces: int = 1, bars: int | None = None, seconds: float | None = None, seed: int = 1, **settings: Any
    ) -> list[Piece]:
        """Sample new pieces. The same seed gives the same pieces, each of them the same alone and among others.

        Args:
            pieces: how many.
            bars: of each piece; None: as the model ends it.
            seconds: that each piece lasts, to the nearest bar, in place of ``bars``.
            seed: of the random numbers.
            settings: other keys of the section ``generate`` of conf/config.yaml, as ``temperature``, ``top_p`` and
                ``control``, a mapping of control attributes.

        Raises:
            EtudeError: a setting is unknown or out of range, or the model takes no control attributes.
        """
        config = self._generation(pieces=pieces, bars=bars, seconds=seconds, seed=seed, **settings)
        loaded = self.loaded
        with _one_thread():
            found = sampling.sample_pieces(loaded.model, loaded.representation, loaded.observed, config, pieces)
        return [Piece(piece.score, f"{self.name}, seed {seed}, {place}") for place, piece in enumerate(found)]

    def continue_(self, prime: Piece | str | Path, bars: int = 8, seed: int = 1, **settings: Any) -> Piece:
        """Continue a piece: it stays note for note, and the model writes what comes after it.

        Args:
            prime: the piece, or its file.
            bars: how many are added.
            seed: of the random numbers.
            settings: as in ``generate``.

        Raises:
            EtudeError: the model cannot, or the piece does not fit it.
        """
        if not (getattr(self.loaded.model, "can_continue", False) and self.loaded.representation.tells_time):
            raise EtudeError(f"{self.name} cannot continue a piece.")
        given = _piece(prime)
        added = check(as_plain(bars), Count, "bars")
        config = self._generation(**{**settings, "pieces": 1, "bars": given.bars + added, "seed": seed})
        loaded = self.loaded
        with _one_thread(), _naming(given):
            source = assign_voices(given.score, loaded.representation.voices)
            (found,) = continue_piece(loaded.model, loaded.representation, loaded.observed, config, 1, source)
        return Piece(found.score, f"{given.title}, continued")

    def fill(
        self, piece: Piece | str | Path, bars: tuple[int, int], voices: Collection[str] | None = None, seed: int = 1
    ) -> Piece:
        """Sample some bars of some voices of a piece again; all else stays note for note.

        Args:
            piece: the piece, or its file.
            bars: the first and the last, counted from 1.
            voices: their names; None: all of them.
            seed: of the random numbers.

        Raises:
            EtudeError: the model cannot, or the piece does not fit it.
        """
        self._require_harmonizer()
        given = _piece(piece)
        chosen = self.voices if voices is None else [voices] if isinstance(voices, str) else list(voices)
        unknown = [name for name in chosen if name not in self.voices]
        if unknown or not chosen:
            raise EtudeError(f"voices = {', '.join(map(str, unknown))}: the model has {', '.join(self.voices)}.")
        try:
            first, last = (operator.index(number) for number in bars)
        except (TypeError, ValueError):
            first, last = 0, 0
        if not 1 <= first <= last <= given.bars:
            raise EtudeError(
                f"bars = {bars} must be the first and the last bar, as (5, 8), counted from 1. {given.title} has "
                f"{given.bars}."
            )
        config = section(Harmonize, "harmonize", {"seed": seed})
        with _one_thread(), _naming(given):
            source = assign_voices(given.score, self.loaded.representation.voices)
            rngs = seeded_rngs(config.seed, 1)
            (found,) = fill_bars(Harmonizer.of(self.loaded), source, (first, last), chosen, config, rngs)
        return Piece(found, f"{given.title}, bars {first} to {last} filled in")

    def harmonize(
        self,
        melody: Piece | str | Path,
        chords: str | None = None,
        seed: int = 1,
        top_line: bool = False,
        **settings: Any,
    ) -> Piece:
        """Write the other voices of a chorale to a melody, which stays note for note.

        Args:
            melody: a piece whose first track with notes is the melody, or its file.
            chords: bar by bar, as in ``"D | G A7 | I6 - V7 | ."`` (docs/harmonize.md).
            seed: of the random numbers.
            top_line: take the highest notes where the track has several at a time.
            settings: other keys of the section ``harmonize`` of conf/config.yaml, as ``candidates``.

        Raises:
            EtudeError: the model cannot, or there is no melody that fits it.
        """
        self._require_harmonizer()
        given, config = _piece(melody), section(Harmonize, "harmonize", {"seed": seed, **settings})
        if not isinstance(chords, str | None) or not isinstance(top_line, bool):
            raise EtudeError(f'chords = {chords!r} must be a text, as "D | A7 D", and top_line = {top_line!r} a bool.')
        asked = HarmonizeFiles(chords=chords, top_line=top_line)
        limits = section(Ingest, "ingest", {})
        with _one_thread():
            chorale, _ = harmonize_melody(Harmonizer.of(self.loaded), given.score, given.title, asked, config, limits)
        return Piece(chorale, f"{given.title}, harmonised")

    def log_likelihood(self, piece: Piece | str | Path) -> float:
        """The log-likelihood of a given piece in nats; divide by ``piece.notes`` for nats per note.

        It is that of the piece's tokens, the end included, as the model's representation writes them.

        Raises:
            EtudeError: the model has no likelihood, or its representation cannot write all notes of the piece.
        """
        model, representation = self.loaded.model, self.loaded.representation
        if not isinstance(model, SequenceModel):
            raise EtudeError(f"{self.name} has no likelihood. lstm, transformer and voices, among others, have.")
        given = _piece(piece)
        with _one_thread(), _naming(given):
            merged = representation.merges_voices
            source = given.score if merged else assign_voices(given.score, representation.voices)
            items = representation.encode(source)
            written = representation.decode(items).note_num()
            if not merged and written != given.notes:
                raise EtudeError(
                    f"{self.name} can write {written} of its {given.notes} notes: the others lie beyond the pitches or "
                    "the grid of its representation."
                )
            return -float(piece_nats(model, [items])[0])

    def save(self, folder: str | Path) -> Path:
        """Copy the model's files to a new folder, which ``load`` reads: config.json, model.safetensors and others.

        Raises:
            EtudeError: the folder exists and is not empty.
        """
        folder = given_path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise EtudeError(f"{folder} exists. Name a new folder.")
        names = [catalog.CONFIG, *self.loaded.trained["sha256"]]
        if missing := [name for name in names if not (self.folder / name).is_file()]:
            raise EtudeError(f"{self.folder} has no {', '.join(missing)} any more, so that it cannot be copied.")
        card = [catalog.CARD] if (self.folder / catalog.CARD).is_file() else []
        with whole(folder) as part:
            part.mkdir()
            for name in names + card:
                shutil.copyfile(self.folder / name, part / name)
        return folder

    def _generation(self, **changes: Any) -> Generate:
        """The generation settings with the model's own temperatures, and some changes."""
        if changes.get("candidates") not in (None, 1):
            raise EtudeError(
                f"candidates = {changes['candidates']}: a judge of them learns from train pieces, which a model's "
                "folder does not hold. Use etude generate candidates=... in a project."
            )
        asked = changes.pop("control", {})
        if not isinstance(asked, Mapping) or not all(isinstance(name, str) for name in asked):
            raise EtudeError(f'control = {asked!r} must be a mapping, as {{"key": "D minor"}}.')
        control = {**defaults("generate")["control"], **asked}
        for name in control:
            if name not in defaults("generate")["control"]:
                raise EtudeError(f'control: "{name}" is no attribute. {closest(name, defaults("generate")["control"])}')
        config = section(Generate, "generate", {**changes, "control": control})
        config = config.with_own(self.loaded.trained["model"].get("generate"), "model.generate")
        if config.requested and not getattr(self.loaded.model, "can_condition", False):
            raise EtudeError(f"{self.name} takes no control attributes. conditional does.")
        return config

    def _require_harmonizer(self) -> None:
        able = getattr(self.loaded.model, "can_harmonize", False) and self.loaded.representation.is_voice_grid
        if not able:
            raise EtudeError(f"{self.name} cannot write voices to given ones. voices and deepbach can.")


def load(source: str | Path) -> Model:
    """Load a trained model.

    Args:
        source: the name of a model that comes with etude (``voices``); a folder with config.json and
            model.safetensors, as ``etude train`` writes them below models/ and ``Model.save`` copies them; the folder
            of a manual run with one model in it; ``runs:/ID``, an MLflow run whose model was logged, or
            ``models:/...``; or ``hf://owner/name``, a folder of the Hugging Face Hub.

    Raises:
        EtudeError: there is no such model, or a file of it is missing or damaged.
    """
    folder = _folder(str(source))
    loaded = TrainedModel.read(folder, section(Generate, "generate", {}), catalog.command("train"))
    return Model(loaded, folder)


def _folder(source: str) -> Path:
    """The folder of a model."""
    if source in packaged_models():
        return PACKAGED / source
    if source.startswith(("runs:/", "models:/")):
        from etude.tracking.logged_model import download_model

        return download_model(source)
    if source.startswith("hf://"):
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(source.removeprefix("hf://")))
        except (OSError, ValueError) as error:  # not there, no network, no such name
            reason = str(error).partition("\n")[0]
            raise EtudeError(f"{source} cannot be read from the Hugging Face Hub: {reason}") from None
    path = given_path(source)
    try:
        if (path / catalog.CONFIG).is_file():
            return path
    except (OSError, ValueError) as error:
        raise EtudeError(f'"{source[:60]}" cannot be the name of a folder ({error.__class__.__name__}).') from None
    inside = sorted(file.parent for file in path.glob((catalog.model("*") / catalog.CONFIG).place))
    if len(inside) == 1:
        return inside[0]
    if inside:
        raise EtudeError(f"{path} holds {len(inside)} models. Name one: {', '.join(map(str, inside))}.")
    if path.is_dir():
        raise EtudeError(f"{path} holds no trained model (no {catalog.CONFIG}). etude train writes one.")
    raise EtudeError(
        f'"{source}" is no folder, and no model that comes with etude. {closest(source, packaged_models())}'
    )


def _piece(given: Piece | str | Path) -> Piece:
    if not isinstance(given, Piece | str | Path):
        raise EtudeError(f"{given!r} is no piece. Give a Piece or the path of a file.")
    return given if isinstance(given, Piece) else read(given)


@contextmanager
def _naming(piece: Piece) -> Iterator[None]:
    """Say which piece an error is about."""
    try:
        yield
    except EtudeError as error:
        raise EtudeError(f"{piece.title}: {error}") from None
