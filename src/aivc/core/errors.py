"""One tree of refusals. Every message says what was wanted, what came, and what to do."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class AIVCError(Exception):
    """Everything aivc refuses to do."""


class SpaceError(AIVCError, TypeError):
    """A representation of one space was given to a part that reads another."""


class UnitsError(AIVCError, TypeError):
    """Values are in other units than the ones needed, or in undeclared ones."""


class ControlError(AIVCError, ValueError):
    """The unperturbed reference is missing, empty, or shared where it must not be."""


class PerturbationError(AIVCError, ValueError):
    """A perturbation could not be understood."""


class MoleculeError(AIVCError, ValueError):
    """A molecule or a variant could not be understood, or does not fit the sequence it is said to change."""


class SchemaError(AIVCError, ValueError):
    """A schema contradicts itself or the file it describes."""


class SplitError(AIVCError, ValueError):
    """A split manifest is impossible, leaking, or meant for other data."""


class IntegrityError(AIVCError, ValueError):
    """Bytes are not what their checksum, format or type says: truncated, altered or hostile."""


class ScoreError(AIVCError, ArithmeticError):
    """A score is undefined where a number was needed, or a method crashed while being scored."""


class ConvergenceError(AIVCError, ArithmeticError):
    """An iteration did not reach what was asked of it; the message says how far it came."""


class WritingError(AIVCError, OSError):
    """A file could not be written: the disk is full, or the place is not open to writing."""


class UnavailableError(AIVCError, OSError):
    """A dataset or an optional package is not here and could not be fetched."""


class DataError(AIVCError, ValueError):
    """The data fail their check.

    Attributes:
        problems: Every problem found, each a sentence with its remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''} found before any work started"
        super().__init__("\n  - ".join([f"{count}:", *self.problems]))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


class UnknownNameError(AIVCError, LookupError):
    """A name is not among those known; the nearest ones are suggested."""

    def __init__(self, kind: str, name: str, known: Iterable[str], remedy: str = "") -> None:
        self.kind, self.name = kind, name
        known = sorted(known)
        self._given = (kind, name, known, remedy)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        shown = near or known[:12]
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(shown) or 'none'}."
        said = f"There is no {kind} named {name!r}." if name else f"No {kind} was named."
        super().__init__(" ".join(filter(None, [said, hint, remedy])))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given


class RetiredError(AIVCError, LookupError):
    """A part of former versions is no more.

    Attributes:
        kind: Of part.
        name: It was registered under.
        instead: What does what it did.
    """

    def __init__(self, kind: str, name: str, instead: str, holder: str = "") -> None:
        self.kind, self.name, self.instead = kind, name, instead
        self._given = (kind, name, instead, holder)
        made = f" {holder} was made with it." if holder else ""
        super().__init__(f"The {kind} {name!r} is no more.{made} Fit again with {instead!r}, which does what it did.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given
