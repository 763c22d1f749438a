"""What a virtual cell keeps of the images it was fitted on: some crops, and how each perturbation moves controls."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.registry import IMAGE_DECODERS
from aivc.data.images.layout import is_mask
from aivc.instruments.decoders.images.band_maps import zoomed
from aivc.instruments.decoders.images.pixels import channels_of

# Bytes of all crops that are kept, crops kept of one perturbation at most and at least, and the largest side.
MOST_BYTES, MOST_CROPS, FEWEST_CROPS, LARGEST_SIDE = 32 << 20, 24, 4, 256
# Cells of a perturbation and as many controls that a map is learned from, and how many perturbations have one.
MOST_CELLS, MOST_MAPS = 300, 100
_MOVES = "synthetic-microscope"
# Of the cells of one perturbation, the share that may be kept from the maps to be shown.
_SHOWN = 4


@final
@dataclass(frozen=True, eq=False)
class CellAlbum(ImageDecoder):
    """Crops of controls and of perturbed cells, and a synthetic microscope for each perturbation and context.

    Crops that are kept are in the fit of no microscope, so that what is predicted of them, and what they are compared
    with, was not learned from them. At most `MOST_BYTES` of crops are kept, `FEWEST_CROPS` to `MOST_CROPS` of each
    perturbation in each context. Where there are too many, those with the most cells come first, and ``left_out``
    names the others.

    Attributes:
        features: Channels and masks.
        images: ``(k, c, y, x)`` crops, as they were measured.
        names: ``(k,)`` of the entities.
        labels: ``(k,)`` their perturbations.
        contexts: ``(k,)``.
        batches: ``(k,)`` plates; empty where none is given.
        microscopes: ``m`` of them.
        moved_contexts: ``(m,)`` contexts that these were fitted in.
        left_out: Perturbations that are not drawn, and why.
        units: Of the images.
        um_per_pixel: 0 where it is not known.
    """

    name: ClassVar[str] = "cell-album"
    features: np.ndarray
    images: np.ndarray
    names: np.ndarray
    labels: np.ndarray
    contexts: np.ndarray
    batches: np.ndarray
    microscopes: tuple[ImageDecoder, ...]
    moved_contexts: np.ndarray
    left_out: tuple[str, ...]
    units: str
    um_per_pixel: float

    @classmethod
    def fit(cls, measurement: Measurement, *, seed: int = 0, rows: np.ndarray | None = None) -> "CellAlbum":
        """Choose crops, and learn from the others how each perturbation moves controls.

        Args:
            measurement: Crops with controls, in memory or on disk.
            seed: Draws the crops that are kept, and those that are learned from.
            rows: Positions of the entities that may be used; None for all.

        Raises:
            DataError: Images are larger than `LARGEST_SIDE`: these are fields, not crops of cells.
        """
        cls.require_crops(measurement)
        groups = _groups(measurement, rows)
        of_one = int(np.prod(measurement.values.shape[1:])) * np.dtype(measurement.block(0, 1).dtype).itemsize
        kept_of, left = _within_limits(groups, of_one)
        rng = np.random.default_rng(seed)
        dealt = {key: rng.permutation(each) for key, each in groups.items() if key in kept_of}
        shown = {key: each[: min(kept_of[key], max(1, len(each) // _SHOWN))] for key, each in dealt.items()}
        rest = {key: each[len(shown[key]) :] for key, each in dealt.items()}
        microscopes, refused = _microscopes(measurement, rest, seed)
        crops = measurement.take(np.sort(np.concatenate(list(shown.values()))))
        return cls(
            crops.features,
            np.asarray(crops.values),
            crops.entities.index.astype(str).to_numpy(dtype=object),
            crops.perturbations.astype(str),
            crops.contexts.astype(str),
            _batches(crops),
            tuple(microscopes.values()),
            np.array([context for context, _ in microscopes], dtype=object),
            (*left, *refused),
            measurement.units,
            float((measurement.provenance.get("image") or {}).get("um_per_pixel") or 0.0),
        )

    @classmethod
    def require_crops(cls, measurement: Measurement) -> None:
        """Refuse what is no crop of a cell.

        Raises:
            DataError: These are no images, or they are larger than `LARGEST_SIDE`.
        """
        channels_of(measurement)
        sides = tuple(map(int, measurement.values.shape[2:]))
        if max(sides) > LARGEST_SIDE:
            raise DataError(
                [
                    f"Cells are drawn from crops of at most {LARGEST_SIDE} × {LARGEST_SIDE} pixels; these images have "
                    f"{sides[0]} × {sides[1]}. Declare masks and crop in the schema, so that cells are cut out."
                ]
            )

    @cached_property
    def crops(self) -> Measurement:
        """The crops that are kept, with their masks."""
        columns = {"perturbation": self.labels, "context": self.contexts}
        if any(map(str, self.batches)):
            columns["batch"] = self.batches
        entities = pd.DataFrame(columns, index=pd.Index(self.names, name="entity"), dtype=object)
        about = {"image": {"um_per_pixel": self.um_per_pixel} if self.um_per_pixel else {}}
        return Measurement(self.images, self.features, entities, self.units, modality="image", provenance=about)

    @cached_property
    def maps(self) -> Mapping[tuple[str, str], ImageDecoder]:
        """Microscopes by context and perturbation."""
        moves = [str(getattr(each, "perturbation", "")) for each in self.microscopes]
        return dict(zip(zip(map(str, self.moved_contexts), moves, strict=True), self.microscopes, strict=True))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is kept, what can be drawn, and what cannot."""
        drawn = len({text for _, text in self.maps})
        said = (
            f"{len(self.images)} crops are kept, {self.images.nbytes / 2**20:.1f} MiB, of which no microscope has "
            f"learned; {drawn} perturbations can be drawn.",
        )
        return (*said, *([f"Not drawn: {'; '.join(self.left_out[:6])}."] if self.left_out else []))

    def decode(self, measurement: Measurement) -> Measurement:
        """Move control cells, each to the perturbation in its column ``asked``.

        Args:
            measurement: Control crops with all channels; masks move with the size of the cell.

        Raises:
            DataError: Nothing is asked.
            UnknownNameError: A perturbation has no microscope in that context.
        """
        if "asked" not in measurement.entities:
            raise DataError([f"{self.name} reads what is asked of each cell in the column asked. Add it."])
        contexts, asked = measurement.contexts.astype(str), measurement.entities["asked"].astype(str).to_numpy()
        pairs = sorted(set(zip(contexts, asked, strict=True)))
        made, order = [], []
        for context, text in pairs:
            microscope = self.microscope(context, text)
            rows = np.flatnonzero((contexts == context) & (asked == text))
            made.append(_with_masks(microscope, measurement.take(rows)))
            order.append(rows)
        back = np.argsort(np.concatenate(order))
        entities = measurement.entities.assign(perturbation=asked).drop(columns="asked")
        values = np.concatenate([each.values for each in made])[back]
        return made[0].replace(values=values, entities=entities)

    def microscope(self, context: str, perturbation: str) -> ImageDecoder:
        """What moves controls of a context to a perturbation.

        Raises:
            UnknownNameError: Nothing was learned of it there.
        """
        if (context, perturbation) not in self.maps:
            here = sorted(text for where, text in self.maps if where == context)
            remedy = "Cells are drawn only under what was imaged, with controls beside it, in the same context."
            raise UnknownNameError("perturbation with a picture", perturbation, here, remedy)
        return self.maps[context, perturbation]


