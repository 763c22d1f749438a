"""Splits as a person writes them: the path of a manifest, or a kind with its numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aivc.core.errors import SplitError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.splits import folds
from aivc.data.splits.split import Split

__all__ = ["SPLITS", "parse"]

_SIMPLE: dict[str, Callable[..., Split]] = {
    "unseen-perturbation": folds.unseen_perturbation,
    "unseen-context": folds.unseen_context,
    "unseen-donor": folds.unseen_donor,
    "unseen-batch": folds.unseen_donor,
    "unseen-both": folds.unseen_both,
    "unseen-pair": folds.unseen_pair,
}
_KINDS = (
    *_SIMPLE,
    "few-shot-context",
    "unseen-combination",
    "hidden-combination",
    "extrapolate-dose",
    "extrapolate-hours",
)
# What can be written, for help and for errors.
SPLITS = (
    "a manifest (Split.save, or a plain list of folds), or a kind: unseen-perturbation:FOLDS, unseen-context[:FOLDS], "
    "few-shot-context:GIVEN[:FOLDS], unseen-donor[:FOLDS], unseen-batch[:FOLDS], unseen-both:FOLDS, unseen-pair:FOLDS, "
    "unseen-combination:SEEN:FOLDS, hidden-combination:SHARE[:MOST], extrapolate-dose:ABOVE, extrapolate-hours:ABOVE"
)


def parse(text: str, measurement: Measurement, *, seed: int = 0) -> Split:
    """Read a manifest, or make the split that a text such as ``unseen-perturbation:5`` names.

    Args:
        text: Path of a manifest, or a kind with its numbers (`SPLITS`).
        measurement: The data that are split.
        seed: Draws the folds, where a kind is given.

    Raises:
        SplitError: The data do not allow it, or the numbers behind the kind are wrong.
        UnknownNameError: No such kind of split, and no such file.
    """
    if Path(text).is_file():
        return Split.load(Path(text), measurement)
    kind, *numbers = text.split(":")
    if kind not in _KINDS:
        raise UnknownNameError("split", kind, _KINDS, "Name one of these, or a manifest that exists.")
    try:
        return _of_kind(kind, [float(number) for number in numbers], measurement, seed)
    except (ValueError, TypeError) as error:
        if isinstance(error, SplitError):
            raise
        raise SplitError(f"{text!r} is no split. What can be given: {SPLITS}.") from error


def _of_kind(kind: str, numbers: list[float], measurement: Measurement, seed: int) -> Split:
    if kind.startswith("extrapolate-"):
        (above,) = numbers
        return folds.extrapolate(measurement, along=kind.removeprefix("extrapolate-"), above=above)
    if kind == "hidden-combination":
        share, *most = numbers
        return folds.hidden_combination(measurement, share=share, most=int(*most) if most else None, seed=seed)
    if any(number != int(number) or number < 0 for number in numbers):
        raise ValueError("folds are whole numbers")
    whole = [int(number) for number in numbers]
    if kind == "unseen-combination":
        seen, count = whole
        return folds.unseen_combination(measurement, seen=seen, folds=count, seed=seed)
    if kind == "few-shot-context":
        few, *parts = whole
        return folds.few_shot_context(measurement, given=few, folds=int(*parts) if parts else None, seed=seed)
    given: dict[str, Any] = {"column": "batch"} if kind == "unseen-batch" else {}
    if whole:
        (given["folds"],) = whole
    return _SIMPLE[kind](measurement, seed=seed, **given)
