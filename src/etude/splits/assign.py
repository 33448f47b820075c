"""Assign whole families to train, valid and test: by fractions, by folds, or as published."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from etude.artifacts.provenance import SPLITS
from etude.config.sections import Split
from etude.core.errors import EtudeError
from etude.splits.features import Features


def assign(families: Mapping[str, str], settings: Split) -> dict[str, list[str]]:
    """Assign whole families, in seeded order, each to the split that lacks the largest part of its share.

    Args:
        families: the family of each piece id.
        settings: seed and shares; a share of 0 leaves its split empty.

    Returns:
        Sorted piece ids by split.

    Raises:
        EtudeError: there are fewer families than splits with a share.
    """
    members = _members(families, settings.seed)
    wanted = {split: getattr(settings, split) * len(families) for split in SPLITS if getattr(settings, split) > 0}
    if len(members) < len(wanted):
        raise EtudeError(
            f"Of {len(families)} pieces there are {len(members)} tune families, too few for {', '.join(wanted)}. "
            "Take more pieces, or set split.valid or split.test to 0."
        )
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for names in members:
        # the family's size plays no part, so that no split attracts large families
        split = max(wanted, key=lambda split: 1 - len(splits[split]) / wanted[split])
        splits[split] += names
    return {split: sorted(names) for split, names in splits.items()}


def assign_folds(families: Mapping[str, str], settings: Split) -> dict[str, list[str]]:
    """Assign whole families to ``settings.folds`` folds: ``settings.fold`` is test, the next valid, the rest train.

    The largest families go first, families of equal size in seeded order, each to the fold with the fewest pieces. The
    folds are the same for every ``settings.fold``.

    Returns:
        Sorted piece ids by split.

    Raises:
        EtudeError: there are fewer families than folds.
    """
    members = sorted(_members(families, settings.seed), key=len, reverse=True)
    if len(members) < settings.folds:
        raise EtudeError(
            f"Of {len(families)} pieces there are {len(members)} tune families, too few for split.folds = "
            f"{settings.folds}. Take more pieces, or fewer folds."
        )
    folds: list[list[str]] = [[] for _ in range(settings.folds)]
    for names in members:
        min(folds, key=len).extend(names)
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for number, names in enumerate(folds):
        away = (number - settings.fold) % settings.folds
        splits["test" if away == 0 else "valid" if away == 1 else "train"] += names
    return {split: sorted(names) for split, names in splits.items()}


def hold_out(
    families: Mapping[str, str], settings: Split, rest: Callable[[Mapping[str, str], Split], dict[str, list[str]]]
) -> dict[str, list[str]]:
    """Assign the families of the pieces ``settings.held_out`` to test, and all other families with ``rest``.

    Ids that no piece has are passed over: a trial may take few pieces of the dataset.

    Args:
        families: the family of each piece id.
        settings: passed on to ``rest``.
        rest: ``assign`` or ``assign_folds``.

    Returns:
        Sorted piece ids by split.
    """
    held = {families[name] for name in settings.held_out if name in families}
    splits = rest({name: family for name, family in families.items() if family not in held}, settings)
    splits["test"] = sorted([*splits["test"], *(name for name, family in families.items() if family in held)])
    return splits


def assign_published(pieces: Sequence[Features], dataset: str, held_out: Sequence[str] = ()) -> dict[str, list[str]]:
    """The published assignment: sorted piece ids by split.

    Raises:
        EtudeError: a piece has no split, a split no piece, or a piece of ``held_out`` is not in test.
    """
    other = "Set split.method = ratio or folds."
    without = sorted(piece.id for piece in pieces if piece.split not in SPLITS)
    if without:
        raise EtudeError(
            f"split.method = published, but {len(without)} of {len(pieces)} pieces of the dataset {dataset} have no "
            f"split in its manifest, {without[0]} for one. {other}"
        )
    splits = {split: sorted(piece.id for piece in pieces if piece.split == split) for split in SPLITS}
    if empty := [split for split in SPLITS if not splits[split]]:
        raise EtudeError(
            f"split.method = published, but the published split of the dataset {dataset} has no pieces for "
            f"{' and '.join(empty)}. {other}"
        )
    if learned := sorted({*held_out} & {*splits["train"], *splits["valid"]}):
        raise EtudeError(
            f"split.method = published, but the published split does not have {learned[0]}, which split.held_out "
            f"names, in test. {other}"
        )
    return splits


def _members(families: Mapping[str, str], seed: int) -> list[list[str]]:
    """The sorted members of each family, the families in seeded order."""
    members = defaultdict(list)
    for name in sorted(families):
        members[families[name]].append(name)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    return [members[family] for family in order]
