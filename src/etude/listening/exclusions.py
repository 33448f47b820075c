"""Who is left out of the statistics, and why: incomplete and duplicate answers, and listeners who did not attend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etude.core.files import Json
from etude.listening.answers import Listener
from etude.listening.design import FIRST, NONE, PAIR, RATING, SECOND, Test, repeats_of

REASONS = {
    "simulated": "a program answered, and people did too",
    "duplicate": "the same listener's answers are there once more",
    "incomplete": "the test was not finished",
    "hasty": "a page was left sooner than its clips last",
    "attention": "the preference is the opposite in more than half of the repeated pairs, and in two at least",
    "straight": "every answer of a kind is the same",
}
HASTE = 0.9  # of the length of its clips, below which a page cannot have been heard
LEAST_CONTRADICTIONS = 2  # one slip is no lack of attention
LEAST_PAIRS, LEAST_RATINGS = 8, 4  # pages on which equal answers are no chance


@dataclass(frozen=True)
class LeftOut:
    """A listener who is left out, with one of ``REASONS`` and the figures behind it."""

    listener: Listener
    reason: str
    detail: str

    def as_json(self) -> Json:
        """The entry as JSON: of the listener only the confirmation code."""
        return {
            "code": self.listener.code,
            "source": self.listener.source,
            "reason": self.reason,
            "detail": self.detail,
        }


def select(
    test: Test, listeners: Sequence[Listener], seconds: Mapping[str, float]
) -> tuple[list[Listener], list[LeftOut]]:
    """The listeners whose answers count, and those who are left out.

    The rules, in their order; they look at no system, so they favour none:

    - simulated: answers are marked as those of a program, and others are not. Where all are, none is left out for it.
    - duplicate: of several files of one id the one with most answers counts, the first of equals.
    - incomplete: a page is not answered.
    - hasty: a page took less than 0.9 of the time that its clips last, which the page itself does not allow.
    - attention: in more than half of the pairs that came again, and in two at least, the other clip is preferred than
      before. Twice "no preference", or once, is no contradiction.
    - straight: of at least 8 pairs all have one choice (not "no preference"), by place; or of at least 4 rated clips
      all scales have one number.

    Args:
        test: the test.
        listeners: all who answered.
        seconds: of music in each clip.
    """
    kept: list[Listener] = []
    out: list[LeftOut] = []
    best: dict[str, Listener] = {}
    if not all(one.simulated for one in listeners):
        out = [LeftOut(one, "simulated", "marked as simulated") for one in listeners if one.simulated]
        listeners = [one for one in listeners if not one.simulated]
    for one in listeners:
        if one.id not in best or len(one.answers) > len(best[one.id].answers):
            best[one.id] = one
    for one in listeners:
        if best[one.id] is not one:
            out.append(LeftOut(one, "duplicate", f"{best[one.id].source} counts"))
            continue
        found = _incomplete(test, one) or _hasty(one, seconds) or _inattentive(test, one) or _straight(test, one)
        if found is None:
            kept.append(one)
        else:
            out.append(found)
    return kept, out


def contradictions(test: Test, listener: Listener) -> tuple[int, int]:
    """How many repeated pairs a listener answered the other way round, and how many there are."""
    pages = test.pages_of(listener.id)
    repeats = repeats_of(pages)
    count = 0
    for again, before in repeats.items():
        choices = [_preferred(pages[place].clips, listener.answers[place]["choice"]) for place in (before, again)]
        count += None not in choices and choices[0] != choices[1]
    return count, len(repeats)


def _preferred(clips: tuple[str, ...], choice: str) -> str | None:
    return {FIRST: clips[0], SECOND: clips[1], NONE: None}[choice]


def _incomplete(test: Test, listener: Listener) -> LeftOut | None:
    pages = len(test.pages_of(listener.id))
    if len(listener.answers) == pages:
        return None
    return LeftOut(listener, "incomplete", f"{len(listener.answers)} of {pages} pages")


def _hasty(listener: Listener, seconds: Mapping[str, float]) -> LeftOut | None:
    for place, answer in listener.answers.items():
        last = sum(seconds[clip] for clip in answer.get("clips", ()))
        if answer["seconds"] < HASTE * last:
            detail = f"page {place + 1} took {answer['seconds']:g} s, its clips last {last:.1f} s"
            return LeftOut(listener, "hasty", detail)
    return None


def _inattentive(test: Test, listener: Listener) -> LeftOut | None:
    count, repeats = contradictions(test, listener)
    if count < LEAST_CONTRADICTIONS or 2 * count <= repeats:
        return None
    return LeftOut(listener, "attention", f"{count} of {repeats} repeated pairs")


def _straight(test: Test, listener: Listener) -> LeftOut | None:
    pages = test.pages_of(listener.id)
    choices = [listener.answers[place]["choice"] for place, page in enumerate(pages) if page.kind == PAIR]
    if len(choices) >= LEAST_PAIRS and len(set(choices)) == 1 and choices[0] != NONE:
        return LeftOut(listener, "straight", f'"{choices[0]}" in all {len(choices)} pairs')
    ratings = [listener.answers[place]["ratings"] for place, page in enumerate(pages) if page.kind == RATING]
    numbers = {number for scales in ratings for number in scales.values()}
    if len(ratings) >= LEAST_RATINGS and len(numbers) == 1:
        return LeftOut(listener, "straight", f"{numbers.pop()} on all scales of {len(ratings)} clips")
    return None
