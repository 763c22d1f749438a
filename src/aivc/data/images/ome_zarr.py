"""OME-Zarr images, plates and SpatialData images, of version 0.4 on Zarr v2 and of 0.5 on Zarr v3."""

from pathlib import Path
from typing import Any

import numpy as np

from aivc.core.errors import IntegrityError, SchemaError
from aivc.data.images.fields import Field
from aivc.data.images.ome_tiff import ImageFacts, um
from aivc.data.images.planes import Plane, places
from aivc.data.io.formats import intact, keys, opened, refuse_pickled_chunks, refuse_unknown

_AXES = frozenset("tczyx")


def is_ome_zarr(path: Path) -> bool:
    """Whether a zarr folder holds an OME image or plate, or the images of SpatialData."""
    with intact(path), opened(path) as store:
        return bool({"multiscales", "plate"} & set(_about(store))) or "images" in [
            name for name in keys(store) if keys(store[name])
        ]


def ome_zarr_fields(path: Path, masks: tuple[tuple[str, str], ...]) -> tuple[list[Field], ImageFacts]:
    """Describe the fields of view in an OME-Zarr folder, at their full size.

    Args:
        path: The folder.
        masks: What masks show, and their names among the labels.

    Raises:
        IntegrityError: The metadata are damaged.
        SchemaError: It has no such labels, or an image has several planes in z.
    """
    refuse_pickled_chunks(path)
    with intact(path), opened(path) as store:
        about = _about(store)
        if "plate" in about:
            return _plate(path, store, about["plate"], masks)
        if "multiscales" in about:
            return _image(path, store, "", path.name.split(".")[0], {}, masks)
        fields, facts = [], ImageFacts()
        for name in sorted(keys(store["images"])):
            found, facts = _image(path, store, f"images/{name}", name, {}, masks)
            fields += found
        return fields, facts


def _about(node: Any) -> dict[str, Any]:
    attributes = dict(node.attrs)
    inside = attributes.get("ome")
    return {**attributes, **inside} if isinstance(inside, dict) else attributes


def _plate(
    path: Path, store: Any, plate: dict[str, Any], masks: tuple[tuple[str, str], ...]
) -> tuple[list[Field], ImageFacts]:
    fields, facts = [], ImageFacts()
    for well in plate["wells"]:
        place = str(well["path"])
        name = place.replace("/", "")
        for number, image in enumerate(_about(store[place])["well"]["images"]):
            columns = {"well": name, "site": number, "plate": str(plate.get("name", path.name.split(".")[0]))}
            found, facts = _image(path, store, f"{place}/{image['path']}", f"{name}_{number}", columns, masks)
            fields += found
    return fields, facts


def _image(
    path: Path, store: Any, place: str, name: str, columns: dict[str, Any], masks: tuple[tuple[str, str], ...]
) -> tuple[list[Field], ImageFacts]:
    node = store[place] if place else store
    about = _about(node)
    scales = about["multiscales"][0]
    planes = places(_plane(path, node, place, scales))
    inside = _label_planes(path, store, place, masks)
    many = len(planes) > 1
    fields = [
        Field(f"{name}_t{t}" if many else name, (plane,), tuple(inside), {**columns, **({"frame": t} if many else {})})
        for t, plane in enumerate(planes)
    ]
    return fields, _facts(about, scales)


def _plane(path: Path, node: Any, place: str, scales: dict[str, Any]) -> Plane:
    axes = "".join(str(axis["name"] if isinstance(axis, dict) else axis) for axis in scales["axes"])
    key = str(scales["datasets"][0]["path"])
    array = node[key]
    refuse_unknown(array)
    if not set(axes) <= _AXES or len(axes) != len(array.shape):
        raise IntegrityError(f"{path} names the axes of {place or 'its image'} {axes}, of sizes {array.shape}.")
    inside = f"{place}/{key}" if place else key
    return Plane(path, inside, axes, tuple(map(int, array.shape)), (), str(np.dtype(array.dtype)))


def _label_planes(path: Path, store: Any, place: str, masks: tuple[tuple[str, str], ...]) -> list[Plane]:
    found = []
    # SpatialData keeps labels beside the images, OME-Zarr inside of each.
    base = "labels" if not place or place.startswith("images/") else f"{place}/labels"
    for shown, name in masks:
        where = f"{base}/{name}"
        if where not in store:
            there = ", ".join(keys(store[base])) if base in store else "no labels"
            raise SchemaError(f"{path} has no labels {name!r} for the mask {shown}; it has {there}. Correct masks.")
        node = store[where]
        found.append(_plane(path, node, where, _about(node)["multiscales"][0]))
    return found


def _facts(about: dict[str, Any], scales: dict[str, Any]) -> ImageFacts:
    omero = about.get("omero")
    labels = [channel.get("label") for channel in omero["channels"]] if isinstance(omero, dict) else []
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in scales["axes"]]
    sizes: dict[str, float | None] = {}
    for step in scales["datasets"][0].get("coordinateTransformations", []):
        if step.get("type") == "scale":
            sizes = {
                str(axis["name"]): um(size, str(axis.get("unit", "")))
                for axis, size in zip(axes, step["scale"], strict=True)
            }
    size = sizes.get("x")
    return ImageFacts(tuple(map(str, labels)) if all(labels) else (), size if size == sizes.get("y") else None)
