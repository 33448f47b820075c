"""Stage split: families, dealing, the audit."""

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT, smoke
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import write_pieces
from etude.artifacts.provenance import SPLITS, built_from
from etude.config.compile import compile_params
from etude.config.sections import Settings, Split
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json
from etude.metrics.melody import compare
from etude.splits import features as features_room
from etude.splits.assign import assign, assign_folds, assign_published, hold_out
from etude.splits.audit import audit, leaks
from etude.splits.families import find_families
from etude.splits.features import Features, drop_common, features, naming_title, plain_title
from etude.stages.split import make_splits, run

SETTINGS = smoke()
CHANCE = {"train": 0.7, "valid": 0.15, "test": 0.15}


def tune(seed: int, shift: int = 0, bass: int = 40, notes: int = 24, factor: int = 1) -> Score:
    """A random melody over a held bass."""
    score, length = Score(24), 24 * factor
    pitches = np.random.default_rng(seed).integers(55, 80, notes)
    for name, line in (("Soprano", [int(p) + shift for p in pitches]), ("Bass", [bass + shift] * notes)):
        track = Track(name, 0, False)
        for at, pitch in enumerate(line):
            track.notes.append(Note(length * at, length, pitch, 80))
        score.tracks.append(track)
    return score


def of(name: str, score: Score, settings: Settings = SETTINGS, **entry: Any) -> Features:
    return features({"id": name, **entry}, score, settings)


def with_split(**values: Any) -> Settings:
    return smoke(split=values)


def test_titles_are_compared_without_spelling() -> None:
    assert plain_title("Ich dank’ dir, lieber Herre!") == plain_title("ICH DANK' DIR  lieber herre")
    assert plain_title("Größe, süß") == "grosse suss"
    assert plain_title("茉莉花 (一)") == "茉莉花 一"
    assert plain_title(None) == ""


@pytest.mark.parametrize("title", [None, "", "?!", "Untitled", "Track 01", "Gigue no.2", "The Reel", "Sonata in A, II"])
def test_titles_that_name_no_tune(title: str | None) -> None:
    assert naming_title(title) == ""


@pytest.mark.parametrize("title", ["Boston Reel", "Liebeslied", "Abendlied", "小白菜", "Jesu, meine Freude (2)"])
def test_titles_that_name_a_tune(title: str) -> None:
    assert naming_title(title) == naming_title(f"The {title}") == naming_title(f"{title}, The") == plain_title(title)


def test_short_and_trivial_openings_identify_nothing() -> None:
    count = SETTINGS.split.opening
    assert len(of("a", tune(1, notes=count + 1)).opening) == count
    assert of("a", tune(1, notes=count)).opening == ()
    for pattern in ([60], [60, 62]):
        score = tune(1, notes=count + 1)
        for at, note in enumerate(score.tracks[0].notes):
            note.pitch = pattern[at % len(pattern)]
        assert of("a", score).opening == ()


def test_what_many_pieces_share_identifies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_room, "COMMON", 2)
    same, other = tune(1), tune(2)
    pieces = [of(name, same, title="Placeholder") for name in "dcb"] + [of("a", other, title="Own")]
    found = drop_common(pieces)
    assert [piece.id for piece in found] == ["a", "b", "c", "d"]
    assert [piece.title for piece in found] == ["own", "", "", ""]
    assert [bool(piece.opening) for piece in found] == [True, False, False, False]


def test_the_melody_is_the_first_of_named_voices_or_else_the_top_line() -> None:
    score = Score(24)
    for name in ("Bass", "Soprano", "Horn"):
        score.tracks.append(
            next(track for track in tune(1).tracks if track.name == name) if name != "Horn" else Track()
        )
    open_tracks = smoke(dataset={"reading": {**SETTINGS.dataset["reading"], "voices": None}})
    assert set(of("a", score).melody[:, 0]) == {40}
    assert np.array_equal(of("a", score, open_tracks).melody, of("a", tune(1)).melody)


