"""A small tissue, and virtual cells of it with instruments."""

from functools import cache

from aivc.core.registry import DECODERS, MANIPULATORS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.priors.memberships import memberships
from aivc.data.synthetic_tissue import synthetic_tissue
from aivc.evaluation.consistency.subject import Subject
from aivc.experiments.atlas.embed_tissue import tissue_embedding


@cache
def tissue():
    return synthetic_tissue(cells=60, niches=3, seed=2)[0]


@cache
def embedded(reach=2):
    return tissue_embedding(tissue(), reach=reach, dim=9)


def with_instruments(**instruments):
    cell = embedded().cell
    return VirtualCell(cell.encoders, instruments, cell.card)


def subject(**instruments):
    return Subject.of(with_instruments(**instruments), tissue(), most=1000, seed=0)


def no_change(states):
    return MANIPULATORS.load("no-change").fit(states)


def expression():
    made = embedded()
    return DECODERS.load("linear-expression").fit(made.cells, made.tissue)


def labels():
    made = embedded()
    return DECODERS.load("cell-labels").fit(made.states, memberships(tissue().entities, "niche"))
