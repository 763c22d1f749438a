"""Known brakes that a screen takes for drivers: annotated to stop a process, predicted to act like what drives it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.errors import UnavailableError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.data import catalog
from aivc.data.priors.gene_sets import gene_sets
from aivc.experiments.targets import UNAVAILABLE

_SET = re.compile(r"(?:(?P<way>negative|positive) regulation of )?(?P<process>.+?)(?: \(GO:\d+\))?")
# A process is judged by so many drivers, of which so large a share moves the response one way.
_FEWEST, _AGREEING = 3, 0.75
# A brake is named where it is predicted to act at least half as strongly as the typical driver.
_STRONG = 0.5
_NAMED = 3


@final
@dataclass(frozen=True)
class _Process:
    name: str
    drivers: frozenset[str]
    brakes: frozenset[str]


def brakes(table: pd.DataFrame, sets: Mapping[str, frozenset[str]] | None = None) -> list[str]:
    """Find brakes among the targets of a screen.

    Gene Ontology lists what raises a process and what lowers it. Where at least three of its drivers were screened and
    three in four of them move the response one way, a gene that lowers it should move it the other way. One that is
    predicted to move it the same way, at least half as strongly, is a known brake taken for a driver.

    Args:
        table: Of a screen: ``perturbation``, ``score`` and ``applicability``.
        sets: Genes by name of the set, written as in Gene Ontology; None takes its biological processes from the
            catalog, where they are on this machine.

    Returns:
        For each row ``brake of PROCESS, predicted like its drivers A, B, C``; empty where there is nothing to say, and
        ``not available`` where the sets are not here.

    >>> table = pd.DataFrame({"perturbation": ["ko:A", "ko:B", "ko:C", "ko:STOP"], "score": [-1.0, -1.2, -0.9, -1.1],
    ...     "applicability": "edge"})
    >>> sets = {"positive regulation of growth": frozenset("ABC"), "negative regulation of growth": frozenset({"STOP"})}
    >>> brakes(table, sets)
    ['', '', '', 'brake of growth, predicted like its drivers B, A, C']
    """
    if sets is None:
        try:
            sets = gene_sets(catalog.path("go-bp", offline=True))
        except UnavailableError:
            return [UNAVAILABLE] * len(table)
    acts = _acts(table)
    found: dict[str, str] = {}
    for process in sorted(_processes(sets), key=lambda each: (len(each.brakes), each.name)):
        for gene, said in _taken_for_drivers(process, acts).items():
            found.setdefault(gene, said)
    genes = [Perturbation.parse(text).genes for text in table["perturbation"]]
    return [found.get(each[0], "") if len(each) == 1 and each[0] in acts else "" for each in genes]


def _acts(table: pd.DataFrame) -> dict[str, float]:
    """What more activity of each gene is predicted to do to the response, where something is known of it."""
    known = table[table["applicability"].astype(str) != Applicability.OUT]
    found = {}
    for text, score in zip(known["perturbation"], known["score"], strict=True):
        agents = Perturbation.parse(text).agents
        if len(agents) == 1 and agents[0].gene and agents[0].direction:
            found[agents[0].gene] = float(agents[0].direction * score)
    return found


def _processes(sets: Mapping[str, frozenset[str]]) -> Sequence[_Process]:
    by_way: dict[str, dict[str, frozenset[str]]] = {}
    for name, genes in sets.items():
        match = _SET.fullmatch(name)
        assert match is not None
        by_way.setdefault(match["process"], {})[match["way"] or "itself"] = genes
    found = []
    for process, ways in by_way.items():
        lower, upper = ways.get("negative", frozenset()), ways.get("positive", frozenset())
        drivers = (upper | ways.get("itself", frozenset())) - lower
        if lower - upper and drivers:
            found.append(_Process(process, drivers, lower - upper))
    return found


def _taken_for_drivers(process: _Process, acts: Mapping[str, float]) -> dict[str, str]:
    brakes = sorted(process.brakes & acts.keys())
    drivers = sorted(process.drivers & acts.keys(), key=lambda gene: (-abs(acts[gene]), gene))
    if not brakes or len(drivers) < _FEWEST:
        return {}
    effects = np.array([acts[gene] for gene in drivers])
    way = float(np.sign(effects.mean()))
    if (np.sign(effects) == way).mean() < _AGREEING or not way:
        return {}
    least = _STRONG * float(np.median(np.abs(effects)))
    shown = ", ".join([gene for gene in drivers if acts[gene] * way > 0][:_NAMED])
    said = f"brake of {process.name}, predicted like its drivers {shown}"
    return {gene: said for gene in brakes if acts[gene] * way > least}
