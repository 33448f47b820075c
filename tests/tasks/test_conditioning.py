"""Which variants take wishes, and whether a piece is what was wished for."""

from conftest import VOICES, make_piece, smoke

from etude.representations.attributes import Attributes, measured
from etude.tasks import conditioning as controls

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def test_variants_whose_tokens_tell_what_a_piece_is_like_take_wishes() -> None:
    assert controls.model_names(smoke()) == ["conditional"]


def test_a_wish_is_met_where_all_that_it_names_is_so() -> None:
    train = [make_piece(seed, 8 + seed) for seed in range(8)]
    made = Attributes(4, 16, 5)
    made.learn([made.survey(train)], PROGRAMS)
    piece = train[2]
    density = measured(piece).density
    assert controls.met(made, piece, {}) and controls.met(made, piece, {"density": density})
    others = [score for score in train if not controls.met(made, score, {"density": density})]
    assert others, "it can fail"
    control = {"density": measured(others[0]).density}
    assert controls.met(made, others[0], control) and not controls.met(made, piece, control)
    both = {"density": density, "top": measured(piece).top}
    assert controls.met(made, piece, both) and not controls.met(made, piece, {**both, **control}), "all of it counts"
