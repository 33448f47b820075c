"""Which models take control attributes, and whether a piece meets a request."""

from conftest import VOICES, make_piece, smoke

from etude.representations.attributes import Attributes, measure
from etude.sampling.control_tokens import meets
from etude.tasks.capabilities import CONDITION, able_models

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def test_models_with_control_tokens_take_control_attributes() -> None:
    assert able_models(smoke(), CONDITION) == ["conditional"]


def test_a_request_is_met_where_all_its_attributes_are() -> None:
    train = [make_piece(seed, 8 + seed) for seed in range(8)]
    made = Attributes(4, 16, 5)
    made.learn([made.survey(train)], PROGRAMS)
    piece = train[2]
    density = measure(piece).density
    assert meets(made, piece, {}) and meets(made, piece, {"density": density})
    others = [score for score in train if not meets(made, score, {"density": density})]
    assert others, "it can fail"
    control = {"density": measure(others[0]).density}
    assert meets(made, others[0], control) and not meets(made, piece, control)
    both = {"density": density, "top": measure(piece).top}
    assert meets(made, piece, both) and not meets(made, piece, {**both, **control}), "all of it counts"
