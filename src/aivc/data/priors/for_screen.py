"""Priors for whatever a screen perturbs: genes, drugs, or the agents of the packaged signalling data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aivc.core.errors import MoleculeError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.molecule import Molecule
from aivc.core.perturbation import Perturbation, kind_of
from aivc.core.provider import Provider
from aivc.core.registry import PROVIDERS
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data import catalog
from aivc.data.datasets.sachs2005 import SACHS
from aivc.data.datasets.sachs2005 import priors as sachs_priors
from aivc.data.molecules.blocks import molecular_ur
from aivc.data.molecules.lookup import canonical_smiles, complete
from aivc.data.names.compound_names import aliases, compound
from aivc.data.names.gene_files import read_names
from aivc.data.names.genes import FILES
from aivc.data.priors.gene_priors import SOURCES, gene_priors, missing
from aivc.data.priors.mechanism_table import mechanisms

DRUGS = "drug-knowledge"
_STRUCTURES = ("lincs-compounds", "jump-target")
_GENES = (*FILES["human"], *dict.fromkeys(source for block in SOURCES.values() for source in block))
# Registered providers that know compounds without having seen any measured effect, and the tables behind each.
# The table of mechanisms comes with the package, so that something is known of drugs on a machine without any file.
DRUG_SOURCES: Mapping[str, tuple[str, ...]] = {
    "drug-mechanisms": ("drug-mechanisms",),
    "target-pathways": ("drug-mechanisms", "reactome", *FILES["human"]),
    "morgan": _STRUCTURES,
    "descriptors": _STRUCTURES,
    "smiles-words": _STRUCTURES,
    "known-targets": ("jump-target",),
    "target-knowledge": ("jump-target", *_GENES),
}


def priors_for(measurement: Measurement) -> UR:
    """Priors for whatever a screen perturbs; where it perturbs genes and drugs, those of the genes.

    Those of drugs also know the compounds of the table of mechanisms and of the JUMP target set, so that a cell fitted
    with them can be asked about drugs that its screen does not hold.

    Raises:
        UnavailableError: There are none for these perturbations, or their sources are nowhere here.
    """
    if measurement.provenance.get("dataset") == SACHS.name:
        return sachs_priors({file.name: catalog.path(SACHS.name, file.name) for file in SACHS.files})
    asked = measurement.parsed.distinct
    if targets := sorted({gene for each in asked for gene in each.genes}):
        known = gene_priors()
        # Former symbols keep the name that the screen gives them, beside the current one.
        return gene_priors([*known.entities.index, *missing(targets, known)])
    if names := drugs_of(asked):
        own = set(map(compound, names))
        others = [name for name in _candidates() if compound(name) not in own]
        return drug_priors([*names, *others], under_test=measurement)
    raise UnavailableError(
        "There are no priors for these perturbations: none of them targets a gene, and none is a drug. Choose methods "
        "that need none, such as mean-effect or transfer, or give your own molecular UR as `parts`."
    )


def drugs_of(perturbations: Iterable[Perturbation]) -> list[str]:
    """Sorted names of all drugs given.

    >>> drugs_of([Perturbation.parse("drug:nutlin-3@10uM"), Perturbation.parse("ligand:IFNB1")])
    ['nutlin-3']
    """
    given = {agent for each in perturbations for agent in each.agents}
    return sorted({agent.target for agent in given if agent.kind == "drug" and not kind_of(agent.kind).genetic})


def drug_priors(
    names: Sequence[str], *, blocks: Sequence[str] | None = None, under_test: Measurement | None = None
) -> UR:
    """Represent drugs by what they act on and how, and by their structure.

    Each block is scaled to length one per drug; what it does not know is zero there, with the prior variance. Drugs
    that no block knows are not rows. The columns ``covered_<block>`` say which blocks there are: ``drug-mechanisms``
    is always among them, ``morgan`` and ``descriptors`` only where RDKit is installed, others where their files are.

    Args:
        names: As the screen writes them; salts and names in brackets are looked through.
        blocks: Registered providers (`DRUG_SOURCES`), in this order; None takes all that can be had here.
        under_test: Data that predictions will be scored on: a provider that saw its effects is refused.

    Raises:
        UnknownNameError: No such block.
        UnavailableError: A block that was asked for cannot be had here, or nothing is known of any drug.
        SplitError: A provider saw what is to be predicted.
    """
    for block in blocks or ():
        if block not in DRUG_SOURCES:
            raise UnknownNameError("block of drug knowledge", block, DRUG_SOURCES)
    rows = list(dict.fromkeys(names))
    found, lacking = _providers(blocks)
    if not found or not rows:
        raise UnavailableError(
            f"Nothing can be known about drugs here: {lacking if rows else 'no drug was named. Name one.'}"
        )
    ur = molecular_ur(drug_molecules(rows), found, names=rows, under_test=under_test)
    known = ur.entities[[column for column in ur.entities if str(column).startswith("covered_")]].any(axis=1)
    if not known.any():
        raise UnavailableError(
            f"Nothing is known about {', '.join(rows[:5])}. Are these names of compounds? {lacking}".rstrip()
        )
    space = Space(DRUGS, ur.space.scale, ur.space.dim, ur.space.fingerprint)
    return replace(ur, space=space).take(known.to_numpy(dtype=bool))


def drug_molecules(names: Iterable[str]) -> list[Molecule]:
    """Compounds of these names, with their SMILES where one of their names has a single structure.

    Without the tables of structures they come back without.
    """
    return [_molecule(name) for name in names]


def _molecule(name: str) -> Molecule:
    for alias in aliases(name):
        try:
            found = complete(Molecule("compound", alias))
        except UnavailableError:
            break
        if found.sequence and _readable(found.sequence):
            return Molecule("compound", name, sequence=found.sequence)
    return Molecule("compound", name)


def _readable(smiles: str) -> bool:
    """Whether RDKit finds a structure in it, where it is installed: the tables hold a few that are none."""
    try:
        canonical_smiles(smiles)
    except MoleculeError:
        return False
    except UnavailableError:
        return True
    return True


def _providers(blocks: Sequence[str] | None) -> tuple[list[Provider], str]:
    """Those that can be had here, and why the others cannot; one asked for by name must be had."""
    found, reasons = [], []
    registered = [block for block in DRUG_SOURCES if block in PROVIDERS.names()]
    for block in registered if blocks is None else blocks:
        kind = PROVIDERS.load(block)
        reason = kind.available()
        if reason is None:
            try:
                found.append(kind.build() if hasattr(kind, "build") else kind())
                continue
            except UnavailableError as error:
                reason = str(error)
        if blocks is not None:
            raise UnavailableError(f"Block {block!r} cannot be had here: {reason}")
        reasons.append(reason)
    return found, " ".join(dict.fromkeys(reasons))


def _candidates() -> list[str]:
    """Compounds with known targets or mechanism, one name each; those of the JUMP target set where it is here."""
    found = {compound(name): name for name, each in mechanisms().items() if each.known}
    try:
        table = read_names(catalog.path("jump-target"))
    except UnavailableError:
        return sorted(found.values())
    for name, to in zip(table["pert_iname"], table["target_list"], strict=True):
        if to:
            found.setdefault(compound(str(name)), str(name))
    return sorted(found.values())
