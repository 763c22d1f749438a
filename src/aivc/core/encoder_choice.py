"""Several encoders of one scale, such as one for RNA and one for protein: their names, and which of them reads what."""

from collections.abc import Mapping, Sequence

import numpy as np

from aivc.core.contracts import Encoder
from aivc.core.errors import AIVCError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale


def named(given: Mapping[Scale, Encoder] | Mapping[str, Encoder] | Sequence[Encoder]) -> dict[str, Encoder]:
    """Name encoders by their scale, and where a scale has several, by the names given or what tells their spaces apart.

    Args:
        given: By scale; by a name, best that of the modality they read, such as ``rna``; or one after the other.

    Returns:
        By ``cellular``, or by ``cellular-rna`` or ``cellular-5f3c2a10`` where there are several. What comes out may be
        given again.

    Raises:
        SpaceError: An encoder is of another scale than it is given for, or stands twice.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [("", encoder) for encoder in given]
    scales = [encoder.scale for _, encoder in pairs]
    found: dict[str, Encoder] = {}
    for key, encoder in pairs:
        if isinstance(key, Scale) and key is not encoder.scale:
            raise SpaceError(f"{encoder.name} encodes {encoder.scale} entities, not {key}. Give it for its own scale.")
        name = str(encoder.scale)
        if scales.count(encoder.scale) > 1:
            own = "" if key == name else str(key).removeprefix(f"{name}-")
            name = f"{name}-{own or encoder.writes.fingerprint[:8]}"
        if name in found or any(encoder.writes == other.writes for other in found.values()):
            raise SpaceError(f"The encoder {name!r}, which writes {encoder.writes}, stands twice. Give each once.")
        found[name] = encoder
    return found


def choose(encoders: Mapping[str, Encoder], measurement: Measurement, name: str = "") -> str:
    """Choose the encoder that reads a measurement: the only one of its scale, or else the one that fits.

    Of several, that is the one named after the modality; or the only one that does not refuse the first entity; or,
    among those, the only one all of whose features were measured.

    Args:
        encoders: As `named` makes them.
        measurement: Entities to encode.
        name: The one that is meant, with or without its scale.

    Returns:
        Its name.

    Raises:
        UnknownNameError: No encoder covers the scale, none of several can read these values, or more than one can.
    """
    scale = str(measurement.scale)
    mine = {key: encoder for key, encoder in encoders.items() if encoder.scale is measurement.scale}
    if not mine:
        raise UnknownNameError("encoder for the scale", scale, {str(each.scale) for each in encoders.values()})
    if name:
        if found := [key for key in mine if name in (key, key.removeprefix(f"{scale}-"))]:
            return found[0]
        raise UnknownNameError("encoder", name, mine)
    wanted = f"{scale}-{measurement.modality}"
    if len(mine) == 1 or wanted in mine:
        return wanted if wanted in mine else next(iter(mine))
    refused = {key: refusal for key, encoder in mine.items() if (refusal := _refusal(encoder, measurement))}
    readers = [key for key in mine if key not in refused]
    whole = [key for key in readers if _all_measured(mine[key], measurement)]
    for some in (readers, whole):
        if len(some) == 1:
            return some[0]
    raise UnknownNameError("encoder", wanted, mine, _remedy(readers, refused))


def _refusal(encoder: Encoder, measurement: Measurement) -> str:
    """Why an encoder does not read a measurement; empty where it does."""
    try:
        encoder.encode(measurement.take(np.arange(min(len(measurement), 1))))
    except AIVCError as error:
        return str(error)
    return ""


def _all_measured(encoder: Encoder, measurement: Measurement) -> bool:
    own = vars(encoder).get("features")
    return own is not None and set(map(str, own)) <= set(map(str, measurement.features))


def _remedy(readers: Sequence[str], refused: Mapping[str, str]) -> str:
    if readers:
        return (
            f"{', '.join(readers)} can all read these values. Name the one you mean: "
            f'encode(measurement, encoder="{readers[0]}"), or name encoders after the modality they read.'
        )
    reasons = " ".join(f"{key}: {reason}" for key, reason in refused.items())
    return f"None of {', '.join(refused)} can read these values. {reasons}"
