"""What a campaign asks of a library, whether of genes or of pairs: a first batch, and a belief after measurements."""

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from aivc.core.errors import DataError
from aivc.core.state import State
from aivc.experiments.campaign.pair_library import PairLibrary
from aivc.experiments.design.acquisition import ranked
from aivc.experiments.design.gene_features import BOTH, GeneFeatures, strong
from aivc.experiments.design.gene_learner import GeneLearner, LearnerSettings
from aivc.experiments.design.pair_learner import FEWEST, PairLearner
from aivc.experiments.design.strength_posterior import StrengthPosterior

# Errors of pairs are not shared in the model: rules that weigh them have nothing to weigh.
_PAIR_RULES, _PAIR_STARTS = ("greedy", "random"), ("prior", "random")


@runtime_checkable
class CampaignLearner(Protocol):
    """Learns from what was measured in a campaign."""

    @property
    def least(self) -> int:
        """So many measurements are needed before anything is believed."""
        ...

    def first(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """All candidates in the order of a first batch."""
        ...

    def believe(
        self, measured: Int[np.ndarray, " m"], score_m: Float[np.ndarray, " m"], hit_m: Bool[np.ndarray, " m"]
    ) -> StrengthPosterior:
        """Belief of the strength of all candidates, from places, scores and hits of those measured."""
        ...


@final
@dataclass(frozen=True, eq=False)
class GenesLearned:
    """A campaign of genes.

    Attributes:
        learner: See `GeneLearner`.
        direction: What counts as strong.
    """

    learner: GeneLearner
    direction: str

    @property
    def least(self) -> int:
        """Two, as a ridge needs."""
        return 2

    def first(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """See `GeneLearner.first`."""
        return self.learner.first(size, rng)

    def believe(
        self, measured: Int[np.ndarray, " m"], score_m: Float[np.ndarray, " m"], hit_m: Bool[np.ndarray, " m"]
    ) -> StrengthPosterior:
        """See `GeneLearner.posterior`."""
        return self.learner.posterior(measured, strong(score_m, self.direction), hit_m)


@final
@dataclass(frozen=True, eq=False)
class PairsLearned:
    """A campaign of pairs.

    Attributes:
        learner: See `PairLearner`.
        start: ``prior``, from pairs known before where there are enough of them, or ``random``.
    """

    learner: PairLearner
    start: str

    @property
    def least(self) -> int:
        """What the given pairs lack, and one at least."""
        return max(1, FEWEST - len(self.learner.given))

    def first(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
        """The strongest by the given pairs, or any order."""
        del size
        count = len(self.learner.candidates)
        if self.start == "random" or len(self.learner.given) < FEWEST:
            return rng.permutation(count)
        nothing = np.zeros(0, dtype=np.int64)
        return ranked(self.learner.posterior(nothing, np.zeros(0)).mean, np.ones(count, dtype=bool))

    def believe(
        self, measured: Int[np.ndarray, " m"], score_m: Float[np.ndarray, " m"], hit_m: Bool[np.ndarray, " m"]
    ) -> StrengthPosterior:
        """See `PairLearner.posterior`."""
        del hit_m
        return self.learner.posterior(measured, score_m)


def campaign_learner(
    library: GeneFeatures | PairLibrary, *, start: str, use_prior: bool, direction: str
) -> CampaignLearner:
    """What learns from this kind of library."""
    if isinstance(library, GeneFeatures):
        return GenesLearned(GeneLearner(library, LearnerSettings(start=start, use_prior=use_prior)), direction)
    return PairsLearned(PairLearner(library.candidates, library.given, library.scores), start)


def require_fit(library: GeneFeatures | PairLibrary, *, start: str, use_prior: bool, direction: str, rule: str) -> None:
    """Refuse settings that mean nothing for pairs.

    Raises:
        DataError: Pairs with a rule that needs shared errors, a start that needs features of genes, one direction, or
            without the pairs that were given.
    """
    if isinstance(library, GeneFeatures):
        return
    if rule not in _PAIR_RULES or start not in _PAIR_STARTS or direction != BOTH or not use_prior:
        raise DataError(
            [
                f"A campaign of pairs chooses by {' or '.join(_PAIR_RULES)}, starts by {' or '.join(_PAIR_STARTS)}, "
                f"counts both directions as strong, and uses all pairs it was given; got rule={rule!r}, "
                f"start={start!r}, direction={direction!r}, use_prior={use_prior}. Leave these options out."
            ]
        )


def library_from(state: State) -> GeneFeatures | PairLibrary:
    """The library that a state was made of."""
    return PairLibrary.from_state(state) if state.settings.get("kind") == "pairs" else GeneFeatures.from_state(state)
