"""The commands of ``etude`` as a table: what each does, which names it runs for, and where it writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MUSIC, TRAINING, STAGE = "Make music", "Train and compare", "The other stages of the pipeline, in its order"


@dataclass(frozen=True)
class Command:
    """One command."""

    what: str
    by_hand: bool = False  # writes below runs/, not over the pipeline's results
    stage: bool = True
    purpose: str = ""  # the heading in `etude --help`; "": STAGE for a stage, else TRAINING
    example: str = ""  # what follows its name in an example
    keys: tuple[str, ...] = ()  # of conf/, besides the section of its own name: sections and keys
    groups: tuple[str, ...] = ()  # of conf/ that it depends on
    presets: tuple[str, ...] = ()  # settings that hold where they are not typed, in place of those of conf/
    own: Mapping[str, str] = field(default_factory=dict)  # keys that are not in conf/, of a command without settings

    @property
    def composes(self) -> bool:
        """Whether it takes the settings of conf/."""
        return self.stage or bool(self.groups) or bool(self.keys)


COMMANDS = {
    "download": Command(
        "fetch the untouched source files of a dataset, verified by digest",
        example="dataset=nottingham",
        groups=("dataset",),
    ),
    "ingest": Command(
        "turn source files into clean MIDI with a manifest; list what is refused",
        example="dataset=folder dataset.path=~/my_midi",
        groups=("dataset",),
    ),
    "split": Command(
        "split the pieces into train, valid and test by tune family; audit leaks",
        example="method=folds fold=2",
        groups=("dataset",),
    ),
    "augment": Command(
        "transpose and stretch the train pieces",
        example="transpose=true",
        groups=("dataset",),
    ),
    "tokenize": Command(
        "encode the pieces, one folder a representation",
        example="tokenize=remi",
        groups=("tokenize", "dataset"),
    ),
    "train": Command(
        "train models; each training is one MLflow run",
        by_hand=True,
        purpose=TRAINING,
        example="model=lstm max_steps=200 optim.lr=1e-3",
        keys=("optim", "trainer", "cv"),
        groups=("model", "trainer", "size", "experiment", "tokenize", "dataset"),
    ),
    "generate": Command(
        "sample pieces, continue or fill in one of yours: prime=theme.mid bars=5-8",
        by_hand=True,
        purpose=MUSIC,
        example="model=transformer seed=7 bars=8",
        keys=("sound", "prime", "fill", "tracks"),
        groups=("model", "size"),
    ),
    "reference": Command("measure the real test pieces, and real against real", by_hand=True),
    "evaluate": Command(
        "measure a model's predictions and samples, or your own scores: pieces=FOLDER reference=FOLDER",
        by_hand=True,
        purpose=TRAINING,
        example="pieces=my_samples reference=real_music output=evaluation.html",
        keys=("pieces", "reference", "output", "overwrite"),
        groups=("model", "size"),
    ),
    "control": Command(
        "evaluate conditional generation: sample with control attributes, and check them",
        by_hand=True,
        example="model=conditional pieces=6",
        groups=("model", "size"),
    ),
    "harmonize": Command(
        "harmonise the test melodies, or one of yours: input=... output=...",
        by_hand=True,
        purpose=MUSIC,
        example="input=melody.mid output=chorale.mid",
        keys=("input", "tune", "output", "overwrite", "top_line", "fixed", "bass", "picture", "sound", "chords"),
        groups=("model", "size"),
    ),
    "arrange": Command(
        "arrange a melody of yours for a band: input=... output=... style=NAME|FILE; or each model's best pieces",
        by_hand=True,
        purpose=MUSIC,
        example="input=melody.mid output=song.mid sound=song.mp3 style=bossa form=AABA",
        keys=("input", "tune", "output", "overwrite", "top_line", "picture", "sound", "chords", "mix"),
        groups=("style", "model"),
    ),
    "mix": Command(
        "mix tracks of yours, scores and sounds, into one file: reverb, compressor, limiter, -14 LUFS",
        stage=False,
        purpose=MUSIC,
        example="tracks='[melody.mid,bass.wav,drums.wav]' output=final.mp3 gain='{bass: -3}'",
        keys=("tracks", "output", "overwrite", "gain", "pan", "send", "offset", "loop", "stems", "title"),
        presets=("mix.sample_rate=44100", "mix.quality=0.8"),
    ),
    "live": Command(
        "music without end, steered while it plays; it answers a player, or accompanies one",
        stage=False,
        purpose=MUSIC,
        example="model=lstm_attention seconds=60 output=a.mid session=s.json",
        own={
            "model=M": "the trained model; voices without it",
            "session.run=FOLDER": "the run below runs/ to take it from; else the pipeline, or what comes with etude",
            "role=play|answer|accompany": "play on and on; answer a player's phrases; put a harmony under a melody",
            "harmony=voices|chords": "of role=accompany: the voices of a model, or chords, for which there is no model",
            "seed=N": "of the random numbers; 1 without it",
            "seconds=N": "how long it plays; without it until Ctrl-C",
            "bars=N": "how many bars it plays, likewise",
            "out=ADDRESS,...": "where MIDI goes: port:NAME, tcp:HOST:PORT",
            "sound=play|-|FILE": "sound: through a program of this machine, as WAV to standard output, or a .wav file",
            "output=FILE": "a MIDI file of all that sounded, to write at the end",
            "session=FILE": "a .json file from which the same music is written again, to write",
            "replay=FILE": "a session: writes its music again to output or sound",
            "input=ADDRESS|FILE": "who plays: port:NAME, tcp:HOST:PORT to listen on, or a MIDI file, in real time",
            "echo=true|false": "send on to out what is played",
            "control=PORT": "a port of 127.0.0.1 that takes lines, as tempo=90; 0 for a free one (docs/live.md)",
            "ahead=N": "bars that are written ahead; 2 without it",
            "fast=true": "without waiting, as fast as the music is written",
            "overwrite=true": "replace files that exist",
            "tempo=BPM": "this and what follows can change while it plays; auto: as the model writes it",
            "temperature=T": "below 1 more probable notes, above 1 more varied ones; the model's own without it",
            "top_p=P": "only the most probable notes up to this total probability",
            "transpose=N": "semitones",
            "scale=KEY": "notes outside of a key, as D minor, become rare",
            "instruments=PROGRAMS": "General MIDI programs by voice, as Bass:32,Alto:48, or one for all",
            "mute=VOICES": "voices that are silent, as Bass,Tenor",
            "style=NAME": "a band of conf/style that plays along, as bossa",
            "mood=NAME": "of conditional: happy, tense, sad, calm",
            "key=KEY": "of conditional, as D minor; a new key starts a new section",
            "mode=MODE": "of conditional: major or minor",
            "density=LEVEL": "of conditional: notes a quarter note; lowest, low, middle, high, highest, or a number",
            "polyphony=LEVEL": "of conditional: notes at once, likewise",
            "bottom=LEVEL": "of conditional: the lowest pitch, likewise",
            "top=LEVEL": "of conditional: the highest pitch, likewise",
            "energy=LEVEL": "of conditional, from 0 to 1: fast, and many notes a second",
            "brightness=LEVEL": "of conditional, from 0 to 1: major, and high",
        },
    ),
    "studio": Command(
        "open a page on this machine to harmonise, fill in and arrange melodies of yours, and to hear them",
        stage=False,
        purpose=MUSIC,
        example="port=8030",
        own={
            "port=N": "of the page; 8030 without it",
            "open=true|false": "open it in a browser, where there is a display; true without it",
            "host=ADDRESS": "the address to listen on; 127.0.0.1, which others cannot reach, without it",
            "names=NAME,...": "further host names by which it may be asked",
            "token=TEXT": "without which nobody is answered, as scripts need it; a random one without it",
            "session.run=FOLDER": "the run below runs/ to take models from; else the pipeline",
        },
    ),
    "video": Command(
        "a video of a piece of yours with its sound: a roll or a score that scrolls, with its harmony in colours",
        stage=False,
        purpose=MUSIC,
        example="input=song.mid output=song.mp4 title='My song' width=1920 height=1080",
        keys=(
            "input",
            "tune",
            "output",
            "overwrite",
            "sound",
            "title",
            "composer",
            "view",
            "colours",
            "width",
            "height",
            "fps",
            "start",
            "seconds",
        ),
        presets=("mix.sample_rate=48000",),
    ),
    "report": Command("write reports/index.html and the results as tables", by_hand=True),
    "track": Command("sync results to MLflow"),
    "ui": Command(
        "show the runs in MLflow's pages, on 127.0.0.1:5000 or at MLFLOW_TRACKING_URI",
        stage=False,
        own={"port=N": "of 127.0.0.1; 5000 without it"},
    ),
    "log-model": Command(
        "log a trained model to MLflow, which serves it",
        stage=False,
        example="model=lstm",
        own={
            "model=M": "the trained model",
            "session.run=FOLDER": "the run below runs/ to take it from; else the pipeline",
        },
    ),
    "compare": Command(
        "one page that plays the samples of several runs side by side",
        stage=False,
        example="pipeline runs/... output=compare.html",
        own={
            "RUN ...": "pipeline, folders below runs/, or ids of MLflow's runs",
            "model=M,...": "of runs with several models, those to show; all without it",
            "pieces=N": "samples of each run; 4 without it",
            "output=FILE": "the page to write; runs/compare.html without it",
        },
    ),
    "listen": Command(
        "ask listeners: a page to compare models by ear, a server for it, and its statistics",
        stage=False,
        example="build models=voices,lstm_attention",
        own={
            "build|serve|analyse": "write a page, serve it, or analyse the answers (docs/listening.md)",
            "models=M,...": "build: the systems: models, and folders of scores with a name, as mine=~/scores",
            "pieces=N": "build: clips of each system; 6 without it",
            "prompts=N|FOLDER": "build: models continue the first bars of N test pieces, or of scores of yours",
            "prompt_bars=N": "build: bars of a prompt; 4 without it",
            "seconds=N": "build: length of a clip, 10 to 30; 20 without it, 30 with prompts",
            "real=true|false|FOLDER": "build: hide real pieces among the systems; true without it: test pieces",
            "pairs=N": "build: pages of each pair of systems for a listener; without it 2, or 1 if that is long",
            "ratings=N": "build: pages with scales of each system for a listener; without it 2, or 1 if that is long",
            "repeats=N": "build: pairs that come again as attention check; up to 3 without it, 0 for none",
            "questions=FILE": "build: questions between pages, as YAML (docs/listening.md)",
            "consent=FILE": "build: an own consent text",
            "contact=TEXT": "build: to whom listeners send the file of their answers",
            "seed=N": "build: of the choice of pieces and of all orders; 1 without it",
            "session.run=FOLDER": "build: the run below runs/ to take samples or models from; else the pipeline",
            "output=FILE": "build: listen.html without it. analyse: reports/listen/analysis.json without it",
            "overwrite=true": "build: replace a page and its key. analyse: replace what is of another test",
            "page=FILE": "serve: the page; listen.html without it",
            "port=N": "serve: 8000 without it",
            "host=ADDRESS": "serve: the address to listen on; 127.0.0.1 without it",
            "names=NAME,...": "serve: further host names by which a proxy asks",
            "answers=FILE|FOLDER": "serve: the database; listen.sqlite without it. analyse: that, or a folder of files",
            "key=FILE": "analyse: what build wrote next to the page; listen.key.json without it",
        },
    ),
    "all": Command(
        "all stages for one composition of settings, in a folder below runs/",
        stage=False,
        purpose=MUSIC,
        example="dataset=folder dataset.path=~/my_midi",
        keys=("seed",),
        groups=("dataset", "model", "size", "experiment", "trainer", "tokenize"),
    ),
    "sweep-report": Command(
        "the table of a sweep, with mean and 95 % interval over seeds",
        stage=False,
        own={"FOLDER": "below runs/, or a parent run in MLflow; without it the newest sweep"},
    ),
    "originality": Command(
        "search what pieces copy from a folder of scores; exit status 1 where one copies",
        stage=False,
        example="pieces=my_samples reference=train_pieces",
        own={
            "pieces=FOLDER": "scores of any format, or one file",
            "reference=FOLDER": "the scores that may have been copied, as those that a model learned from",
            "real=FOLDER": "real scores that are no copies; without it the reference, each piece against the others",
            "threshold=SHARE": "above which a piece copies, from 0 to 1; without it the highest of the real pieces",
            "window=N": "notes that are compared at a time; without it evaluate.window",
            "output=FILE": "a .json file to write, too",
            "overwrite=true": "replace output",
        },
    ),
    "rebuild": Command(
        "rebuild what is out of date by DVC, several stages side by side: jobs=2",
        stage=False,
        example="jobs=2",
        own={"jobs=N": "stages side by side; without it: one for each CPU"},
    ),
    "verify": Command(
        "compare results on disk, and the arithmetic of this CPU, with the committed ones",
        stage=False,
        own={"record=true": "add this kind of CPU to reports/arithmetic.json"},
    ),
}
PATHS = {  # keys that name a file, or a folder
    "prime": "file",
    "input": "file",
    "output": "file",
    "fixed": "file",
    "bass": "file",
    "picture": "file",
    "sound": "file",
    "dataset.path": "folder",
    "pieces": "folder",
    "reference": "folder",
    "stems": "folder",
    "mix.soundfont": "file",
    "session.run": "folder",
}
LISTS = {("mix", "tracks"): "file"}  # commands and keys that name several
STAGES = [name for name, command in COMMANDS.items() if command.stage]
BY_HAND = [name for name, command in COMMANDS.items() if command.by_hand]


def names_for(command: str, values: Mapping[str, Any]) -> list[str | None]:
    """The names that a command runs for: those of its section, or the chosen models if the section is empty."""
    from etude.config.code import SECTIONS

    section = SECTIONS.get(command)
    if section is None:
        return [None]
    return list(values[section] or values["models"])


def path_kind(command: str, key: str) -> str | None:
    """What a key of a command names, a file or a folder; None where it names none."""
    return PATHS.get(key) or PATHS.get(f"{command}.{key}")
