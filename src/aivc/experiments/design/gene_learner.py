"""Believes of genes what related screens, annotations and measurements say, each as far as it predicted what came."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import nnls

from aivc.core.errors import DataError
from aivc.experiments.design.acquisition import KCenter, ranked
from aivc.experiments.design.gene_features import GeneFeatures, normal_scores
from aivc.experiments.design.strength_posterior import KernelRidge, StrengthPosterior

# Standardized strengths are cut here: a few extreme genes would else be all that is learned.
_LOWEST, _HIGHEST = -3.0, 4.0
STARTS = ("prior", "coverage", "random")


@final
@dataclass(frozen=True)
class LearnerSettings:
    """What a learner may be asked.

    Attributes:
        start: How a first batch is chosen: ``prior`` (strongest in related screens, and some spread out), ``coverage``
            or ``random``.
        use_prior: Whether the prior has a say after the first batch.
        spread: Share of a first batch by prior that is spread out.
        strength_penalty: Of the ridge on strength.
        hit_penalty: Of the ridge on hits.
        doubt: How strongly the weight of the prior is drawn to zero, and that of feedback to a small one.
    """

    start: str = "prior"
    use_prior: bool = True
    spread: float = 0.25
    strength_penalty: float = 60.0
    hit_penalty: float = 180.0
    doubt: float = 0.3

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise DataError([f"A campaign starts by one of {', '.join(STARTS)}, got {self.start!r}. Choose one."])


@final
@dataclass(frozen=True, eq=False)
class GeneLearner:
    """A committee of two ridges, on strength and on hits, beside a prior that has the weight it has earned.

    The weights are learned on what was measured: each gene is predicted by the ridges without it (leave-one-out), and
    the strengths are regressed on that and the prior, without negative weights. A prior that points the wrong way gets
    none.

    Attributes:
        features: Candidates.
        settings: See `LearnerSettings`.
    """

    features: GeneFeatures
    settings: LearnerSettings = field(default_factory=LearnerSettings)

    def __len__(self) -> int:
        return len(self.features)

    def first(self, size: int, rng: np.random.Generator) -> Int[np.ndarray, " k"]:
        """Candidates in the order of a first batch, before anything is measured.

        Args:
            size: Of the batch.
            rng: For equals and random starts.
        """
        count = len(self)
        if self.settings.start == "random":
            return rng.permutation(count)
        strength_n = self.features.strength
        informed = self.settings.start == "prior" and bool(strength_n.any())
        best = round((1 - self.settings.spread) * size) if informed else 0
        order = ranked(strength_n, np.ones(count, dtype=bool)) if informed else np.zeros(0, dtype=np.int64)
        open_n = np.ones(count, dtype=bool)
        open_n[order[:best]] = False
        flat = StrengthPosterior(np.zeros(count), 0.0, lambda: self.features.axes)
        spread = KCenter().order(flat, open_n, size - best, rng)
        chosen = np.concatenate([order[:best], spread])
        return np.concatenate([chosen, np.setdiff1d(np.arange(count), chosen)])

    def posterior(
        self,
        measured: Int[np.ndarray, " m"],
        strength_m: Float[np.ndarray, " m"],
        hit_m: Bool[np.ndarray, " m"],
    ) -> StrengthPosterior:
        """Belief after measurements, in the units of strength.

        Args:
            measured: Places of the genes.
            strength_m: ``(m,)`` how strong each was.
            hit_m: ``(m,)`` whether it counts as a hit.
        """
        level, spread = float(strength_m.mean()), float(strength_m.std()) + 1e-12
        y_m = np.clip((strength_m - level) / spread, _LOWEST, _HIGHEST)
        ridge = KernelRidge.on(self.features.values, measured)
        said = [ridge.fit(y_m, self.settings.strength_penalty)]
        if 2 <= hit_m.sum() <= len(hit_m) - 2:
            said.append(ridge.fit(hit_m.astype(np.float64), self.settings.hit_penalty))
        # Members are brought to one size, so that each has one vote.
        size = [1 / max(float(said_n.std()), 1e-12) for said_n, _ in said]
        vote_n = np.sum([part * said_n for part, (said_n, _) in zip(size, said, strict=True)], axis=0)
        vote_m = np.sum([part * left_m for part, (_, left_m) in zip(size, said, strict=True)], axis=0)
        weights = self.weights(vote_m, measured, y_m)
        prior_n = normal_scores(self.features.prior) if self.features.prior.any() else np.zeros(len(self))
        mean_n = weights[0] * (vote_n - vote_m.mean()) + weights[1] * (prior_n - prior_n[measured].mean())
        noise = float(np.std(y_m - mean_n[measured]))
        return StrengthPosterior(
            level + spread * mean_n,
            spread * noise,
            lambda: ridge.loading(self.settings.strength_penalty, spread * noise),
        )

    def weights(
        self, vote_m: Float[np.ndarray, " m"], measured: Int[np.ndarray, " m"], y_m: Float[np.ndarray, " m"]
    ) -> tuple[float, float]:
        """Weights of feedback and of the prior, none negative.

        Args:
            vote_m: ``(m,)`` what the committee says of each gene without having seen it.
            measured: Places of the genes.
            y_m: ``(m,)`` standardized strengths.
        """
        scale = max(float(vote_m.std()), 1e-12)
        if not (self.settings.use_prior and self.features.prior.any()):
            return 1.0 / scale, 0.0
        prior_m = normal_scores(self.features.prior)[measured]
        x_mk = np.column_stack([(vote_m - vote_m.mean()) / scale, prior_m - prior_m.mean()])
        pull = self.settings.doubt * np.sqrt(len(y_m))
        rows, wanted = np.vstack([x_mk, pull * np.eye(2)]), np.concatenate([y_m - y_m.mean(), [0.2 * pull, 0.0]])
        found = nnls(rows, wanted)[0]
        # What predicts nothing is still asked where nothing else is there to ask.
        return (max(float(found[0]), 1e-3) / scale, float(found[1]))
