"""The same perturbation does here what it did in contexts like this one: the bar for a new cell type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.contracts import Manipulator
from aivc.core.effects import Effects, effects
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.core.ur import UR

# Inverse temperatures: likeness lies between -1 and 1, and 0 weighs all contexts alike.
_SHARPNESS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
# A correlation over few entries is worth little; over this many it counts half.
_PSEUDO, _FEWEST = 10.0, 3
# Perturbations on which the sharpness is chosen; more do not move it.
_TRIED = 200
_FLAT = 1e-12


@final
@dataclass(frozen=True, eq=False)
class LikeContexts(Manipulator):
    """Mean shift of the same perturbation over contexts, weighted by cells and by ``exp(sharpness * likeness)``.

    A context seen perturbed is like another by the correlation of their effects on shared perturbations; one never seen
    perturbed, by the correlation of their controls, less the mean control, where controls differ. Where nothing is in
    common all contexts weigh by cells alone, as in ``transfer``. Each sharpness has the smallest squared error on
    training effects predicted from other contexts. What was not measured takes no part; the mean effect of the context
    stands in, also for a perturbation measured nowhere.

    Attributes:
        reads: Space it was fitted on.
        contexts: ``c`` contexts.
        controls: ``(c, d)`` mean control state of each.
        perturbations: ``p`` texts.
        shifts: ``(r, d)`` measured effects, 0 where not measured.
        measured: ``(r, d)`` where they were.
        cells: ``(r,)`` cells behind each.
        places: ``(r,)`` context of each.
        codes: ``(r,)`` perturbation of each.
        means: ``(c, d)`` mean effect of each context.
        default: ``(d,)`` mean over contexts.
        likeness: ``(c, c)`` by effects, 0 where nothing is shared.
        by_effects: Sharpness for likeness by effects.
        by_controls: Sharpness for likeness by controls.
    """

    name: ClassVar[str] = "like-contexts"
    # What a perturbation did in other contexts is looked up: a refit without other perturbations says the same.
    resampled: ClassVar[bool] = False
    reads: Space
    contexts: tuple[str, ...]
    controls: Float[np.ndarray, "c d"]
    perturbations: tuple[str, ...]
    shifts: Float[np.ndarray, "r d"]
    measured: Bool[np.ndarray, "r d"]
    cells: Float[np.ndarray, " r"]
    places: Int[np.ndarray, " r"]
    codes: Int[np.ndarray, " r"]
    means: Float[np.ndarray, "c d"]
    default: Float[np.ndarray, " d"]
    likeness: Float[np.ndarray, "c c"]
    by_effects: float
    by_controls: float

    @classmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "LikeContexts":
        """Remember the effects, and learn how much likeness matters.

        Args:
            ur: Perturbed and control states.
            parts: Not used.
            seed: Chooses on which perturbations it is learned, where there are very many.

        Raises:
            ControlError: A context has no control.
        """
        seen = effects(ur)
        contexts, mean_cd, default_d = seen.mean_effects()
        texts, code_r = np.unique(seen.perturbations.astype(str), return_inverse=True)
        place_r = np.array([contexts.index(str(context)) for context in seen.contexts], dtype=int)
        control_cd = _controls(ur, contexts)
        sums = np.zeros((4, len(contexts), len(contexts)))
        for rows in _groups(code_r):
            sums[_block(place_r[rows])] += _sums(seen, rows)
        tried = _groups(code_r)
        chosen = np.random.default_rng(seed).permutation(len(tried))[:_TRIED]
        tried = [tried[i] for i in np.sort(chosen) if len(tried[i]) > 1]
        by_controls_cc = np.array([_alike(control_cd, i, np.arange(len(contexts)) != i) for i in range(len(contexts))])
        return cls(
            reads=ur.space,
            contexts=contexts,
            controls=control_cd,
            perturbations=tuple(map(str, texts)),
            shifts=seen.shifts,
            measured=np.array(seen.measured),
            cells=seen.cells,
            places=place_r,
            codes=code_r.astype(int),
            means=mean_cd,
            default=default_d,
            likeness=_correlation(sums),
            # The perturbation that is predicted must not decide how alike the contexts are.
            by_effects=_sharpest(
                seen, tried, lambda rows: _correlation(sums[_block(place_r[rows])] - _sums(seen, rows))
            ),
            by_controls=_sharpest(seen, tried, lambda rows: by_controls_cc[np.ix_(place_r[rows], place_r[rows])]),
        )

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Shift every state by what the perturbation did in contexts like its own."""
        self.reads.require(ur.space, self.name)
        if perturbation.is_control:
            return Prediction((ur,), (self.name,), Applicability.IN)
        text, shift_nd = str(perturbation), np.empty(ur.values.shape)
        rows, asked = self._rows.get(text, np.zeros(0, dtype=int)), ur.contexts.astype(str)
        for context in sorted(set(asked)):
            shift_nd[asked == context] = self._shift(context, ur.take(asked == context).mean, rows)
        verdict = Applicability.IN if len(rows) else Applicability.OUT
        return Prediction((ur.moved(shift_nd, text),), (self.name,), verdict)

    def _shift(self, context: str, control_d: np.ndarray, rows: np.ndarray) -> np.ndarray:
        mean_d = self.means[self.contexts.index(context)] if context in self.contexts else self.default
        exponent_c = self._exponent(context, control_d)[self.places[rows]]
        weight_r = self.cells[rows] * np.exp(exponent_c - exponent_c.max(initial=-np.inf))
        total_d = weight_r @ self.measured[rows]
        said_d = weight_r @ self.shifts[rows]
        return np.asarray(np.where(total_d > 0, said_d / np.where(total_d > 0, total_d, 1.0), mean_d))

    def _exponent(self, context: str, control_d: np.ndarray) -> np.ndarray:
        """``(c,)`` likeness of each context to the one asked about, times its sharpness."""
        if context in self.contexts:
            likeness_c = self.likeness[self.contexts.index(context)].copy()
            if likeness_c.any():
                # What was measured in this very context is most like it.
                likeness_c[self.contexts.index(context)] = 1.0
                return self.by_effects * likeness_c
        every_cd = np.vstack([self.controls, control_d])
        others = np.append([each != context for each in self.contexts], [False]).astype(bool)
        likeness_c = _alike(every_cd, len(self.contexts), others)[:-1]
        return np.asarray(self.by_controls * np.where(others[:-1], likeness_c, 1.0))

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        return {text: np.flatnonzero(self.codes == code) for code, text in enumerate(self.perturbations)}


