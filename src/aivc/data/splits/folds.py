"""The questions a split can ask: what is kept from training, and why no fold can answer it by memory."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError, SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.units import COUNTS, INTENSITY, LOG_INTENSITY, log1p_units
from aivc.data.names.compound_names import family_of
from aivc.data.splits.combinations import hidden_combination, unseen_combination
from aivc.data.splits.folding import chained, made, same, targets_of, value_folds, values_of
from aivc.data.splits.split import Fold, Split, column, pair
from aivc.data.streaming.group_sums import dense_rows
from aivc.data.streaming.normalize import Block, median_total
from aivc.data.streaming.stream import chunks, pseudobulk_moments, random_ranks

__all__ = [
    "effect_strength",
    "extrapolate",
    "few_shot_context",
    "hidden_combination",
    "unseen_both",
    "unseen_combination",
    "unseen_context",
    "unseen_donor",
    "unseen_pair",
    "unseen_perturbation",
]


def effect_strength(measurement: Measurement) -> dict[str, float]:
    """Measure how strongly each perturbation acts: the length of its mean effect, less what noise alone would show.

    Counts are brought to the natural log of one plus counts scaled to the median total. The squared length is averaged
    over contexts; below zero it counts as zero. For effect-level data it is the root mean square of what was measured.

    Raises:
        ControlError: A context has no control.
    """
    measurement.require_table("The strength of effects")
    if measurement.is_effects:
        size_n = np.concatenate([_mean_square(block) for _, block in chunks(measurement)])
        return _root_means(measurement.perturbations, size_n)
    units = {COUNTS: "", INTENSITY: LOG_INTENSITY}.get(measurement.units, measurement.units)
    mean, variance = pseudobulk_moments(measurement, units=units or log1p_units(median_total(measurement)))
    variance_pf = dense_rows(variance, slice(None))
    # The variance of one cell is unknown; that of its context's control stands in.
    control = {c: i for i, (c, p) in enumerate(zip(mean.contexts, mean.perturbations, strict=True)) if p == CONTROL}
    if missing := sorted(set(mean.contexts) - set(control)):
        raise ControlError(
            f"Context {missing[0]!r} has no control to measure effects from. Leave it out, or declare it."
        )
    own = np.array([control[c] for c in mean.contexts])
    noise_pf = np.where(np.isnan(variance_pf), variance_pf[own], variance_pf)
    cells_p = mean.entities["cells"].to_numpy()
    noise_p = np.nan_to_num(noise_pf).sum(axis=1) / cells_p
    mean_pf = mean.dense()
    size_p = np.square(mean_pf - mean_pf[own]).sum(axis=1) - noise_p - noise_p[own]
    other = mean.perturbations != CONTROL
    return _root_means(mean.perturbations[other], size_p[other])


def _mean_square(block: Block) -> np.ndarray:
    square_nf = np.square(np.asarray(block if isinstance(block, np.ndarray) else block.toarray(), dtype=np.float64))
    return np.nansum(square_nf, axis=1) / np.maximum((~np.isnan(square_nf)).sum(axis=1), 1)


def _root_means(texts: np.ndarray, squares: np.ndarray) -> dict[str, float]:
    means = pd.Series(squares).groupby(texts).mean().clip(lower=0)
    return {str(text): float(np.sqrt(square)) for text, square in means.items()}


def unseen_perturbation(
    measurement: Measurement, *, folds: int = 5, seed: int = 0, strength: Mapping[str, float] | None = None
) -> Split:
    """Ask for perturbations never seen: each target is tested in one fold, in all its doses, kinds and salts.

    Folds hold as many strong perturbations as weak ones. Perturbations that share a target go together, unless sharing
    chains more than a fold's worth of targets: then combinations across folds are left unused where they would leak.

    Args:
        measurement: The data.
        folds: How many.
        seed: Draws which targets share a fold.
        strength: Effect strength by perturbation; None measures it (`effect_strength`).

    Raises:
        SplitError: There are fewer targets than folds, or a strength is missing.
    """
    texts = targets_of(measurement)
    chosen = tuple(_perturbation_fold(texts, held) for held in _target_folds(measurement, texts, folds, seed, strength))
    return made("unseen-perturbation", measurement, seed, chosen)


def unseen_context(measurement: Measurement, *, folds: int | None = None, seed: int = 0) -> Split:
    """Ask for contexts in which only controls were seen; one context per fold, or several where ``folds`` is given.

    Raises:
        SplitError: There are fewer than two contexts or than folds, or a context has no control.
    """
    parts = value_folds(measurement, "context", folds, seed)
    return made("unseen-context", measurement, seed, tuple(same("context", part) for part in parts))


def few_shot_context(
    measurement: Measurement,
    *,
    given: int = 10,
    folds: int | None = None,
    seed: int = 0,
    contexts: Sequence[str] | None = None,
    most: int | None = None,
) -> Split:
    """Ask for what remains of a context of which only a few perturbations, and its controls, are given.

    In each context held out, ``given`` perturbations are drawn at random and trained on; doses and salts of one drug
    count as one and are given together. All others of that context are asked. A context that was measured with no more
    is given whole and not asked.

    Args:
        measurement: The data.
        given: Perturbations given in each context held out; with 0 it is `unseen_context`.
        folds: How many; None makes one of each context.
        seed: Draws which contexts share a fold, and what is given.
        contexts: Those held out, in one fold each or in several; None takes all. The others are always trained on.
        most: How many are asked of each context at most, counted like those given; None asks all the others. What is
            not asked is kept out all the same. With ``given=0`` all are asked.

    Raises:
        SplitError: There are too few contexts, a context has no control, or a fold has nothing left to ask.
    """
    if given < 0:
        raise SplitError(f"The number of perturbations given is 0 or more, got {given}. Choose one of these.")
    parts = value_folds(measurement, "context", folds, seed, among=contexts)
    if given == 0:
        return made("unseen-context", measurement, seed, tuple(same("context", part) for part in parts))
    ranks = _ranked_pairs(measurement, seed)
    chosen = []
    for part in parts:
        rest = ranks[ranks["context"].isin(part) & (ranks["rank"] > given)]
        if rest.empty:
            raise SplitError(
                f"Context {part[0]!r} was measured with no more than the {given} perturbations given, so nothing is "
                "left to ask. Give fewer, or name other contexts."
            )
        asked = rest if most is None else rest[rest["rank"] <= given + most]
        chosen.append(Fold({"pair": tuple(asked["pair"])}, {"pair": tuple(rest["pair"])}))
    split = made("few-shot-context", measurement, seed, tuple(chosen))
    return dataclasses.replace(split, notes={"given": given})


def _ranked_pairs(measurement: Measurement, seed: int) -> pd.DataFrame:
    """Pairs with their ``context`` and, under ``rank``, the rank of their family in a random order there."""
    keys = pd.DataFrame({name: column(measurement, name) for name in ("context", "perturbation")})
    keys = keys[keys["perturbation"] != CONTROL].drop_duplicates()
    families = {text: family_of(Perturbation.parse(text)) for text in keys["perturbation"].unique()}
    keys["pair"] = [pair(*key) for key in keys[["context", "perturbation"]].itertuples(index=False)]
    # Equal numbers are those of one family: ranked together, they are given or asked together.
    rank_n = random_ranks(
        [pair(c, families[p]) for c, p in zip(keys["context"], keys["perturbation"], strict=True)], seed
    )
    keys["rank"] = pd.Series(rank_n, index=keys.index).groupby(keys["context"]).rank(method="dense")
    return keys


def unseen_donor(measurement: Measurement, *, column: str = "donor", folds: int | None = None, seed: int = 0) -> Split:
    """Ask for donors (or batches) in which only controls were seen.

    Raises:
        SplitError: There are fewer than two donors or than folds.
    """
    parts = value_folds(measurement, column, folds, seed)
    return made(f"unseen-{column}", measurement, seed, tuple(same(column, part) for part in parts))


def unseen_both(
    measurement: Measurement, *, folds: int = 5, seed: int = 0, strength: Mapping[str, float] | None = None
) -> Split:
    """Ask for perturbations never seen in contexts never perturbed; what shares only one of them is unused.

    Raises:
        SplitError: There are too few targets or contexts, or a fold pairs what was never measured together.
    """
    texts = targets_of(measurement)
    contexts = value_folds(measurement, "context", min(folds, len(values_of(measurement, "context"))), seed)
    chosen = []
    for i, targets in enumerate(_target_folds(measurement, texts, folds, seed, strength)):
        single = _perturbation_fold(texts, targets)
        where = {"context": contexts[i % len(contexts)]}
        chosen.append(Fold({**single.test, **where}, {**single.held, **where}))
    return made("unseen-both", measurement, seed, tuple(chosen))


def unseen_pair(measurement: Measurement, *, folds: int = 5, seed: int = 0) -> Split:
    """Ask for cells of the context × perturbation matrix whose row and column were both seen in other cells.

    All that shares its targets is kept out of a tested context with it: doses, kinds, and salts of one compound. What
    was measured in one context only is always trained on, unless such a relative is tested there.

    Raises:
        SplitError: Fewer pairs than folds can be completed.
    """
    keys = pd.DataFrame(
        {"context": column(measurement, "context"), "perturbation": column(measurement, "perturbation")}
    )
    keys = keys[keys["perturbation"] != CONTROL].drop_duplicates()
    families = {text: family_of(Perturbation.parse(text)) for text in keys["perturbation"].unique()}
    keys["family"] = keys["perturbation"].map(families)
    keys["pair"] = [pair(*key) for key in keys[["context", "perturbation"]].itertuples(index=False)]
    keys["unit"] = [pair(*key) for key in keys[["context", "family"]].itertuples(index=False)]
    units = keys.drop_duplicates("unit")
    units = units[units.duplicated("family", keep=False)]
    if len(units) < max(folds, 2) or units["context"].nunique() < 2:
        raise SplitError(
            f"{len(units)} pairs of a context and a perturbation can be completed, too few for {folds} folds. "
            "It takes perturbations measured in several contexts: use unseen_perturbation instead."
        )
    units = units.assign(rank=random_ranks(units["unit"].to_numpy(), seed)).sort_values(["family", "rank"])
    # Dealing each family's contexts out in turn leaves it in training in every fold.
    dealt = dict(zip(units["unit"], np.arange(len(units)) % folds, strict=True))
    keys["fold"] = keys["unit"].map(dealt)
    # A salt of its own may still lose all its contexts to one fold; then it is kept out, but not asked for.
    other_contexts = keys.groupby("perturbation")["fold"].transform(lambda of: of.nunique(dropna=False)) > 1
    chosen = []
    for i in range(folds):
        held = keys["fold"] == i
        asked, kept = (tuple(keys.loc[rows, "pair"]) for rows in (held & other_contexts, held))
        chosen.append(Fold({"pair": asked}, {"pair": kept}))
    return made("unseen-pair", measurement, seed, tuple(chosen))


def extrapolate(measurement: Measurement, *, along: str, above: float) -> Split:
    """Ask for doses or durations above those seen.

    Args:
        measurement: The data.
        along: ``dose`` or ``hours``.
        above: Largest value in training, in the unit of the data.

    Raises:
        SplitError: Doses are in several units, or none or all lie above.
    """
    read: Mapping[str, Callable[[Perturbation], list[float]]] = {
        "dose": lambda p: [agent.dose for agent in p.agents if agent.dose is not None],
        "hours": lambda p: [] if p.hours is None else [p.hours],
    }
    if along not in read:
        raise SplitError(f'Extrapolation is along "dose" or "hours", got {along!r}. Choose one of these.')
    parsed = {text: Perturbation.parse(text) for text in targets_of(measurement)}
    units = sorted({str(agent.unit) for p in parsed.values() for agent in p.agents if agent.unit is not None})
    if along == "dose" and len(units) > 1:
        raise SplitError(f"Doses are in {', '.join(units)}, which do not compare. Bring them to one unit first.")
    values = {text: max(read[along](p), default=-np.inf) for text, p in parsed.items()}
    test = tuple(text for text, value in values.items() if value > above)
    if not test or len(test) == len(values):
        have = sorted({value for value in values.values() if np.isfinite(value)})
        raise SplitError(
            f"{len(test)} of {len(values)} perturbations lie above {along} {above:g}, so there is nothing to "
            f"{'test' if not test else 'train on'}. Choose a value among {', '.join(f'{v:g}' for v in have) or 'none'}."
        )
    split = made(f"extrapolate-{along}", measurement, 0, (same("perturbation", test),))
    return dataclasses.replace(split, notes={"along": along, "above": above})


def _target_folds(
    measurement: Measurement,
    texts: Mapping[str, frozenset[str]],
    folds: int,
    seed: int,
    strength: Mapping[str, float] | None,
) -> list[set[str]]:
    families = chained(list(texts.values()), folds)
    if folds < 2 or len(families) < folds:
        raise SplitError(
            f"{len(families)} families of perturbations that share no target cannot make {folds} folds; it takes at "
            "least two folds and a family for each. Ask for fewer folds, or use unseen_combination for combinations."
        )
    strength = effect_strength(measurement) if strength is None else strength
    if missing := sorted(set(texts) - set(strength)):
        raise SplitError(f"No effect strength is given for {', '.join(missing[:5])}. Give it, or leave strengths out.")
    of_target = {t: max(strength[text] for text in texts if t in texts[text]) for t in set().union(*texts.values())}
    order = sorted(families, key=lambda kin: (-max(of_target[t] for t in kin), sorted(kin)))
    rng = np.random.default_rng(seed)
    parts: list[set[str]] = [set() for _ in range(folds)]
    # Families of like strength are dealt one to each fold, so that every fold gets strong and weak ones.
    for start in range(0, len(order), folds):
        for kin, i in zip(order[start : start + folds], rng.permutation(folds), strict=False):
            parts[i] |= kin
    return parts


def _perturbation_fold(texts: Mapping[str, frozenset[str]], targets: set[str]) -> Fold:
    test = tuple(text for text, own in texts.items() if own <= targets)
    if not test:
        raise SplitError(
            f"Targets {', '.join(sorted(targets)[:5])} occur only combined with those of other folds. "
            "Ask for fewer folds, or use unseen_combination."
        )
    return Fold({"perturbation": test}, {"perturbation": tuple(text for text, own in texts.items() if own & targets)})
