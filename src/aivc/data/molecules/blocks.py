"""Providers → one molecular UR: a block of axes for each, and for each molecule which blocks know it."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, SplitError
from aivc.core.measurement import Measurement
from aivc.core.molecule import Molecule
from aivc.core.provenance import Provenance
from aivc.core.provider import Provider
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.splits.fingerprints import provenance_of

NAME = "molecular"


def molecular_ur(
    molecules: Sequence[Molecule],
    providers: Sequence[Provider],
    *,
    names: Sequence[str] | None = None,
    under_test: Measurement | None = None,
) -> UR:
    """Represent molecules by everything that providers know of them.

    Each block is scaled to length one per molecule. What a block does not know is zero there, with the prior variance
    ``1 / block axes``; what it knows has variance 0. `aivc.data.priors.gene_priors.block_slices` reads which axes are
    whose.

    Args:
        molecules: What to represent; at least one.
        providers: One block each, in this order. Those that are not available raise: leave them out.
        names: Row names, such as the targets of perturbations; the molecules' own by default.
        under_test: Data that predictions will be scored on: a provider that saw its perturbed entities is refused.

    Returns:
        Rows named as asked, with columns ``known_as``, and per block ``covered_<block>`` and ``axes_<block>``.

    Raises:
        DataError: No molecules, no providers, or names that stand twice.
        SplitError: A provider saw what is to be predicted.
    """
    rows = [molecule.name for molecule in molecules] if names is None else list(map(str, names))
    blocks = _names(providers)
    if problems := list(_problems(molecules, rows, blocks)):
        raise DataError(problems)
    if under_test is not None:
        refuse_seen(providers, under_test)
    entities = pd.DataFrame({"known_as": [molecule.name for molecule in molecules]}, index=pd.Index(rows), dtype=object)
    pieces, variances, digests = [], [], []
    for block, provider in zip(blocks, providers, strict=True):
        said = provider.embed(molecules)
        length = np.linalg.norm(said.values.astype(np.float64), axis=1, keepdims=True)
        pieces.append(said.values * said.known[:, None] / np.where(length > 0, length, 1.0))
        variances.append(np.where(said.known, 0.0, 1 / provider.dim)[:, None].repeat(provider.dim, axis=1))
        entities[f"covered_{block}"] = said.known
        entities[f"axes_{block}"] = provider.dim
        digests.append([block, provider.dim, str(said.provenance.get("digest", ""))])
    values, variance = np.concatenate(pieces, axis=1).astype(np.float64), np.concatenate(variances, axis=1)
    fingerprint = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]
    return UR(values, Space(NAME, Scale.MOLECULAR, values.shape[1], fingerprint), entities, variance)


def made_from(providers: Sequence[Provider]) -> Provenance:
    """What a molecular UR of these providers was made from, to be given to a fit as ``made_from``.

    Tables are named by their digests; the entities of every measurement that went into one are kept.
    """
    seen = [Provenance.from_json(each) for provider in providers for each in provider.provenance.get("saw", ())]
    tables = {block: str(p.provenance.get("digest", "")) for block, p in zip(_names(providers), providers, strict=True)}
    first = seen[0] if seen else Provenance()
    return Provenance(
        NAME,
        entities=sum(each.entities for each in seen),
        marks=np.concatenate([each.marks for each in seen]) if seen else first.marks,
        features=first.features,
        units=first.units,
        pairs=tuple({pair for each in seen for pair in each.pairs}),
        donors=tuple({name for each in seen for name in each.donors}),
        batches=tuple({name for each in seen for name in each.batches}),
        tables=tables,
        expression=bool(seen),
    )


def refuse_seen(providers: Sequence[Provider], under_test: Measurement) -> None:
    """Refuse providers that saw perturbed entities of the data under test. Its training controls may have been seen.

    Raises:
        SplitError: One of them did.
    """
    saw = [
        (block, each)
        for block, provider in zip(_names(providers), providers, strict=True)
        for each in map(Provenance.from_json, provider.provenance.get("saw", ()))
        if each.perturbations
    ]
    if not saw:
        return
    test = provenance_of(under_test)
    for block, each in saw:
        same_source = bool(each.source) and each.source == test.source
        same_rows = len(np.intersect1d(each.marks, test.marks)) > 0
        if same_source or same_rows:
            raise SplitError(
                f"Block {block!r} was made from perturbed entities of {each.source or 'these data'}, which are "
                "to be predicted: that would be copying. Leave it out, or make it from another screen."
            )


def _names(providers: Sequence[Provider]) -> list[str]:
    return [str(provider.provenance.get("name", provider.name)) for provider in providers]


def _problems(molecules: Sequence[Molecule], rows: Sequence[str], blocks: Sequence[str]) -> list[str]:
    problems = []
    if not molecules or not blocks:
        problems.append("A molecular UR needs at least one molecule and one provider. Give both.")
    if len(rows) != len(molecules):
        problems.append(f"{len(molecules)} molecules need as many names, got {len(rows)}.")
    for what, given in (("Rows", rows), ("Blocks", blocks)):
        index = pd.Index(given)
        if not index.is_unique:
            twice = ", ".join(map(repr, index[index.duplicated()].unique()[:5]))
            problems.append(f"{what} stand twice: {twice}. Give each its own name.")
    return problems
