"""A gene, a transcript, a protein, a stretch of DNA or RNA, or a compound: as text and as an object."""

import re
from dataclasses import dataclass, replace
from typing import final
from urllib.parse import quote, unquote

from aivc.core.errors import DataError, MoleculeError
from aivc.core.smiles import check_smiles
from aivc.core.variant import Variant

KINDS = ("gene", "transcript", "protein", "dna", "rna", "compound")
# Letters of the IUPAC codes, with those that stand for several; a protein may hold a stop.
ALPHABETS = {
    "protein": frozenset("ACDEFGHIKLMNPQRSTVWYUOBZJX*"),
    "dna": frozenset("ACGTRYSWKMBDHVN"),
    "rna": frozenset("ACGURYSWKMBDHVN"),
}
_SEQUENCE_OF = {"gene": "dna", "transcript": "rna", "protein": "protein", "dna": "dna", "rna": "rna"}
# What a variant of each kind may count in.
_COUNTS = {"gene": "pcn", "transcript": "cn", "protein": "p", "dna": "cn", "rna": "cn", "compound": ""}
_BARE = ("dna", "rna")
_NONE = "none"
_SPECIES = re.compile(r"[a-z][a-z0-9_-]*")
_ESCAPED = re.compile(r"[%:\[\]]|(?! )\s")
_TEXT = re.compile(
    rf"(?:(?P<species>{_SPECIES.pattern})/)?(?P<kind>[a-z]+):(?P<name>[^:\[\]]+)"
    r"(?::(?P<variant>[a-z]\.(?:\[[^\[\]]*\]|[^\[\]]*)))?(?:\[(?P<sequence>.*)\])?",
    re.DOTALL,
)
_FORM = "Write [species/]kind:name[:variant][[sequence]], such as gene:TP53, mouse/gene:Trp53, protein:TP53:p.R175H, "
_FORM += "dna:ACGT or compound:ethanol[CCO]; in names, write '%', ':', '[' and ']' as %25, %3A, %5B and %5D."


@final
@dataclass(frozen=True, order=True)
class Molecule:
    """One molecule.

    A compound belongs to no species, whatever is given. DNA and RNA named by their letters alone have these as their
    sequence. Variants are kept in one spelling.

    Attributes:
        kind: One of `KINDS`.
        name: Gene symbol, accession or compound name; for a bare sequence, the sequence itself.
        species: ``human`` or ``mouse``; empty for what belongs to none, such as compounds.
        variant: HGVS-like change such as ``p.R175H``; empty for the reference.
        sequence: Letters of the (changed) molecule, or the SMILES of a compound; empty where not known.

    Raises:
        MoleculeError: It has no such kind, name, species, variant or letters.

    >>> str(Molecule.parse("protein:TP53:p.Arg175His"))
    'protein:TP53:p.R175H'
    >>> Molecule.parse("compound:ethanol[CCO]").sequence
    'CCO'
    >>> Molecule.parse("dna:ACGT:n.2C>T").sequence
    'ATGT'
    """

    kind: str
    name: str
    species: str = "human"
    variant: str = ""
    sequence: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MoleculeError(f"A molecule is one of {', '.join(KINDS)}, got {self.kind!r}. {_FORM}")
        if not self.name or self.name != self.name.strip():
            raise MoleculeError(f"A molecule needs a name without spaces around it, got {self.name!r}. {_FORM}")
        if self.kind == "compound":
            object.__setattr__(self, "species", "")
        elif self.species and (not _SPECIES.fullmatch(self.species) or self.species == _NONE):
            raise MoleculeError(
                f"A species is one lower-case word such as human or mouse, or empty, got {self.species!r}. Rename it."
            )
        if self.variant:
            object.__setattr__(self, "variant", self._spelled())
        if self._is_bare():
            self._fill()
        elif self.sequence:
            self._check_sequence()

    def _spelled(self) -> str:
        if not _COUNTS[self.kind]:
            raise MoleculeError(f"A {self.kind} has no variants, got {self.variant!r}. Name the other compound itself.")
        variant = Variant.parse(self.variant)
        if variant.level not in _COUNTS[self.kind]:
            levels = " or ".join(f"{level}." for level in _COUNTS[self.kind])
            raise MoleculeError(f"A variant of a {self.kind} counts in {levels}, got {variant}. Name it there.")
        return str(variant)

    def _is_bare(self) -> bool:
        return self.kind in _BARE and set(self.name) <= ALPHABETS[self.kind] and self.sequence in ("", self._changed())

    def _changed(self) -> str:
        return Variant.parse(self.variant).apply(self.name) if self.variant else self.name

    def _fill(self) -> None:
        object.__setattr__(self, "sequence", self._changed())

    def _check_sequence(self) -> None:
        if self.kind == "compound":
            check_smiles(self.sequence)
        else:
            legal(_SEQUENCE_OF[self.kind], self.sequence)

    def __str__(self) -> str:
        usual = "" if self.kind == "compound" else "human"
        species = "" if self.species == usual else f"{self.species or _NONE}/"
        name = _ESCAPED.sub(lambda found: quote(found[0], safe=""), self.name)
        variant = f":{self.variant}" if self.variant else ""
        sequence = "" if not self.sequence or self._is_bare() else f"[{self.sequence}]"
        return f"{species}{self.kind}:{name}{variant}{sequence}"

    @classmethod
    def parse(cls, text: str) -> "Molecule":
        """Read the text form; the inverse of ``str``.

        Raises:
            MoleculeError: The text has another form.
        """
        match = _TEXT.fullmatch(text)
        if not match or match["kind"] not in KINDS:
            raise MoleculeError(f"A molecule is not written as {text!r}. {_FORM}")
        species = {None: "human", _NONE: ""}.get(match["species"], match["species"])
        if match["kind"] == "compound" and species not in ("", "human"):
            raise MoleculeError(f"A compound belongs to no species, got {text!r}. Leave {species}/ out.")
        return cls(match["kind"], unquote(match["name"]), species, match["variant"] or "", match["sequence"] or "")

    def with_sequence(self, reference: str) -> "Molecule":
        """Give it the sequence that its variant makes of a reference.

        Raises:
            MoleculeError: The letters are not legal, or the variant does not fit them.
        """
        changed = Variant.parse(self.variant).apply(reference) if self.variant else reference
        return replace(self, sequence=changed)


def legal(kind: str, sequence: str) -> str:
    """Return the sequence where all its letters are legal.

    Args:
        kind: ``protein``, ``dna`` or ``rna``.
        sequence: Upper-case letters.

    Raises:
        DataError: A letter is not.
    """
    if odd := sorted(set(sequence) - ALPHABETS[kind]):
        remedy = "Write capitals." if odd[0].upper() in ALPHABETS[kind] else "Correct it, or name the right kind."
        known, at = "".join(sorted(ALPHABETS[kind])), sequence.index(odd[0]) + 1
        raise DataError([f"Letters of {kind} are {known}, got {odd[0]!r} at position {at}. {remedy}"])
    return sequence
