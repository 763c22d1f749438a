"""Tables of one reading of many pairs, such as genetic interactions: what two agents do with others tells of the two.

The reading of a pair is a mean, one number for each of the two, and a symmetric interaction that is matrix-normal: the
covariance of two interactions is the product of how alike the first agents and how alike the second ones are. How alike
two agents are is learned from their interactions with all others, completed and measured again in rounds, and from what
is known of their molecules where that helps on a tenth of the pairs left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Bool, Float

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.rows import Rows

_FEWEST, _MOST_READINGS, _ROUNDS, _STEPS, _TOLERANCE = 200, 4, 4, 60, 1e-3
# Readings of an agent are divided by its own spread to this power: noise grows with it, and so does signal.
_SCALED = 0.5
_TENTH = 10


class Setting(NamedTuple):
    """How alike agents are taken to be.

    Attributes:
        power: Of the cosine of two agents' interactions.
        noise: Of a reading, in units of the variance of interactions.
        known: Weight of what is known of their molecules.
    """

    power: float
    noise: float
    known: float


_SETTINGS = tuple(Setting(power, noise, known) for power in (1.0, 1.5) for noise in (3.0, 10.0) for known in (0.0, 0.3))


def pair_of(text: str) -> tuple[str, str] | None:
    """The two agents of a pair, as text; None where there are not two."""
    agents = Perturbation.parse(text).agents
    return (str(agents[0]), str(agents[1])) if len(agents) == 2 else None


def answer_by_pairs(rows: Rows) -> Bool[np.ndarray, " r"]:
    """``(r,)`` True for the pairs of a table of this kind: few readings of many pairs, each agent in several."""
    pairs = [pair_of(str(text)) for text in rows.texts] if rows.dim <= _MOST_READINGS else []
    found = np.array([pair is not None for pair in pairs], dtype=bool)
    agents = {agent for pair in pairs if pair is not None for agent in pair}
    enough = found.sum() >= _FEWEST and found.sum() >= 4 * len(agents)
    return found if enough else np.zeros(len(rows), dtype=bool)


@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Readings of all pairs of the agents seen.

    Attributes:
        agents: Place of each agent.
        expected: By context, ``(a, a, d)`` readings expected.
        error: ``(d,)`` mean squared error on pairs left out.
    """

    agents: dict[str, int]
    expected: dict[str, Float[np.ndarray, "a a d"]]
    error: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, rows: Rows, knowledge: Knowledge, seed: int) -> "Pairs":
        """Choose how alike agents are on a tenth of the pairs, then complete with all of them.

        Args:
            rows: Pairs only.
            knowledge: Of molecules.
            seed: Draws the tenth.
        """
        pairs = [pair_of(str(text)) or ("", "") for text in rows.texts]
        names = sorted({agent for pair in pairs for agent in pair})
        place = {name: i for i, name in enumerate(names)}
        at_r2 = np.array([(place[one], place[other]) for one, other in pairs], dtype=int)
        known = _centred(knowledge.likeness(names, names))
        settings = _SETTINGS if known.any() else tuple(each for each in _SETTINGS if not each.known)
        out = np.random.default_rng(seed).permutation(len(rows)) % _TENTH == 0
        expected, errors = {}, np.zeros((len(set(rows.contexts)), rows.dim))
        for c, context in enumerate(sorted(set(rows.contexts))):
            here = rows.contexts == context
            completed = np.zeros((len(names), len(names), rows.dim))
            for d in range(rows.dim):
                y_r, at = rows.shifts[here, d], at_r2[here]
                setting, errors[c, d] = _chosen(y_r, at, out[here], known, settings)
                completed[:, :, d] = _completed(_laid(y_r, at, len(names)), known, setting)
            expected[str(context)] = completed
        return cls(place, expected, errors.mean(axis=0))

    def tell(self, text: str, context: str) -> np.ndarray | None:
        """``(d,)`` readings of a pair; None where one of the two was in no pair."""
        pair = pair_of(text)
        if pair is None or not set(pair) <= set(self.agents):
            return None
        one, other = (self.agents[agent] for agent in pair)
        tables = [self.expected[context]] if context in self.expected else list(self.expected.values())
        return np.asarray(np.mean([table[one, other] for table in tables], axis=0))