def test_families_join_by_each_mark_and_from_each_to_the_next() -> None:
    def piece(number: int, **marks: Any) -> Features:
        return dataclasses.replace(of(str(number), Score(24)), relative=b"%d" % number, **marks)

    pieces = [
        piece(0, title="a", opening=(1,)),
        piece(1, title="a", opening=(2,)),
        piece(2, opening=(2,)),
        piece(3, origin="file"),
        piece(4, origin="file"),
        piece(5),
        piece(6, title="b"),
        dataclasses.replace(piece(7, title="c"), relative=b"6"),
    ]
    assert find_families(pieces, []) == [0, 0, 0, 3, 3, 5, 6, 6]
    assert find_families(pieces, [(4, 5), (2, 3)]) == [0, 0, 0, 0, 0, 0, 6, 6]


SPLIT: Split = with_split(**CHANCE).split


@examples(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=200), st.integers(0, 1000))
def test_assignment_keeps_families_whole_and_shares_near(family: list[int], seed: int) -> None:
    families = {f"p{place:03}": str(number) for place, number in enumerate(family)}
    settings = dataclasses.replace(SPLIT, seed=seed)
    if len(set(family)) < 3:
        return
    splits = assign(families, settings)
    assert sorted(name for names in splits.values() for name in names) == sorted(families)
    of = {split: {families[name] for name in names} for split, names in splits.items()}
    assert not of["train"] & of["valid"] and not of["train"] & of["test"] and not of["valid"] & of["test"]
    largest = max(family.count(number) for number in family)
    assert all(abs(len(splits[split]) - getattr(settings, split) * len(family)) <= 2 * largest for split in splits)


def test_assignment_follows_the_seed_and_nothing_else() -> None:
    families = {f"p{place:02}": f"p{place // 2 * 2:02}" for place in range(60)}
    settings = SPLIT
    first = assign(families, settings)
    assert assign(dict(reversed(families.items())), settings) == first
    assert assign(families, dataclasses.replace(settings, seed=settings.seed + 1)) != first


def test_too_few_families_is_an_error() -> None:
    with pytest.raises(EtudeError, match="2 tune families, too few for train, valid, test"):
        assign({"a": "a", "b": "b"}, SPLIT)
    train_alone = dataclasses.replace(SPLIT, train=1.0, valid=0.0, test=0.0)
    assert assign({"a": "a", "b": "b"}, train_alone) == {"train": ["a", "b"], "valid": [], "test": []}


@examples(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=200), st.integers(0, 1000))
def test_folds_part_the_families_evenly(family: list[int], seed: int) -> None:
    families = {f"p{place:03}": str(number) for place, number in enumerate(family)}
    if len(set(family)) < 5:
        return
    split_ids = [
        assign_folds(families, dataclasses.replace(SPLIT, method="folds", seed=seed, folds=5, fold=fold))
        for fold in range(5)
    ]
    largest = max(family.count(number) for number in family)
    for fold, splits in enumerate(split_ids):
        assert sorted(name for names in splits.values() for name in names) == sorted(families)
        of_split = [{families[name] for name in splits[split]} for split in SPLITS]
        assert not of_split[0] & of_split[1] and not of_split[0] & of_split[2] and not of_split[1] & of_split[2]
        assert splits["valid"] == split_ids[(fold + 1) % 5]["test"]
        assert abs(len(splits["test"]) - len(families) / 5) <= largest
    assert sorted(name for splits in split_ids for name in splits["test"]) == sorted(families)


@pytest.mark.parametrize("rest", [assign, assign_folds])
def test_held_out_pieces_and_their_families_are_in_test(rest: Any) -> None:
    families = {f"p{place:02}": f"p{place // 2 * 2:02}" for place in range(60)}
    for fold in range(5):
        settings = dataclasses.replace(SPLIT, fold=fold, held_out=["p07", "p20", "not there"])
        splits = hold_out(families, settings, rest)
        assert {"p06", "p07", "p20", "p21"} <= {*splits["test"]} and splits["test"] == sorted(splits["test"])
        assert sorted(name for names in splits.values() for name in names) == sorted(families)
    assert hold_out(families, SPLIT, rest) == rest(families, SPLIT)


