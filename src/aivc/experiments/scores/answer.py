"""What a virtual cell answers to many questions at once, as one table of effects that scores read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.data.names.own_genes import GeneColumns


@final
@dataclass(frozen=True, eq=False)
class Answer:
    """Effects of ``n`` perturbations on ``f`` features, in one context.

    Attributes:
        perturbations: ``n`` questions.
        features: ``(f,)`` names.
        effect: ``(n, f)`` predicted means minus that of the unperturbed start.
        units: Of the effects.
        contexts: Answers to the same questions in other contexts, by name.
        readouts: Answers to the same questions by other decoders, by name.
        interval: Ends of the intervals of the effects, both ``(n, f)``; None where they were not asked for.
        places: Where genes stand among the features; looked up unless given.
    """

    perturbations: Sequence[Perturbation]
    features: np.ndarray
    effect: Float[np.ndarray, "n f"]
    units: str
    contexts: Mapping[str, "Answer"] = field(default_factory=dict)
    readouts: Mapping[str, "Answer"] = field(default_factory=dict)
    interval: tuple[Float[np.ndarray, "n f"], Float[np.ndarray, "n f"]] | None = None
    places: GeneColumns | None = None

    @classmethod
    def of(
        cls, perturbations: Sequence[Perturbation], said: Sequence[Prediction[Measurement]], level: float | None = None
    ) -> "Answer":
        """Gather predictions, at least one, each of a perturbation; with intervals where a level is given."""
        first = said[0]
        effect = np.array([each.effect for each in said])
        ends = None if level is None else np.array([each.effect_interval(level) for each in said])
        interval = None if ends is None else (ends[:, 0], ends[:, 1])
        return cls(perturbations, first.draws[0].features, effect, first.profile_units, interval=interval)

    def __len__(self) -> int:
        return len(self.perturbations)

    def within(self, context: str) -> "Answer":
        """The same questions in another context.

        Raises:
            UnknownNameError: They were not asked there.
        """
        if context not in self.contexts:
            raise UnknownNameError("context asked about", context, self.contexts, "Ask there too.")
        return self.contexts[context]

    def by(self, decoder: str) -> "Answer":
        """The same questions as another decoder reads them.

        Raises:
            UnknownNameError: It was not asked.
        """
        if decoder not in self.readouts:
            raise UnknownNameError("decoder asked", decoder, self.readouts, "Ask it too.")
        return self.readouts[decoder]

    @cached_property
    def columns(self) -> GeneColumns:
        """Where genes stand among the features."""
        return GeneColumns.of(self.features) if self.places is None else self.places

    @cached_property
    def own(self) -> tuple[frozenset[str], ...]:
        """``n`` sets of the features that a perturbation targets itself, by whichever name."""
        return tuple(own_features(each, self.features, self.columns) for each in self.perturbations)


def own_features(perturbation: Perturbation, features: np.ndarray, columns: GeneColumns) -> frozenset[str]:
    """Names under which a response may list what a perturbation targets itself."""
    targeted = (str(features[place]) for gene in perturbation.genes for place in columns.find(gene))
    return frozenset({*perturbation.targets, *perturbation.genes, *targeted})
