"""Which ligand meets which receptor, each with all its subunits: the pairs of CellPhoneDB as genes."""

from typing import NamedTuple

from aivc.data import catalog
from aivc.data.names.gene_files import read_names

_SENT = "Ligand-Receptor"
_SUBUNITS = tuple(f"uniprot_{i}" for i in range(1, 6))


class Pair(NamedTuple):
    """A ligand and its receptor.

    Attributes:
        name: Of both, such as ``CXCL12-CXCR4``, or ``TGFB1-TGFBR1+TGFBR2`` where one is a complex.
        ligand: Genes of its subunits; of a small molecule the genes of the enzymes and transporters that make it.
        receptor: Genes of its subunits.
        family: Such as ``Signaling by Chemokines``.
    """

    name: str
    ligand: tuple[str, ...]
    receptor: tuple[str, ...]
    family: str = ""

    @property
    def genes(self) -> tuple[str, ...]:
        """All subunits: a pair is there only where all of them are."""
        return (*self.ligand, *self.receptor)


def ligand_receptor_pairs() -> tuple[Pair, ...]:
    """Read the ligand-receptor pairs of CellPhoneDB v5 (Troulé et al. 2025), human gene symbols.

    Contacts without a direction, such as those of cadherins and of gap junctions, are left out.

    Raises:
        UnavailableError: The tables are not here and cannot be fetched.
    """
    table = read_names(catalog.path("cellphonedb-interactions"))
    genes = read_names(catalog.path("cellphonedb-genes"))
    complexes = read_names(catalog.path("cellphonedb-complexes"))
    symbol = dict(zip(genes["uniprot"], genes["hgnc_symbol"], strict=True))
    made_of = {row["complex_name"]: [row[name] for name in _SUBUNITS] for row in complexes.to_dict("records")}
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], Pair] = {}
    for row in table[table["directionality"] == _SENT].to_dict("records"):
        sides = [_subunits(row[side], symbol, made_of) for side in ("partner_a", "partner_b")]
        if all(sides):
            name = "-".join("+".join(each) for each in sides)
            found.setdefault((sides[0], sides[1]), Pair(name, sides[0], sides[1], row["classification"].strip()))
    return tuple(found.values())


def _subunits(partner: str, symbol: dict[str, str], made_of: dict[str, list[str]]) -> tuple[str, ...]:
    """Genes of a protein or complex; nothing where one of its proteins has no known gene."""
    proteins = [each for each in made_of.get(partner, [partner]) if each]
    known = [symbol.get(each, "") for each in proteins]
    return tuple(sorted(set(known))) if known and all(known) else ()
