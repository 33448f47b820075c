"""Control tokens that describe a piece after each bar, and requested attributes."""

from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.core.errors import EtudeError
from etude.representations.attributes import NAMES, NONE, UNITS, Attributes, Measurements, Scale, key_of, measure

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
TRAIN = [make_piece(seed, 8 + seed) for seed in range(8)]


def learned(*pieces: ScoreTick) -> Attributes:
    made = Attributes(4, 16, 5)
    made.learn([made.survey(pieces or TRAIN)], PROGRAMS)
    return made


def of_notes(*notes: tuple[int, int, int], drums: bool = False, tempo: float | None = 90) -> ScoreTick:
    piece = ScoreTick(24)
    track = TrackTick("Soprano", PROGRAMS["Soprano"], drums)
    for time, duration, pitch in notes:
        track.notes.append(NoteTick(time, duration, pitch, 80))
    piece.tracks.append(track)
    if tempo is not None:
        piece.tempos.append(TempoTick(0, tempo))
    return piece


def told(made: Attributes, tokens: list[int]) -> dict[str, str]:
    return dict(made.names[token].removeprefix("Attribute.").split("_") for token in tokens)


def test_a_piece_is_measured_as_defined() -> None:
    piece = of_notes((24, 48, 60), (48, 48, 64), (48, 24, 67), (144, 24, 72))  # 6 quarters, of which 4 sound
    found = measure(piece)
    assert (found.tonic, found.mode) == (0, "major")
    assert found.tempo == 90 and found.density == round(4 / 6, 2) and found.polyphony == (48 + 48 + 24 + 24) / 96
    assert (found.bottom, found.top, found.middle) == (60, 72, 66) and found.rate == found.density * 1.5


def test_tempo_is_the_mean_over_time_and_120_where_none_is_stated() -> None:
    piece = of_notes((0, 96, 60), tempo=60)
    piece.tempos.append(TempoTick(48, 120))
    assert measure(piece).tempo == 80  # two quarters in 2 s, two in 1 s
    assert measure(of_notes((0, 96, 60), tempo=None)).tempo == 120


def test_drums_count_for_density_alone_and_silence_for_nothing() -> None:
    found = measure(of_notes((0, 24, 36), (24, 24, 38), drums=True))
    assert found.tonic is None and np.isnan([found.polyphony, found.bottom, found.top]).all() and found.density == 1
    empty = measure(of_notes())
    assert empty.mode is None and np.isnan(empty.density)
    made = learned()
    silent = dict.fromkeys(NAMES, NONE)
    said = told(made, made.control_tokens(of_notes()))
    assert said["tempo"] != NONE and said | {"tempo": NONE} == silent


def test_control_tokens_stand_after_each_bar_and_nowhere_else() -> None:
    made = learned()
    piece = TRAIN[5]
    tokens = made.encode(piece).tolist()
    bars = [place for place, token in enumerate(tokens) if made.types[token] == "Bar"]
    assert len(bars) == 4
    for place in bars:
        assert tokens[place + 1 : place + 1 + len(NAMES)] == made.control_tokens(piece)
    controls = {token for of in made.controls for token in of}
    assert sum(token in controls for token in tokens) == len(bars) * len(NAMES)
    assert all(token >= made.base for token in controls) and max(controls) == made.vocabulary - 1


def test_levels_hold_as_many_train_pieces_each() -> None:
    scale = Scale.learn([Measurements(0, "major", 60 + n, 1.0, 2.0, 40, 80) for n in range(50)], 5)
    levels = [scale.level("tempo", 60 + n) for n in range(50)]
    assert np.bincount([level for level in levels if level is not None]).tolist() == [10] * 5
    assert scale.edges["density"] == [] and scale.level("density", 7.0) == 0, "what is always the same has one level"
    assert scale.span("tempo", 0) == (None, 69.5) and scale.span("tempo", 4) == (99.5, None)
    assert scale.level("tempo", 69.4) == 0, "half-way, so that a grid of tempos does not matter"
    ties = Scale.learn([Measurements(0, "major", tempo, 1.0, 2.0, 40, 80) for tempo in [72] * 6 + [80] * 3 + [88]], 5)
    assert ties.edges["tempo"] == [76.0] and [ties.level("tempo", tempo) for tempo in (72, 80, 88)] == [0, 1, 1]


