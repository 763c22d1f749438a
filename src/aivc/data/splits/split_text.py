"""Splits as a person writes them: the path of a manifest, or a kind with its numbers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from aivc.core.errors import SplitError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import SPLIT_KINDS
from aivc.data.splits import folds
from aivc.data.splits.split import Split

__all__ = ["KINDS", "SPLITS", "parse"]

Maker: TypeAlias = Callable[[Measurement, list[float], int], Split]


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
    if kind not in SPLIT_KINDS.names():
        raise UnknownNameError("split", kind, SPLIT_KINDS.names(), "Name one of these, or a manifest that exists.")
    make: Maker = SPLIT_KINDS.load(kind)
    try:
        return make(measurement, [float(number) for number in numbers], seed)
    except (ValueError, TypeError) as error:
        if isinstance(error, SplitError):
            raise
        raise SplitError(f"{text!r} is no split. What can be given: {SPLITS}.") from error


def _whole(numbers: list[float]) -> list[int]:
    if any(number != int(number) or number < 0 for number in numbers):
        raise ValueError("folds are whole numbers")
    return [int(number) for number in numbers]


def _in_folds(make: Callable[..., Split], **given: Any) -> Maker:
    """A kind that takes nothing but how many folds, or not even that."""

    def made(measurement: Measurement, numbers: list[float], seed: int) -> Split:
        folds_given = dict(zip(("folds",), _whole(numbers), strict=True)) if numbers else {}
        return make(measurement, seed=seed, **given, **folds_given)

    return made


def _extrapolate(along: str) -> Maker:
    def made(measurement: Measurement, numbers: list[float], _: int) -> Split:
        (above,) = numbers
        return folds.extrapolate(measurement, along=along, above=above)

    return made


def _hidden_combination(measurement: Measurement, numbers: list[float], seed: int) -> Split:
    share, *most = numbers
    return folds.hidden_combination(measurement, share=share, most=int(*most) if most else None, seed=seed)


def _unseen_combination(measurement: Measurement, numbers: list[float], seed: int) -> Split:
    seen, count = _whole(numbers)
    return folds.unseen_combination(measurement, seen=seen, folds=count, seed=seed)


def _few_shot_context(measurement: Measurement, numbers: list[float], seed: int) -> Split:
    few, *parts = _whole(numbers)
    return folds.few_shot_context(measurement, given=few, folds=int(*parts) if parts else None, seed=seed)


# Found through entry points, as those of other packages are: each takes the data, the numbers of the text and the seed.
KINDS: Mapping[str, Maker] = MappingProxyType(
    {
        "unseen-perturbation": _in_folds(folds.unseen_perturbation),
        "unseen-context": _in_folds(folds.unseen_context),
        "few-shot-context": _few_shot_context,
        "unseen-donor": _in_folds(folds.unseen_donor),
        "unseen-batch": _in_folds(folds.unseen_donor, column="batch"),
        "unseen-both": _in_folds(folds.unseen_both),
        "unseen-pair": _in_folds(folds.unseen_pair),
        "unseen-combination": _unseen_combination,
        "hidden-combination": _hidden_combination,
        "extrapolate-dose": _extrapolate("dose"),
        "extrapolate-hours": _extrapolate("hours"),
    }
)
