"""What an answer of ``effect.v1`` adds up, piece by piece."""

import numpy as np

from aivc.core.attribution import Attributable, Piece
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.evidence import Evidence, Told
from aivc.instruments.manipulators.series import canonical


def pieces(evidence: Evidence, perturbation: Perturbation, context: str) -> list[Piece]:
    """Mean effect, what was measured where, relatives, parts and corrections; their shifts sum to the answer's."""
    perturbation = canonical(perturbation)
    text, told = str(perturbation), evidence.expect(perturbation, context)
    if told.evidence == "nothing":
        return [Piece("nothing", text, "", 1.0, told.shift)]
    if near := evidence.neighbors(perturbation, context) if told.evidence in ("dose", "time") else None:
        return [piece.times(weight) for part, weight in near.weighted for piece in pieces(evidence, part, context)]
    if told.evidence == "parts":
        return _of_sum(evidence, perturbation, context, told)
    default_d = evidence.default_in(context)
    share = evidence.elsewhere.mean_share if told.evidence == "elsewhere" else 1.0
    if told.evidence == "relatives" and told.applicability == Applicability.EDGE:
        share = evidence.related_share
    base = Piece("mean effect", context or "all contexts", "", share, share * default_d)
    if told.evidence == "measured":
        return [base, Piece("measured", text, context, 1.0, told.shift - default_d)]
    if told.evidence == "elsewhere":
        return [base, *_of_contexts(evidence, text, context)]
    for relatives in evidence.relatives:
        if isinstance(relatives, Attributable):
            return [base, *relatives.attribute(perturbation, context)[1:]]
    return [base, Piece("relative", text, "", 1.0, told.shift - base.shift)] if evidence.relatives else [base]


def _of_contexts(evidence: Evidence, text: str, context: str) -> list[Piece]:
    rows = evidence.rows[text]
    share_r = evidence.cells[rows] / evidence.cells[rows].sum()
    deviations_rd, count_r = share_r[:, None] * evidence.deviations[rows], np.full(len(rows), float(len(rows)))
    said_rd = evidence.elsewhere.say(deviations_rd, count_r, evidence.place(context))
    told_r = zip(rows, share_r, said_rd, strict=True)
    return [
        Piece("elsewhere", text, evidence.contexts[evidence.places[r]], float(w), part_d) for r, w, part_d in told_r
    ]


def _of_sum(evidence: Evidence, perturbation: Perturbation, context: str, told: Told) -> list[Piece]:
    found = []
    by_vector = evidence.by_vector(perturbation, context)
    for agent, part, own in zip(perturbation.agents, perturbation.parts(), by_vector, strict=True):
        if own:
            found.append(Piece("part", str(agent), "", 1.0, evidence.vectors[evidence.agent_rows[str(agent)]]))
        else:
            found += pieces(evidence, part, context)
    left_d = told.shift - np.sum([piece.shift for piece in found], axis=0)
    correction = Piece("correction", "other combinations", "", 1.0, left_d)
    return [*found, correction] if evidence.alone(perturbation, context) else found
