"""What differs from the reference, in the style of HGVS: read, written, and applied to a sequence."""

import re
from dataclasses import dataclass
from typing import final

from aivc.core.errors import MoleculeError

# What the letter before the dot counts: residues of a protein, letters of a coding sequence, letters of any other.
LEVELS = ("p", "c", "n")
_CODES = (
    "Ala A Arg R Asn N Asp D Cys C Gln Q Glu E Gly G His H Ile I Leu L Lys K Met M Phe F Pro P Ser S Thr T Trp W Tyr Y "
    "Val V Sec U Pyl O Ter *"
)
AMINO_ACIDS = dict(zip(_CODES.split()[::2], _CODES.split()[1::2], strict=True))
_AMINO = "ACDEFGHIKLMNPQRSTVWYUO"
_BASES = "ACGT"
_THREE = re.compile("|".join(AMINO_ACIDS))
_AT = rf"(?P<a>[{_AMINO}*])(?P<start>[1-9]\d*)"
_AMINO_RANGE = rf"{_AT}(?:_(?P<b>[{_AMINO}*])(?P<end>[1-9]\d*))?"
_BASE_RANGE = r"(?P<start>[1-9]\d*)(?:_(?P<end>[1-9]\d*))?"
# What follows a shift of the reading frame, such as the new letter and the distance to the stop, is read and let go.
_SHIFT = rf"[{_AMINO}]?fs(?:\*(?:\d+|\?))?"
_PROTEIN = (
    ("synonymous", re.compile(rf"{_AT}=")),
    ("nonsense", re.compile(rf"{_AT}\*")),
    ("frameshift", re.compile(rf"{_AT}{_SHIFT}")),
    ("substitution", re.compile(rf"{_AT}(?P<after>[{_AMINO}])")),
    ("deletion", re.compile(rf"{_AMINO_RANGE}del")),
    ("insertion", re.compile(rf"{_AMINO_RANGE}ins(?P<after>[{_AMINO}]+)")),
    ("replacement", re.compile(rf"{_AMINO_RANGE}delins(?P<after>[{_AMINO}]+)")),
)
_NUCLEOTIDE = (
    ("synonymous", re.compile(rf"(?P<start>[1-9]\d*)(?P<a>[{_BASES}])?=")),
    ("substitution", re.compile(rf"(?P<start>[1-9]\d*)(?P<a>[{_BASES}])>(?P<after>[{_BASES}])")),
    ("deletion", re.compile(rf"{_BASE_RANGE}del(?P<a>[{_BASES}]+)?")),
    ("insertion", re.compile(rf"{_BASE_RANGE}ins(?P<after>[{_BASES}]+)")),
    ("replacement", re.compile(rf"{_BASE_RANGE}delins(?P<after>[{_BASES}]+)")),
)
_EXAMPLES = {
    "p": "R175H, R175=, R175*, K23del, K23_E25del, K23_E24insAQ, K23_E25delinsW or R97fs",
    "c": "5A>G, 5A=, 5del, 5_7del, 5_6insGG or 5_7delinsGG",
}
# Behind these, nothing of the reference is made.
_ENDING = ("nonsense", "frameshift")


@final
@dataclass(frozen=True, order=True)
class Change:
    """One change.

    Attributes:
        start: First position that it concerns, from 1; of an insertion, the one before it.
        end: Last position that it concerns; of an insertion, the one after it.
        kind: ``substitution``, ``synonymous``, ``nonsense``, ``deletion``, ``insertion``, ``replacement`` or
            ``frameshift``.
        before: Reference letters that must stand there: of a protein the first and the last, of DNA all, or none said.
        after: Letters that come instead.
    """

    start: int
    end: int
    kind: str
    before: str = ""
    after: str = ""

    def text(self, level: str) -> str:
        """Write it as HGVS does, without the level."""
        if level == "p":
            last = f"_{self.before[-1]}{self.end}" if self.end > self.start else ""
            return f"{self.before[0]}{self.start}{last}{self._what('')}"
        last = f"_{self.end}" if self.end > self.start else ""
        return f"{self.start}{last}{self._what(self.before)}"

    def _what(self, before: str) -> str:
        return {
            "substitution": f"{before}>{self.after}" if before else self.after,
            "synonymous": f"{before}=",
            "nonsense": "*",
            "frameshift": "fs",
            "deletion": f"del{before}",
            "insertion": f"ins{self.after}",
            "replacement": f"delins{self.after}",
        }[self.kind]