def _chosen(
    y_r: np.ndarray, at_r2: np.ndarray, out_r: np.ndarray, known: np.ndarray, settings: Sequence[Setting]
) -> tuple[Setting, float]:
    """The setting with the smallest squared error on pairs left out, and that error."""
    given = _laid(y_r[~out_r], at_r2[~out_r], len(known))
    asked = tuple(at_r2[out_r].T)
    errors = [float(((_completed(given, known, each)[asked] - y_r[out_r]) ** 2).mean()) for each in settings]
    best = int(np.argmin(errors))
    return settings[best], errors[best]


def _laid(y_r: np.ndarray, at_r2: np.ndarray, count: int) -> np.ndarray:
    found = np.full((count, count), np.nan)
    found[at_r2[:, 0], at_r2[:, 1]] = y_r
    found[at_r2[:, 1], at_r2[:, 0]] = y_r
    return found


def _completed(laid_aa: np.ndarray, known_aa: np.ndarray, setting: Setting) -> np.ndarray:
    """``(a, a)`` readings expected of all pairs."""
    seen = np.isfinite(laid_aa)
    sums_aa = _sums(laid_aa, seen)
    left_aa = np.where(seen, laid_aa - sums_aa, 0.0)
    scale_a = np.sqrt((left_aa**2).sum(axis=1) / np.maximum(seen.sum(axis=1), 1))
    scale_a = np.where(scale_a > 0, scale_a / max(float(scale_a.mean()), 1e-300), 1.0) ** _SCALED
    left_aa = left_aa / np.outer(scale_a, scale_a)
    filled_aa = left_aa
    for _ in range(_ROUNDS):
        alike_aa = _alike(np.where(seen, left_aa, filled_aa), known_aa, setting)
        filled_aa = _expected(left_aa, seen, alike_aa, setting.noise)
    return np.asarray(sums_aa + filled_aa * np.outer(scale_a, scale_a))


def _sums(laid_aa: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Mean, and what each agent adds to it, shrunk as if by one pair more."""
    mean, each_a = float(np.nanmean(laid_aa)), np.zeros(len(laid_aa))
    for _ in range(20):
        each_a = np.where(seen, laid_aa - mean - each_a, 0.0).sum(axis=1) / (seen.sum(axis=1) + 1)
    return np.asarray(mean + each_a[:, None] + each_a)


def _alike(full_aa: np.ndarray, known_aa: np.ndarray, setting: Setting) -> np.ndarray:
    product = full_aa @ full_aa.T
    length = np.sqrt(np.maximum(np.diag(product), 1e-300))
    cosine = product / np.outer(length, length)
    alike = np.sign(cosine) * np.abs(cosine) ** setting.power + setting.known * known_aa
    values, vectors = np.linalg.eigh((alike + alike.T) / 2)
    alike = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return np.asarray(alike / max(float(np.diag(alike).mean()), 1e-300))


def _expected(left_aa: np.ndarray, seen: np.ndarray, alike_aa: np.ndarray, noise: float) -> np.ndarray:
    """Posterior mean of matrix-normal interactions given some of them, by conjugate gradients."""
    found, rest = np.zeros_like(left_aa), np.where(seen, left_aa, 0.0)
    ahead, size = rest.copy(), float((rest**2).sum())
    old = size
    for _ in range(_STEPS):
        if old <= _TOLERANCE**2 * size or not size:
            break
        through = np.where(seen, alike_aa @ ahead @ alike_aa, 0.0) + noise * ahead
        step = old / float((ahead * through).sum())
        found += step * ahead
        rest -= step * through
        new = float((rest**2).sum())
        ahead, old = rest + new / old * ahead, new
    return np.asarray(alike_aa @ found @ alike_aa)


def _centred(likeness_aa: np.ndarray) -> np.ndarray:
    mean_a = likeness_aa.mean(axis=1)
    return np.asarray(likeness_aa - mean_a[:, None] - mean_a + mean_a.mean())
