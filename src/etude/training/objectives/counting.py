"""Learning by counting: valid decides the longest context."""

from etude.core.progress import follow
from etude.metrics.likelihood import per_unit, piece_nats
from etude.models.ngram import NGram
from etude.training.task import Learned, Task


def learn(model: NGram, task: Task) -> Learned:
    """Count the train pieces and choose the order with the lowest nats per note on valid.

    Where train has more tokens than the model's ``max_tokens``, every second copy is counted, or every third ...
    """
    store = task.store
    every = max(1, -(-store.count("train") // model.max_tokens))
    model.count(store.piece("train", place) for place in range(0, len(store.offsets("train")) - 1, every))
    valid, facts = list(store.pieces("valid")), store.manifest["pieces"]["valid"]
    history: list[dict[str, float]] = []
    for order in follow(range(1, model.order + 1), "orders of the n-gram", model.order, task.session.progress):
        model.use = order
        score = per_unit(piece_nats(model, valid), facts, "valid")["valid/nats_per_note"]
        row = {"step": order, "valid/nats_per_note": score}
        history.append(row)
        task.report({"valid/nats_per_note": score}, order)
    best = min(history, key=lambda row: (row["valid/nats_per_note"], row["step"]))
    model.use = int(best["step"])
    model.tables = model.tables[: model.use]  # longer contexts did not help
    result = {"valid/nats_per_note": best["valid/nats_per_note"], "best_step": best["step"], "steps": model.order}
    return Learned(history, result)
