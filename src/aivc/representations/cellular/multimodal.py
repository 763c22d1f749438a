"""One state from RNA, surface protein, chromatin and embeddings of others: a product of Gaussian experts."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, SpaceError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.state import State
from aivc.core.units import ARBITRARY
from aivc.core.ur import UR
from aivc.data.io.obsm import EMBEDDING
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.representations.cellular.factors import factors, principal, require_feature_noise
from aivc.representations.cellular.gaussian import fit_linear, posterior, readings

# How a feature says what kind it is: "adt:CD3". Any other text before a colon, as in "chr1:100-200", is part of a name.
PREFIXES = {
    "rna": "rna",
    "gex": "rna",
    "protein": "protein",
    "adt": "protein",
    "chromatin": "chromatin",
    "atac": "chromatin",
    "embedding": EMBEDDING,
}
_ROWS = 2048


@final
@dataclass(frozen=True, eq=False)
class PPCAExperts(Encoder):
    """Linear-Gaussian experts, one for each modality, times the prior: what was not measured only widens the posterior.

    A feature named ``adt:CD3`` is a protein, ``atac:CD3E`` chromatin, ``rna:CD3E`` RNA; a name without such a prefix is
    of the measurement's modality. Each modality is brought to its own units, with totals of its own, and divided by the
    largest singular value of its block, so that none outweighs the others by its number of features. Given the loadings
    ``w`` of an expert, it says ``N(wᵀw / noise, wᵀ(x - center) / noise)`` in natural parameters; these add up. Every
    feature has a noise of its own, as in ``factor-analysis``; while the axes are found all modalities are held to one
    mean noise, or the one with more features would decide on them.

    An embedding from another package (`aivc.data.io.obsm.load_obsm`) is one more expert, taken as it is, whatever the
    units of what it is joined to; each key of ``obsm`` is divided by a singular value of its own. Cells without it have
    a wider posterior. An embedding says nothing that its maker did not see: if that included the cells asked about, or
    their labels, so does the state.

    Attributes:
        features: ``(f,)`` names it was fitted on, each as ``modality:name``.
        center: ``(f,)`` mean, in the units of its modality.
        size: ``(f,)`` what a feature's block is divided by.
        loadings: ``(f, d)`` of the divided blocks, on principal axes; states are standard normal a priori.
        noise: ``(f,)`` variance of what the axes leave out, in the divided blocks.
        modalities: ``(m,)`` names of the experts.
        units: ``(m,)`` units of each.
    """

    name: ClassVar[str] = "ppca-experts"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    center: np.ndarray
    size: np.ndarray
    loadings: np.ndarray
    noise: np.ndarray
    modalities: np.ndarray
    units: np.ndarray

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None) -> "PPCAExperts":
        """Fit on training entities, paired or not, by expectation-maximization from probabilistic PCA.

        Args:
            measurement: Counts, intensities, or values in any other units, read into memory; see `join` for several
                modalities.
            dim: Number of axes; at most one less than features and entities.
            seed: Not used: the answer is the same for every seed.
            units: Units of every modality but embeddings; None lets each have its own, as ``ppca`` would choose.

        Raises:
            DataError: No entity was measured on some modality, or one has no counts in a modality it was measured on.
        """
        by = _by_modality(measurement)
        x_nf, seen_nf = np.zeros((2, len(measurement), sum(len(part.features) for _, part in by.values())))
        chosen, size, stop, alike = [], np.ones(x_nf.shape[1]), 0, []
        for modality, (rows, part) in by.items():
            if not len(rows):
                raise DataError([f"No entity was measured on {modality}. Leave its features out."])
            chosen.append(ARBITRARY if modality == EMBEDDING else units or profile_units(part))
            start, stop = stop, stop + len(part.features)
            seen = np.broadcast_to(True if part.observed is None else part.observed, part.values.shape)
            block = np.where(seen, normalize(part, chosen[-1]).dense(), 0.0)
            for own in _sources(part.features):
                rows_in = seen[:, own].any(axis=1)
                alike.append(start + own)
                size[start + own] = _size(block[np.ix_(rows_in, own)], seen[np.ix_(rows_in, own)])
            x_nf[rows, start:stop], seen_nf[rows, start:stop] = block / size[start:stop], seen
        names = np.concatenate([part.features for _, part in by.values()])
        whole = measurement.replace(values=x_nf, features=names, units=ARBITRARY, observed=seen_nf > 0)
        center, w_fd, noise = fit_linear(whole, ARBITRARY, dim)
        measured = np.ones(len(names), dtype=bool) if seen_nf.all() else seen_nf > 0
        w_fd, noise_f = factors(np.where(measured, x_nf - center, 0.0), measured, w_fd, noise, alike)
        kinds = np.array(list(by), dtype=object), np.array(chosen, object)
        return cls(names, center * size, size, principal(w_fd, noise_f)[0], noise_f, *kinds)

    @classmethod
    def from_state(cls, state: State) -> "PPCAExperts":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this encoder, or of one with a single noise for all features.
        """
        require_feature_noise(state, cls.name)
        return super().from_state(state)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Posterior mean and variance of each state, from whichever modalities and features were measured.

        Raises:
            UnitsError: The units of a modality cannot be brought to those of the fit.
            UnknownNameError: None of the features of the fit are present.
        """
        measurement.require_table(self.name)
        keys = _keys(measurement)
        if not set(keys) & set(self.features):
            raise UnknownNameError("feature", str(self.features[0]), keys, "Are the modalities named as in the fit?")
        z_nd, variance_nd = np.empty((2, len(measurement), self.dim))
        noise_f = np.sqrt(self.noise)
        for start in range(0, len(measurement), _ROWS):
            residual_nf, seen_nf = self._residual(_rows(measurement, start, min(start + _ROWS, len(measurement))))
            for some, seen in _panels(seen_nf):
                found = posterior(residual_nf[some] / noise_f, seen, self.loadings / noise_f[:, None], 1.0)
                z_nd[start + some], variance_nd[start + some] = found
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)

    def expected(self, ur: UR, modality: str) -> Measurement:
        """Mean profile of each state in a modality, measured or not: what RNA says of protein, for example.

        Raises:
            SpaceError: The states are of another encoder.
            UnknownNameError: It was not fitted on this modality.
        """
        if ur.space != self.writes:
            raise SpaceError(
                f"{self.name} reads {self.writes}, but the states are in {ur.space}. Encode with it first."
            )
        if modality not in self.modalities:
            raise UnknownNameError("modality", modality, map(str, self.modalities))
        own = self._own(modality)
        values = self.center[own] + (ur.values @ self.loadings[own].T) * self.size[own]
        units = str(self.units[list(self.modalities).index(modality)])
        return Measurement(values, _bare(self.features[own]), ur.entities, units, modality)

    def _own(self, modality: str) -> np.ndarray:
        return np.array([str(name).startswith(f"{modality}:") for name in self.features])

    def _residual(self, measurement: Measurement) -> tuple[np.ndarray, np.ndarray]:
        """Divided values less their center, and where there are any."""
        residual_nf = np.zeros((len(measurement), len(self.features)))
        seen_nf = np.zeros(residual_nf.shape, dtype=bool)
        by = _by_modality(measurement, set(self.features))
        for modality, units in zip(self.modalities, self.units, strict=True):
            own = np.flatnonzero(self._own(modality))
            if modality not in by:
                continue
            entities, part = by[modality]
            for rows, x_nf, here, seen in readings(part, self.features[own], self.center[own], str(units)):
                where = np.ix_(entities[rows], own[here])
                residual_nf[where] = (x_nf - self.center[own[here]]) / self.size[own[here]]
                seen_nf[where] = seen
        return residual_nf, seen_nf


def join(*measurements: Measurement) -> Measurement:
    """Put measurements of several modalities side by side: entities of one name are one, and the rest lack a modality.

    Args:
        measurements: Each of another modality, in the same units; embeddings from other packages have none, and take
            those of the others.

    Returns:
        All entities and features, these named ``modality:name``, with a mask of what was measured; CSR.

    Raises:
        UnitsError: Units differ.
        DataError: A modality comes twice.

    >>> cells = [pd.DataFrame(index=["c1", "c2"]), pd.DataFrame(index=["c2", "c3"])]
    >>> rna = Measurement(np.ones((2, 3)), np.array(["A", "B", "C"]), cells[0], "counts")
    >>> protein = Measurement(np.ones((2, 1)), np.array(["CD3"]), cells[1], "counts", "protein")
    >>> join(rna, protein).observed[:, -1].tolist()
    [False, True, True]
    """
    measured = [item for item in measurements if not _keyed(item, EMBEDDING)]
    first = (measured or measurements)[0]
    if units := {item.units for item in measured} - {first.units}:
        raise UnitsError(
            f"Side by side, values share units; got {first.units} and {', '.join(units)}. Normalize first."
        )
    features = np.concatenate([_keys(item) for item in measurements])
    if len(set(features)) < len(features):
        raise DataError(["A feature of one modality comes twice. Say what each is: measurement.replace(modality=…)."])
    entities = first.entities
    for item in measurements:
        entities = entities if item is first else entities.combine_first(item.entities)
    blocks, masks = zip(*(_placed(item, entities.index) for item in measurements), strict=True)
    values, observed = sparse.hstack(blocks, format="csr"), np.concatenate(masks, axis=1)
    beside = {"observed": observed, "coordinates": None, "links": None}
    return first.replace(values=values, features=features, entities=entities, **beside)


def _placed(measurement: Measurement, index: pd.Index) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Values and mask of one measurement among the entities of all."""
    measurement.require_table("A table of several modalities")
    where = index.get_indexer(measurement.entities.index)
    seen_nf = np.zeros((len(index), len(measurement.features)), dtype=bool)
    seen_nf[where] = True if measurement.observed is None else measurement.observed
    block = sparse.coo_matrix(measurement.block(0, len(measurement)))
    shape = (len(index), len(measurement.features))
    return sparse.csr_matrix((block.data, (where[block.row], block.col)), shape=shape), seen_nf


