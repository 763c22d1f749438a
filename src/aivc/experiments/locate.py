"""Where is this protein? Probabilities of places in the cell, with sets for cells and wells that hold the right one."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.images.plate_layout import wells_of
from aivc.data.images.subcellular import spot_radius, subcellular
from aivc.data.priors.memberships import memberships
from aivc.data.synthetic_locations import LOCATION, PROTEIN, synthetic_locations

# Standardized features beyond this count as this.
_CLIP = 6.0
_PLATES = 3
SIMULATED = "simulated cells"


@final
@dataclass(frozen=True, eq=False)
class Located:
    """Where a protein was found.

    Attributes:
        places: Names of the places.
        cells: A row for each cell: ``batch``, ``well``, ``best``, ``confidence``, ``set`` (joined by ``|``),
            ``novelty`` (the share of training cells at least as unlike the others) and a probability for each place.
        wells: The same for each well, of the mean of its cells, with ``cells``, how many these are.
        notes: What the promise rests on.
    """

    places: tuple[str, ...]
    cells: pd.DataFrame
    wells: pd.DataFrame
    notes: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Locator:
    """Learns places from crops whose protein is known, and names them in others.

    What is read of a crop does not depend on how bright it is (`aivc.data.images.subcellular`). Probabilities and sets
    are those of ``cell-labels``, once for cells and once for the means of wells. What is left out together is a plate
    where there are three or more, and a well otherwise: sets then hold the right place as often as promised on plates
    never seen, if they are like these.

    Attributes:
        features: ``(f,)`` names, without the channel.
        center: ``(f,)`` mean of the cells.
        deviation: ``(f,)`` standard deviation of the cells.
        cell_labels: Reads cells.
        well_labels: Reads means of wells.
        learned_from: What was labelled.
    """

    simulated_side: ClassVar[int] = 64
    features: tuple[str, ...]
    center: np.ndarray
    deviation: np.ndarray
    cell_labels: Any
    well_labels: Any
    learned_from: str

    @classmethod
    def fit(
        cls,
        crops: Measurement,
        channel: str,
        *,
        column: str = LOCATION,
        learned_from: str = "labelled cells",
        seed: int = 0,
    ) -> "Locator":
        """Learn from crops whose protein is where a column says.

        Args:
            crops: With masks of nucleus and cell, and columns for the place, the well and perhaps ``batch``, the plate.
            channel: Of the protein.
            column: Of the place; crops without one are left aside.
            learned_from: For the notes.
            seed: Draws folds.

        Raises:
            DataError: There are fewer than two places, or no column of wells.
            UnknownNameError: A column, mask or channel is missing.
        """
        crops = crops.take(labelled(crops, column))
        names, x_nf = _read(crops, channel)
        center, deviation = x_nf.mean(axis=0), np.maximum(x_nf.std(axis=0), 1e-6)
        z_nf = _standardized(x_nf, center, deviation)
        plates = crops.entities["batch"].astype(str).to_numpy() if "batch" in crops.entities else np.zeros(len(crops))
        whole = len(np.unique(plates)) >= _PLATES
        key_n = _keys(crops.entities)
        cells = _state(z_nf, crops.entities, "cell")
        decoder = DECODERS.load("cell-labels")
        labels = decoder.fit(cells, memberships(crops.entities, column), seed=seed, groups=plates if whole else key_n)
        mean_wf, frame = _by_well(z_nf, crops.entities, key_n, column)
        wells = _state(mean_wf, frame, "well")
        groups = frame["batch"].astype(str).to_numpy() if whole else np.asarray(frame.index)
        named = memberships(frame, column)
        return cls(names, center, deviation, labels, decoder.fit(wells, named, seed=seed, groups=groups), learned_from)

    @classmethod
    def simulated(
        cls, *, plates: int = 10, wells: int = 2, cells: int = 10, hard: tuple[float, float] = (0.5, 3.0), seed: int = 0
    ) -> "Locator":
        """Learn from simulated cells, where nobody has labelled any.

        Args:
            plates: Simulated, each with blur, light and background of its own.
            wells: Of each place on each.
            cells: Of each well.
            hard: Of the first plate and of the last, see `synthetic_locations`.
            seed: Draws them.
        """
        crops = synthetic_locations(
            plates=plates, wells=wells, cells=cells, side=cls.simulated_side, hard=hard, seed=seed
        )
        return cls.fit(crops, PROTEIN, learned_from=SIMULATED, seed=seed)

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places."""
        return tuple(map(str, self.cell_labels.features))

    def locate(self, crops: Measurement, channel: str, *, level: float = 0.9) -> Located:
        """Name the place of a protein in each cell and each well.

        Args:
            crops: With masks of nucleus and cell, and a column of wells.
            channel: Of the protein.
            level: How often a set is to hold the right place, of each place.

        Raises:
            DataError: No column says the well, or a crop has no nucleus or cytoplasm.
            UnknownNameError: A mask or the channel is missing.
        """
        _, x_nf = _read(crops, channel)
        z_nf, key_n = _standardized(x_nf, self.center, self.deviation), _keys(crops.entities)
        cells = self._said(self.cell_labels, _state(z_nf, crops.entities, "cell"), level)
        mean_wf, frame = _by_well(z_nf, crops.entities, key_n)
        wells = self._said(self.well_labels, _state(mean_wf, frame, "well"), level)
        where = [name for name in ("batch", "well", "perturbation") if name in frame]
        note = f"Learned from {self.learned_from}: sets hold the right place for {level:.0%} of cells like these."
        unlike = float((cells["novelty"] <= 0.01).mean())
        notes = [note] if unlike <= 0.1 else [note, f"{unlike:.0%} of the cells are unlike any of them."]
        return Located(
            self.places,
            pd.concat([crops.entities[[name for name in where if name in crops.entities]], cells], axis=1),
            pd.concat([frame[[*where, "cells"]], wells], axis=1),
            tuple(notes),
        )

    def _said(self, labels: Any, ur: UR, level: float) -> pd.DataFrame:
        said = labels.labels(ur, level=level)[["best", "confidence", "set", "novelty"]]
        return said.join(pd.DataFrame(labels.probabilities(ur), columns=list(self.places), index=said.index))


