"""How far effects carry patients from sick toward healthy, by directions that never use the patient asked."""

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

_MOST_RELABELED = 500


@final
@dataclass(frozen=True, eq=False)
class Reversal:
    """Patients of one cell type, and the way from sick to healthy that each is held against, made from all others.

    Every direction is a sum of profiles, so resampling and relabeling patients costs no more than their products.

    Attributes:
        profiles: ``(n, f)`` sick profiles of the ``a`` patients asked, then the healthy ones.
        ways: ``(a, n)`` weights of the way of each patient asked: mean healthy minus mean sick of the other patients.
        gaps: ``(a, n)`` weights of the change that would bring the patient to the healthy mean of the others.
        resamples: ``(b, a, n)`` weights of the share of the way gone, by patient, under the patient bootstrap.
        relabels: ``(r, n)`` weights of ways under permuted labels; the true ones come first. Where every
            patient has both sides, these are exchanged within patients; otherwise labels are dealt anew.
        paired: Whether every patient has both sides.
    """

    profiles: Float[np.ndarray, "n f"]
    ways: Float[np.ndarray, "a n"]
    gaps: Float[np.ndarray, "a n"]
    resamples: Float[np.ndarray, "b a n"]
    relabels: Float[np.ndarray, "r n"]
    paired: bool

    @classmethod
    def of(cls, sick_af: np.ndarray, healthy_af: np.ndarray, *, times: int = 500, seed: int = 0) -> "Reversal":
        """Leave each patient with a sick profile out in turn.

        Args:
            sick_af: ``(a, f)`` profiles of all patients; NaN for patients without.
            healthy_af: ``(a, f)`` profiles of the same patients; NaN for patients without.
            times: Resamples of patients.
            seed: Draws them, and permuted labels.
        """
        ill, well = (np.flatnonzero(~np.isnan(each[:, 0])) for each in (sick_af, healthy_af))
        profile_nf = np.vstack([sick_af[ill], healthy_af[well]])
        # Which patient each profile is of.
        owner_n, count = np.concatenate([ill, well]), len(ill)
        paired = len(ill) == len(well) == len(sick_af)
        rng = np.random.default_rng(seed)
        ways = _ways(np.ones(len(owner_n)), owner_n, count)
        gaps = np.where(np.arange(len(owner_n)) < count, 0, ways) - np.eye(count, len(owner_n))
        gram_nn = profile_nf @ profile_nf.T
        drawn = [_resample(owner_n, count, rng, paired=paired) for _ in range(times)]
        # Divided by the way as it was measured: that of a resample holds more noise, and would make shares too small.
        scaled_ban = np.array(drawn) / _lengths(ways, gram_nn)[:, None] ** 2
        labels_rn = _signs(count, rng) if paired else _dealt(len(owner_n), count, rng)
        return cls(profile_nf, ways, gaps, scaled_ban, labels_rn, paired)

    @property
    def before(self) -> np.ndarray:
        """``(a,)`` where each patient stands: 0 at the other sick patients, 1 at the healthy ones."""
        way_af = self.ways @ self.profiles
        count = len(self.ways)
        sick_an = np.where(np.arange(len(self.profiles)) < count, self.ways, 0)
        from_af = self.profiles[:count] + sick_an @ self.profiles
        return np.asarray((from_af * way_af).sum(axis=1) / (way_af**2).sum(axis=1))

    @property
    def repeats(self) -> float:
        """Share of the squared way that different patients agree on; about 0, or less, where labels mean nothing."""
        count = len(self.ways)
        sick, healthy = self.profiles[:count], self.profiles[count:]
        way_f = healthy.mean(axis=0) - sick.mean(axis=0)
        parts = (healthy - sick,) if self.paired else (sick, healthy)
        noise = sum(float(each.var(axis=0, ddof=1).sum()) / len(each) for each in parts)
        return 1 - noise / max(float(way_f @ way_f), 1e-300)

    def read(self, effect_af: Float[np.ndarray, "a f"]) -> dict[str, np.ndarray]:
        """What the effect on each patient's cells does to each patient.

        Args:
            effect_af: ``(a, f)`` predicted change.

        Returns:
            ``(a,)`` each. ``toward``: share of the way from sick to healthy that is gone; ``closer``: share of the
            squared distance to the healthy mean that is closed; ``reversed``: whether the patient stands beyond the
            middle afterwards and did not before; ``aside``: length of the change across the way, as a share of the
            way; ``cosine``: between effect and way; ``size``: length of the effect, in units of the profile.
        """
        way_af, gap_af = self.ways @ self.profiles, self.gaps @ self.profiles
        length_a, size_a = np.linalg.norm(way_af, axis=1), np.linalg.norm(effect_af, axis=1)
        toward_a = (effect_af * way_af).sum(axis=1) / length_a**2
        before_a = self.before
        return {
            "toward": toward_a,
            "closer": 1 - ((gap_af - effect_af) ** 2).sum(axis=1) / (gap_af**2).sum(axis=1),
            "reversed": (before_a < 0.5) & (before_a + toward_a > 0.5),
            "aside": np.sqrt(np.maximum((size_a / length_a) ** 2 - toward_a**2, 0)),
            "cosine": np.divide(toward_a * length_a, size_a, out=np.zeros(len(size_a)), where=size_a > 0),
            "size": size_a,
        }

    def interval(self, effect_af: Float[np.ndarray, "a f"], level: float) -> tuple[float, float]:
        """Ends of the interval of the mean share of the way gone, over resampled patients and the ways they give."""
        mean_b = np.einsum("ban,an->b", self.resamples, effect_af @ self.profiles.T)
        low, high = np.quantile(mean_b, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def along(self, effect_f: Float[np.ndarray, " f"]) -> np.ndarray:
        """``(r,)`` length of the way along an effect under each arrangement of labels; the true one comes first.

        Whatever the size of the effect: permuted labels shorten a way that is real, and do not shorten chance.
        """
        size = float(np.linalg.norm(effect_f))
        return np.asarray(self.relabels @ (self.profiles @ effect_f) / size) if size else np.zeros(len(self.relabels))


def _ways(weight_n: np.ndarray, owner_n: np.ndarray, count: int) -> np.ndarray:
    """``(a, n)`` weights of mean healthy minus mean sick, each without the profiles of one patient."""
    is_sick_n = np.arange(len(owner_n)) < count
    kept_an = weight_n * (owner_n[:count, None] != owner_n)
    sick_an, healthy_an = kept_an * is_sick_n, kept_an * ~is_sick_n
    return np.asarray(_shares(healthy_an) - _shares(sick_an))


def _shares(weight_an: np.ndarray) -> np.ndarray:
    total_a = weight_an.sum(axis=1, keepdims=True)
    return np.divide(weight_an, total_a, out=np.zeros_like(weight_an), where=total_a > 0)


def _lengths(weight_bn: np.ndarray, gram_nn: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(np.einsum("bn,nm,bm->b", weight_bn, gram_nn, weight_bn), 1e-300))


def _resample(owner_n: np.ndarray, count: int, rng: np.random.Generator, *, paired: bool) -> np.ndarray:
    """``(a, n)`` weights of one resample of patients and the ways it gives; two of each side are drawn at least."""
    while True:
        ill = rng.integers(0, count, count)
        well = ill if paired else rng.integers(0, len(owner_n) - count, len(owner_n) - count)
        if len(set(ill)) > 1 and len(set(well)) > 1:
            break
    drawn_n = np.concatenate(
        [np.bincount(ill, minlength=count), np.bincount(well, minlength=len(owner_n) - count)]
    ).astype(float)
    return np.asarray(_ways(drawn_n, owner_n, count) * (drawn_n[:count, None] / count))


def _signs(count: int, rng: np.random.Generator) -> np.ndarray:
    """``(r, 2 count)`` weights in which the sides of some patients are exchanged."""
    if 2**count <= _MOST_RELABELED:
        signs_ra = np.array(list(itertools.product([1.0, -1.0], repeat=count)))
    else:
        signs_ra = np.vstack([np.ones(count), rng.choice([1.0, -1.0], (_MOST_RELABELED, count))])
    return np.hstack([-signs_ra, signs_ra]) / count


def _dealt(count: int, ill: int, rng: np.random.Generator) -> np.ndarray:
    """``(r, count)`` weights of mean healthy minus mean sick with labels dealt anew; the true ones come first."""
    every = list(itertools.islice(itertools.combinations(range(count), ill), _MOST_RELABELED + 1))
    if len(every) > _MOST_RELABELED:
        drawn = (tuple(rng.choice(count, ill, replace=False)) for _ in range(_MOST_RELABELED))
        every = [tuple(range(ill)), *drawn]
    weight_rn = np.full((len(every), count), 1 / (count - ill))
    for weight_n, places in zip(weight_rn, every, strict=True):
        weight_n[list(places)] = -1 / ill
    return weight_rn
