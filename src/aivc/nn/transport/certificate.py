"""What a plan is worth: how far its sums are from what was asked, and what mass came and went."""

from dataclasses import asdict, dataclass
from typing import Any, final

from aivc.core.errors import ConvergenceError


@final
@dataclass(frozen=True)
class Certificate:
    """How a plan was found and how good it is. Errors and masses are shares of the mass that was to be moved.

    Attributes:
        epsilon: Entropic blur, in mean costs.
        reach_n: Penalty on sums of the side moved, in mean costs; None where they are exact.
        reach_m: Penalty on sums of the side reached.
        rounds: Rounds of scaling made.
        error: Total difference between the sums of the plan and those that its potentials should give, over both
            sides; 0 at the optimum, with relaxed sides too.
        tolerance: Largest error that counts as converged.
        mass: Total of the plan.
        destroyed: Weight of the side moved that the plan leaves out.
        created: Weight that the plan moves beyond what the side moved has.
        domain: ``kernel`` or ``log``, of the computation.
        landmarks: Points of either side from which potentials were extended to the others; None where all were used.
        error_beyond: Total error of the sums reached when points beside the landmarks are moved, the noise of drawing
            landmarks included; None where all were used.
    """

    epsilon: float
    reach_n: float | None
    reach_m: float | None
    rounds: int
    error: float
    tolerance: float
    mass: float
    destroyed: float
    created: float
    domain: str
    landmarks: tuple[int, int] | None = None
    error_beyond: float | None = None

    @property
    def converged(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= self.tolerance

    def require(self, asker: str) -> "Certificate":
        """Return it if converged.

        Raises:
            ConvergenceError: It is not.
        """
        if not self.converged:
            raise ConvergenceError(
                f"{asker} wanted a plan whose sums are right within {self.tolerance:g}, but after {self.rounds} rounds "
                f"at epsilon {self.epsilon:g} they are off by {self.error:.2g}. Raise epsilon or rounds, or accept "
                "the plan as it is with strict=False and state its certificate."
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """All of it, with the verdict."""
        return {**asdict(self), "converged": self.converged}

    def __str__(self) -> str:
        verdict = "converged" if self.converged else "NOT converged"
        return (
            f"{verdict}: error {self.error:.2g} after {self.rounds} rounds in the {self.domain} domain, epsilon "
            f"{self.epsilon:g}; {self.destroyed:.1%} of the mass destroyed, {self.created:.1%} created"
        )
