"""Properties of manipulators and decoders: nothing in, nothing out; and the order of two steps does not matter."""

import dataclasses

import numpy as np
from scipy.spatial.distance import cdist, jensenshannon

from aivc.core.contracts import Decoder, Manipulator
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.ur import UR
from aivc.data.tissue.graph import sections
from aivc.evaluation.consistency.check_row import REFUSALS, CheckRow, asked, judged, spared
from aivc.evaluation.consistency.subject import Subject

_ROWS, _PER_GROUP = 300, 30
_LABEL = "label"
IDENTITY = asked(
    "C1",
    "No intervention changes nothing",
    "energy distance of the states after control from those before",
    "at most that of two halves of the cells",
)
PROFILES = asked(
    "C9",
    "A pool of cells is read as the pool of its readings",
    "Pearson correlation of decode(pool) with pool(decode), worst group",
    "> 0.99",
)
LABELS = asked(
    "C9",
    "A pool of cells is read as the pool of its readings",
    "Jensen-Shannon divergence of decode(pool) from pool(decode) in bits, worst group",
    "< 0.01",
)
PATH = asked(
    "C15",
    "Editing a gene and then encoding the tissue is encoding and then editing all cells",
    "distance of the two ends, over the length of the way",
    "at most 0.1",
)


def identity(subject: Subject) -> list[CheckRow]:
    """C1: control, asked of each manipulator."""
    rows, random = [], subject.random
    for name, part in _instruments(subject, Manipulator):
        assert isinstance(part, Manipulator)
        row = dataclasses.replace(IDENTITY, name=f"{IDENTITY.name} ({name})")
        start = subject.state_of(part)
        if start is None:
            rows.append(spared(row, f"{name} reads {part.reads}, which none of these states is"))
            continue
        order = random.permutation(len(start))[:_ROWS]
        start = start.take(np.sort(order))
        try:
            said = part.manipulate(start, Perturbation.control())
        except REFUSALS as error:
            rows.append(spared(row, f"{name} refuses: {error}"))
            continue
        value = max(energy_distance(draw.values, start.values) for draw in said.draws)
        half = random.permutation(len(start)) < len(start) // 2
        null = max(energy_distance(start.values[half], start.values[~half]), 0.0)
        rows.append(judged(row, value, null, holds=value <= max(null, 1e-9)))
    return rows or [spared(IDENTITY, "the virtual cell has no manipulator")]


def aggregation(subject: Subject) -> list[CheckRow]:
    """C9: each decoder, on the mean state of each section against the mean of its readings of single cells."""
    rows = []
    for name, part in _instruments(subject, Decoder):
        assert isinstance(part, Decoder)
        start = subject.state_of(part)
        if start is None:
            row = dataclasses.replace(PROFILES, name=f"{PROFILES.name} ({name})")
            rows.append(spared(row, f"{name} reads {part.reads}, which none of these states is"))
            continue
        try:
            rows.append(_pooled(subject, name, part, start))
        except REFUSALS as error:
            rows.append(spared(dataclasses.replace(PROFILES, name=f"{PROFILES.name} ({name})"), f"{name}: {error}"))
    return rows or [spared(PROFILES, "the virtual cell has no decoder")]


def path_independence(subject: Subject, gene: str = "") -> CheckRow:
    """C15: a gene is silenced in all cells, before the tissue is encoded or after.

    Args:
        subject: What is checked.
        gene: Which one; the measured gene whose readings vary most, unless named.
    """
    tissue = subject.tissue
    parts = dict(_instruments(subject, Manipulator))
    after = [part for part in parts.values() if part.reads == subject.states.space]
    if not after:
        return spared(PATH, "no manipulator reads states of tissue")
    part = after[0]
    assert isinstance(part, Manipulator)
    values = tissue.dense()
    gene = gene or str(tissue.features[int(values.var(axis=0).argmax())])
    edit = Perturbation((Agent("ko", gene),))
    try:
        late = np.mean([draw.values for draw in part.manipulate(subject.states, edit).draws], axis=0)
        early = subject.lifted(cells=_edited(subject, parts, gene, edit))
    except REFUSALS as error:
        return spared(PATH, f"{part.name} or what comes before it refuses {edit}: {error}")
    way = float(np.linalg.norm(early - subject.states.values))
    if way == 0:
        return spared(PATH, f"silencing {gene} changes no state")
    value = float(np.linalg.norm(late - early)) / way
    return judged(PATH, value, 1.0, holds=value <= 0.1, note=f"{edit} in all cells. The null is no edit at all.")


def energy_distance(x_nd: np.ndarray, y_nd: np.ndarray) -> float:
    """Energy distance of two clouds of states (Székely & Rizzo 2013): 0 where they are the same.

    >>> energy_distance(np.zeros((2, 1)), np.ones((2, 1)))
    2.0
    """
    return float(2 * cdist(x_nd, y_nd).mean() - cdist(x_nd, x_nd).mean() - cdist(y_nd, y_nd).mean())


def _instruments(
    subject: Subject, contract: type[Manipulator] | type[Decoder]
) -> list[tuple[str, Manipulator | Decoder]]:
    return [(name, part) for name, part in subject.cell.instruments.items() if isinstance(part, contract)]


def _pooled(subject: Subject, name: str, part: Decoder, start: UR) -> CheckRow:
    random, single, pooled = subject.random, [], []
    groups = sections(subject.tissue)
    if len(groups) == 1:
        groups = np.array_split(random.permutation(len(subject.tissue)), 2)
    for where in groups:
        some = start.take(np.sort(random.permutation(where)[:_PER_GROUP]))
        single.append(np.mean(part.profiles([some.take(np.array([i])) for i in range(len(some))]), axis=0))
        mean = dataclasses.replace(some.take(np.array([0])), values=some.values.mean(axis=0)[None], variance=None)
        pooled.append(part.profile(mean))
    labels = part.decode(start.take(np.arange(1))).draws[0].modality == _LABEL
    found = [_apart(a, b, labels=labels) for a, b in zip(pooled, single, strict=True)]
    crossed = [_apart(a, b, labels=labels) for a, b in zip(pooled, [*single[1:], single[0]], strict=True)]
    row = LABELS if labels else PROFILES
    row = dataclasses.replace(row, name=f"{row.name} ({name})")
    note = "The null compares each group with the next one."
    if labels:
        return judged(row, max(found), float(np.mean(crossed)), holds=max(found) < 0.01, note=note)
    return judged(row, min(found), float(np.mean(crossed)), holds=min(found) > 0.99, note=note)


def _apart(a: np.ndarray, b: np.ndarray, *, labels: bool) -> float:
    if labels:
        # Of two equal compositions rounding may leave the root of a number just below zero.
        return float(np.nan_to_num(jensenshannon(a, b, base=2)) ** 2)
    return float(np.corrcoef(a, b)[0, 1])


def _edited(subject: Subject, parts: dict[str, Manipulator | Decoder], gene: str, edit: Perturbation) -> np.ndarray:
    """``(n, d)`` states of the cells after the edit: of their manipulator, or of counts without the gene."""
    below = [part for part in parts.values() if part.reads == subject.cells.space]
    if below:
        part = below[0]
        assert isinstance(part, Manipulator)
        return np.asarray(np.mean([draw.values for draw in part.manipulate(subject.cells, edit).draws], axis=0))
    where = list(map(str, subject.tissue.features)).index(gene)
    values = subject.tissue.dense()
    values[:, where] = 0.0
    measured = subject.tissue.replace(values=values, links=None)
    return np.asarray(subject.cell.encoder_for(measured).encode(measured).values)
