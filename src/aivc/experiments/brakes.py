"""Known brakes that a screen takes for drivers: annotated to stop a process, predicted to act like what drives it."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from aivc.core.errors import UnavailableError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.data import catalog
from aivc.data.priors.gene_sets import gene_sets
from aivc.experiments.targets import UNAVAILABLE

_SET = re.compile(r"(?:(?P<way>negative|positive) regulation of )?(?P<process>.+?)(?: \(GO:\d+\))?")
# A process is judged by so many drivers, of which so large a share moves the response one way, and whose mean stands so
# many standard errors, and standard deviations of genes, from that of all genes: drivers of wide processes are many.
_FEWEST, _AGREEING, _CLEAR, _APART = 3, 0.75, 4.0, 2.0
# A brake is named where it is predicted to act at least half as strongly as the typical driver.
_STRONG = 0.5
_NAMED = 3


class _Process(NamedTuple):
    name: str
    upper: frozenset[str]  # listed as raising it
    drivers: frozenset[str]  # raising it, or taking part in it
    brakes: frozenset[str]


class _Verdict(NamedTuple):
    process: _Process
    clear: float  # standard errors
    way: float
    least: float  # from here on a brake acts like a driver
    named: str


def brakes(table: pd.DataFrame, sets: Mapping[str, frozenset[str]] | None = None) -> list[str]:
    """Find brakes among the targets of a screen.

    Gene Ontology lists what raises a process and what lowers it. Where its drivers that were screened, three or more,
    move the response one way clearly more than the typical gene does, a gene that lowers the process should move it the
    other way. One that was not seen in training, and is predicted to move it the same way at least half as strongly, is
    a known brake taken for a driver; unless it is also listed as raising a process whose drivers stand out as clearly.

    Args:
        table: Of a screen: ``perturbation``, ``score``, ``seen`` and ``applicability``.
        sets: Genes by name of the set, written as in Gene Ontology; None takes its biological processes from the
            catalog, where they are on this machine.

    Returns:
        For each row ``brake of PROCESS, predicted like its drivers A, B, C``; empty where there is nothing to say, and
        ``not available`` where the sets are not here.
    """
    if sets is None:
        try:
            sets = gene_sets(catalog.path("go-bp", offline=True))
        except UnavailableError:
            return [UNAVAILABLE] * len(table)
    acts = _acts(table)
    verdicts = [found for each in _processes(sets) if (found := _judged(each, acts)) is not None]
    said = _taken_for_drivers(sorted(verdicts, key=lambda each: (-each.clear, each.process.name)), acts)
    parsed = [Perturbation.parse(text) for text in table["perturbation"]]
    alone = [each.genes[0] if len(each.agents) == len(each.genes) == 1 else "" for each in parsed]
    return ["" if seen else said.get(gene, "") for gene, seen in zip(alone, table["seen"].astype(bool), strict=True)]


def _acts(table: pd.DataFrame) -> dict[str, float]:
    """What more activity of each gene is predicted to do to the response, beside what the typical perturbation does."""
    known = table[table["applicability"].astype(str) != Applicability.OUT]
    typical, found = float(known["score"].median()), dict[str, float]()
    for text, score in zip(known["perturbation"], known["score"], strict=True):
        agents = Perturbation.parse(text).agents
        if len(agents) == 1 and agents[0].gene and agents[0].direction:
            found[agents[0].gene] = float(agents[0].direction * (score - typical))
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
            found.append(_Process(process, upper - lower, drivers, lower - upper))
    return found


def _judged(process: _Process, acts: Mapping[str, float]) -> _Verdict | None:
    """Whether the drivers of a process stand out together; None where they do not."""
    drivers = sorted(process.drivers & acts.keys(), key=lambda gene: (-abs(acts[gene]), gene))
    spread = float(np.std(list(acts.values()))) if acts else 0.0
    if len(drivers) < _FEWEST or not spread:
        return None
    effects = np.array([acts[gene] for gene in drivers])
    way, apart = float(np.sign(effects.mean())), float(abs(effects.mean()) / spread)
    clear = apart * len(drivers) ** 0.5
    if clear < _CLEAR or apart < _APART or (np.sign(effects) == way).mean() < _AGREEING:
        return None
    least = max(_STRONG * float(np.median(np.abs(effects))), spread)
    named = ", ".join([gene for gene in drivers if acts[gene] * way > 0][:_NAMED])
    return _Verdict(process, clear, way, least, named)


def _taken_for_drivers(verdicts: Sequence[_Verdict], acts: Mapping[str, float]) -> dict[str, str]:
    """By gene, after the clearest process that it is listed for; nothing where that says that it raises it."""
    found: dict[str, str] = {}
    for each in verdicts:
        for gene in each.process.upper:
            found.setdefault(gene, "")
        for gene in each.process.brakes & acts.keys():
            if acts[gene] * each.way > each.least:
                found.setdefault(gene, f"brake of {each.process.name}, predicted like its drivers {each.named}")
    return found
