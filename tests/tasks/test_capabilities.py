"""Which models can do a task: those whose class and representation both can."""

from dataclasses import replace

from etude.config.sections import Settings
from etude.tasks.capabilities import CONDITION, CONTINUE, HARMONIZE, able_models, harmonizing_models, is_able


def test_each_task_has_its_models(settings: Settings) -> None:
    forwards = ["lstm", "gru", "lstm_attention", "transformer", "conditional", "voices"]
    assert able_models(settings, CONTINUE) == [name for name in forwards if name in settings.models]
    assert set(able_models(settings, HARMONIZE)) == {"voices", "deepbach"}
    assert able_models(settings, CONDITION) == ["conditional"]
    assert harmonizing_models(settings) == ["voices", "deepbach"], "those with a likelihood come first"


def test_the_representation_and_its_merges_decide_too(settings: Settings) -> None:
    remi = settings.tokenize["remi"]
    for merges, able in ((None, True), ("notes", True), ("bpe", False), ("unigram", False)):
        changed = {**settings.tokenize, "remi": {**remi, "merges": merges}}
        assert is_able(replace(settings, tokenize=changed), "lstm", CONTINUE) == able
    for name, able in (("tsd.Tsd", True), ("midilike.MidiLike", False)):
        changed = {**settings.tokenize, "remi": {**remi, "_target_": f"etude.representations.{name}"}}
        assert is_able(replace(settings, tokenize=changed), "lstm", CONTINUE) == able
