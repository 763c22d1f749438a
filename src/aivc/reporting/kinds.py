"""The kinds of figures a page about a cell may hold: how each is drawn, under which heading, and what stands there."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from aivc.core.errors import DataError
from aivc.core.perturbation import Agent, Perturbation
from aivc.experiments.gallery import drawable, gallery
from aivc.reporting import figures, pictures
from aivc.reporting.cell_answers import dose_curve, dose_points, dosed
from aivc.reporting.cell_findings import Findings
from aivc.reporting.drawing import Figure
from aivc.reporting.gallery_figure import gallery_figure
from aivc.reporting.sections import reliability_of
from aivc.reporting.sortable import Table
from aivc.reporting.time_figures import river
from aivc.reporting.tissue_figures import section_map

# Kinds by the name that is typed, and what a reader calls them.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "cells": "Cells in two dimensions",
        "section": "Sections of tissue",
        "effects": "Effects of perturbations on genes",
        "volcano": "Volcano of a prediction",
        "measured": "Predicted against measured",
        "gallery": "Cells as they look",
        "dose": "Dose response",
        "ranking": "Ranking",
        "plate": "Plate",
        "river": "River of a simulated series",
        "reliability": "Reliability of the intervals",
    }
)
_LISTED = 30


def _cells(found: Findings) -> tuple[Figure, ...]:
    cells = found.sample()
    states = found.cell.encode(cells)
    texts, contexts = cells.perturbations.astype(str), cells.contexts.astype(str)
    groupings = [("perturbation", texts, pictures.group_names(texts, found.named()))]
    names, count = np.unique(contexts, return_counts=True)
    if len(names) > 1:
        groupings.insert(0, ("context", contexts, [str(names[i]) for i in np.argsort(-count, kind="stable")]))
    assert found.data is not None
    what = "rows of effects" if found.data.is_effects else "cells"
    drawn = f"{len(cells):,} of {len(found.data):,} {what}, drawn at random within groups."
    encoder = found.cell.encoder_for(cells).name
    return (pictures.cells_map(np.asarray(states.values, float), groupings, encoder=encoder, drawn=drawn),)


def _section(found: Findings) -> tuple[Figure, ...]:
    if found.data is None or found.data.coordinates is None:
        raise DataError(["Sections are drawn from positions: add data that have them, and declare coordinates."])
    if found.data.is_effects or not found.cell.card.get("perturbations"):
        return (section_map(found.data, seed=found.seed),)
    asked = str(Perturbation.parse(found.ask)) if found.ask else found.learned.strongest[0]
    states = found.cell.encode(found.data)
    moved = found.cell.manipulate(states, Perturbation.parse(asked))
    change_n = np.linalg.norm(np.mean([draw.values for draw in moved.draws], axis=0) - states.values, axis=1)
    return (section_map(found.data, change=change_n, change_of=asked, seed=found.seed),)


def _effects(found: Findings) -> tuple[Figure, ...]:
    known, measured = found.learned, found.measured
    if measured is None:
        drawn = figures.effects_heatmap(
            known.effect, known.perturbations, known.features, known.units, made_by=found.method
        )
        return (drawn,)
    table = measured.table.dropna(axis=1)
    if table.empty:
        raise DataError([f"No feature was measured for every perturbation of {found.context}."])
    return (figures.effects_heatmap(table.to_numpy(float), table.index, table.columns, known.units),)


def _volcano(found: Findings) -> tuple[Figure, ...]:
    return (pictures.volcano(found.answer, perturbation=found.asked, level=found.level),)


def _measured(found: Findings) -> tuple[Figure, ...]:
    table, units = found.compared, found.answer.profile_units
    rows = figures.predicted_vs_measured(table, perturbation=found.asked, units=units, level=found.level)
    return pictures.agreement(table, perturbation=found.asked, units=units), rows


def _gallery(found: Findings) -> tuple[Figure, ...]:
    here = drawable(found.cell, found.context)
    asked = str(Perturbation.parse(found.ask)) if found.ask else ""
    strongest = [text for text in found.learned.strongest if text in here]
    if not here or (asked and asked not in here):
        raise DataError([f"{asked or 'Nothing'} was imaged with enough cells in {found.context} to be drawn."])
    drawn = gallery(found.cell, asked or next(iter(strongest), here[0]), context=found.context, seed=found.seed)
    return (gallery_figure(drawn),)


def _dose(found: Findings) -> tuple[Figure, ...]:
    series = dosed(list(map(str, found.cell.card.get("perturbations", ()))))
    if not series:
        raise DataError(["No agent was learned at three doses or more, so there is no curve to draw."])
    known = found.learned.strongest
    agent, hours = min(series, key=lambda each: (_rank(known, str(Perturbation((each[0],), each[1]))), str(each[0])))
    doses = series[agent, hours]
    curve = dose_curve(found.cell, found.context, agent, hours, doses, level=found.level)
    seen = None
    if found.measured is not None:
        texts = {dose: str(Perturbation((_at(agent, dose),), hours)) for dose in doses}
        seen = dose_points(found.measured, curve, texts)
    drawn = pictures.dose_response(
        curve,
        agent=f"{agent.kind}:{agent.target}",
        unit=str(agent.unit),
        units=found.learned.units,
        level=found.level,
        measured=None if seen is None or seen.empty else seen,
    )
    return (drawn,)


def _rank(known: Sequence[str], text: str) -> int:
    return known.index(text) if text in known else len(known)


def _at(agent: Agent, dose: float) -> Agent:
    return Agent(agent.kind, agent.target, dose, agent.unit, agent.direction)


def _ranking(found: Findings) -> tuple[Figure, ...]:
    ranked = found.screen
    return (figures.ranking(ranked.table, response=ranked.response.name, units=ranked.units, level=ranked.level),)


def _plate(found: Findings) -> tuple[Figure, ...]:
    if found.plan is None:
        raise DataError(["No plate was given: `aivc propose` makes one from a screen."])
    return (figures.plate(found.plan.table),)


def _river(found: Findings) -> tuple[Figure, ...]:
    if found.series is None:
        raise DataError(["No simulated series was given: `aivc simulate` makes one from a cell that knows time."])
    return (river(found.series),)


def _reliability(found: Findings) -> tuple[Figure, ...]:
    if found.scores is None:
        raise DataError(
            ["Whether intervals keep their promise is found on perturbations held out: add data, and let it be scored."]
        )
    return (reliability_of(found.scores, found.method),)


MAKERS: Mapping[str, Callable[[Findings], tuple[Figure, ...]]] = MappingProxyType(
    {
        "cells": _cells,
        "section": _section,
        "effects": _effects,
        "volcano": _volcano,
        "measured": _measured,
        "gallery": _gallery,
        "dose": _dose,
        "ranking": _ranking,
        "plate": _plate,
        "river": _river,
        "reliability": _reliability,
    }
)


def _about_prediction(found: Findings) -> str:
    if found.hidden:
        why = "is the largest" if found.scores is None else "repeats best"
        chosen = "" if found.ask else f" It was chosen because its measured effect {why}."
        return (
            f"{found.asked} was hidden, the same recipe was fitted on all other perturbations, and that fit was asked."
            + chosen
        )
    seen = found.asked in set(map(str, found.cell.card.get("perturbations", ())))
    return f"{found.asked} in {found.context}. " + (
        "It was in training: this is what the model kept of it." if seen else "It was never in training."
    )


def _about_ranking(found: Findings) -> str:
    ranked = found.screen
    count = f"{len(ranked.table):,} perturbations, ranked by which {ranked.direction}s {ranked.response.name} most."
    if found.given_screen is None and not found.response:
        count += " No response was named, so this is the reading whose effect differs most between perturbations."
    return count


def _about_plate(found: Findings) -> str:
    return "" if found.plan is None else f"A plate of {found.plan.note}"


def _about_series(found: Findings) -> str:
    return "" if found.series is None else f"A simulation of {found.series.about.get('schedule', '')}."


def _silent(found: Findings) -> str:
    return ""


OUTLINE: tuple[tuple[str, tuple[str, ...], Callable[[Findings], str]], ...] = (
    ("Cells", ("cells", "section"), _silent),
    ("What each perturbation does", ("effects",), _silent),
    ("One prediction, gene by gene", ("volcano", "measured"), _about_prediction),
    ("What cells look like", ("gallery",), _silent),
    ("Dose response", ("dose",), _silent),
    ("Ranking", ("ranking",), _about_ranking),
    ("What to test next", ("plate",), _about_plate),
    ("A simulated series", ("river",), _about_series),
)


def tables_of(found: Findings, kinds: Sequence[str]) -> tuple[Table, ...]:
    """Tables under the figures of some kinds: a ranking is also listed."""
    if "ranking" not in kinds:
        return ()
    table = found.screen.table.head(_LISTED)
    return (Table.of(table, f"The first {len(table)} of the ranking.", folded=True),)