def _keys(measurement: Measurement) -> np.ndarray:
    """``modality:name`` of each feature."""
    keys = []
    for name in map(str, measurement.features):
        prefix, _, rest = name.partition(":")
        keys.append(f"{PREFIXES[prefix.lower()]}:{rest}" if prefix.lower() in PREFIXES else _named(measurement, name))
    return np.array(keys, dtype=object)


def _named(measurement: Measurement, name: str) -> str:
    return f"{PREFIXES.get(measurement.modality, measurement.modality)}:{name}"


def _keyed(measurement: Measurement, modality: str) -> bool:
    """Whether all features are of one modality."""
    return all(str(key).startswith(f"{modality}:") for key in _keys(measurement))


def _sources(keys: np.ndarray) -> list[np.ndarray]:
    """Positions of the features that share a size: those of a modality, or of one embedding."""
    of_f = [str(key).rpartition("/")[0] if str(key).startswith(f"{EMBEDDING}:") else "" for key in keys]
    return [np.flatnonzero(np.array(of_f) == name) for name in dict.fromkeys(of_f)]


def _bare(keys: np.ndarray) -> np.ndarray:
    return np.array([str(key).partition(":")[2] for key in keys], dtype=object)


def _by_modality(measurement: Measurement, known: set[str] | None = None) -> dict[str, tuple[np.ndarray, Measurement]]:
    """Positions and measurement of the entities that were measured on each modality, at one known feature at least."""
    measurement.require_table(PPCAExperts.name)
    keys = _keys(measurement)
    measurement = measurement.replace(features=keys)
    if not measurement.in_memory:
        measurement = _rows(measurement, 0, len(measurement))
    mine = [key for key in keys if known is None or key in known]
    found = {}
    for modality in dict.fromkeys(str(key).partition(":")[0] for key in mine):
        part = measurement.select([key for key in mine if str(key).startswith(f"{modality}:")])
        seen = np.ones(len(part.features), dtype=bool) if part.observed is None else part.observed
        rows = np.flatnonzero(np.broadcast_to(seen, part.values.shape).any(axis=1))
        found[modality] = (rows, part.take(rows).replace(units=ARBITRARY if modality == EMBEDDING else part.units))
    return {modality: part for modality, part in found.items() if known is None or len(part[0])}


