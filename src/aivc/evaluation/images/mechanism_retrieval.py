"""Whether treatments that look alike share a mechanism, without and with neighbors of the same weeks left aside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.images.profile_inputs import control_scores, without

# By plate, and robust.
STANDARDIZED = {"plate-z": (True, False), "plate-mad": (True, True), "screen-z": (False, False)}
_DRAWS = 1000
_ASIDE = ("nsc", "nscb")
# What an encoder sees of a treated well: that it is one.
_TREATED = "drug:hidden"


@final
@dataclass(frozen=True, eq=False)
class _Treatments:
    """What is asked about.

    Attributes:
        names: ``(t,)`` texts of perturbations.
        compounds: ``(t,)``.
        mechanisms: ``(t,)``.
        weeks: ``t`` sets of weeks each was imaged in.
    """

    names: np.ndarray
    compounds: np.ndarray
    mechanisms: np.ndarray
    weeks: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, listed: Mapping[str, Sequence[str]]) -> "_Treatments":
        names = sorted(listed)
        return cls(
            np.array(names, dtype=object),
            np.array([Perturbation.parse(name).agents[0].target for name in names], dtype=object),
            np.array([listed[name][0] for name in names], dtype=object),
            tuple(frozenset(listed[name][1:]) for name in names),
        )

    def aside(self) -> dict[str, np.ndarray]:
        """For each rule ``(t, t)``, True for what may not answer for the treatment of a row."""
        same = self.compounds[:, None] == self.compounds
        weeks = np.array([[bool(a & b) for b in self.weeks] for a in self.weeks])
        return {"nsc": same, "nscb": same | weeks}

    def mixed(self, rng: np.random.Generator) -> np.ndarray:
        """``(t,)`` mechanisms after compounds have exchanged them."""
        of = dict(zip(self.compounds, self.mechanisms, strict=True))
        dealt = dict(zip(of, rng.permutation(list(of.values())), strict=True))
        return np.array([dealt[name] for name in self.compounds], dtype=object)


@final
class MechanismRetrieval(Protocol):
    """The nearest other treatment, by the cosine of mean states, is to have the same mechanism (Ljosa et al. 2013).

    A method is a standardization by the controls of each plate (``plate-z``, ``plate-mad``) or of all (``screen-z``),
    or an encoder of cells, fitted by its own defaults on all wells, of which it sees plates and controls and no
    compound, dose or mechanism.
    A treatment is the mean over its wells, seen from the mean of all controls. Shuffled: compounds exchange their
    mechanisms; the mean over permutations stands there, with its 2.5 and 97.5 % quantiles.

    ``nsc`` leaves the same compound aside (not same compound), ``nscb`` what shares a week, too (nor same batch), and
    stands beside it always. Each is the accuracy of the nearest treatment over treatments, with ``_map`` the mean
    average precision, and ``_compounds`` the accuracy when every compound counts alike. Treatments without one of
    their mechanism left are no question. Folds are compounds, and intervals draw them.

    Settings: ``dataset``; ``without``, parts of names of features left out; ``clip``, of standardizations;
    ``treatments``, the perturbation → its mechanism and the weeks; ``permutations``.
    """

    def __init__(self) -> None:
        self._alike: dict[str, np.ndarray] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            if name in STANDARDIZED:
                continue
            if name not in ENCODERS.names():
                listed = [*STANDARDIZED, *ENCODERS.names()]
                raise UnknownNameError("method", method, listed, "An encoder of cells is a method too.")
            if ENCODERS.load(name).scale is not Scale.CELLULAR:
                raise SpaceError(f"{name} does not encode cells by themselves, and wells are to be. Name one of cells.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        name, asked = method.removesuffix(SHUFFLED), _Treatments.of(settings["treatments"])
        if name not in self._alike:
            self._alike[name] = _alike(data[settings["dataset"]], asked, name, settings, seed)
        alike, rng = self._alike[name], np.random.default_rng(seed)
        if method == name:
            return _rows(method, _answers(alike, asked, asked.mechanisms), rng)
        drawn = [_answers(alike, asked, asked.mixed(rng)) for _ in range(settings["permutations"])]
        return _null_rows(method, drawn)


def _alike(profiles: Measurement, asked: _Treatments, name: str, settings: Mapping[str, Any], seed: int) -> np.ndarray:
    """``(t, t)`` cosines between treatments."""
    label_n = profiles.perturbations.astype(str)
    if missing := sorted(set(asked.names) - set(label_n)):
        raise IntegrityError(
            f"The benchmark asks about {missing[0]}, which the data do not hold ({len(missing)} such). Read the file "
            "it was frozen on."
        )
    z_nd = _states(without(profiles, settings["without"]), name, settings, seed)
    z_nd = z_nd - z_nd[label_n == CONTROL].mean(axis=0)
    mean_td = np.array([z_nd[label_n == each].mean(axis=0) for each in asked.names])
    mean_td /= np.maximum(np.linalg.norm(mean_td, axis=1, keepdims=True), 1e-12)
    return np.asarray(mean_td @ mean_td.T)


def _states(profiles: Measurement, name: str, settings: Mapping[str, Any], seed: int) -> np.ndarray:
    if name in STANDARDIZED:
        by_plate, robust = STANDARDIZED[name]
        return control_scores(profiles, by_plate=by_plate, robust=robust, clip=settings["clip"])
    own = profiles.entities.filter(["perturbation", "context", "batch"])
    hidden = np.where(own["perturbation"] == CONTROL, CONTROL, _TREATED)
    # Names of wells are numbered: those of the file need not be free of the treatment.
    entities = own.assign(perturbation=hidden).set_index(pd.Index([f"well-{i}" for i in range(len(own))]))
    blind = profiles.replace(entities=entities)
    part: Any = ENCODERS.load(name)
    return np.asarray(part.fit(blind, seed=seed).encode(blind).values, dtype=float)


def _answers(alike: np.ndarray, asked: _Treatments, mechanisms: np.ndarray) -> pd.DataFrame:
    """Whether the nearest is right, and the average precision, by ``rule`` and treatment."""
    rows = []
    for rule, aside in asked.aside().items():
        for i, compound in enumerate(asked.compounds):
            others = np.flatnonzero(~aside[i])
            same = mechanisms[others[np.argsort(-alike[i, others], kind="stable")]] == mechanisms[i]
            if same.any():
                precision = (np.cumsum(same) / np.arange(1, len(same) + 1))[same].mean()
                rows.append((rule, compound, float(same[0]), float(precision)))
    return pd.DataFrame(rows, columns=["rule", "compound", "right", "precision"])


def _values(own: pd.DataFrame) -> dict[str, float]:
    by = own.groupby("compound")["right"].mean()
    return {"": own["right"].mean(), "_map": own["precision"].mean(), "_compounds": by.mean()}


def _rows(method: str, found: pd.DataFrame, rng: np.random.Generator) -> list[ScoreRow]:
    made: list[ScoreRow] = []
    for rule in _ASIDE:
        own = found[found["rule"] == rule]
        groups = {str(name): each for name, each in own.groupby("compound")}
        if not groups:
            note = "no treatment has another of its mechanism left"
            made += [ScoreRow(method, POOLED, rule + kind, None, note=note) for kind in ("", "_map", "_compounds")]
            continue
        sums = np.array([(each["right"].sum(), each["precision"].sum(), len(each)) for each in groups.values()])
        drawn = sums[rng.integers(0, len(sums), (_DRAWS, len(sums)))]
        right, precision, n = np.moveaxis(drawn.sum(axis=1), 1, 0)
        means = (drawn[..., 0] / drawn[..., 2]).mean(axis=1)
        note = f"{len(own)} treatments of {len(groups)} compounds"
        for (kind, value), draws in zip(_values(own).items(), (right / n, precision / n, means), strict=True):
            low, high = map(float, np.quantile(draws, [0.025, 0.975]))
            made.append(ScoreRow(method, POOLED, rule + kind, float(value), low=low, high=high, note=note))
        for name, each in groups.items():
            made.append(ScoreRow(method, name, rule, float(each["right"].mean())))
            made.append(ScoreRow(method, name, f"{rule}_map", float(each["precision"].mean())))
    return made


def _null_rows(method: str, drawn: Sequence[pd.DataFrame]) -> list[ScoreRow]:
    made = []
    for rule in _ASIDE:
        asked = [own for found in drawn if len(own := found[found["rule"] == rule])]
        note = f"mean of {len(asked)} permutations and their 2.5 and 97.5 % quantiles"
        for kind in ("", "_map", "_compounds"):
            values = [_values(own)[kind] for own in asked]
            if not values:
                made.append(ScoreRow(method, POOLED, rule + kind, None, note="no permutation leaves a question"))
                continue
            low, high = map(float, np.quantile(values, [0.025, 0.975]))
            made.append(ScoreRow(method, POOLED, rule + kind, float(np.mean(values)), low=low, high=high, note=note))
        if asked:
            by = pd.concat(asked).groupby("compound")[["right", "precision"]].mean()
            for name, right, precision in by.itertuples():
                made.append(ScoreRow(method, str(name), rule, float(right)))
                made.append(ScoreRow(method, str(name), f"{rule}_map", float(precision)))
    return made