def labelled(crops: Measurement, column: str) -> np.ndarray:
    """``(n,)`` which crops have a place in a column; blank and lost values are none.

    Args:
        crops: With the column.
        column: Of the place.

    Raises:
        UnknownNameError: There is no such column.
    """
    if column not in crops.entities:
        raise UnknownNameError("column", column, map(str, crops.entities), "Name the column of the place.")
    given = crops.entities[column]
    return np.asarray(given.notna() & (given.astype(str).str.strip() != ""))


def _read(crops: Measurement, channel: str) -> tuple[tuple[str, ...], np.ndarray]:
    if not len(crops):
        raise DataError(["There are no crops."])
    table = subcellular(crops, [channel], spot=spot_radius(crops))
    return tuple(str(name).removesuffix(f"_{channel}") for name in table.features), table.dense()


def _standardized(x_nf: np.ndarray, center: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((x_nf - center) / deviation, -_CLIP, _CLIP))


def _state(z_nf: np.ndarray, entities: pd.DataFrame, of: str) -> UR:
    scale = Scale.CELLULAR
    return UR(z_nf, Space("subcellular", scale, z_nf.shape[1], f"standardized-{of}"), entities)


def _keys(entities: pd.DataFrame) -> np.ndarray:
    """``(n,)`` plate, well and treatment of each cell as one text.

    Raises:
        DataError: No column says the well.
    """
    wells = wells_of(entities)
    if wells is None:
        raise DataError(["No column says the well of a cell. Name it well, as sets for wells need to know."])
    plate = entities["batch"].astype(str).to_numpy(dtype=object) if "batch" in entities else ""
    return np.asarray(plate + "/" + wells, dtype=object)


def _by_well(
    z_nf: np.ndarray, entities: pd.DataFrame, key_n: np.ndarray, column: str = ""
) -> tuple[np.ndarray, pd.DataFrame]:
    """Means of wells, and a row for each; with a column, for each value of it in a well."""
    key = key_n if not column else key_n + "/" + entities[column].astype(str).to_numpy(dtype=object)
    names, first, own_n, count = np.unique(key.astype(str), return_index=True, return_inverse=True, return_counts=True)
    mean_wf = np.zeros((len(names), z_nf.shape[1]))
    np.add.at(mean_wf, own_n, z_nf)
    frame = entities.iloc[first].copy()
    frame.index = pd.Index(names, dtype=object)
    return mean_wf / count[:, None], frame.assign(well=wells_of(frame), cells=count)
