"""Says where the place of a well on its plate tells the treatment by itself, so that the two are confounded."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL

# Names of columns without what CellProfiler and pycytominer put in front, in small letters.
_WELLS = ("well", "well_id", "wellid", "well_position", "well_name")
_FRONT = re.compile(r"(?i)^(?:image_)?metadata_")
_WELL = re.compile(r"(?P<row>[A-Za-z]{1,2})[ _-]?0*(?P<column>\d{1,2})")
_NUMBERED = re.compile(r"(?i)r0*(?P<row>\d{1,2})[ _-]?c0*(?P<column>\d{1,2})")


def plain(name: object) -> str:
    """Name of a column without what CellProfiler and pycytominer put in front, in small letters.

    >>> plain("Image_Metadata_Well ID")
    'well_id'
    """
    return re.sub(r"[\s-]+", "_", _FRONT.sub("", str(name)).strip()).casefold()


def well_name(text: str) -> str:
    """One spelling of a well, as ``A01``; a text that is no well stays as it is.

    >>> [well_name(text) for text in ("A1", "a01", "r01c01", "AF48", "left")]
    ['A01', 'A01', 'A01', 'AF48', 'left']
    """
    if found := _WELL.fullmatch(text.strip()):
        return f"{found['row'].upper()}{int(found['column']):02d}"
    if (found := _NUMBERED.fullmatch(text.strip())) and int(found["row"]) > 0:
        more, last = divmod(int(found["row"]) - 1, 26)
        letters = f"{chr(64 + more)}{chr(65 + last)}" if more else chr(65 + last)
        return f"{letters}{int(found['column']):02d}"
    return text


def well_column(names: Iterable[object]) -> str | None:
    """Which of these columns holds wells; None where none has a name for it.

    >>> well_column(["Metadata_Plate", "Metadata_Well"])
    'Metadata_Well'
    """
    called = {plain(name): str(name) for name in reversed(list(names))}
    return next((called[name] for name in _WELLS if name in called), None)


def wells_of(entities: pd.DataFrame) -> np.ndarray | None:
    """``(n,)`` well of each entity in one spelling; None where no column has a name for it.

    Args:
        entities: With a column such as ``well`` or ``Metadata_Well``.
    """
    name = well_column(entities)
    return None if name is None else entities[name].astype(str).map(well_name).to_numpy(dtype=object)


def layout_notes(entities: pd.DataFrame) -> list[str]:
    """Say how places on plates and treatments hang together; nothing where wells or plates are not known.

    Args:
        entities: With ``perturbation``, ``batch`` (the plate), and a column of wells.
    """
    wells = wells_of(entities)
    if wells is None or "perturbation" not in entities:
        return []
    perturbations = entities["perturbation"].to_numpy(dtype=object)
    table = pd.DataFrame({"well": wells, "treated": perturbations != CONTROL, "agent": perturbations})
    controls, treated = set(table["well"][~table["treated"]]), set(table["well"][table["treated"]])
    if not controls or not treated:
        return []
    notes = []
    if not controls & treated:
        shown = ", ".join(sorted(controls)[:4]) + (" and others" if len(controls) > 4 else "")
        notes.append(
            f"Controls stand in {shown} alone, where no treatment ever stands: what the place on the plate does cannot "
            "be separated from what the treatments do."
        )
    per_agent = table[table["treated"]].groupby("agent")["well"].nunique()
    if "batch" in entities and entities["batch"].nunique() > 1 and (per_agent == 1).all():
        notes.append("Each treatment stands in the same well of every plate: place and treatment are confounded.")
    if "batch" in entities:
        plates = entities["batch"].to_numpy(dtype=object)
        without = sorted({str(p) for p in plates} - {str(p) for p in plates[perturbations == CONTROL]})
        if without:
            notes.append(
                f"{len(without)} plates hold no control ({', '.join(without[:3])}): nothing brings them to the others."
            )
    return notes


__all__ = ["layout_notes", "plain", "well_column", "well_name", "wells_of"]