def test_the_songs_of_the_comparison_of_accompaniments_are_held_out() -> None:
    values = yaml.safe_load(compile_params(ROOT / "conf", ["dataset=pop909"]))
    songs = ["058", "163", "190", "445", "449", "492", "551", "573", "656", "692"]
    assert Settings.of(values).dataset["held_out"] == songs
    assert "held_out" not in smoke().dataset


def test_too_few_families_for_the_folds_is_an_error() -> None:
    with pytest.raises(EtudeError, match=r"2 tune families, too few for split\.folds = 5"):
        assign_folds({"a": "a", "b": "b"}, SPLIT)


def test_settings_of_the_split_are_checked() -> None:
    with pytest.raises(EtudeError, match=r"split\.method = fold is not known\. .*folds"):
        with_split(method="fold")
    with pytest.raises(EtudeError, match=r"split\.fold = 5 must be below split\.folds = 5"):
        with_split(fold=5, folds=5)


def test_a_published_split_is_taken_whole_or_not_at_all() -> None:
    pieces = [
        of(f"p{place}", Score(24), split=split) for place, split in enumerate(("test", "train", "valid", "train"))
    ]
    assert assign_published(pieces, "jsb") == {"train": ["p1", "p3"], "valid": ["p2"], "test": ["p0"]}
    with pytest.raises(EtudeError, match="of the dataset jsb has no pieces for valid and test"):
        assign_published([pieces[1], pieces[3]], "jsb")
    assert assign_published(pieces, "jsb", ["p0"])["test"] == ["p0"]
    with pytest.raises(EtudeError, match=r"does not have p2, which split\.held_out names, in test"):
        assign_published(pieces, "jsb", ["p0", "p2"])
    with pytest.raises(
        EtudeError, match="1 of 5 pieces of the dataset folder have no split in its manifest, p9 for one"
    ):
        assign_published([*pieces, of("p9", Score(24))], "folder")


def test_a_published_split_is_audited_and_its_leaks_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = {str(seed): {"split": "train" if seed < 6 else "valid"} for seed in range(8)}
    scores = {str(seed): tune(seed) for seed in range(8)} | {"8": tune(1, bass=45), "9": tune(1, shift=2)}
    entries |= {"8": {"split": "test"}, "9": {"split": "test"}}
    settings = with_split(method="published")
    session = ingested(tmp_path, settings, scores, entries)
    run(settings, session)
    written = read_json(tmp_path / "data" / "split" / "split.json", "")
    assert written["test"] == ["8", "9"] and written["valid"] == ["6", "7"]
    assert written["families"]["8"] == written["families"]["9"] == "1"
    pairs = read_json(tmp_path / "data" / "split" / "leakage.json", "")["pairs"]
    assert pairs["train/test"]["shared_openings"] == {"pairs": 2, "train": 1, "test": 2}
    assert pairs["train/test"]["transposed_duplicates"] == {"pairs": 1, "train": 1, "test": 1}
    assert pairs["train/test"]["exact_duplicates"] == {"pairs": 0, "train": 0, "test": 0}
    printed = capsys.readouterr().err
    assert "WARNING, the published split leaks: 2 pairs with shared openings between train and test" in printed
    settings = with_split(method="ratio")
    run(settings, ingested(tmp_path / "again", settings, scores, entries))
    assert "leaks" not in capsys.readouterr().err


