"""The order in which the bars of a score are played."""

from fractions import Fraction

import pytest

from etude.core.errors import EtudeError
from etude.scores.form import MOST, played
from etude.scores.written import SIGN, Bar, Jump, Sheet


def sheet(text: str) -> tuple[Sheet, list[str]]:
    """Bars by their letters: ``|:a`` and ``a:|`` are repeats, ``1,2_a`` is an ending; after ``=`` stand other marks."""
    bars, names = [], []
    for word in text.split():
        name, *marks = word.split("=")
        bar = Bar(Fraction(4), repeat=name.startswith("|:"), times=2 if name.endswith(":|") else 1)
        numbers, _, letter = name.removeprefix("|:").removesuffix(":|").rpartition("_")
        bar.endings = tuple(int(number) for number in numbers.split(",") if number)
        for mark in marks:
            if mark in ("capo", "segno!"):
                bar.jump = Jump(mark.rstrip("!"))
            elif ":" in mark:  # segno:A, jump:capo:fine, jump:segno:A:coda
                kind, *words = mark.split(":")
                named = [words[0], words[1] if words[0] == "segno" else SIGN, *words[-1:]]
                setattr(bar, kind, Jump(*named) if kind == "jump" else words[0])
            elif mark.isdecimal():
                bar.times = int(mark)
            else:
                for name in mark.split(","):
                    setattr(bar, name, SIGN if name in ("segno", "coda", "to_coda") else True)
        bars.append(bar)
        names.append(letter)
    return Sheet(bars), names


@pytest.mark.parametrize(
    ("written", "order"),
    [
        ("a b c", "abc"),
        ("|:a b:| c", "ababc"),
        ("a b:| c", "ababc"),  # without a start: from the beginning
        ("|:a:| b c:| d", "aabcbcd"),  # or from the repeat before
        ("|:a b c |:d:|", "abcdd"),  # a start without an end
        ("|:a b:|=4 c", "ababababc"),
        ("|:a 1_b:| 2_c d", "abacd"),
        ("|:a 1_b:| 2_c:| d", "abacd"),  # the second ending closes with a repeat sign too
        ("|:a 1,2_b:| 3_c d", "ababacd"),
        ("|:a 1,3_b:| 2,4_c:| d", "abacabacd"),
        ("|:a 1_b:| c d", "abacd"),  # a first ending without a second
        ("|:a 1_b _c:| 2_d e", "abcade"),  # the bracket of the first is shorter than it
        ("a:| 2_b |:c d:| 2_e", "aabcdcde"),  # no short bracket: another strain starts
        ("a 1_b:| 2_c |:d:| 2_e", "abacdde"),
        ("|:1_a:| 2_b c", "abc"),  # nothing before the endings
        ("|:a 1_b:| 2_c |:d 1_e:| 2_f", "abacdedf"),
        ("|:a 1_b:| 2_c d:|", "abacdd"),  # a new strain starts after the last ending
        ("a b=fine c d=capo", "abcdab"),
        ("a b c d=capo", "abcdabcd"),
        ("|:a:| b=fine c d=capo", "aabcdab"),  # repeats are not taken again
        ("|:a 1_b:| 2_c=fine d=capo", "abacdac"),  # and of endings the last is
        ("a b=segno c=fine d=segno!", "abcdbc"),
        ("a b=segno c=to_coda d=segno! e=coda f", "abcdbcef"),
        ("a b=to_coda c=capo d=coda", "abcabd"),
        ("a=to_coda b=capo c=segno,coda d=fine e=segno! f", "abacdecd"),  # a second jump, to its own segno
        ("a=segno b c=segno d=segno! e", "abcdcde"),  # of two signs the nearer
        ("a=segno:A b c=segno:B d e=jump:segno:A: f", "abcdeabcdef"),  # a sign by its name
        ("a b=to_coda:A c d=capo e=coda:B f=coda:A g", "abcdabfg"),
        ("a=segno b=to_coda c d=jump:segno:sign:coda e f=coda g=fine h=jump:capo:fine i", "abcdabfghabcdefg"),
        ("a b=to_coda c=fine d=jump:capo:fine e=coda", "abcdabc"),  # al Fine: not by the coda
        ("a=fine b=to_coda c=jump:capo:coda d=coda e", "abcabde"),  # al Coda: not to the Fine
        ("|:a b:|=after_jump c=capo d", "ababcababcd"),
        ("|:a:| b=capo |:c:| d", "aababccd"),  # what is not played yet keeps its repeat
        ("a=to_coda b=fine c", "abc"),  # without a jump they say nothing
        ("|:a b=capo:|".replace("=capo:|", ":|=capo") + " c=fine d", "ababab" + "c"),
    ],
)
def test_the_order(written: str, order: str) -> None:
    score, names = sheet(written)
    assert "".join(names[place] for place in played(score)) == order


def test_sections_are_played_in_their_order_each_with_its_own_repeats() -> None:
    score, names = sheet("|:a:| b |:c 1_d:| 2_e")
    score.sections = [range(2, 5), range(2), range(2, 5), range(2, 2)]
    assert "".join(names[place] for place in played(score)) == "cdce" + "aab" + "cdce"


def test_endless_repeats_are_refused() -> None:
    score, _ = sheet(f"|:a b:|={MOST}")
    with pytest.raises(EtudeError, match=r"ingest\.repeats=written"):
        played(score)
    score, _ = sheet("a b")
    score.sections = [range(2)] * MOST
    with pytest.raises(EtudeError, match=r"ingest\.repeats=written"):
        played(score)
