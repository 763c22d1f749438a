"""What methods are given to know about targets, unless said otherwise: the catalog's knowledge, where it can be had."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from aivc.core.errors import DataError, UnavailableError
from aivc.core.measurement import Measurement
from aivc.core.registry import MANIPULATORS
from aivc.core.ur import UR
from aivc.data.priors.for_screen import drugs_of, priors_for
from aivc.data.priors.gene_priors import missing
from aivc.data.streaming.stream import Progress

_REMEDY = (
    'Choose a method that needs none, such as "mean-effect", or give knowledge of the targets: fit(..., parts=...).'
)


class Known(NamedTuple):
    """What is known about the targets of a screen.

    Attributes:
        parts: Molecular UR of targets, or None.
        notes: What could not be had, where no method needs it.
    """

    parts: UR | None
    notes: tuple[str, ...] = ()


Parts: TypeAlias = UR | Known | Literal["auto"] | None


def knowledge(
    measurement: Measurement,
    methods: Sequence[str],
    parts: Parts = "auto",
    *,
    remedy: str = _REMEDY,
    progress: Progress | None = None,
) -> Known:
    """Settle what methods may know about targets; what is given is taken as it is.

    Args:
        measurement: The whole screen, not only what is trained on.
        methods: Registered manipulators; what stands behind a colon in a name is left aside.
        parts: ``"auto"`` takes the catalog's knowledge (`aivc.data.priors.for_screen.priors_for`) where a method needs
            or uses any, and goes on without where none needs it and it cannot be had. None is no knowledge.
        remedy: What to do where it is needed and cannot be had.
        progress: Called with what is being done, and with what is gone without.

    Raises:
        DataError: A method needs knowledge, but no target of the screen is known.
        UnavailableError: A method needs knowledge, but it is not here.
        UnknownNameError: No such method.
        ValueError: Parts are given by another name than ``"auto"``.
    """
    if isinstance(parts, Known):
        return parts
    if parts is None or isinstance(parts, UR):
        return Known(parts)
    if parts != "auto":
        raise ValueError(f'parts is a molecular UR, None, or "auto", got {parts!r}. Load a saved one: UR.load(folder).')
    needing = needing_parts(methods)
    if not needing and not any(MANIPULATORS.load(name).uses_parts for name in _bare(methods)):
        return Known(None)
    if progress is not None:
        progress("knowledge of the targets", 0, 0)
    try:
        known = priors_for(measurement)
    except UnavailableError as error:
        if needing:
            error.add_note(f"{' and '.join(needing)} cannot do without. {remedy}")
            raise
        found = _without(measurement, error)
        if progress is not None and found.notes:
            progress(found.notes[0], 0, 0)
        return found
    require_known(measurement, needing, known, remedy=remedy)
    return Known(known)


def needing_parts(methods: Sequence[str]) -> list[str]:
    """Those of the methods that cannot do without knowledge of targets.

    Raises:
        UnknownNameError: No such method.

    >>> needing_parts(["mean-effect", "nearest:shuffled", "effect.v2"])
    ['nearest']
    """
    return [name for name in _bare(methods) if MANIPULATORS.load(name).needs_parts]


def require_known(measurement: Measurement, needing: Sequence[str], known: UR, *, remedy: str = _REMEDY) -> None:
    """Refuse knowledge that knows no target of the screen, where a method needs it.

    Raises:
        DataError: It does not.
    """
    targets = sorted({name for each in measurement.parsed.distinct for name in (*each.genes, *each.targets)})
    if needing and len(missing(targets, known)) == len(targets):
        raise DataError(
            [
                f"{' and '.join(needing)} predict from what is known about a target, but nothing is known about "
                f"{', '.join(targets[:5])}. {remedy}"
            ]
        )


def _bare(methods: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(method.split(":")[0] for method in methods))


def _without(measurement: Measurement, error: UnavailableError) -> Known:
    """Nothing, and a note of it where the screen perturbs what the catalog could know something about."""
    asked = measurement.parsed.distinct
    genes = any(each.genes for each in asked)
    if not genes and not drugs_of(asked):
        return Known(None)
    what = "genes" if genes else "drugs"
    return Known(None, (f"Going on without knowledge of {what}, which no method asked for here needs: {error}",))