def test_the_audit_finds_each_kind_of_leak() -> None:
    scores = {"a": tune(1), "b": tune(1), "c": tune(1, 3, factor=2), "d": tune(1, bass=45), "e": tune(2)}

    def count(one: str, other: str) -> dict:
        pieces = [of(name, scores[name], title="Same" if name in "ae" else None) for name in sorted((one, other))]
        splits = {"train": [one], "test": [other]}
        families = {name: name for name in (one, other)}
        return audit(splits, families, pieces, compare([piece.melody for piece in pieces]), 0.55)["train/test"]

    def found(entry: dict) -> list[str]:
        assert all(set(number.values()) in ({0}, {1}) for what, number in entry.items() if what != "closest")
        return [what for what, number in entry.items() if what != "closest" and number["pairs"]]

    same = count("a", "b")
    assert found(same) == ["exact_duplicates", "transposed_duplicates", "shared_openings", "similar_melodies"]
    assert same["closest"] == {"pieces": ["a", "b"], "similarity": 1.0}
    assert found(count("a", "c")) == ["transposed_duplicates", "shared_openings", "similar_melodies"]
    assert found(count("a", "d")) == ["shared_openings", "similar_melodies"]
    assert found(count("a", "e")) == ["shared_titles"]
    assert leaks({"pairs": {"train/test": count("b", "e")}}) == []
    parts = leaks({"pairs": {"train/test": same}})
    assert parts[0] == "1 pairs with exact duplicates between train and test (1 train, 1 test pieces)"


def test_the_audit_counts_pairs_and_pieces() -> None:
    names = {"train": ["a", "b", "c"], "valid": ["d"], "test": ["e", "f"]}
    seeds = {"a": 1, "b": 1, "c": 2, "d": 3, "e": 1, "f": 1}
    pieces = [of(name, tune(seed)) for name, seed in seeds.items()]
    families = {name: str(seed) for name, seed in seeds.items()}
    found = audit(names, families, pieces, compare([piece.melody for piece in pieces]), 0.55)
    kinds = [what for what in found["train/test"] if what not in ("closest", "shared_titles")]
    assert len(kinds) == 5
    for what in kinds:
        assert found["train/test"][what] == {"pairs": 4, "train": 2, "test": 2}
        assert found["train/valid"][what] == {"pairs": 0, "train": 0, "valid": 0}
    assert list(found) == ["train/valid", "train/test", "valid/test"]
    assert found["train/test"]["closest"] == {"pieces": ["a", "e"], "similarity": 1.0}


def test_two_harmonisations_of_a_tune_are_in_one_split() -> None:
    kinds = (("x", 0, 40), ("y", 5, 43))
    pieces = [of(f"p{seed}{kind}", tune(seed, shift, bass)) for seed in range(12) for kind, shift, bass in kinds]
    for method in ("ratio", "folds"):
        result, leakage = make_splits(pieces, with_split(method=method, **CHANCE), show=False)
        split_of = {name: split for split in SPLITS for name in result[split]}
        assert all(split_of[f"p{seed}x"] == split_of[f"p{seed}y"] for seed in range(12))
        assert result["families"]["p3x"] == result["families"]["p3y"] == "p3x"
        assert leakage["family_sizes"] == {"2": 12} and leaks(leakage) == []
        assert sum(leakage["sizes"].values()) == 24 and min(leakage["sizes"].values()) >= 2
        assert make_splits(pieces[::-1], with_split(method=method, **CHANCE), show=False) == (result, leakage)


def ingested(root: Path, settings: Settings, scores: dict[str, Score], entries: dict[str, dict[str, Any]]) -> Session:
    """A project with these pieces ingested."""
    folder = root / "data" / "ingest"
    folder.mkdir(parents=True)
    shards = write_pieces(folder, ((name, score.dumps_midi()) for name, score in scores.items()))
    pieces = [{"id": name, "title": None, **entries[name]} for name in scores]
    (folder / "manifest.json").write_text(json.dumps({"pieces": pieces, "shards": shards}))
    record = root / catalog.record("ingest").place
    record.parent.mkdir()
    record.write_text(json.dumps({"settings": built_from(settings, "ingest")}))
    return Session(root=root, workers=1, progress=False)


def test_the_stage_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    scores = {str(seed): tune(seed) for seed in range(8)}
    session = ingested(tmp_path, SETTINGS, scores, {name: {} for name in scores})
    digests = []
    for _ in range(2):
        run(SETTINGS, session)
        digests.append(digest(tmp_path / "data" / "split"))
    assert digests[0] == digests[1]
    written = read_json(tmp_path / "data" / "split" / "split.json", "etude split")
    assert sorted(written["train"] + written["valid"] + written["test"]) == [str(seed) for seed in range(8)]
    record = read_json(tmp_path / catalog.record("split").place, "etude split")
    assert set(record["settings"]) == {"dataset", "ingest", "split"}
    assert set(read_json(tmp_path / "data" / "split" / "leakage.json", "")["pairs"]) == {
        "train/valid",
        "train/test",
        "valid/test",
    }


