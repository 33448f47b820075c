"""Texts from outside, as they are shown."""

import pytest

from etude.core.text import one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße 第一 é.mid", "Grüße 第一 é.mid"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x07\x00", "�[31mred��"),
        ("\u202egnp.exe\r\x85", "�gnp.exe��"),
        (b"no \xff utf-8".decode("utf-8", "surrogateescape"), "no \udcff utf-8"),
    ],
)
def test_what_steers_a_terminal_is_replaced_and_nothing_else(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_name_stays_in_one_line() -> None:
    assert one_line(" a\n# b\t\x1b[1m ") == "a # b �[1m"
