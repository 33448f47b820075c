"""Stage split: families, dealing, the audit."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.errors import EtudeError
from etude.outputs import digest, read_json
from etude.provenance import built_from
from etude.session import Session
from etude.settings import Settings, Split
from etude.stages.split import audit, deal, find_families, leaks, plain_title, run, split

SETTINGS = Settings.from_params(Path(__file__).parents[2] / "params.yaml")


def tune(seed: int, shift: int = 0, bass: int = 40) -> Score:
    """A random melody over a held bass."""
    score = Score(24)
    pitches = np.random.default_rng(seed).integers(55, 80, 24)
    for name, line in (("Soprano", [int(p) + shift for p in pitches]), ("Bass", [bass + shift] * 24)):
        track = Track(name, 0, False)
        for at, pitch in enumerate(line):
            track.notes.append(Note(24 * at, 24, pitch, 80))
        score.tracks.append(track)
    return score


def test_titles_are_compared_without_spelling() -> None:
    assert plain_title("Ich dank’ dir, lieber Herre!") == plain_title("ICH DANK' DIR  lieber herre")
    assert plain_title("Größe, süß") == "grosse suss"
    assert plain_title(None) == ""


def test_families_join_by_title_opening_and_melody_and_from_each_to_the_next() -> None:
    alike = np.eye(6)
    alike[2, 3] = alike[3, 2] = 0.8
    titles = ["a", "a", "", "", "", ""]
    openings = [[1], [2], [2], [3], [], []]
    assert find_families(titles, openings, alike, 0.75) == [0, 0, 0, 0, 4, 5]
    assert find_families(titles, openings, alike, 0.9) == [0, 0, 0, 3, 4, 5]


@examples(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=60, max_size=200), st.integers(0, 1000))
def test_dealing_keeps_families_whole_and_shares_near(family: list[int], seed: int) -> None:
    families = {f"p{place:03}": str(number) for place, number in enumerate(family)}
    settings = Split(seed=seed, train=0.7, valid=0.15, test=0.15, opening=16, similarity=0.75)
    if len(set(family)) < 3:
        return
    sides = deal(families, settings)
    assert sorted(name for names in sides.values() for name in names) == sorted(families)
    of = {side: {families[name] for name in names} for side, names in sides.items()}
    assert not of["train"] & of["valid"] and not of["train"] & of["test"] and not of["valid"] & of["test"]
    largest = max(family.count(number) for number in family)
    assert all(abs(len(sides[side]) - getattr(settings, side) * len(family)) <= 2 * largest for side in sides)


def test_dealing_follows_the_seed_and_nothing_else() -> None:
    families = {f"p{place:02}": f"p{place // 2 * 2:02}" for place in range(60)}
    settings = SETTINGS.split
    first = deal(families, settings)
    assert deal(dict(reversed(families.items())), settings) == first
    assert deal(families, dataclasses.replace(settings, seed=settings.seed + 1)) != first


def test_too_few_families_is_an_error() -> None:
    with pytest.raises(EtudeError, match="2 tune families, too few for train, valid, test"):
        deal({"a": "a", "b": "b"}, SETTINGS.split)
    whole = dataclasses.replace(SETTINGS.split, train=1.0, valid=0.0, test=0.0)
    assert deal({"a": "a", "b": "b"}, whole) == {"train": ["a", "b"], "valid": [], "test": []}


def test_the_audit_finds_each_kind_of_leak() -> None:
    pieces = {"a": tune(1), "b": tune(1), "c": tune(1, shift=3), "d": tune(1, bass=45), "e": tune(2)}
    names = sorted(pieces)
    alike = {(one, other): 0.1 for one in names for other in names}
    alike["a", "b"] = 1.0
    titles = dict.fromkeys(names, "") | {"a": "same", "e": "same"}

    def count(one: str, other: str) -> dict:
        sides = {"train": [one], "test": [other]}
        return audit(sides, {name: name for name in names}, pieces, titles, alike, SETTINGS.split)["train/test"]

    same = count("a", "b")
    assert same["exact_duplicates"] == same["transposed_duplicates"] == same["shared_openings"] == 1
    assert same["similar_melodies"] == 1 and same["closest"] == {"pieces": ["a", "b"], "similarity": 1.0}
    moved = count("a", "c")
    assert (moved["exact_duplicates"], moved["transposed_duplicates"], moved["shared_openings"]) == (0, 1, 1)
    harmonised = count("a", "d")
    assert (harmonised["transposed_duplicates"], harmonised["shared_openings"]) == (0, 1)
    assert count("a", "e")["shared_titles"] == 1
    assert leaks({"pairs": {"train/test": count("b", "e")}}) == []
    assert "1 exact duplicates between train and test" in leaks({"pairs": {"train/test": same}})


def test_two_harmonisations_of_a_tune_are_on_one_side() -> None:
    kinds = (("x", 0, 40), ("y", 5, 43))
    pieces = {f"p{seed}{kind}": tune(seed, shift, bass) for seed in range(12) for kind, shift, bass in kinds}
    result, leakage = split(pieces, dict.fromkeys(pieces), SETTINGS.split, show=False)
    side = {name: side for side in ("train", "valid", "test") for name in result[side]}
    assert all(side[f"p{seed}x"] == side[f"p{seed}y"] for seed in range(12))
    assert result["families"]["p3x"] == result["families"]["p3y"] == "p3x"
    assert leakage["family_sizes"] == {"2": 12} and leaks(leakage) == []
    assert sum(leakage["sizes"].values()) == 24 and min(leakage["sizes"].values()) >= 2


def test_the_stage_writes_the_same_bytes_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ingest"
    (folder / "midi").mkdir(parents=True)
    entries = []
    for seed in range(8):
        tune(seed).dump_midi(folder / "midi" / f"{seed}.mid")
        entry = {"id": str(seed), "file": f"midi/{seed}.mid", "sha256": digest(folder / f"midi/{seed}.mid")}
        entries.append({**entry, "title": None})
    made = {"settings": built_from(SETTINGS, "ingest"), "pieces": entries}
    (folder / "manifest.json").write_text(json.dumps(made))
    session = Session(root=tmp_path, workers=1, progress=False)
    digests = []
    for _ in range(2):
        run(SETTINGS, session)
        digests.append(digest(tmp_path / "data" / "split"))
    assert digests[0] == digests[1]
    written = read_json(tmp_path / "data" / "split" / "split.json", "etude split")
    assert sorted(written["train"] + written["valid"] + written["test"]) == [str(seed) for seed in range(8)]
    assert set(written["settings"]) == {"dataset", "ingest", "split"}
    assert set(read_json(tmp_path / "data" / "split" / "leakage.json", "")["pairs"]) == {
        "train/valid",
        "train/test",
        "valid/test",
    }
