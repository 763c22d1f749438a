"""What all kinds of split are made with: targets, values of a column, and folds that hold something."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from aivc.core.errors import SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.names.compound_names import target_keys
from aivc.data.splits.split import Fold, Names, Split, column, data_digest
from aivc.data.streaming.stream import random_ranks


def targets_of(measurement: Measurement) -> dict[str, frozenset[str]]:
    """Targets by perturbation, salts of one compound as one; what has no target, such as time alone, is its own."""
    texts = sorted(set(measurement.perturbations) - {CONTROL})
    return {text: target_keys(Perturbation.parse(text)) or frozenset((text,)) for text in texts}


def chained(sets: Sequence[frozenset[str]], folds: int) -> list[frozenset[str]]:
    """Targets chained by combinations; chains of more than a fold's worth are cut into single targets."""
    names = sorted(set().union(*sets))
    where = {name: i for i, name in enumerate(names)}
    links = [(where[min(s)], where[t]) for s in sets for t in s]
    rows, columns = np.array(links, dtype=int).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    _, labels = connected_components(graph, directed=False)
    families = [frozenset(np.array(names, dtype=object)[labels == label]) for label in np.unique(labels)]
    limit = max(len(names) // max(folds, 1), 2)
    whole = [kin for kin in families if len(kin) <= limit]
    return whole + [frozenset([name]) for kin in families if len(kin) > limit for name in sorted(kin)]


def values_of(measurement: Measurement, name: str) -> list[str]:
    """Sorted values of a column among perturbed entities."""
    value_n = column(measurement, name)[measurement.perturbations != CONTROL]
    return sorted(set(value_n) - {""})


def value_folds(
    measurement: Measurement, name: str, folds: int | None, seed: int, *, among: Sequence[str] | None = None
) -> list[Names]:
    """Deal the values of a column out to folds.

    Args:
        measurement: The data.
        name: Of the column.
        folds: How many; None makes one of each value.
        seed: Draws which values share a fold.
        among: The values that are dealt out; None deals all.

    Raises:
        SplitError: There are too few values, one of those named has no perturbed entity, or a context has no control.
    """
    measured = values_of(measurement, name)
    values = measured if among is None else sorted(set(map(str, among)))
    if unknown := sorted(set(values) - set(measured)):
        raise SplitError(
            f"No perturbed entity has {name} {unknown[0]!r}. Name some of: {', '.join(map(repr, measured[:10]))}."
        )
    folds = len(values) if folds is None else folds
    # One fold of all values would leave nothing to train on.
    least = 2 if len(values) == len(measured) else 1
    if not least <= folds <= len(values):
        raise SplitError(
            f"{len(values)} values of {name!r} have perturbed entities, which cannot make {folds} folds; it takes at "
            f"least two. Ask for 2 to {len(values)} folds, or use unseen_perturbation where there is one {name}."
        )
    if not measurement.is_effects:
        _require_controls(measurement, name, values)
    order = np.argsort(random_ranks(values, seed), kind="stable") if folds < len(values) else np.arange(len(values))
    return [tuple(values[j] for j in order[i::folds]) for i in range(folds)]


def _require_controls(measurement: Measurement, name: str, values: Sequence[str]) -> None:
    controls = set(column(measurement, name)[measurement.perturbations == CONTROL])
    if name == "context" and (missing := sorted(set(values) - controls)):
        raise SplitError(
            f"Context {missing[0]!r} has no control, so a prediction for it has nothing to start from. "
            "Leave it out, or declare which label is its control."
        )


def same(name: str, values: Names) -> Fold:
    """A fold that tests all it holds out."""
    return Fold({name: values}, {name: values})


def made(kind: str, measurement: Measurement, seed: int, folds: tuple[Fold, ...]) -> Split:
    """A split of these folds.

    Raises:
        SplitError: A fold has nothing to test, or leaves nothing to train on.
    """
    for i, fold in enumerate(folds):
        for found, what in ((fold.tested(measurement), "test"), (fold.trained(measurement), "train on")):
            if not found.any():
                raise SplitError(
                    f"Fold {i} of this {kind} split has nothing to {what}: what it names was never measured together. "
                    "Ask for another number of folds or another seed."
                )
    return Split(kind, seed, folds, data_digest=data_digest(measurement))
