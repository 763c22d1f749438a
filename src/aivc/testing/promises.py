"""How a promise is checked and reported: what the checks of all three contracts share."""

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, final

import numpy as np
import pandas as pd

from aivc.core.contracts import Part
from aivc.core.errors import AIVCError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.state import State
from aivc.core.ur import UR

P = TypeVar("P", bound=Part)
R = TypeVar("R")


@final
class ContractError(AssertionError):
    """A part broke a promise; the message names the promise and how to keep it."""


def expect(name: str, promise: str, got: object, *, wanted: object = True) -> None:
    """Report a promise that was not kept.

    Raises:
        ContractError: ``got`` is not what was wanted.
    """
    if got != wanted:
        came = "" if isinstance(wanted, bool) else f" Wanted {wanted}, got {got}."
        raise ContractError(f"{name} breaks a promise: {promise}.{came}")


@final
@dataclass(frozen=True)
class Refusal:
    """A block that must be refused with one of our errors.

    Attributes:
        name: Of the part.
        wanted: The error promised.
        what: What must be refused, and how.
    """

    name: str
    wanted: type[AIVCError]
    what: str

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if kind is not None and issubclass(kind, self.wanted):
            return True
        if kind is not None and not issubclass(kind, Exception):
            return False
        came = "it was accepted" if kind is None else f"{kind.__name__} came ({error})"
        raise ContractError(
            f"{self.name} breaks a promise: it refuses {self.what}. {self.wanted.__name__} was wanted, but {came}."
        ) from error


def or_refusal(ask: Callable[[], R]) -> R | None:
    """Return the answer, or None where the question was refused with one of our errors."""
    try:
        return ask()
    except AIVCError:
        return None


def fit_twice(cls: type[P], fit: Callable[[], P]) -> P:
    """Fit, and check that `fit` is a constructor of something frozen that the seed decides."""
    part, again = fit(), fit()
    expect(cls.__name__, "fit is a constructor: it returns an object of its class", isinstance(part, cls))
    kept = state_digest(part) == state_digest(again)
    expect(cls.name, "the seed decides the fit; take randomness from np.random.default_rng(seed)", kept)
    expect(cls.name, "a part is frozen: declare it with @dataclass(frozen=True, eq=False)", _is_frozen(part))
    return part


def _is_frozen(part: Part) -> bool:
    fields: list[str] = [item.name for item in dataclasses.fields(part)] if dataclasses.is_dataclass(part) else []
    try:
        setattr(part, [*fields, "changed"][0], None)
    except AttributeError:
        return True
    return False


def state_digest(part: Part) -> str:
    """Digest of all there is to a part."""
    try:
        return part.state().digest()
    except TypeError as error:
        raise ContractError(
            f"{part.name} breaks a promise: all there is to a part is JSON and numeric arrays ({error}). "
            "Keep only arrays, JSON values, spaces and other parts in its fields."
        ) from error


def round_trip(part: P) -> P:
    """Save a part and load it again."""
    with tempfile.TemporaryDirectory() as folder:
        part.state().save(Path(folder) / "part")
        back = type(part).from_state(State.load(Path(folder) / "part"))
    expect(part.name, "a part loaded from disk has the state that was saved", state_digest(back) == state_digest(part))
    return back


def same_answer(ours: Prediction[Any], theirs: Prediction[Any]) -> bool:
    """Whether two predictions are equal to the last bit."""
    if len(ours.draws) != len(theirs.draws) or not np.array_equal(ours.profiles, theirs.profiles):
        return False
    if not np.array_equal(ours.retrieval_mean, theirs.retrieval_mean):
        return False
    return all(np.array_equal(values_of(a), values_of(b)) for a, b in zip(ours.draws, theirs.draws, strict=True))


def profiles_fit(answer: Prediction[Any], width: int) -> bool:
    """Whether there is one finite profile per draw."""
    return answer.profiles.shape == (len(answer.draws), width) and bool(np.isfinite(answer.profiles).all())


def close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Whether two arrays are equal up to the order in which floating-point numbers were added."""
    if ours.shape != theirs.shape:
        return False
    return bool(np.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * float(np.abs(theirs).max(initial=0.0))))


def values_of(item: UR | Measurement) -> np.ndarray:
    """States or readings as a dense array."""
    return item.values if isinstance(item, UR) else item.dense()


def other_contexts(ur: UR) -> UR:
    """Return the same states in another space."""
    return dataclasses.replace(ur, space=dataclasses.replace(ur.space, fingerprint="another fit"))


def _links(item: Measurement) -> tuple[np.ndarray, ...]:
    return () if item.links is None else (item.links.data, item.links.indices, item.links.indptr)


def digest_of(item: UR | Measurement) -> str:
    """Digest of what a part was given, to see whether it wrote into it."""
    others = (item.variance, item.mass) if isinstance(item, UR) else (item.observed, item.coordinates, *_links(item))
    sha = hashlib.sha256(repr(list(item.entities.columns)).encode())
    sha.update(pd.util.hash_pandas_object(item.entities).to_numpy().tobytes())
    for array in (values_of(item), *others):
        sha.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
