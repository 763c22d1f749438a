"""Says where the place of a well on its plate tells the treatment by itself, so that the two are confounded."""

import numpy as np
import pandas as pd

from aivc.core.measurement import CONTROL

_WELLS = ("well", "Well", "Metadata_Well", "Image_Metadata_Well", "Metadata_well", "well_id", "WellId")


def wells_of(entities: pd.DataFrame) -> np.ndarray | None:
    """``(n,)`` well of each entity; None where no column has a name for it.

    Args:
        entities: With a column such as ``well`` or ``Metadata_Well``.
    """
    name = next((name for name in _WELLS if name in entities), None)
    return None if name is None else entities[name].astype(str).to_numpy(dtype=object)


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


__all__ = ["layout_notes", "wells_of"]
