"""Values of keys: what is no number, no path or out of range is named with its key, in a short sentence."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etude.cli.values import number, overwrite, path, run_folder, whole_number
from etude.core.errors import EtudeError

LONG = "9" * 5000


def test_what_is_not_given_is_none() -> None:
    for keys in ({}, {"n": ""}):
        assert whole_number(keys, "n", 9) is number(keys, "n", 0, 1) is path(keys, "n") is None
    assert not overwrite({}) and not overwrite({"overwrite": "false"}) and overwrite({"overwrite": "true"})
    assert run_folder({}) is None


def test_values_are_read(tmp_path: Path) -> None:
    keys = {"n": "7", "x": "0.5", "p": "~/a", "session.run": str(tmp_path)}
    assert (whole_number(keys, "n", 9), number(keys, "x", 0, 1)) == (7, 0.5)
    assert path(keys, "p") == Path.home() / "a" and run_folder(keys) == tmp_path.resolve()


@pytest.mark.parametrize("text", ["0", "10", "-1", "1.5", "x", LONG])
def test_a_whole_number_out_of_range_is_named(text: str) -> None:
    with pytest.raises(EtudeError, match=r"^n = .{1,60} must be a whole number from 1 to 9\.$"):
        whole_number({"n": text}, "n", 9)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "inf", "x", LONG])
def test_a_number_out_of_range_is_named(text: str) -> None:
    with pytest.raises(EtudeError, match=r"^x = .{1,60} must be a number from 0 to 1\.$"):
        number({"x": text}, "x", 0, 1)


@pytest.mark.parametrize(
    ("read", "keys", "message"),
    [
        (overwrite, {"overwrite": "yes"}, "overwrite = yes must be true or false"),
        (run_folder, {"session.run": "/nowhere"}, r"session\.run = /nowhere: there is no such folder"),
        (lambda keys: path(keys, "p"), {"p": "a" * 5000}, r"p = a{57}\.\.\. is no path"),
        (lambda keys: path(keys, "p"), {"p": "a\0b"}, "is no path"),
    ],
)
def test_what_cannot_be_is_named(
    read: Callable[[Mapping[str, str]], object], keys: Mapping[str, str], message: str
) -> None:
    with pytest.raises(EtudeError, match=message):
        read(keys)