def jsb() -> dict[str, list[list[list[int]]]]:
    """The JSB chorales of the mirror: split -> pieces -> sixteenths -> pitches of four voices, -1 where silent."""
    root = Path(__file__).parents[2]
    mirror = Path(os.environ.get("ETUDE_MIRROR", root.parent / "shared" / "mirror"))
    found = sorted(mirror.glob("JSB-Chorales-dataset-*.zip"))
    if not found:
        pytest.skip(f"no JSB-Chorales-dataset-*.zip in {mirror}: set ETUDE_MIRROR to the folder of archives")
    with zipfile.ZipFile(found[0]) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/Jsb16thSeparated.json"))
        return json.loads(archive.read(name))


def held(frames: list[list[int]]) -> Score:
    """A piece of sixteenths, in which equal neighbours are one note."""
    score = Score(24)
    for voice in range(4):
        track, line = Track(str(voice), voice, False), [frame[voice] for frame in frames]
        for at, pitch in enumerate(line):
            if pitch >= 0 and at and line[at - 1] == pitch:
                track.notes[-1].duration += 6
            elif pitch >= 0:
                track.notes.append(Note(6 * at, 6, pitch, 80))
        score.tracks.append(track)
    return score


def test_the_published_split_of_the_jsb_chorales_leaks_as_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """FACTS: 17 of 77 test and 17 of 76 valid chorales start as one of train does; no exact duplicates."""
    settings = with_split(method="published", opening=16)
    monkeypatch.setattr("etude.metrics.melody.ALL_PAIRS", 0)  # faster
    pieces = [
        of(f"{split}{number:03}", held(frames), settings, split=split)
        for split, found in jsb().items()
        for number, frames in enumerate(found)
    ]
    _, leakage = make_splits(pieces, settings, show=False)
    assert leakage["sizes"] == {"train": 229, "valid": 76, "test": 77}
    counts = {name: leakage["pairs"][f"train/{name}"] for name in ("valid", "test")}
    assert counts["test"]["shared_openings"] == {"pairs": 29, "train": 28, "test": 17}
    assert counts["valid"]["shared_openings"]["valid"] == 17
    assert all(entry["exact_duplicates"]["pairs"] == 0 for entry in leakage["pairs"].values())
    for name in ("valid", "test"):  # most of these, and others that start in another way
        assert counts[name]["similar_melodies"][name] > 2 * counts[name]["shared_openings"][name]


def test_a_piece_has_the_titles_and_origins_of_the_duplicates_that_were_left_out_for_it() -> None:
    def piece(name: str, seed: int, **entry: Any) -> Features:
        return features({"id": name, **entry}, tune(seed), SETTINGS)

    kept = piece("a", 1, title="One", duplicates=[{"id": "x", "title": "Two", "origin": "book"}, {"id": "y"}])
    pieces = [kept, piece("b", 2, title="Two"), piece("c", 3, origin="book"), piece("d", 4, title="Three")]
    assert find_families(pieces, []) == [0, 0, 0, 3]


def test_without_a_method_the_published_split_is_taken_if_all_have_one() -> None:
    def pieces(last: str | None) -> list[Features]:
        splits = ["train"] * 4 + ["valid", "test", "train", last]
        return [features({"id": str(n), "split": split}, tune(n), SETTINGS) for n, split in enumerate(splits)]

    result, leakage = make_splits(pieces("test"), with_split(method="auto", **CHANCE), show=False)
    assert leakage["method"] == "published" and result["test"] == ["5", "7"]
    assert make_splits(pieces(None), with_split(method="auto", **CHANCE), show=False)[1]["method"] == "ratio"