def _controls(ur: UR, contexts: tuple[str, ...]) -> np.ndarray:
    """``(c, d)`` mean control state of each context."""
    rows = ur.perturbations.astype(str) == CONTROL
    named = ur.contexts.astype(str)
    means = [ur.take(rows & (named == context)).mean for context in contexts]
    return np.array(means).reshape(len(contexts), ur.space.dim)


def _groups(code_r: np.ndarray) -> list[np.ndarray]:
    """Rows of each perturbation."""
    if not len(code_r):
        return []
    return np.split(np.argsort(code_r, kind="stable"), np.cumsum(np.bincount(code_r))[:-1])


def _alike(states_cd: np.ndarray, of: int, others_c: np.ndarray) -> np.ndarray:
    """``(c,)`` cosine of states to one of them, less the mean of the others; 0 where they do not differ."""
    if not others_c.any():
        return np.zeros(len(states_cd))
    apart_cd = states_cd - states_cd[others_c].mean(axis=0)
    size_c = np.linalg.norm(apart_cd, axis=1)
    product_c = size_c * size_c[of]
    flat = product_c <= _FLAT * max(1.0, float((states_cd**2).sum(axis=1).max()))
    return np.where(flat, 0.0, apart_cd @ apart_cd[of] / np.where(flat, 1.0, product_c))


def _block(places_k: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where the sums of some contexts stand among those of all."""
    return np.ix_(np.arange(4), places_k, places_k)


def _sums(seen: Effects, rows: np.ndarray) -> np.ndarray:
    """``(4, k, k)`` of one perturbation, over what two contexts both measured: count, ``x y``, ``x`` and ``x²``."""
    known_kd = seen.measured[rows] * 1.0
    x_kd = seen.shifts[rows] * known_kd
    return np.array([known_kd @ known_kd.T, x_kd @ x_kd.T, x_kd @ known_kd.T, x_kd**2 @ known_kd.T])


def _correlation(sums: np.ndarray) -> np.ndarray:
    """``(c, c)`` correlation from sums, drawn to 0 where it is over few entries."""
    count, xy, x, xx = sums
    safe = np.maximum(count, 1.0)
    variance = np.maximum(xx - x**2 / safe, 0.0)
    size = np.sqrt(variance * variance.T)
    known = (count >= _FEWEST) & (size > _FLAT)
    r = np.where(known, (xy - x * x.T / safe) / np.where(known, size, 1.0), 0.0)
    return np.asarray(np.clip(r, -1, 1) * count / (count + _PSEUDO))


def _sharpest(seen: Effects, tried: list[np.ndarray], likeness: Callable[[np.ndarray], np.ndarray]) -> float:
    """The sharpness with the smallest squared error on effects predicted from their perturbation in other contexts."""
    error = np.zeros(len(_SHARPNESS))
    for rows in tried:
        error += list(_errors(seen, rows, likeness(rows)))
    # Rounding must not tell sharpnesses apart where likeness says nothing.
    return _SHARPNESS[int(np.argmax(error <= error.min() * (1 + 1e-9)))]


def _errors(seen: Effects, rows: np.ndarray, likeness_kk: np.ndarray) -> Iterator[float]:
    known_kd, apart = seen.measured[rows], ~np.eye(len(rows), dtype=bool)
    for sharpness in _SHARPNESS:
        exponent_kk = np.where(apart, sharpness * likeness_kk, -np.inf)
        weight_kk = np.exp(exponent_kk - exponent_kk.max(axis=1, keepdims=True)) * seen.cells[rows]
        total_kd = weight_kk @ known_kd
        use_kd = known_kd & (total_kd > 0)
        said_kd = weight_kk @ seen.shifts[rows] / np.where(total_kd > 0, total_kd, 1.0)
        yield float((np.where(use_kd, said_kd - seen.shifts[rows], 0.0) ** 2).sum())
