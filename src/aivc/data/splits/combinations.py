"""Combinations of two targets that were never measured together: unseen ones, and hidden entries of a pair table."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from aivc.core.errors import SplitError
from aivc.core.measurement import Measurement
from aivc.data.splits.folding import made, targets_of
from aivc.data.splits.split import Fold, Split
from aivc.data.streaming.stream import random_ranks


def unseen_combination(measurement: Measurement, *, seen: int, folds: int = 5, seed: int = 0) -> Split:
    """Ask for combinations of two targets of which 0, 1 or 2 were seen alone.

    Args:
        measurement: The data.
        seen: How many of the two targets stay in training alone. With 2, only what holds both targets is kept out; with
            0 or 1, everything that holds an unseen target is.
        folds: How many; each combination is tested in one at most.
        seed: Draws the folds and, with 1, which of the two targets is unseen.

    Raises:
        SplitError: There are fewer such combinations than folds.
    """
    if seen not in (0, 1, 2):
        raise SplitError(f"Of two targets 0, 1 or 2 are seen, got {seen}. Choose one of these.")
    texts = targets_of(measurement)
    alone = {next(iter(targets)) for targets in texts.values() if len(targets) == 1}
    pairs = sorted({t for t in texts.values() if len(t) == 2 and len(t & alone) >= seen}, key=sorted)
    if len(pairs) < folds:
        raise SplitError(
            f"The data hold {len(pairs)} combinations of two targets with {seen} measured alone, too few for {folds} "
            "folds. Ask for fewer folds, or use unseen_perturbation where there are none."
        )
    holding = _holding(texts)
    drawn = np.argsort(random_ranks([" + ".join(sorted(targets)) for targets in pairs], seed), kind="stable")
    chosen = []
    for i in range(folds):
        mine = [pairs[j] for j in drawn[i::folds]]
        hidden = _hidden(mine, alone, seen)
        tested = {t for t in mine if len(t & hidden) == 2 - seen and t - hidden <= alone}
        test = tuple(text for both in tested for text in holding[both] if texts[text] == both)
        held = {text for key in (*tested, *({name} for name in hidden)) for text in holding[frozenset(key)]}
        chosen.append(Fold({"perturbation": test}, {"perturbation": tuple(held)}))
    return made(f"unseen-combination-seen{seen}", measurement, seed, tuple(chosen))


def hidden_combination(
    measurement: Measurement, *, share: float = 0.1, most: int | None = None, seed: int = 0
) -> Split:
    """Ask for hidden entries of a table of pairs: one fold, in which all single targets and all other pairs are given.

    Unlike `unseen_combination` it does not ask that both targets were measured alone: each need only stand in something
    that is trained on.

    Args:
        measurement: The data.
        share: Of all pairs of targets, how many are hidden, in (0, 1).
        most: Of the hidden pairs, how many are asked at most; None asks all. The others are kept out all the same.
        seed: Draws both.

    Raises:
        SplitError: The share hides no pair, or nothing that can be asked.
    """
    texts = targets_of(measurement)
    pairs = sorted({targets for targets in texts.values() if len(targets) == 2}, key=sorted)
    count = round(share * len(pairs))
    if not 0 < share < 1 or count < 1:
        raise SplitError(
            f"A share of {share:g} of {len(pairs)} pairs of targets hides none, or leaves none. Give a share between 0 "
            "and 1 that hides at least one, or use unseen_perturbation where there are no pairs."
        )
    drawn = np.argsort(random_ranks([" + ".join(sorted(both)) for both in pairs], seed), kind="stable")
    holding, hidden = _holding(texts), [pairs[j] for j in drawn[:count]]
    held = {text for both in hidden for text in holding[both]}
    known = set().union(*(targets for text, targets in texts.items() if text not in held))
    fair = [both for both in hidden if both <= known][:most]
    if not fair:
        raise SplitError(
            f"Of the {count} hidden pairs none has both targets left in training. Hide a smaller share, or ask more."
        )
    test = tuple(text for both in fair for text in holding[both] if texts[text] == both)
    fold = Fold({"perturbation": test}, {"perturbation": tuple(held)})
    return made("unseen-combination-hidden", measurement, seed, (fold,))


def _hidden(pairs: Sequence[frozenset[str]], alone: set[str], seen: int) -> set[str]:
    """Targets kept from training: of each pair none, one or both; a pair that would lose both stays untested."""
    if seen != 1:
        return set().union(*pairs) if seen == 0 else set()
    hidden: set[str] = set()
    kept: set[str] = set()
    for targets in pairs:
        known = hidden & targets
        free = sorted(targets - kept if not known else (), key=lambda t: (t in alone, t))
        loser = next(iter(known)) if len(known) == 1 else next((t for t in free if targets - {t} <= alone), None)
        if loser is not None and targets - {loser} <= alone - hidden:
            hidden.add(loser)
            kept |= targets - {loser}
    return hidden


def _holding(texts: Mapping[str, frozenset[str]]) -> Mapping[frozenset[str], list[str]]:
    """What holds each target, and what holds each two of them, read once: a table may have a hundred thousand pairs."""
    found: dict[frozenset[str], list[str]] = {}
    for text, targets in texts.items():
        for key in (*combinations(sorted(targets), 1), *combinations(sorted(targets), 2)):
            found.setdefault(frozenset(key), []).append(text)
    return found