def test_mood_rises_with_speed_and_with_major_and_pitch() -> None:
    train = [Measurements(0, "major", 60 + n, 1.0 + n, 2.0, 40 + n, 80 + n) for n in range(20)]
    scale = Scale.learn(train, 5)
    energies = [scale.value(piece, "energy") for piece in train]
    assert energies == sorted(energies) and 0 < energies[0] < 0.1 and 0.9 < energies[-1] < 1
    minor = Measurements(0, "minor", 60, 1.0, 2.0, 59, 99)
    assert scale.value(minor, "brightness") == scale.value(train[-1], "brightness") - 0.5
    assert np.isnan(scale.value(Measurements(None, None, 60, 1.0, 2.0, np.nan, np.nan), "brightness"))


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 24), st.integers(-5, 6))
def test_a_transposed_piece_says_the_same_but_for_its_key_and_range(seed: int, beats: int, semitones: int) -> None:
    made = learned()
    piece = make_piece(seed, beats)
    one, other = (told(made, made.control_tokens(score)) for score in (piece, piece.shift_pitch(semitones)))
    for name in ("mode", "tempo", "density", "polyphony", "energy"):
        assert one[name] == other[name]
    before, after = measure(piece), measure(piece.shift_pitch(semitones))
    assert (before.tonic is None) == (after.tonic is None)
    assert before.tonic is None or after.tonic == (before.tonic + semitones) % 12
    assert after.top == before.top + semitones


def test_a_saved_one_is_loaded_as_it_was(tmp_path: Path) -> None:
    made = learned()
    made.save(tmp_path)
    values = {"positions_per_beat": 4, "max_beats": 16, "levels": 5}
    again = Attributes.load(tmp_path, values, PROGRAMS)
    assert again.names == made.names and again.scale == made.scale and again.controls == made.controls
    assert again.encode(TRAIN[2]).tolist() == made.encode(TRAIN[2]).tolist()


# --- requested attributes


def test_requested_attributes_have_their_tokens_and_all_others_the_neutral_ones() -> None:
    made = learned()
    silent = dict.fromkeys(NAMES, NONE)
    assert told(made, made.requested_tokens({})) == silent == told(made, made.requested_tokens({"tempo": None}))
    assert told(made, made.requested_tokens({"key": "F#m"})) == silent | {"key": "F# minor", "mode": "minor"}
    assert told(made, made.requested_tokens({"mode": "major", "top": "highest"})) == silent | {
        "mode": "major",
        "top": str(len(made.scale.edges["top"]) if made.scale else 0),
    }
    density = measure(TRAIN[3]).density
    assert (
        told(made, made.requested_tokens({"density": density}))["density"]
        == told(made, made.control_tokens(TRAIN[3]))["density"]
    )
    assert made.requested_tokens({"density": str(density)}) == made.requested_tokens({"density": density})


def test_words_name_levels_from_the_lowest_to_the_highest() -> None:
    made = learned()
    for name in UNITS:
        assert made.scale is not None
        levels = [made.level(name, word) for word in ("lowest", "low", "middle", "high", "highest")]
        assert levels == sorted(levels) and levels[0] == 0 and levels[-1] == made.scale.levels(name) - 1


@pytest.mark.parametrize(
    ("control", "says"),
    [
        ({"loudness": 3}, "control.loudness is not measured"),
        ({"tempo": "fast"}, r"control.tempo = fast must be a number \(BPM\) or one of lowest, low"),
        ({"tempo": float("nan")}, "control.tempo = nan must be a number"),
        ({"mode": "dorian"}, "control.mode = dorian must be major or minor"),
        ({"key": "H minor"}, "control.key = H minor must be a key, as D minor"),
        ({"key": "D minor", "mode": "major"}, "control.key = D minor and control.mode = major do not fit"),
    ],
)
def test_an_attribute_that_cannot_be_read_is_refused_in_a_sentence(control: dict[str, object], says: str) -> None:
    with pytest.raises(EtudeError, match=says):
        learned().requested_tokens(control)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", (0, "major")),
        ("Dm", (2, "minor")),
        ("f# minor", (6, "minor")),
        ("Bb major", (10, "major")),
        ("Cb", (11, "major")),
        ("E♭maj", (3, "major")),
    ],
)
def test_keys_are_read(text: str, key: tuple[int, str]) -> None:
    assert key_of(text) == key


def test_what_has_to_follow_is_known_of_bars_and_control_tokens_alone() -> None:
    made = learned()
    requested = made.requested_tokens({"key": "D minor", "density": "highest"})
    forced = made.forced_tokens(requested)
    bar = made.types.index("Bar")
    written, token = [], bar
    while forced[token] >= 0:
        token = int(forced[token])
        written.append(token)
    assert written == requested
    assert all(forced[token] < 0 for token in range(made.base) if token != bar)
