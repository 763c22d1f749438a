"""What a search is to reach: changes wanted of some features, and features that are to stay as they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.prediction import Prediction
from aivc.data.streaming.stream import pseudobulk

REST = "rest"


@final
@dataclass(frozen=True, eq=False)
class Goal:
    """A wanted change from control, laid over the features that a cell decodes.

    Attributes:
        wanted: ``(g,)`` change from control, in the units of the cell's profiles.
        places: ``(g,)`` columns of the profile that it is about.
        kept: ``(s,)`` columns that are to stay as they are.
        penalty: How much of the way one unit of `side` costs in `score`.
    """

    wanted: Float[np.ndarray, " g"]
    places: Int[np.ndarray, " g"]
    kept: Int[np.ndarray, " s"]
    penalty: float = 1.0

    def closes(self, effect_g: np.ndarray) -> float:
        """Fraction of the squared distance from control to the goal that an effect on its features closes."""
        return float(1 - ((self.wanted - effect_g) ** 2).sum() / self.size)

    def side(self, effect_f: np.ndarray) -> float:
        """Squared length of an ``(f,)`` effect on what is to stay, in units of that of the wanted change."""
        return float((effect_f[self.kept] ** 2).sum() / self.size)

    def score(self, effect_f: np.ndarray) -> float:
        """What a search ranks by: `closes` minus the penalty on `side`."""
        return self.closes(effect_f[self.places]) - self.penalty * self.side(effect_f)

    @property
    def size(self) -> float:
        """Squared length of the wanted change."""
        return float((self.wanted**2).sum())

    def weighed(self, effect_f: np.ndarray) -> np.ndarray:
        """An effect as ``(g + s,)`` numbers, of which `score` is ``2 aimed @ x - x @ x``: so sums can be scored."""
        aside_s = np.sqrt(self.penalty) * effect_f[self.kept]
        return np.concatenate([effect_f[self.places], aside_s]) / np.sqrt(self.size)

    @property
    def aimed(self) -> np.ndarray:
        """The goal in the numbers of `weighed`: a change of length one, and none of what is to stay."""
        return np.concatenate([self.wanted / np.sqrt(self.size), np.zeros(len(self.kept))])


def goal_of(
    goal: Mapping[str, float] | Measurement,
    control: Prediction[Measurement],
    *,
    keep: Collection[str] = (),
    penalty: float = 1.0,
) -> Goal:
    """Lay a goal over the features of a cell.

    Args:
        goal: Wanted change by feature; or wanted cells, whose mean profile is the goal.
        control: The decoded control.
        keep: Features that are to stay; ``("rest",)`` for all that the goal does not name.
        penalty: Of `Goal`.

    Raises:
        DataError: A goal that is no change, a feature both to change and to stay, or a penalty below zero.
        UnknownNameError: The cell decodes no such feature.
    """
    features = control.draws[0].features
    change = _change(goal, control) if isinstance(goal, Measurement) else dict(goal)
    place = {str(feature): i for i, feature in enumerate(features)}
    for feature in [*change, *(name for name in keep if name != REST)]:
        if feature not in place:
            raise UnknownNameError("feature", feature, place, "A goal is about features that the cell decodes.")
    wanted = np.array([float(value) for value in change.values()])
    if not np.isfinite(wanted).all() or not wanted.any():
        raise DataError(
            ["A goal is a change from control, in finite numbers that are not all zero. Say what to change."]
        )
    if not np.isfinite(penalty) or penalty < 0:
        raise DataError([f"A penalty is a finite number from 0 on, got {penalty}. Leave it at 1, or choose another."])
    if both := sorted(set(keep) & {name for name, value in change.items() if value}):
        raise DataError([f"{both[0]} is both to change and to stay. Name it in the goal or in what is to stay."])
    stay = [name for name in place if name not in change] if REST in keep else list(dict.fromkeys(keep))
    return Goal(wanted, _columns(change, place), _columns(stay, place), penalty)


def labelled(cells: Measurement, column: str, value: str) -> Measurement:
    """Cells of a label as a goal, beside the controls of their measurement that do not carry it.

    Args:
        cells: Some of which have the label.
        column: Of their entities, such as ``cell_type``.
        value: The label.

    Raises:
        DataError: There is no such column, or no such cell.
    """
    if column not in cells.entities:
        raise DataError([f"The wanted cells have no column {column!r}. Name one of: {', '.join(cells.entities)}."])
    labels = cells.entities[column].astype(str).to_numpy()
    if not (labels == value).any():
        known = ", ".join(sorted(set(labels))[:10])
        raise DataError([f"No cell has {value!r} in the column {column!r}. Choose one of: {known}."])
    wanted = labels == value
    is_control = cells.perturbations == CONTROL
    # Where controls carry the label themselves, they are part of the goal and nothing to compare it with.
    return cells.take(wanted if (is_control & wanted).any() else wanted | is_control)


def _columns(names: Sequence[str] | Mapping[str, float], place: Mapping[str, int]) -> Int[np.ndarray, " g"]:
    return np.array([place[name] for name in names], dtype=np.int64)


def _change(goal: Measurement, control: Prediction[Measurement]) -> dict[str, float]:
    """Mean of the wanted cells minus control, for the features that they share with the cell."""
    is_control = goal.perturbations == CONTROL
    mixed = bool(is_control.any() and not is_control.all())
    role = np.where(is_control & mixed, "control", "wanted")
    means = pseudobulk(goal.replace(entities=goal.entities.assign(goal=role)), ["goal"], units=control.profile_units)
    rows = {str(name): means.dense_row(i) for i, name in enumerate(means.entities["goal"])}
    wanted = dict(zip(map(str, means.features), rows["wanted"], strict=True))
    decoded = dict(zip(map(str, control.draws[0].features), control.mean, strict=True))
    base = dict(zip(map(str, means.features), rows["control"], strict=True)) if mixed else decoded
    shared = [name for name in wanted if name in decoded and np.isfinite(wanted[name]) and np.isfinite(base[name])]
    if not shared:
        raise DataError(
            ["The wanted cells share no feature with the cell. Bring the names to the same kind, such as gene symbols."]
        )
    return {name: float(wanted[name] - base[name]) for name in shared}
