"""What a compound does at a dose that was not tried, asked on plates that none of the given doses come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.images.profile_inputs import centered_scores, plates_of, without

SAME = "same-dose"
KNOWN = ("nearest-dose", "other-doses", "other-compounds", "interpolation", SAME)
ENDS = ("low", "interior", "high")
_DRAWS, _FEWEST_DOSES, _FEWEST_OTHERS = 1000, 3, 2
# Profiles by compound and dose, on one half of the plates.
_ByDose = dict[str, dict[float, np.ndarray]]


@final
@dataclass(frozen=True, eq=False)
class _Question:
    """A compound at a dose, and what is known from the other half of the plates.

    Attributes:
        compound: Its name.
        dose: In µM.
        end: Where the dose lies among all of the compound.
        truth: ``(f,)`` profile on the half that is asked about.
        given: Profiles on the other half, without this dose.
        same: ``(f,)`` profile at this dose on the other half, where there is one: for the repeat alone.
    """

    compound: str
    dose: float
    end: str
    truth: np.ndarray
    given: _ByDose
    same: np.ndarray | None


@final
class UnseenDose(Protocol):
    """A dose of each compound is asked for on half of the plates; all that is given comes from the other half.

    ``nearest-dose``, ``other-doses`` (their mean), ``interpolation`` (in log dose, the nearest beyond those tried) and
    ``other-compounds`` (the mean of their means) are read off what is given; ``same-dose`` is the dose itself on the
    other plates, an experiment repeated. Every manipulator that can be fitted on states alone is a method, and is asked
    for the state at the dose. Shuffled: the doses of each compound exchange their profiles.

    Profiles are differences from the controls of their plate, in standard deviations over all controls. ``error_END``
    is the squared error relative to the squared size of the profile, ``cosine_END`` its cosine, each for doses at the
    ``low`` end, in the ``interior`` and at the ``high`` end of those of a compound. Folds are compounds, a mean over
    their doses and draws; intervals draw compounds.

    Settings: ``dataset``; ``without``, parts of names of features left out; ``clip``, in standard deviations;
    ``halves``, for each draw a text with 1 for each plate (sorted by name) that is asked about, and 0 for the others.
    """

    def __init__(self) -> None:
        self._questions: list[_Question] | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            if name not in KNOWN and name not in MANIPULATORS.names():
                raise UnknownNameError(
                    "method", method, [*KNOWN, *MANIPULATORS.names()], "A manipulator is a method too."
                )
            if method == SAME + SHUFFLED:
                raise UnknownNameError(
                    "method", method, KNOWN, f"{SAME} reads no other dose: there is none to shuffle."
                )

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        if self._questions is None:
            self._questions = list(_questions(data, settings))
        name, found = method.removesuffix(SHUFFLED), []
        for number, question in enumerate(self._questions):
            given = question.given
            if method != name:
                given = _exchanged(given, np.random.default_rng([seed, number]))
            said = _said(name, question, given, seed)
            if said is not None:
                size = max(float(np.linalg.norm(said) * np.linalg.norm(question.truth)), 1e-12)
                error = ((said - question.truth) ** 2).sum() / (question.truth**2).sum()
                found.append((question.end, question.compound, float(error), float(said @ question.truth / size)))
        return _rows(method, pd.DataFrame(found, columns=["end", "compound", "error", "cosine"]), seed)


def _questions(data: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[_Question]:
    profiles = without(data[settings["dataset"]], settings["without"])
    z_nf, plate_n = centered_scores(profiles, clip=settings["clip"]), plates_of(profiles)
    label_n, plates = profiles.perturbations.astype(str), np.unique(plate_n)
    for half in settings["halves"]:
        if len(half) != len(plates):
            raise IntegrityError(
                f"The benchmark was frozen on {len(half)} plates, and the data have {len(plates)}. Read the same file."
            )
        asked_n = np.isin(plate_n, plates[np.array(list(half)) == "1"])
        target, known = _by_dose(z_nf, label_n, asked_n), _by_dose(z_nf, label_n, ~asked_n)
        for compound in sorted(set(target) & set(known)):
            every = sorted({*target[compound], *known[compound]})
            for dose, truth in target[compound].items():
                others = {at: value for at, value in known[compound].items() if at != dose}
                if len(every) >= _FEWEST_DOSES and len(others) >= _FEWEST_OTHERS:
                    end = "low" if dose == every[0] else "high" if dose == every[-1] else "interior"
                    same = known[compound].get(dose)
                    yield _Question(compound, dose, end, truth, {**known, compound: others}, same)


def _by_dose(z_nf: np.ndarray, label_n: np.ndarray, rows_n: np.ndarray) -> _ByDose:
    made: _ByDose = {}
    for text in np.unique(label_n[rows_n & (label_n != CONTROL)]):
        agent = Perturbation.parse(text).agents[0]
        if agent.dose is not None:
            made.setdefault(agent.target, {})[float(agent.dose)] = z_nf[rows_n & (label_n == text)].mean(axis=0)
    return made


def _exchanged(given: _ByDose, rng: np.random.Generator) -> _ByDose:
    """Let the doses of each compound exchange their profiles."""
    made = {}
    for compound, by in given.items():
        profiles = list(by.values())
        made[compound] = dict(zip(by, (profiles[i] for i in rng.permutation(len(profiles))), strict=True))
    return made


def _said(name: str, question: _Question, given: _ByDose, seed: int) -> np.ndarray | None:
    """``(f,)`` what a method expects; None where it cannot be asked."""
    own = given[question.compound]
    at_k = np.array(sorted(own))
    value_kf = np.array([own[dose] for dose in at_k])
    match name:
        case "same-dose":
            return question.same
        case "other-doses":
            return np.asarray(value_kf.mean(axis=0))
        case "nearest-dose":
            return np.asarray(value_kf[np.abs(np.log(at_k / question.dose)).argmin()])
        case "other-compounds":
            means = [np.mean(list(by.values()), axis=0) for name, by in given.items() if name != question.compound]
            return np.asarray(np.mean(means, axis=0))
        case "interpolation":
            right = int(np.clip(np.searchsorted(at_k, question.dose), 1, len(at_k) - 1))
            low, high = np.log(at_k[right - 1]), np.log(at_k[right])
            share = float(np.clip((np.log(question.dose) - low) / (high - low), 0.0, 1.0))
            return np.asarray(value_kf[right - 1] * (1 - share) + value_kf[right] * share)
    return _manipulated(name, question, given, seed)


def _manipulated(name: str, question: _Question, given: _ByDose, seed: int) -> np.ndarray:
    texts = [(f"drug:{compound}@{dose}uM", value) for compound, by in given.items() for dose, value in by.items()]
    width = len(question.truth)
    values = np.array([np.zeros(width), *(value for _, value in texts)])
    entities = pd.DataFrame({"perturbation": [CONTROL, *(text for text, _ in texts)], "context": "all"})
    ur = UR(values, Space("profiles", Scale.CELLULAR, width, "standardized"), entities)
    part: Any = MANIPULATORS.load(name)
    asked = Perturbation.parse(f"drug:{question.compound}@{question.dose}uM")
    expected = part.fit(ur, seed=seed).manipulate(ur.take(np.array([0])), asked)
    return np.asarray(expected.mean, dtype=float)


def _rows(method: str, found: pd.DataFrame, seed: int) -> list[ScoreRow]:
    made: list[ScoreRow] = []
    for end in ENDS:
        own = found[found["end"] == end]
        by = own.groupby("compound")[["error", "cosine"]].mean()
        drawn = np.random.default_rng(seed).integers(0, max(len(by), 1), (_DRAWS, len(by)))
        for metric in ("error", "cosine"):
            name, values = f"{metric}_{end}", by[metric].to_numpy()
            better: Any = "lower" if metric == "error" else "higher"
            if not len(values):
                made.append(
                    ScoreRow(method, POOLED, name, None, better, note="no compound has such a dose on both halves")
                )
                continue
            low, high = map(float, np.quantile(values[drawn].mean(axis=1), [0.025, 0.975]))
            note = f"{len(own)} questions on {len(by)} compounds"
            made.append(ScoreRow(method, POOLED, name, float(values.mean()), better, low=low, high=high, note=note))
            made += [ScoreRow(method, str(fold), name, float(value), better) for fold, value in by[metric].items()]
    return made