def _rows(measurement: Measurement, start: int, stop: int) -> Measurement:
    observed = measurement.observed
    return measurement.replace(
        values=measurement.block(start, stop),
        entities=measurement.entities.iloc[start:stop],
        observed=observed[start:stop] if observed is not None and observed.ndim == 2 else observed,
        coordinates=None,
        links=None,
    )


def _size(x_nf: np.ndarray, seen_nf: np.ndarray) -> float:
    """Largest singular value of a block, per root of its entities, so that more cells do not count as more spread."""
    center = x_nf.sum(axis=0) / np.maximum(seen_nf.sum(axis=0), 1)
    residual_nf = np.where(seen_nf, x_nf - center, 0.0)
    gram = residual_nf.T @ residual_nf if x_nf.shape[0] > x_nf.shape[1] else residual_nf @ residual_nf.T
    return float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1] / len(x_nf), 1e-12)))


def _panels(seen_nf: np.ndarray, most: int = 32) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that were measured on the same features, with those features; or all rows with their own."""
    panels, of_n = np.unique(np.packbits(seen_nf, axis=1), axis=0, return_inverse=True)
    if len(panels) > most:
        return [(np.arange(len(seen_nf)), seen_nf)]
    groups = [np.flatnonzero(of_n.ravel() == i) for i in range(len(panels))]
    return [(rows, seen_nf[rows[0]]) for rows in groups]
