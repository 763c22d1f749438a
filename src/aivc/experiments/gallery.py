"""Control cells, what a virtual cell makes of them under a perturbation, and measured cells to compare them with."""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data.images.layout import is_mask
from aivc.experiments.fitting.fit_images import ALBUM

# Darkest and brightest pixels of measured cells, in percent, between which every panel of a channel is shown.
_DARK, _BRIGHT = 1.0, 99.7
_TOO_FEW_OF_ALL = "This virtual cell was fitted on no images of cells, so it draws none. Fit one on crops: aivc fit."


class GalleryRow(NamedTuple):
    """Cells of one kind.

    Attributes:
        title: What they are.
        images: ``(k, c, y, x)`` in the units measured.
    """

    title: str
    images: Float[np.ndarray, "k c y x"]


@final
@dataclass(frozen=True, eq=False)
class Gallery:
    """Rows of cells. The first two are the same cells, before and after; the third holds what comes nearest to these.

    Attributes:
        perturbation: What was asked.
        context: Where.
        channels: Names.
        rows: Controls, what is predicted of them, the measured cells nearest to that, and measured treated cells.
        contrast: ``(c, 2)`` values of each channel shown as black and as full color, the same in all rows.
        um_per_pixel: 0 where it is not known.
        notes: Sentences that whoever looks at the images has to know.
        nearest: Share of cells whose nearest measured cell was treated so: of predicted cells, of the controls as they
            were, and of measured cells that were treated so.
    """

    perturbation: str
    context: str
    channels: tuple[str, ...]
    rows: tuple[GalleryRow, ...]
    contrast: Float[np.ndarray, "c 2"]
    um_per_pixel: float
    notes: tuple[str, ...]
    nearest: tuple[float, float, float]


def has_album(cell: VirtualCell) -> bool:
    """Whether a virtual cell keeps images of cells."""
    return ALBUM in cell.instruments


def drawable(cell: VirtualCell, context: str = "") -> list[str]:
    """Perturbations that a virtual cell can draw, in one context or in any.

    Raises:
        DataError: It keeps no images.
    """
    return sorted({text for where, text in _album(cell).maps if context in ("", where)})


def gallery(
    cell: VirtualCell, perturbation: Perturbation | str, *, context: str = "", cells: int = 4, seed: int = 0
) -> Gallery:
    """Draw control cells under a perturbation, beside measured cells that no microscope has learned from.

    Args:
        cell: Fitted on crops (`aivc.experiments.fitting.fit_images.fit_images`).
        perturbation: One that was imaged. Nothing else is drawn: a predicted state alone says not where light lies.
        context: Where; the only one, unless named.
        cells: How many of each kind, at most.
        seed: Chooses them.

    Raises:
        DataError: The cell keeps no images.
        UnknownNameError: The perturbation was not imaged with enough cells in that context.
    """
    album, text = _album(cell), str(Perturbation.parse(str(perturbation)))
    context = context or _only_context(album, text)
    microscope = album.microscope(context, text)
    crops = album.crops
    here, labels = crops.contexts.astype(str) == context, crops.perturbations.astype(str)
    controls, treated = (np.flatnonzero(here & (labels == each)) for each in (CONTROL, text))
    start = crops.take(controls)
    moved = album.decode(start.replace(entities=start.entities.assign(asked=text)))
    near_k, agreement = _nearest(cell, crops.take(np.flatnonzero(here)), start, moved, text)
    rng = np.random.default_rng(seed)
    shown = np.sort(rng.permutation(len(controls))[:cells])
    real = np.sort(rng.permutation(treated)[:cells])
    channels = tuple(str(name) for name in crops.features if not is_mask(name))
    measured = _pixels(crops.take(np.concatenate([controls, treated])), channels)
    nearest_k = np.flatnonzero(here)[near_k[shown]]
    rows = (
        GalleryRow("control, measured", _pixels(start.take(shown), channels)),
        GalleryRow("the same cells, predicted", _pixels(moved.take(shown), channels)),
        GalleryRow("nearest measured cells", _pixels(crops, channels, nearest_k)),
        GalleryRow("treated, measured", _pixels(crops.take(real), channels)),
    )
    contrast = np.percentile(measured.transpose(1, 0, 2, 3).reshape(len(channels), -1), [_DARK, _BRIGHT], axis=1).T
    notes = (*microscope.notes, _said_of_nearest(text, labels[nearest_k], len(controls), agreement), _SHOWN_FROM)
    return Gallery(text, context, channels, rows, contrast, album.um_per_pixel, notes, agreement)


_SHOWN_FROM = (
    "No microscope has learned from the cells shown; the encoder of states has. Each channel has one contrast in all "
    "panels, set by measured cells."
)


def _said_of_nearest(text: str, labels: np.ndarray, count: int, agreement: tuple[float, float, float]) -> str:
    names, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shown = ", ".join(f"{counts[i]} of {names[i]}" for i in order)
    after, before, measured = agreement
    return (
        f"The nearest measured cells, by morphology, are {shown}. Of {count} predicted cells {after:.0%} lie nearest "
        f"to one under {text}; of the same cells before {before:.0%} do, and of measured cells under it {measured:.0%}."
    )


def _album(cell: VirtualCell) -> Any:
    if not has_album(cell):
        raise DataError([_TOO_FEW_OF_ALL])
    return cell.instruments[ALBUM]


def _only_context(album: Any, text: str) -> str:
    found = sorted({where for where, each in album.maps if each == text})
    if len(found) > 1:
        raise UnknownNameError("context", "", found, f"{text} was imaged in {len(found)} contexts: name one.")
    # Of what was imaged nowhere, the microscopes of any context say what there is.
    return found[0] if found else next(iter(sorted({where for where, _ in album.maps})), "")


def _nearest(
    cell: VirtualCell, crops: Measurement, start: Measurement, moved: Measurement, text: str
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """``(k,)`` positions in ``crops`` of what is nearest to each moved cell, but not the cell itself; and agreement."""
    states, before, after = (cell.encode(each).values for each in (crops, start, moved))
    names, own = crops.entities.index.to_numpy(), start.entities.index.to_numpy()
    treated = crops.perturbations.astype(str) == text

    def nearest(each: np.ndarray, of: np.ndarray) -> np.ndarray:
        away = ((each[:, None] - states) ** 2).sum(axis=2)
        return np.asarray(np.where(of[:, None] == names, np.inf, away).argmin(axis=1))

    near = nearest(after, own)
    shares = [treated[each].mean() for each in (near, nearest(before, own), nearest(states[treated], names[treated]))]
    return near, (float(shares[0]), float(shares[1]), float(shares[2]))


def _pixels(crops: Measurement, channels: tuple[str, ...], rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    where = [list(map(str, crops.features)).index(name) for name in channels]
    # One cell may be the nearest of two, and a measurement holds none twice.
    return np.asarray(crops.values)[rows][:, where].astype(np.float64)
