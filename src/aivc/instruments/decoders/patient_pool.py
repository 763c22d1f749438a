"""What is wrong with this patient? Cells of a section are pooled, by niche or with attention, and patients compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.contracts import unpack
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.space import Space
from aivc.core.state import State, pack
from aivc.core.ur import UR
from aivc.instruments.decoders.attention import AttentionFit, attended, fit_attention
from aivc.instruments.decoders.label_probe import fit_slopes, softmax
from aivc.instruments.decoders.section_views import KINDS, PATIENT, SECTION, SectionRows, SectionView, SectionViews

_PENALTIES = (3.0, 0.3)


@final
@dataclass(frozen=True, eq=False)
class PatientPool:
    """Class probabilities of sections and patients: an average of regressions on descriptions of sections.

    A section is described by its mean state (composition, where states are memberships in types), by the frequencies
    of its niches, by these after attention, which learns which niches matter, and by how often types touch beyond
    chance (`SectionViews`). How many niches there are, which description tells and how strong a penalty is wanted
    cannot be settled by a few patients: all are averaged, with weights in proportion to the likelihood that a patient
    left out has on average. Weights by the product over patients, as a posterior has them, follow chance where patients
    are few. Classes weigh the same, and so do the patients of a class. Niches are found without classes.

    Attributes:
        reads: Space it was fitted on.
        classes: ``(c,)`` names.
        kinds: Descriptions used.
        types: ``(t,)`` and
        pairs: ``(q, 2)`` and
        centers: ``(k, d)`` say how sections are described (`SectionViews`).
        views: Kind of description that each regression reads, and
        rounds: ``(g,)`` its rounds, and
        numbers: ``(g,)`` its number of niches.
        penalties: ``(g,)`` of slopes.
        mixture: ``(g,)`` weight of each regression; the sum is one.
        attention: ``(g, p)`` log weight of each niche; zeros where there is no attention.
        slopes: ``(g, p, c)`` log odds per unit of the description; zeros beyond its columns.
        intercepts: ``(g, c)``.
        sizes: ``(g,)`` root mean square of the log odds of training sections.
    """

    name: ClassVar[str] = "patient-pool"
    reads: Space
    classes: np.ndarray
    kinds: tuple[str, ...]
    types: np.ndarray
    pairs: np.ndarray
    centers: Float[np.ndarray, "k d"]
    views: tuple[str, ...]
    rounds: np.ndarray
    numbers: np.ndarray
    penalties: Float[np.ndarray, " g"]
    mixture: Float[np.ndarray, " g"]
    attention: Float[np.ndarray, "g p"]
    slopes: Float[np.ndarray, "g p c"]
    intercepts: Float[np.ndarray, "g c"]
    sizes: Float[np.ndarray, " g"]

    @classmethod
    def fit(
        cls,
        ur: UR,
        column: str,
        *,
        seed: int = 0,
        section: str = SECTION,
        patient: str = PATIENT,
        kinds: Sequence[str] = KINDS,
    ) -> "PatientPool":
        """Fit on sections of patients whose class is known.

        Args:
            ur: Cells with links: states, or memberships in types.
            column: Class of the patient, the same for all cells of a section.
            seed: Draws the cells that niches are found among, and their starts.
            section: Column that names sections.
            patient: Column that names patients.
            kinds: Descriptions that are tried: ``composition``, ``niches``, ``attention``, ``contacts``; the last needs
                the column ``cell_type``.

        Raises:
            DataError: No links, a section of several classes or patients, or too few patients.
            UnknownNameError: No such column, or no such description.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise UnknownNameError("description of a section", kind, KINDS)
        given = SectionRows.of(ur.entities, section, patient, column)
        described = SectionViews.fit(ur, given, kinds, seed)
        return cls.of(described, described.tables(ur, given), given.label, given.owner)

    @classmethod
    def of(
        cls, described: SectionViews, tables: Mapping[SectionView, np.ndarray], label: np.ndarray, owner: np.ndarray
    ) -> "PatientPool":
        """Fit on sections that are described already, such as for classes that are dealt anew.

        Args:
            described: How sections are described.
            tables: ``(s, p)`` of each description (`SectionViews.tables`).
            label: ``(s,)`` class of each section.
            owner: ``(s,)`` patient of each.

        Raises:
            DataError: Fewer than two classes, or no class of two patients.
        """
        classes, y_s = np.unique(label.astype(str), return_inverse=True)
        patients = pd.DataFrame({"class": y_s, "patient": owner}).drop_duplicates()
        if len(classes) < 2 or patients["class"].value_counts().max() < 2:
            raise DataError(["Patients of two classes are wanted, two of one class at least: a section is no patient."])
        y_sc, found = np.eye(len(classes))[y_s], [(view, penalty) for view in tables for penalty in _PENALTIES]
        mixture = _mixture(np.array([_likelihood(view, tables[view], penalty, y_sc, owner) for view, penalty in found]))
        fits = [_fitted(view, tables[view], penalty, y_sc, owner) for view, penalty in found]
        width = max(len(fit.slopes) for fit in fits)
        odds = [_odds(view, tables[view], fit) for (view, _), fit in zip(found, fits, strict=True)]
        return cls(
            described.space, np.array(classes, dtype=object), described.kinds, described.types, described.pairs,
            described.centers, tuple(view.kind for view, _ in found), np.array([view.rounds for view, _ in found]),
            np.array([view.number for view, _ in found]), np.array([penalty for _, penalty in found]),
            mixture, np.array([_padded(fit.attention, width) for fit in fits]),
            np.array([_padded(fit.slopes, width) for fit in fits]), np.array([fit.intercepts for fit in fits]),
            np.array([max(float(np.sqrt((each**2).sum(axis=1).mean())), 1e-12) for each in odds]),
        )  # fmt: skip

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack(self)

    @classmethod
    def from_state(cls, state: State) -> "PatientPool":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of these.
        """
        return unpack(cls, state, cls.name)

    @cached_property
    def described(self) -> SectionViews:
        """How sections are described."""
        return SectionViews(self.reads, self.kinds, self.types, self.pairs, self.centers)

    def weights(self) -> pd.Series:
        """How much each description counts, such as ``niches``; the sum is one."""
        return pd.Series(self.mixture).groupby(list(self.views)).sum()

    def sections(self, ur: UR, *, section: str = SECTION, patient: str = PATIENT) -> pd.DataFrame:
        """Class probabilities of each section; the index holds patients and sections.

        Raises:
            SpaceError: ``ur`` lives in another space.
            DataError: It has no links, or a section has several patients.
            UnknownNameError: There is no such column.
        """
        given, tables = self._asked(ur, section, patient)
        return pd.DataFrame(self.probabilities(tables), index=_index(given, section, patient), columns=self.classes)

    def patients(self, ur: UR, *, section: str = SECTION, patient: str = PATIENT) -> pd.DataFrame:
        """Class probabilities of each patient: the geometric mean of those of the sections.

        Raises:
            SpaceError: ``ur`` lives in another space.
            DataError: It has no links, or a section has several patients.
            UnknownNameError: There is no such column.
        """
        found = np.log(self.sections(ur, section=section, patient=patient).clip(lower=1e-12)).groupby(level=0).mean()
        return np.exp(found).div(np.exp(found).sum(axis=1), axis=0)

    def embedding(self, ur: UR, *, section: str = SECTION, patient: str = PATIENT) -> pd.DataFrame:
        """Sections as vectors that sections of like patients are near in: log odds, every regression counting the same.

        Raises:
            SpaceError: ``ur`` lives in another space.
            DataError: It has no links, or a section has several patients.
            UnknownNameError: There is no such column.
        """
        given, tables = self._asked(ur, section, patient)
        return pd.DataFrame(self.odds(tables), index=_index(given, section, patient), columns=self.classes)

    def probabilities(self, tables: Mapping[SectionView, np.ndarray]) -> Float[np.ndarray, "s c"]:
        """``(s, c)`` class probabilities of sections that are described already (`SectionViews.tables`)."""
        said = [weight * softmax(odds) for weight, odds in zip(self.mixture, self._each(tables), strict=True)]
        return np.asarray(np.sum(said, axis=0))

    def odds(self, tables: Mapping[SectionView, np.ndarray]) -> Float[np.ndarray, "s c"]:
        """``(s, c)`` mean log odds, those of each regression on its own scale."""
        return np.asarray(
            np.mean([each / size for each, size in zip(self._each(tables), self.sizes, strict=True)], axis=0)
        )

    def _each(self, tables: Mapping[SectionView, np.ndarray]) -> list[np.ndarray]:
        found = []
        for g, kind in enumerate(self.views):
            view = SectionView(kind, int(self.rounds[g]), int(self.numbers[g]))
            width = tables[view].shape[1]
            fit = AttentionFit(self.attention[g, :width], self.slopes[g, :width], self.intercepts[g])
            found.append(_odds(view, tables[view], fit))
        return found

    def _asked(self, ur: UR, section: str, patient: str) -> tuple[SectionRows, Mapping[SectionView, np.ndarray]]:
        self.reads.require(ur.space, self.name)
        given = SectionRows.of(ur.entities, section, patient)
        return given, self.described.tables(ur, given)


def _index(given: SectionRows, section: str, patient: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([given.owner, given.name], names=[patient, section])


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    return np.pad(values, [(0, width - len(values)), *[(0, 0)] * (values.ndim - 1)])


def _odds(view: SectionView, x_sp: np.ndarray, fit: AttentionFit) -> np.ndarray:
    """``(s, c)`` log odds, of mean 0 over the classes."""
    if view.number:
        x_sp = np.sqrt(attended(x_sp, fit.attention))
    odds_sc = x_sp @ fit.slopes + fit.intercepts
    return np.asarray(odds_sc - odds_sc.mean(axis=1, keepdims=True))


def _weights(y_sc: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """``(s,)`` classes weigh the same, patients of a class too, sections of a patient too; the sum is one."""
    _, code_s = np.unique(owner, return_inverse=True)
    class_s = y_sc.argmax(axis=1)
    patients_c = np.array([len(np.unique(code_s[class_s == c])) for c in range(y_sc.shape[1])])
    weight_s = 1 / (np.bincount(code_s)[code_s] * patients_c[class_s])
    return np.asarray(weight_s / weight_s.sum())


def _fitted(view: SectionView, x_sp: np.ndarray, penalty: float, y_sc: np.ndarray, owner: np.ndarray) -> AttentionFit:
    weight_s = _weights(y_sc, owner)
    if view.kind == "attention":
        return fit_attention(x_sp, y_sc, weight_s, penalty)
    if view.number:
        x_sp = np.sqrt(x_sp)
    center_p, slopes_pc, middle_c = fit_slopes(x_sp, y_sc, penalty, weight_n=weight_s)
    return AttentionFit(np.zeros(len(slopes_pc)), slopes_pc, middle_c - center_p @ slopes_pc)


def _likelihood(view: SectionView, x_sp: np.ndarray, penalty: float, y_sc: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """``(k,)`` log likelihood of each patient left out, the mean of its sections.

    A patient who is the only one of a class is not left out: nothing could be known of it.
    """
    found = []
    for each in np.unique(owner):
        out = owner == each
        if y_sc[~out][:, y_sc[out][0] > 0].any():
            fit = _fitted(view, x_sp[~out], penalty, y_sc[~out], owner[~out])
            p_sc = softmax(_odds(view, x_sp[out], fit))
            found.append(float(np.log(np.maximum((p_sc * y_sc[out]).sum(axis=1), 1e-12)).mean()))
    return np.array(found)


def _mixture(likely_gk: np.ndarray) -> np.ndarray:
    """``(g,)`` weights of regressions: by the mean log likelihood of a patient, so that none is dropped by chance."""
    mean_g = likely_gk.mean(axis=1)
    weight_g = np.exp(mean_g - mean_g.max())
    return np.asarray(weight_g / weight_g.sum())
