"""Patients whose disease is undone by known interventions of a screen, so that what a search finds can be judged."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import COUNTS
from aivc.data.synthetic import DISPERSION, Truth

SICK, HEALTHY = "sick", "healthy"


@final
@dataclass(frozen=True, eq=False)
class DiseaseTruth:
    """What the patients were made from.

    Attributes:
        way: ``(f,)`` from sick to healthy, in log rates.
        toward: Share of that way which each perturbation of the screen goes, by its text.
    """

    way: Float[np.ndarray, " f"]
    toward: dict[str, float]


def synthetic_disease(  # noqa: PLR0913 - one dial for each thing a test may want to turn
    screen: Measurement,
    truth: Truth,
    *,
    reversing: tuple[str, ...] = ("ko:G0003",),
    patients: int = 6,
    cells: int = 40,
    own: float = 0.5,
    strength: float = 1.0,
    variation: float = 0.15,
    paired: bool = False,
    seed: int = 0,
) -> tuple[Measurement, DiseaseTruth]:
    """Draw cells of sick and healthy people around the controls of a screen.

    A sick cell is a healthy one from which the effects of ``reversing`` were taken away, so that these interventions
    bring it back; a part of the disease is its own, and no intervention touches it. People differ in every feature and
    in how sick they are.

    Args:
        screen: Of counts, with controls (`aivc.data.synthetic.synthetic_screen`).
        truth: What it was made from.
        reversing: Perturbations of the screen; none leaves the part that is the disease's own.
        patients: On each side.
        cells: Of each patient and side.
        own: Length of the disease's own part, as a share of the effects taken away (or of the mean effect).
        strength: Of the disease as a whole; 0 leaves labels without a meaning.
        variation: Standard deviation between people, in log rates.
        paired: Whether the same people give cells of both sides.
        seed: Draws everything.

    Raises:
        UnknownNameError: The screen has no such perturbation.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> screen, truth = synthetic_screen(perturbations=6, features=40, cells=5, controls=40)
    >>> cells, known = synthetic_disease(screen, truth, patients=3, cells=5)
    >>> len(cells), max(known.toward, key=known.toward.get)
    (30, 'ko:G0003')
    """
    rng, texts = np.random.default_rng(seed), list(map(str, truth.perturbations))
    for text in reversing:
        if text not in texts:
            raise UnknownNameError("perturbation", text, texts, "Name one of the screen.")
    given_f = truth.effects[[texts.index(text) for text in reversing]].sum(axis=0)
    length = np.linalg.norm(given_f) if reversing else np.linalg.norm(truth.effects, axis=1).mean()
    own_f = rng.normal(0, 1, len(given_f)) * (rng.random(len(given_f)) < 0.2)
    way_f = given_f + own * length * own_f / max(np.linalg.norm(own_f), 1e-12)
    control = screen.take(screen.perturbations == CONTROL)
    base_f = np.log(control.dense().mean(axis=0) + 0.01)
    side_n, who_n = np.repeat([SICK, HEALTHY], patients), np.tile(np.arange(patients), 2)
    if not paired:
        who_n = np.arange(2 * patients)
    person_tf = rng.normal(0, variation, (who_n.max() + 1, len(base_f)))
    amount_n = np.where(side_n == SICK, strength * rng.lognormal(0, 0.2, len(side_n)), 0)
    rate_nf = np.repeat(np.exp(base_f + person_tf[who_n] - amount_n[:, None] * way_f), cells, axis=0)
    depth_n = np.exp(base_f).sum() * rng.lognormal(0, 0.3, len(rate_nf)) / rate_nf.sum(axis=1)
    noise_nf = rng.gamma(DISPERSION, 1 / DISPERSION, rate_nf.shape)
    counts_nf = rng.poisson(rate_nf * depth_n[:, None] * noise_nf).astype(np.float32)
    entities = pd.DataFrame(
        {
            "perturbation": CONTROL,
            "context": str(control.contexts[0]),
            "donor": np.repeat([f"patient{i + 1:02}" for i in who_n], cells),
            "disease": np.repeat(side_n, cells),
        },
        index=[f"p{i:05}" for i in range(len(counts_nf))],
    )
    squared = float(way_f @ way_f) * strength if strength else np.inf
    toward = {text: float(effect_f @ way_f / squared) for text, effect_f in zip(texts, truth.effects, strict=True)}
    return Measurement(counts_nf, screen.features, entities, COUNTS), DiseaseTruth(way_f * strength, toward)
