"""Who is left out: each rule catches what it names, and nobody else; no rule looks at systems."""

from dataclasses import replace

from listening.panel import Panel, make_key

from etude.listening.answers import Listener
from etude.listening.design import PAIR, RATING, Shape, repeats_of
from etude.listening.exclusions import contradictions, select

KEY = make_key(("a", "b", "c", "d"), 6, Shape(2, 2, 3))
EQUAL = dict.fromkeys(KEY.systems, 0.0)


def person(seed: int = 0) -> Listener:
    return replace(Panel(KEY, EQUAL, seed=seed).listener(), simulated=False)


def with_answers(one: Listener, kind: str, **fields: object) -> Listener:
    pages = KEY.test.pages_of(one.id)
    changed = {
        place: {**answer, **(fields if pages[place].kind == kind else {})} for place, answer in one.answers.items()
    }
    return replace(one, answers=changed)


def test_attentive_listeners_stay() -> None:
    people = [person(seed) for seed in range(20)]
    kept, out = select(KEY.test, people, KEY.seconds)
    assert kept == people and not out


def test_the_reasons() -> None:
    good = person()
    incomplete = replace(person(1), answers={place: a for place, a in person(1).answers.items() if place != 4})
    contrary = replace(Panel(KEY, EQUAL, seed=2).listener(attentive=False), simulated=False)
    one_side = with_answers(person(3), PAIR, choice="second")
    one_number = with_answers(person(4), RATING, ratings=dict.fromkeys(KEY.test.scales, 3))
    hasty = with_answers(person(6), PAIR, seconds=20.0)
    program = replace(person(5), simulated=True)
    again = replace(good, source="again.json")
    cut = replace(incomplete, answers={0: incomplete.answers[0]}, source="cut.json")
    kept, out = select(
        KEY.test, [good, incomplete, contrary, one_side, one_number, hasty, program, again, cut], KEY.seconds
    )
    assert kept == [good]
    assert [(one.listener.source, one.reason) for one in out] == [
        (program.source, "simulated"),
        (incomplete.source, "incomplete"),
        (contrary.source, "attention"),
        (one_side.source, "attention"),
        (one_number.source, "straight"),
        (hasty.source, "hasty"),
        ("again.json", "duplicate"),
        ("cut.json", "duplicate"),
    ]
    details = {one.listener.source: one.detail for one in out}
    assert details[incomplete.source] == "22 of 23 pages" and details[contrary.source] == "3 of 3 repeated pairs"
    assert details[hasty.source] == "page 1 took 20 s, its clips last 24.0 s"


def test_one_slip_is_no_lack_of_attention() -> None:
    key = make_key(("a", "b", "c", "d"), 6, Shape(2, 2, 1))
    one = Panel(key, EQUAL, seed=2).listener(attentive=False)
    assert contradictions(key.test, one) == (1, 1) and select(key.test, [one], key.seconds) == ([one], [])


def test_one_side_in_all_pairs_is_straight_where_nothing_was_repeated() -> None:
    key = make_key(("a", "b", "c", "d"), 6, Shape(2, 2, 0))
    one = Panel(key, EQUAL).listener()
    pairs = {place for place, answer in one.answers.items() if "choice" in answer}
    first, none = (
        {place: {**answer, **({"choice": choice} if place in pairs else {})} for place, answer in one.answers.items()}
        for choice in ("first", "none")
    )
    for answers, expected in ((first, ["straight"]), (none, [])):
        _, out = select(key.test, [replace(one, answers=answers)], key.seconds)
        assert [left.reason for left in out] == expected


def test_the_most_complete_of_several_files_counts() -> None:
    whole = person()
    part = replace(whole, answers={0: whole.answers[0]}, source="early.json")
    kept, out = select(KEY.test, [part, whole], KEY.seconds)
    assert kept == [whole] and [(one.listener.source, one.reason) for one in out] == [("early.json", "duplicate")]


def test_no_preference_is_no_contradiction() -> None:
    one = person(7)
    pages = KEY.test.pages_of(one.id)
    answers = {place: dict(answer) for place, answer in one.answers.items()}
    for again, before in repeats_of(pages).items():
        answers[before]["choice"], answers[again]["choice"] = "first", "none"
    assert contradictions(KEY.test, replace(one, answers=answers)) == (0, 3)
    for again in repeats_of(pages):
        answers[again]["choice"] = "first"  # the other clip now
    assert contradictions(KEY.test, replace(one, answers=answers)) == (3, 3)


def test_a_panel_alone_is_kept_as_one() -> None:
    panel = Panel(KEY, EQUAL, seed=3).listeners(5)
    kept, out = select(KEY.test, panel, KEY.seconds)
    assert len(kept) == 5 and not out
