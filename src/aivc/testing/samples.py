"""Small inputs with a structure worth learning, to check parts on."""

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import COUNTS
from aivc.core.ur import UR

_PROGRAMS, _TARGETS = 3, 6


def sample_measurement(*, seed: int = 0, features: int = 30, scale: Scale = Scale.CELLULAR) -> Measurement:
    """Make a small screen of counts: 2 contexts, 2 batches, 6 knockouts and one pair.

    Knockouts of the same programme have the same effect, so that priors on genes (`sample_parts`) say something.

    >>> sample_measurement()
    Measurement(184 cellular entities × 30 rna features, counts)
    """
    draw = np.random.default_rng(seed)
    labels = [CONTROL] * 36 + [f"ko:G{i:02d}" for i in range(_TARGETS) for _ in range(8)] + ["ko:G00 + ko:G01"] * 8
    entities = pd.DataFrame({"perturbation": labels * 2, "context": np.repeat(["A", "B"], len(labels))}, dtype=object)
    entities["batch"] = np.where(np.arange(len(entities)) % 2, "one", "two").astype(object)
    entities.index = pd.Index([f"cell-{i}" for i in range(len(entities))])
    base_f, program_mf = draw.gamma(4.0, 1.0, features), draw.normal(0.0, 1.0, (_PROGRAMS, features))
    shift_nf = np.array([_program_effect(text, program_mf) for text in entities["perturbation"]])
    context_nf = np.where(entities["context"] == "A", 0.0, 0.6)[:, None] * draw.normal(0.0, 1.0, features)
    size_n = draw.lognormal(0.0, 0.2, len(entities))
    rate_nf = base_f * np.exp(shift_nf + context_nf) * size_n[:, None] * draw.gamma(5.0, 0.2, shift_nf.shape)
    return Measurement(
        sparse.csr_matrix(draw.poisson(rate_nf).astype(np.float32)),
        np.array([f"G{i:02d}" for i in range(features)], dtype=object),
        entities,
        COUNTS,
        scale=scale,
        coordinates=draw.uniform(0.0, 100.0, (len(entities), 2)) if scale is Scale.MULTICELLULAR else None,
    )


def _program_effect(text: str, program_mf: np.ndarray) -> np.ndarray:
    genes = Perturbation.parse(text).genes
    return np.asarray(sum((program_mf[int(g[1:]) % _PROGRAMS] for g in genes), np.zeros(program_mf.shape[1])))


def sample_parts(*, seed: int = 0, features: int = 30) -> UR:
    """Make a molecular UR of the genes of `sample_measurement`: noisy memberships of programmes.

    >>> sample_parts().entities.index[:3].tolist()
    ['G00', 'G01', 'G02']
    """
    names = [f"G{i:02d}" for i in range(features)]
    member_fd = np.eye(_PROGRAMS)[np.arange(features) % _PROGRAMS]
    noise_fd = np.random.default_rng(seed).normal(0.0, 0.1, member_fd.shape)
    space = Space("sample-parts", Scale.MOLECULAR, _PROGRAMS, "sample")
    return UR(member_fd + noise_fd, space, pd.DataFrame(index=names))


def sample_ur(measurement: Measurement | None = None, *, dim: int = 5, seed: int = 0) -> UR:
    """Project log counts of a measurement onto ``dim`` random directions; enough to fit an instrument on."""
    measurement = sample_measurement(seed=seed) if measurement is None else measurement
    axes_fd = np.random.default_rng(seed).normal(size=(len(measurement.features), dim)) / np.sqrt(dim)
    values_nd = np.log1p(np.abs(measurement.dense())) @ axes_fd
    return UR(values_nd, Space("sample", measurement.scale, dim, "sample"), measurement.entities)


def sample_development(*, seed: int = 0) -> UR:
    """Make cells that move, spread and part into two branches over three times, 24 h apart, in two contexts.

    >>> sample_development()
    UR(180 entities in sample-development[cellular, 3 axes, sample])
    """
    draw = np.random.default_rng(seed)
    hours = np.repeat([0.0, 24.0, 48.0], 60)
    branch = np.where(np.arange(len(hours)) % 2, 1.0, -1.0) * hours / 24
    far = hours / 12 + draw.normal(0.0, 0.4, len(hours))
    values_nd = np.stack([far, branch, np.sin(far)], axis=1) + draw.normal(0.0, 0.2, (len(hours), 3))
    entities = pd.DataFrame({"perturbation": CONTROL, "time": hours}, index=[f"cell-{i}" for i in range(len(hours))])
    entities["context"] = np.where(np.arange(len(hours)) % 4 < 2, "A", "B").astype(object)
    entities["perturbation"] = entities["perturbation"].astype(object)
    return UR(values_nd, Space("sample-development", Scale.CELLULAR, 3, "sample"), entities)
