"""The questions a split can ask: what is kept from training, and why no fold can answer it by memory."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from aivc.core.errors import ControlError, SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.units import COUNTS, INTENSITY, LOG_INTENSITY, is_effect, log1p_units
from aivc.data.compounds import family, target_keys
from aivc.data.normalize import Block, median_total
from aivc.data.split import Fold, Names, Split, column, data_digest, pair
from aivc.data.stream import chunks, lots, pseudobulk_moments


def effect_strength(measurement: Measurement) -> dict[str, float]:
    """Measure how strongly each perturbation acts: the length of its mean effect, less what noise alone would show.

    Counts are brought to the natural log of one plus counts scaled to the median total. The squared length is averaged
    over contexts; below zero it counts as zero. For effect-level data it is the root mean square of what was measured.

    Raises:
        ControlError: A context has no control.
    """
    if is_effect(measurement.units):
        size_n = np.concatenate([_mean_square(block) for _, block in chunks(measurement)])
        return _root_means(measurement.perturbations, size_n)
    units = {COUNTS: "", INTENSITY: LOG_INTENSITY}.get(measurement.units, measurement.units)
    mean, variance_pf = pseudobulk_moments(measurement, units=units or log1p_units(median_total(measurement)))
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
    texts = _texts(measurement)
    chosen = tuple(_perturbation_fold(texts, held) for held in _target_folds(measurement, texts, folds, seed, strength))
    return _split("unseen-perturbation", measurement, seed, chosen)


def unseen_context(measurement: Measurement, *, folds: int | None = None, seed: int = 0) -> Split:
    """Ask for contexts in which only controls were seen; one context per fold, or several where ``folds`` is given.

    Raises:
        SplitError: There are fewer than two contexts or than folds, or a context has no control.
    """
    parts = _value_folds(measurement, "context", folds, seed)
    return _split("unseen-context", measurement, seed, tuple(_same("context", part) for part in parts))


def unseen_donor(measurement: Measurement, *, column: str = "donor", folds: int | None = None, seed: int = 0) -> Split:
    """Ask for donors (or batches) in which only controls were seen.

    Raises:
        SplitError: There are fewer than two donors or than folds.
    """
    parts = _value_folds(measurement, column, folds, seed)
    return _split(f"unseen-{column}", measurement, seed, tuple(_same(column, part) for part in parts))


def unseen_both(
    measurement: Measurement, *, folds: int = 5, seed: int = 0, strength: Mapping[str, float] | None = None
) -> Split:
    """Ask for perturbations never seen in contexts never perturbed; what shares only one of them is unused.

    Raises:
        SplitError: There are too few targets or contexts, or a fold pairs what was never measured together.
    """
    texts = _texts(measurement)
    contexts = _value_folds(measurement, "context", min(folds, len(_values(measurement, "context"))), seed)
    chosen = []
    for i, targets in enumerate(_target_folds(measurement, texts, folds, seed, strength)):
        single = _perturbation_fold(texts, targets)
        where = {"context": contexts[i % len(contexts)]}
        chosen.append(Fold({**single.test, **where}, {**single.held, **where}))
    return _split("unseen-both", measurement, seed, tuple(chosen))


def unseen_pair(measurement: Measurement, *, folds: int = 5, seed: int = 0) -> Split:
    """Ask for cells of the context × perturbation matrix whose row and column were both seen elsewhere.

    All that shares its targets is kept out of a tested context with it: doses, kinds, and salts of one compound. What
    was measured in one context only is always trained on, unless such a relative is tested there.

    Raises:
        SplitError: Fewer pairs than folds can be completed.
    """
    keys = pd.DataFrame(
        {"context": column(measurement, "context"), "perturbation": column(measurement, "perturbation")}
    )
    keys = keys[keys["perturbation"] != CONTROL].drop_duplicates()
    families = {text: family(Perturbation.parse(text)) for text in keys["perturbation"].unique()}
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
    units = units.assign(lot=lots(units["unit"].to_numpy(), seed)).sort_values(["family", "lot"])
    # Dealing each family's contexts out in turn leaves it in training in every fold.
    dealt = dict(zip(units["unit"], np.arange(len(units)) % folds, strict=True))
    keys["fold"] = keys["unit"].map(dealt)
    # A salt of its own may still lose all its contexts to one fold; then it is kept out, but not asked for.
    elsewhere = keys.groupby("perturbation")["fold"].transform(lambda of: of.nunique(dropna=False)) > 1
    chosen = []
    for i in range(folds):
        held = keys["fold"] == i
        asked, kept = (tuple(keys.loc[rows, "pair"]) for rows in (held & elsewhere, held))
        chosen.append(Fold({"pair": asked}, {"pair": kept}))
    return _split("unseen-pair", measurement, seed, tuple(chosen))


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
    texts = _texts(measurement)
    alone = {next(iter(targets)) for targets in texts.values() if len(targets) == 1}
    pairs = sorted({t for t in texts.values() if len(t) == 2 and len(t & alone) >= seen}, key=sorted)
    if len(pairs) < folds:
        raise SplitError(
            f"The data hold {len(pairs)} combinations of two targets with {seen} measured alone, too few for {folds} "
            "folds. Ask for fewer folds, or use unseen_perturbation where there are none."
        )
    drawn = np.argsort(lots([" + ".join(sorted(targets)) for targets in pairs], seed), kind="stable")
    chosen = []
    for i in range(folds):
        mine = [pairs[j] for j in drawn[i::folds]]
        hidden = _hidden(mine, alone, seen)
        tested = {t for t in mine if len(t & hidden) == 2 - seen and t - hidden <= alone}
        test = tuple(text for text, targets in texts.items() if targets in tested)
        chosen.append(Fold({"perturbation": test}, {"perturbation": _touching(texts, hidden, tested)}))
    return _split(f"unseen-combination-seen{seen}", measurement, seed, tuple(chosen))


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


def _touching(texts: Mapping[str, frozenset[str]], hidden: set[str], tested: set[frozenset[str]]) -> Names:
    """What holds a hidden target, or both targets of a tested pair."""

    def touches(targets: frozenset[str]) -> bool:
        return bool(targets & hidden) or any(frozenset(both) in tested for both in combinations(targets, 2))

    return tuple(text for text, targets in texts.items() if touches(targets))


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
    parsed = {text: Perturbation.parse(text) for text in _texts(measurement)}
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
    split = _split(f"extrapolate-{along}", measurement, 0, (_same("perturbation", test),))
    return dataclasses.replace(split, notes={"along": along, "above": above})


def _texts(measurement: Measurement) -> dict[str, frozenset[str]]:
    """Targets by perturbation, salts of one compound as one; what has no target, such as time alone, is its own."""
    texts = sorted(set(measurement.perturbations) - {CONTROL})
    return {text: target_keys(Perturbation.parse(text)) or frozenset((text,)) for text in texts}


def _target_folds(
    measurement: Measurement,
    texts: Mapping[str, frozenset[str]],
    folds: int,
    seed: int,
    strength: Mapping[str, float] | None,
) -> list[set[str]]:
    families = _families(list(texts.values()), folds)
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


def _families(sets: Sequence[frozenset[str]], folds: int) -> list[frozenset[str]]:
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


def _perturbation_fold(texts: Mapping[str, frozenset[str]], targets: set[str]) -> Fold:
    test = tuple(text for text, own in texts.items() if own <= targets)
    if not test:
        raise SplitError(
            f"Targets {', '.join(sorted(targets)[:5])} occur only combined with those of other folds. "
            "Ask for fewer folds, or use unseen_combination."
        )
    return Fold({"perturbation": test}, {"perturbation": tuple(text for text, own in texts.items() if own & targets)})


def _values(measurement: Measurement, name: str) -> list[str]:
    value_n = column(measurement, name)[measurement.perturbations != CONTROL]
    return sorted(set(value_n) - {""})


def _value_folds(measurement: Measurement, name: str, folds: int | None, seed: int) -> list[Names]:
    values = _values(measurement, name)
    folds = len(values) if folds is None else folds
    if not 2 <= folds <= len(values):
        raise SplitError(
            f"{len(values)} values of {name!r} have perturbed entities, which cannot make {folds} folds; it takes at "
            f"least two. Ask for 2 to {len(values)} folds, or use unseen_perturbation where there is one {name}."
        )
    if not is_effect(measurement.units):
        _require_controls(measurement, name, values)
    order = np.argsort(lots(values, seed), kind="stable") if folds < len(values) else np.arange(len(values))
    return [tuple(values[j] for j in order[i::folds]) for i in range(folds)]


def _require_controls(measurement: Measurement, name: str, values: Sequence[str]) -> None:
    controls = set(column(measurement, name)[measurement.perturbations == CONTROL])
    if name == "context" and (missing := sorted(set(values) - controls)):
        raise SplitError(
            f"Context {missing[0]!r} has no control, so a prediction for it has nothing to start from. "
            "Leave it out, or declare which label is its control."
        )


def _same(name: str, values: Names) -> Fold:
    return Fold({name: values}, {name: values})


def _split(kind: str, measurement: Measurement, seed: int, folds: tuple[Fold, ...]) -> Split:
    for i, fold in enumerate(folds):
        for found, what in ((fold.tested(measurement), "test"), (fold.trained(measurement), "train on")):
            if not found.any():
                raise SplitError(
                    f"Fold {i} of this {kind} split has nothing to {what}: what it names was never measured together. "
                    "Ask for another number of folds or another seed."
                )
    return Split(kind, seed, folds, data_digest=data_digest(measurement))