@final
@dataclass(frozen=True, order=True)
class Variant:
    """Changes of one sequence, sorted by position; none at all is the reference.

    Attributes:
        level: ``p`` counts residues of a protein, ``c`` letters of a coding sequence, ``n`` letters of any other.
        changes: Changes that do not overlap.

    Raises:
        MoleculeError: The level is not known, or changes overlap.

    >>> str(Variant.parse("p.Arg175His"))
    'p.R175H'
    >>> Variant.parse("p.[V2A;D4G]").apply("MVKD")
    'MAKG'
    """

    level: str
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise MoleculeError(f"A variant counts in p, c or n, got {self.level!r}. Write it as p.R175H or n.5A>G.")
        object.__setattr__(self, "changes", tuple(sorted(self.changes)))
        for one, other in zip(self.changes, self.changes[1:], strict=False):
            # An insertion lies between its two positions and takes neither.
            taken = one.start if one.kind == "insertion" else one.end
            if other.start < taken or (other.start == taken and other.kind != "insertion" and one.kind != "insertion"):
                raise MoleculeError(
                    f"Changes {one.text(self.level)} and {other.text(self.level)} overlap. Write them as one delins."
                )
            if one.kind == other.kind == "insertion" and one.start == other.start:
                raise MoleculeError(f"Two insertions stand behind position {one.start}. Write them as one.")

    @classmethod
    def parse(cls, text: str) -> "Variant":
        """Read a variant such as ``p.R175H``, ``p.K23_E25del``, ``n.5A>G`` or ``p.[V39A;D40G]``.

        Three-letter codes and the parentheses of predicted changes are read as well.

        Raises:
            MoleculeError: The text has another form.
        """
        level, dot, body = text.partition(".")
        if not dot or level not in LEVELS:
            raise MoleculeError(
                f"A variant begins with p. for a protein, c. for a coding sequence or n. for another, got {text!r}. "
                "Write it as p.R175H or n.5A>G."
            )
        if body.startswith("(") and body.endswith(")"):
            body = body[1:-1]
        if body == "=":
            return cls(level)
        many = body.startswith("[") and body.endswith("]")
        parts = body[1:-1].split(";") if many else [body]
        return cls(level, tuple(_change(level, part, text) for part in parts))

    @classmethod
    def between(cls, reference: str, changed: str, level: str = "p") -> "Variant":
        """Name the substitutions that lead from one sequence to another of the same length.

        A ``*`` in a protein is a stop, and ends the comparison.

        Raises:
            MoleculeError: Lengths differ.

        >>> str(Variant.between("MVKD", "MAKG"))
        'p.[V2A;D4G]'
        """
        if len(reference) != len(changed):
            raise MoleculeError(
                f"Only sequences of one length differ by substitutions alone, got {len(reference)} and {len(changed)} "
                "letters. Write insertions and deletions yourself."
            )
        changes = []
        for i, (old, new) in enumerate(zip(reference, changed, strict=True), start=1):
            if old != new:
                stops = level == "p" and new == "*"
                old, new = (old, new) if level == "p" else (old.replace("U", "T"), new.replace("U", "T"))
                changes.append(Change(i, i, "nonsense" if stops else "substitution", old, "" if stops else new))
                if stops:
                    break
        return cls(level, tuple(changes))

    def __str__(self) -> str:
        texts = [change.text(self.level) for change in self.changes]
        body = texts[0] if len(texts) == 1 else f"[{';'.join(texts)}]" if texts else "="
        return f"{self.level}.{body}"

    @property
    def is_synonymous(self) -> bool:
        """Whether the sequence stays as it is, or was said to."""
        return all(change.kind == "synonymous" for change in self.changes)

    @property
    def ends_early(self) -> bool:
        """Whether the protein ends before its end, by a stop or a shift of the reading frame."""
        return any(change.kind in _ENDING for change in self.changes)

    def apply(self, sequence: str) -> str:
        """Return the changed sequence; behind a stop or a shift of the reading frame there is nothing.

        Args:
            sequence: The reference. Letters of RNA keep their U.

        Raises:
            MoleculeError: A position is not there, or another letter stands there than the variant says.
        """
        rna = self.level != "p" and "U" in sequence
        reference = sequence.replace("U", "T") if rna else sequence
        changed = reference
        for change in reversed(self.changes):
            self._check(change, reference)
            start, end = change.start - 1, change.end
            if change.kind in _ENDING:
                changed = changed[:start]
            elif change.kind == "insertion":
                changed = changed[: change.start] + change.after + changed[change.start :]
            elif change.kind != "synonymous":
                changed = changed[:start] + change.after + changed[end:]
        return changed.replace("T", "U") if rna else changed

    def _check(self, change: Change, reference: str) -> None:
        if change.end > len(reference):
            raise MoleculeError(
                f"{self} needs position {change.end}, but the sequence has {len(reference)} letters. Give the sequence "
                "that the variant counts in."
            )
        found = reference[change.start - 1 : change.end]
        if self.level == "p":
            found = found[0] + found[-1] if change.end > change.start else found[0]
        if change.before and found != change.before:
            raise MoleculeError(
                f"{self} expects {change.before[0]} at position {change.start}"
                + (f" and {change.before[-1]} at {change.end}" if len(change.before) > 1 else "")
                + f", but the sequence has {found}. Give the sequence that it counts in, or correct the variant."
            )


def _change(level: str, part: str, whole: str) -> Change:
    grammar = _PROTEIN if level == "p" else _NUCLEOTIDE
    text = _THREE.sub(lambda found: AMINO_ACIDS[found[0]], part) if level == "p" else part
    for kind, pattern in grammar:
        if match := pattern.fullmatch(text):
            return _read(kind, {"b": None, "end": None, "after": None, **match.groupdict()}, level, whole)
    where = ""
    if level != "p" and re.match(r"[-*]|\d+[-+]", part):
        where = " Positions outside the sequence, such as -5, *12 or 76+2, are not counted: count in n. instead."
    raise MoleculeError(f"{part!r} of {whole!r} is no change. Write {_EXAMPLES['p' if level == 'p' else 'c']}.{where}")


def _read(kind: str, parts: dict[str, str | None], level: str, whole: str) -> Change:
    start = int(parts["start"] or 0)
    end = int(parts["end"] or start)
    before, after = (parts.get("a") or "") + (parts["b"] or ""), parts["after"] or ""
    if parts["end"] is not None and end <= start:
        raise MoleculeError(f"{whole!r} ends at {end}, before it starts at {start}. Write the lower position first.")
    if kind == "insertion" and end != start + 1:
        raise MoleculeError(f"{whole!r} inserts between {start} and {end}. An insertion lies between two neighbors.")
    if kind == "deletion" and level != "p" and before and len(before) != end - start + 1:
        raise MoleculeError(
            f"{whole!r} deletes {end - start + 1} letters, but names {len(before)}. Correct one of them."
        )
    if kind == "substitution" and before == after:
        kind, after = "synonymous", ""
    return Change(start, end, kind, before, after)
