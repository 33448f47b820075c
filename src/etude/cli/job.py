"""One job: the composed settings read and checked, and the stage run once for each of its names."""

import importlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from etude.artifacts import catalog
from etude.artifacts.context import DATA, Profiler, Session
from etude.cli.commands import COMMANDS, names_for
from etude.config.check import Count, check, construct
from etude.config.names import check_name
from etude.config.sections import Settings
from etude.core.errors import EtudeError, Pruned
from etude.runs.trials import Figures, figures_of, figures_of_folds
from etude.tasks.requests import (
    ArrangeFiles,
    GivenPiece,
    HarmonizeFiles,
    MixFiles,
    Request,
    ScoreSets,
    VideoFile,
    take_request,
)

DEFAULT = "voices"  # the model of etude generate where none is chosen
# stages that work on what an earlier one left for a model -> what that is
FROM = {
    "generate": catalog.model,
    "control": catalog.model,
    "harmonize": catalog.model,
    "evaluate": catalog.samples,
    "arrange": catalog.evaluation,
}


@dataclass(frozen=True)
class Asked:
    """What a job is asked for, checked."""

    values: dict[str, Any]  # the settings as plain values
    settings: Settings
    own: dict[str, Any]  # of the section session, without nulls and ``run``
    run: Path | None  # the folder of an earlier run to read from
    folds: int | None  # of a cross-validation
    request: Request | None  # about files of the person's own; None: the command takes none

    @property
    def on_own_files(self) -> bool:
        """Whether the command works on files that somebody gives, and writes where they say."""
        if self.request is None or isinstance(self.request, GivenPiece):
            return False
        return isinstance(self.request, MixFiles | VideoFile) or self.request != type(self.request)()

    def session(self, root: Path, **more: Any) -> Session:
        """The session of the job in a project."""
        return construct(Session, self.own, "session", root=root, run=self.run, **more)


def read_job(stage: str, root: Path, config: Any) -> Asked:
    """Check the composed settings of a job.

    Raises:
        EtudeError: a key has a wrong type or value, or belongs to another stage.
    """
    from etude.config.compile import compose_values

    values = compose_values(config)
    own = check(values.pop("session"), dict, "session")
    own["profiler"] = check(values["trainer"].pop("profiler"), Profiler | None, "trainer.profiler")
    folds = check(values.pop("cv"), Count | None, "cv")
    if folds is not None and stage != "train":
        raise EtudeError(
            f"cv = {folds} is for training: etude train cv={folds} model=... (etude {stage} has no folds)."
        )
    request = take_request(stage, values)
    if isinstance(request, GivenPiece) and request.sound not in (None, "true", "false"):
        raise EtudeError(f"sound = {request.sound}: etude generate takes sound=true, for an mp3 next to each piece.")
    if isinstance(request, ScoreSets) and request != ScoreSets() and None in (request.pieces, request.reference):
        missing = "pieces" if request.pieces is None else "reference"
        raise EtudeError(f"{missing} is not set. Name two folders: etude evaluate pieces=my_samples reference=real")
    settings = Settings.of(values)
    named = own.pop("run", None)
    run = Path(named).resolve() if named else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"session.run = {run}: there is no such folder. Manual runs are kept under runs/.")
    own = {name: value for name, value in own.items() if value is not None}  # null: Session's default
    asked = Asked(values, settings, own, run, folds, request)
    asked.session(root)  # which raises where a key of it is wrong
    return asked