def _batches(measurement: Measurement) -> np.ndarray:
    if "batch" not in measurement.entities:
        return np.full(len(measurement), "", dtype=object)
    return measurement.entities["batch"].astype(str).to_numpy(dtype=object)


def _groups(measurement: Measurement, rows: np.ndarray | None) -> dict[tuple[str, str], np.ndarray]:
    """Positions of entities by context and perturbation."""
    table = pd.DataFrame({"context": measurement.contexts.astype(str), "text": measurement.perturbations.astype(str)})
    used = table if rows is None else table.iloc[rows]
    found = used.groupby(["context", "text"], sort=True).groups
    return {(str(context), str(text)): np.sort(np.asarray(at)) for (context, text), at in found.items()}


def _within_limits(
    groups: Mapping[tuple[str, str], np.ndarray], of_one: int
) -> tuple[dict[tuple[str, str], int], list[str]]:
    """How many crops to keep of each group, controls twice as many; and what there is no room for."""
    by_size = sorted(groups, key=lambda key: (key[1] != CONTROL, -len(groups[key]), key))
    controls = sum(text == CONTROL for _, text in by_size)
    most = min(MOST_MAPS + controls, max(MOST_BYTES // (of_one * FEWEST_CROPS) - controls, controls + 1))
    kept, left = by_size[:most], [text for _, text in by_size[most:]]
    each = int(np.clip(MOST_BYTES // (of_one * (len(kept) + controls)), 1, MOST_CROPS))
    room = [f"{len(left)} perturbations with fewer cells, such as {left[0]}, as there is no room"] if left else []
    return {key: each * (2 if key[1] == CONTROL else 1) for key in kept}, room


def _microscopes(
    measurement: Measurement, rest: Mapping[tuple[str, str], np.ndarray], seed: int
) -> tuple[dict[tuple[str, str], ImageDecoder], list[str]]:
    """One for each context and perturbation that has enough cells, and why others have none."""
    kind, made, refused = IMAGE_DECODERS.load(_MOVES), {}, []
    batches = _batches(measurement)
    for (context, text), treated in rest.items():
        if text == CONTROL:
            continue
        controls = rest.get((context, CONTROL), np.array([], dtype=int))
        beside = controls[np.isin(batches[controls], list(set(batches[treated])))]
        rows = np.sort(np.concatenate([beside[:MOST_CELLS], treated[:MOST_CELLS]]))
        try:
            made[context, text] = kind.fit(measurement.take(rows), seed=seed, perturbation=text)
        except ControlError:
            refused.append(f"{text}, of which {len(treated)} cells and {len(beside)} controls beside them are left")
    return made, refused


def _with_masks(microscope: ImageDecoder, control: Measurement) -> Measurement:
    """Moved crops with the masks of the controls, as much larger as the cells became."""
    moved = microscope.decode(control)
    masks: Sequence[int] = [i for i, name in enumerate(control.features) if is_mask(name)]
    if not masks:
        return moved
    inside = np.asarray(control.values)[:, masks].astype(np.float32)
    larger = zoomed(inside, float(getattr(microscope, "size", 1.0))) > 0.5
    values = np.concatenate([moved.values, larger.astype(np.float32)], axis=1)
    return dataclasses.replace(
        moved, values=values, features=np.concatenate([moved.features, control.features[list(masks)]])
    )
