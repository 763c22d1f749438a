"""What is read out of a virtual experiment: one number from the effects on a few features."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final
from urllib.parse import quote, unquote

import numpy as np

from aivc.core.errors import DataError, UnknownNameError

_TERM = re.compile(r"(?P<sign>[+-]?)\s*(?:(?P<size>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*\*)?\s*(?P<name>[^*+\s-][^*]*)")
_ESCAPED = re.compile(r"[,%*]|^[+-]|^\s|\s$")


@final
@dataclass(frozen=True)
class Response:
    """A weighted mean of effects: positive weights for what should move with the response, negative for the opposite.

    Attributes:
        weights: By feature; only their proportions matter to the ranking.
        name: What people call it; the text form unless given.

    Raises:
        DataError: No feature, or a weight that is zero or not finite.

    >>> interferon = Response.parse("CD274, 2*STAT1, -MYC", "interferon response")
    >>> str(interferon)
    'CD274, 2*STAT1, -MYC'
    >>> interferon.score(np.array([0.5, 1.0, 0.0]), ["CD274", "STAT1", "MYC"])
    0.625
    """

    weights: Mapping[str, float]
    name: str = ""

    def __post_init__(self) -> None:
        weights = {str(feature): float(weight) for feature, weight in self.weights.items()}
        odd = [feature for feature, weight in weights.items() if not feature or not weight or not math.isfinite(weight)]
        if odd or not weights:
            found = f"got {', '.join(map(repr, odd))}" if odd else "got no feature at all"
            raise DataError(
                [f"A response has features with finite weights other than zero, {found}. Write it as CD274, -IRF1."]
            )
        object.__setattr__(self, "weights", MappingProxyType(weights))
        object.__setattr__(self, "name", self.name or str(self))

    def __hash__(self) -> int:
        return hash((str(self), self.name))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be sent to another process.
        return Response, (dict(self.weights), self.name)

    @classmethod
    def of(cls, features: Sequence[str], name: str = "") -> "Response":
        """Weigh features equally.

        Raises:
            DataError: No feature, or one named twice.
        """
        return cls(_once([(feature, 1.0) for feature in features]), name)

    @classmethod
    def parse(cls, text: str, name: str = "") -> "Response":
        """Read the text form, the inverse of ``str``: ``CD274, 2*STAT1, -IRF1``.

        In names, ``,``, ``*``, ``%`` and a leading sign are written as ``%2C``, ``%2A``, ``%25``, ``%2B`` and ``%2D``.

        Raises:
            DataError: The text has another form.
        """
        found = []
        for term in text.split(","):
            match = _TERM.fullmatch(term.strip())
            if match is None:
                raise DataError([f"A response reads like CD274, 2*STAT1, -IRF1; {term.strip()!r} in it does not."])
            size = float(match["size"] or 1) * (-1 if match["sign"] == "-" else 1)
            found.append((unquote(match["name"].strip()), size))
        return cls(_once(found), name)

    def __str__(self) -> str:
        return ", ".join(_term(feature, weight) for feature, weight in self.weights.items())

    def over(self, features: Sequence[str] | np.ndarray, without: Collection[str] = ()) -> np.ndarray:
        """Lay the weights over features: ``(f,)``, sizes adding up to one, zero where nothing is read.

        Args:
            features: ``(f,)`` names.
            without: Features to leave out of the mean; all zeros if that leaves none.

        Raises:
            UnknownNameError: One of the response's features is not among them.
        """
        place = self._places(features)
        weights_f = np.zeros(len(place))
        for feature, weight in self.weights.items():
            if feature not in place:
                raise UnknownNameError("feature", feature, place, "A response reads features that the cell decodes.")
            weights_f[place[feature]] = 0.0 if feature in without else weight
        total = np.abs(weights_f).sum()
        return weights_f / total if total else weights_f

    def _places(self, features: Sequence[str] | np.ndarray) -> dict[str, int]:
        # A screen asks for the same features thousands of times.
        kept: tuple[Any, dict[str, int]] | None = self.__dict__.get("_kept")
        if kept is None or kept[0] is not features:
            kept = features, {str(feature): i for i, feature in enumerate(features)}
            object.__setattr__(self, "_kept", kept)
        return kept[1]

    def score(self, effect: np.ndarray, features: Sequence[str] | np.ndarray) -> float:
        """Weighted mean of an ``(f,)`` effect, in its units.

        Raises:
            UnknownNameError: One of the response's features is not among ``features``.
        """
        return float(self.over(features) @ effect)


def _once(pairs: list[tuple[str, float]]) -> dict[str, float]:
    weights = dict(pairs)
    if len(weights) < len(pairs):
        names = [feature for feature, _ in pairs]
        twice = sorted({feature for feature in names if names.count(feature) > 1})
        raise DataError([f"Features stand twice in the response: {', '.join(twice)}. Name each once, with its weight."])
    return weights


def _term(feature: str, weight: float) -> str:
    size = "" if abs(weight) == 1 else f"{abs(weight)!r}".removesuffix(".0") + "*"
    # `quote` leaves a hyphen as it is, but at the start it would read as a sign.
    name = _ESCAPED.sub(lambda found: "%2D" if found[0] == "-" else quote(found[0], safe=""), feature)
    return ("-" if weight < 0 else "") + size + name