def run_job(
    stage: str, root: Path, config: Any, watch: Callable[[Mapping[str, float], int], None] | None = None
) -> Figures:
    """Run one job. Gives the figures on valid of the models that it trained; none for other stages.

    Args:
        stage: the command.
        root: the project.
        config: the settings, composed by Hydra.
        watch: sees each row of metrics of a training, and may raise Pruned.
    """
    from hydra.core.hydra_config import HydraConfig

    asked = read_job(stage, root, config)
    by_hand = COMMANDS[stage].by_hand and not asked.on_own_files
    out = Path(HydraConfig.get().runtime.output_dir) if by_hand else None
    task = HydraConfig.get().overrides.task
    swept = " ".join(part for part in task if not part.startswith(("experiment=", "model=", "hparams=")))
    chosen = " ".join(map(shlex.quote, _choosing_data(task)))
    settings, session = asked.settings, asked.session(root, out=out, overrides=swept, asked=chosen)
    session.link()
    if stage == "all":
        experiment = HydraConfig.get().runtime.choices.get("experiment")
        if experiment:
            check_name(experiment, "experiment")
        _run_all(settings, session, experiment, list(task))
        return {}
    if asked.folds is not None:
        from etude.runs import cross_validation

        made = cross_validation.run(settings, session, asked.folds)
        print(f"etude: wrote {made.relative_to(root)}")
        return figures_of_folds(made)
    if asked.on_own_files:
        assert asked.request is not None
        said = _answer(asked.request, settings, session, _given_in_mix(task))
        print(f"etude: {stage} {said}")
        return {}
    run_one = importlib.import_module(f"etude.stages.{stage}").run
    if isinstance(asked.request, GivenPiece) and asked.request.is_given:
        from etude.runs.given_piece import generate_given

        run_one = partial(generate_given, given=asked.request)
    session = replace(session, watch=watch)
    for name in _names(stage, asked, session, list(task)):
        try:
            made = run_one(settings, session, *([name] if name else []))
        except Pruned as pruned:
            from etude.runs.search import remove_checkpoints

            pruned.model_name = str(name)
            remove_checkpoints(settings, session)
            raise
        if made is not None:
            written = Path(made).relative_to(root) if Path(made).is_relative_to(root) else Path(made)
            print(f"etude: {stage} {name or ''} wrote {written}".replace("  ", " "))
            if stage == "generate":
                _tell_pieces(Path(made), asked)
                compared = (catalog.REFERENCE, catalog.tokens(settings.model(str(name))["representation"]))
                if all(session.find(needed) is not None for needed in compared):
                    print(f"etude: measure them with: etude evaluate model={name} session.run={written.parents[2]}")
            if stage == "train":
                if session.profiler is not None and out is not None:
                    print(f"etude: the profile is in {(out / 'profile').relative_to(root)}")
                print(f"etude: use it with: etude generate model={name} session.run={written.parents[1]}")
            if stage == "reference" and by_hand:
                print(f"etude: compare samples with it: etude evaluate session.run={written.parents[1]}")
            if stage == "evaluate":
                print(f"etude: render the best with: etude arrange model={name} session.run={written.parents[2]}")
    return figures_of(settings, session) if stage == "train" else {}


def _answer(request: Request, settings: Settings, session: Session, given: Mapping[str, Any]) -> str:
    """Do what is asked of files that somebody gives. Gives what was done, as the end of a sentence.

    ``given`` are the keys of the section ``mix`` that are set on the command line.
    """
    if isinstance(request, ScoreSets):
        from etude.runs.score_sets import write_comparison

        return f"wrote {' and '.join(map(str, write_comparison(settings, session, request)))}"
    if isinstance(request, MixFiles):
        from etude.tasks.mix_files import mix_files

        return str(mix_files(settings, session, request, given))
    if isinstance(request, VideoFile):
        from etude.tasks.video_file import video_file

        return str(video_file(settings, session, request, given))
    assert isinstance(request, ArrangeFiles | HarmonizeFiles)
    from etude.tasks.score_files import check_files

    check_files(request)  # so that a slip is answered before models and sound are loaded, which takes seconds
    if isinstance(request, ArrangeFiles):
        from etude.runs.arrange_file import arrange_file

        return f"wrote {' and '.join(map(str, arrange_file(settings, session, request)))}"
    from etude.tasks.harmonize_file import harmonize_file

    return f"wrote {' and '.join(map(str, harmonize_file(settings, session, request)))}"


