"""The mixed model itself: rows, what they have in common, and how much of it transfers for each kind of question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.instruments.manipulators.effect.agents import Knowledge, share_together
from aivc.instruments.manipulators.effect.components import Component, Controls, Covariance, Queries, components
from aivc.instruments.manipulators.effect.hiding import (
    CONTEXT,
    FEW,
    KINDS,
    PAIR,
    PERTURBATION,
    Hiding,
    drawn,
    few_rows,
    hidings,
)
from aivc.instruments.manipulators.effect.likeness import Likeness
from aivc.instruments.manipulators.effect.posterior import Posterior
from aivc.instruments.manipulators.effect.practice import Task, learn
from aivc.instruments.manipulators.effect.rows import EffectRows
from aivc.instruments.manipulators.effect.strata import Stratum, leading, strata

# Of what a perturbation did in the only context it was measured in, beside the mean effect, so much goes to another.
_TRANSFERRED = 0.35
# More rows than these are compared along as many directions.
_LEADING = 1000
_SHARE_OWN, _HALF, _LIKE, _LEAST = 0.7, 0.5, 0.9, 1e-3
# Shrinkage is weaker, to begin with, for what is known before anything was measured than for what the rows share.
_WEIGHTS = {Component("controls", "all"): 9.0}
# In a single context, likeness by effects is made of those effects, and being the same is being the same row.
_ALONE = {Component("all", "effects"): 0.01, Component("all", "same"): 0.01}


class Learned(NamedTuple):
    """What practice on one kind of question has learned.

    Attributes:
        variances: ``(s, k + 1)`` of each component in each stratum, and last of what each row has to itself.
        error: ``(d,)`` mean squared error of the features on hidden rows.
        expected: What the model itself expected of their squared errors, summed over features.
        hidden: How many rows were hidden; 0 where these rows cannot show it, and moments were taken.
    """

    variances: np.ndarray
    error: np.ndarray
    expected: float
    hidden: int


@final
@dataclass(frozen=True, eq=False)
class MixedModel:
    """What a model is made from.

    Attributes:
        rows: Measured effects.
        knowledge: Of molecules.
        controls: Of contexts.
        seed: Draws what is practised on.
    """

    rows: EffectRows
    knowledge: Knowledge
    controls: Controls
    seed: int = 0

    @cached_property
    def parts(self) -> tuple[Component, ...]:
        """Components that these rows can tell apart."""
        rows = self.rows
        return components(list(rows.texts), list(rows.contexts), rows.dim, self.knowledge, self.controls)

    @cached_property
    def covariance(self) -> Covariance:
        """Of all rows."""
        return Covariance(self.parts, Likeness.of(self.rows), self.knowledge, self.controls, self.together)

    @cached_property
    def _compact(self) -> EffectRows:
        """Rows to practise on, of many rows along their leading directions: likeness is measured again and again."""
        rows = self.rows
        if rows.dim <= _LEADING or len(rows) <= _LEADING:
            return rows
        shifts = rows.shifts @ leading(rows.shifts, _LEADING, self.seed).T
        nothing = np.broadcast_to(0.0, shifts.shape)
        return EffectRows(shifts, rows.texts, rows.contexts, nothing, nothing)

    @cached_property
    def together(self) -> float:
        """How much of the sum of what agents do alone combinations do."""
        return share_together(list(self.rows.texts), list(self.rows.contexts), self.rows.shifts)

    @cached_property
    def strata(self) -> list[Stratum]:
        """Of all rows."""
        return strata(self.rows.shifts, self.seed)

    def queries(self, texts: np.ndarray, contexts: np.ndarray) -> Queries:
        """Perturbations in known contexts."""
        profiles = dict(zip(self.controls.names, self.controls.profiles, strict=True))
        return Queries(texts, contexts, profiles)

    def learn(self) -> dict[str, Learned]:
        """Practise every kind of question that these rows can show."""
        few = list(few_rows(self.rows).values())
        found = {}
        for kind in KINDS:
            if kind != FEW or few:
                found[kind] = self._learn(kind, int(np.median(few)) if few else 0)
        return found

    def relearn(self, learned: Mapping[str, Learned]) -> dict[str, Learned]:
        """Take over what was learned on more of the same rows; anew where these make other components or strata."""
        theirs = next(iter(learned.values())).variances.shape if learned else ()
        mine = (len(self.strata), len(self.parts) + 1)
        if theirs != mine:
            return self.learn()
        return {kind: self._rescaled(each) for kind, each in learned.items()}

    def _rescaled(self, learned: Learned) -> Learned:
        """On other axes the same error is spread as the deviations of these rows are."""
        if len(learned.error) == self.rows.dim:
            return learned
        away_d = _deviations(self.rows)
        return learned._replace(error=away_d * (learned.error.sum() / max(float(away_d.sum()), 1e-300)))

    def _learn(self, kind: str, few: int) -> Learned:
        subset = drawn(self.rows, self.seed)
        practised = self.rows.take(subset)
        cut = hidings(kind, practised, self.seed, few)
        if not cut or not practised.shifts.any():
            return self._without_practice(kind)
        prepared = [self._prepare(subset, practised, each) for each in cut]
        variances = np.array(
            [
                learn([each[0][s] for each in prepared], self._moments(practised, prepared[0][0][s], cut[0]))
                for s in range(len(prepared[0][0]))
            ]
        )
        error_d, expected = self._tried(practised, cut[0], prepared[0], variances)
        return Learned(variances, error_d, expected, sum(len(each.hidden) for each in cut))

    def _prepare(
        self, subset: np.ndarray, practised: EffectRows, cut: Hiding
    ) -> tuple[list[Task], list[Stratum], Covariance]:
        """A task for each stratum; likeness and strata are those of what is given."""
        given, hidden = practised.take(cut.given), practised.take(cut.hidden)
        others = np.setdiff1d(np.arange(len(self.rows)), subset[cut.hidden])
        likeness = Likeness.of(self._compact.take(others if len(others) > len(given) else subset[cut.given]))
        covariance = Covariance(self.parts, likeness, self.knowledge, self.controls, self.together)
        ours, theirs = self.queries(given.texts, given.contexts), self.queries(hidden.texts, hidden.contexts)
        inside, across = (np.array(covariance.between(each, ours)) for each in (ours, theirs))
        tasks, cuts = [], self._cut(given)
        for stratum in cuts:
            y_t, y_h = stratum.of(given.shifts), stratum.of(hidden.shifts)
            noise = shared_noise(stratum, given, given) if given.known_noise else np.zeros((len(given), len(given)))
            target = y_h @ y_t.T
            if given.known_noise:
                target -= shared_noise(stratum, hidden, given)
                noise[np.diag_indices_from(noise)] += stratum.noise(given.noise)
            tasks.append(Task(inside, across, noise, y_t @ y_t.T, target, float((y_h**2).sum())))
        return tasks, cuts, covariance

    def _cut(self, given: EffectRows) -> list[Stratum]:
        """As many strata as all rows have."""
        found = strata(given.shifts, self.seed)
        while len(found) < len(self.strata):
            found.insert(0, Stratum(np.zeros((0, given.dim)), np.zeros((0, given.dim))))
        return found if len(found) == len(self.strata) else [Stratum(None, np.zeros((0, given.dim)))]

    def _moments(self, rows: EffectRows, task: Task, cut: Hiding) -> np.ndarray:
        """Variances to start from: mean products of rows that share context, perturbation, both or neither."""
        gram = task.gram - task.noise
        texts, contexts = rows.texts[cut.given], rows.contexts[cut.given]
        return moments(self.parts, gram, texts, contexts)

    def _without_practice(self, kind: str) -> Learned:
        """Where no rows can show it, variances by moments; across a single context, by the spectrum."""
        rows, variances = self.rows, []
        for stratum in self.strata:
            y = stratum.of(rows.shifts[: len(rows)])
            gram = y @ y.T if len(rows) <= 2000 else y[:2000] @ y[:2000].T
            if rows.known_noise:
                some = rows.take(np.arange(len(gram)))
                gram = gram - shared_noise(stratum, some, some) - np.diag(stratum.noise(some.noise))
            variance_k = moments(self.parts, gram, rows.texts[: len(gram)], rows.contexts[: len(gram)])
            if kind == CONTEXT and len(set(rows.contexts)) == 1 and Component("all", "effects") in self.parts:
                variance_k = _of_one_context(self.parts, variance_k, self.covariance.likeness.effects)
            variances.append(variance_k)
        error_d = _deviations(rows)
        return Learned(np.array(variances), error_d, float(error_d.sum()), 0)

    def _tried(
        self,
        practised: EffectRows,
        cut: Hiding,
        prepared: tuple[list[Task], list[Stratum], Covariance],
        variances: np.ndarray,
    ) -> tuple[np.ndarray, float]:
        """Squared error of each feature on rows hidden once, and what was expected of them in all."""
        given, hidden = practised.take(cut.given), practised.take(cut.hidden)
        model = MixedModel(given, self.knowledge, self.controls, self.seed)
        posterior = Posterior(given, prepared[2], prepared[1], variances, self.queries(given.texts, given.contexts))
        asked = model.queries(hidden.texts, hidden.contexts)
        error_hd = hidden.shifts - posterior.shift(asked)
        return (error_hd**2).mean(axis=0), float(posterior.variance(asked).mean())

    def filled(self, learned: Mapping[str, Learned]) -> EffectRows:
        """The rows with what others say of them where nothing was measured; as they are where none can be practised."""
        rows = self.rows
        practised = [kind for kind in (PAIR, PERTURBATION) if kind in learned and learned[kind].hidden]
        if rows.gaps is None or not practised:
            return rows
        posterior = self.posterior(learned[practised[0]], practised[0])
        return replace(rows, shifts=posterior.completed(rows.gaps))

    def posterior(self, learned: Learned, kind: str) -> Posterior:
        """Weigh all rows for a kind of question."""
        rows = self.rows
        alone = kind == CONTEXT and not learned.hidden and len(set(rows.contexts)) == 1
        transferred = np.array(
            [1.0 if each.perturbations == "all" or not alone else _TRANSFERRED for each in self.parts]
        )
        return Posterior(
            rows, self.covariance, self.strata, learned.variances, self.queries(rows.texts, rows.contexts), transferred
        )


def _deviations(rows: EffectRows) -> Float[np.ndarray, " d"]:
    """Mean squared deviation from the mean row."""
    if not len(rows):
        return np.zeros(rows.dim)
    away_rd = rows.shifts - rows.shifts.mean(axis=0) if len(rows) > 1 else rows.shifts
    return np.asarray((away_rd**2).mean(axis=0))


def shared_noise(stratum: Stratum, ours: EffectRows, theirs: EffectRows) -> Float[np.ndarray, "r q"]:
    """Covariance of rows of one context that comes from the control they were all compared with."""
    one, two = np.sqrt(stratum.noise(ours.shared)), np.sqrt(stratum.noise(theirs.shared))
    return np.asarray(np.outer(one, two) * (ours.contexts[:, None] == theirs.contexts))


def moments(
    parts: Sequence[Component], gram: np.ndarray, texts: np.ndarray, contexts: np.ndarray
) -> Float[np.ndarray, " k"]:
    """Variances of components, and of what is each row's own, from mean products of rows (Henderson's first method)."""
    same_p, same_c = texts[:, None] == texts, contexts[:, None] == contexts
    total = max(float(np.diag(gram).mean()), 1e-300)
    # Where all rows have one context, or one perturbation, what they share cannot be separated from what all share.
    places, names = len(set(contexts)), len(set(texts))
    neither = _mean(gram, (~same_p if names > 1 else same_p) & (~same_c if places > 1 else same_c) & ~(same_p & same_c))
    by_context = _mean(gram, ~same_p & same_c) - neither if names > 1 and places > 1 else 0.0
    by_text = _mean(gram, same_p & ~same_c) - neither if names > 1 and places > 1 else 0.0
    rest = max(total - max(neither, 0) - max(by_context, 0) - max(by_text, 0), 0.05 * total)
    # With one context a half of the rest is taken for what likeness of perturbations tells, with one perturbation most
    # of it for what likeness of contexts tells.
    by_text += _HALF * rest if places == 1 else 0.0
    by_context += _LIKE * rest if names == 1 else 0.0
    own = (1 - _LIKE if names == 1 else 1 - _HALF if places == 1 else _SHARE_OWN) * rest
    sizes = {"mean": neither, "context": by_context, "text": by_text, "both": rest - own}
    found = [max(sizes[group], _LEAST * total) for group in map(_group, parts)]
    known = _WEIGHTS if places > 1 else {**_WEIGHTS, **_ALONE}
    weights = [known.get(each, 1.0) for each in parts]
    groups = {group: sum(w for w, p in zip(weights, parts, strict=True) if _group(p) == group) for group in sizes}
    shared = [f * w / groups[_group(p)] for f, w, p in zip(found, weights, parts, strict=True)]
    return np.array([*shared, own])


def _group(each: Component) -> str:
    if each.contexts == "all":
        return "mean" if each.perturbations == "all" else "text"
    return "context" if each.perturbations == "all" else "both"


def _mean(gram: np.ndarray, where: np.ndarray) -> float:
    return float(gram[where].mean()) if where.any() else 0.0


def _of_one_context(parts: Sequence[Component], variance_k: np.ndarray, effects_pp: np.ndarray) -> np.ndarray:
    """The spectrum of the deviations tells signal from noise: half of its values are taken for noise alone."""
    away = float(variance_k[1:].sum())
    found = np.full(len(variance_k), 1e-9 * max(float(variance_k.sum()), 1e-300))
    found[parts.index(Component("all", "all"))] = variance_k[parts.index(Component("all", "all"))]
    found[parts.index(Component("all", "effects"))] = away
    found[-1] = away * max(float(np.median(np.linalg.eigvalsh(effects_pp))), 1e-3)
    return found