def _given_in_mix(task: Sequence[str]) -> dict[str, Any]:
    """The gains and pans by name of a track that overrides set, as ``{"gain": {"Bass": -3}}``."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    own = [part for part in task if part.lstrip("+").startswith("mix.")]
    found: dict[str, Any] = {"gain": {}, "pan": {}}
    for override in OverridesParser.create().parse_overrides(own):
        _, key, *names = override.key_or_group.split(".", 2)
        value = override.value()
        if key in found and (names or isinstance(value, dict)):
            found[key] |= {names[0]: value} if names else {str(name): level for name, level in value.items()}
    return found


def _choosing_data(task: Sequence[str]) -> list[str]:
    """The overrides that choose the data of a run: the dataset, an experiment, keys of the data stages."""
    keys = [part.lstrip("+").partition("=")[0] for part in task]
    sections = ("dataset", "experiment", *DATA)
    return [part for part, key in zip(task, keys, strict=True) if key != "tokenize" and key.split(".")[0] in sections]


def _names(stage: str, asked: Asked, session: Session, task: Sequence[str]) -> list[str | None]:
    """The names that a stage runs for; where no model is chosen, those that the run which is read has.

    Without such a run ``etude generate`` takes one model: pieces of all of them take minutes.
    """
    names = names_for(stage, asked.values)
    if stage not in FROM or any(part.startswith(("model=", "experiment=")) for part in task):
        return names
    there = [name for name in names if any((run / FROM[stage](str(name)).place).exists() for run in session.runs())]
    if there:
        return there
    return [DEFAULT] if stage == "generate" and DEFAULT in names else names


def _tell_pieces(folder: Path, asked: Asked) -> None:
    """Write the sound of generated pieces where it is asked for, and say how to hear them."""
    pieces = sorted(folder.glob("*.mid"))
    some = ", ".join(file.name for file in pieces[:3]) + (", ..." if len(pieces) > 3 else ".")
    hear = "Hear them in any MIDI player, or have mp3 files too with: sound=true."
    if isinstance(asked.request, GivenPiece) and asked.request.sound == "true":
        from etude.audio.files import Tags
        from etude.audio.render import write_sound_of
        from etude.core.progress import follow
        from etude.core.project import version_of_code

        comment = f"seed {asked.settings.generate.seed}; {version_of_code()}"

        for file in follow(pieces, "rendering", len(pieces), asked.own.get("progress", True)):
            tags = Tags(f"{folder.name}, {file.stem}", f"etude {folder.name}", comment)
            write_sound_of(file, asked.settings.mix, at_once=True, tags=tags)
        hear = "Hear the .mp3 next to each."
    print(f"etude: {len(pieces)} {'piece' if len(pieces) == 1 else 'pieces'}: {some} {hear}")


def _run_all(settings: Settings, session: Session, experiment: str | None, task: list[str]) -> None:
    """Run ``etude all``, and keep what it leaves of the experiments whose results are committed.

    Where models are chosen, and no representations, only those are built that the models read.
    """
    from etude.runs import literature, pipeline

    chosen = {part.partition("=")[0] for part in task}
    if "model" in chosen and "tokenize" not in chosen:
        read = {section["representation"] for section in settings.models.values()}
        built = {name: section for name, section in settings.tokenize.items() if name in read}
        settings = replace(settings, tokenize=built)
    root = session.root
    own = [part for part in task if part != f"experiment={experiment}" and not part.startswith("session.")]
    as_written = all(part.startswith("seed=") for part in own)
    protocol = literature.protocol(root, experiment) if experiment else None
    if experiment and protocol is not None and as_written:
        literature.require_first_seed(settings, root, experiment)
    page = pipeline.run(settings, session)
    print(f"etude: the report is {page.relative_to(root)}")
    folder = page.parents[1]
    if experiment == "full" and not own:
        print(f"etude: the results are {pipeline.keep_results(root, folder).relative_to(root)}")
    if experiment and protocol is not None:
        inside = replace(session, out=folder, run=folder)
        made = literature.run(settings, inside, experiment, protocol, as_written)
        print(f"etude: the figures are {made.relative_to(root)}")
