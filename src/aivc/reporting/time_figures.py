"""Figures of time: a simulated series as a river of states, and what cells of a time course will become."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.experiments.series import TABLES, SeriesTables
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, canvas, need_columns, plain, render, styled
from aivc.reporting.pictures import GROUP_LOOKS, MOST_GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from aivc.experiments.fate import Fates

OTHERS = "all others"
# Points along the edge of a ribbon.
_POINTS = 14


@styled
def river(tables: SeriesTables) -> Figure:
    """Draw a series: steps above, states as a river below, growth under it, and at the right who became what.

    Args:
        tables: Of a series; states beyond the six most frequent are drawn together.

    Raises:
        DataError: A table lacks a column or rows, or a mass is not finite.
    """
    for name, columns in TABLES.items():
        need_columns(getattr(tables, name), list(columns))
    if not np.isfinite(tables.growth["mass"]).all() or not np.isfinite(tables.flows[["leaves", "arrives"]]).all(
        axis=None
    ):
        raise DataError(["Masses of a series are finite numbers. Simulate it again."])
    names = _shown_states(tables.states)
    drawing = canvas(9.2, 5.4)
    steps = drawing.add_axes((0, 0.93, 0.66, 0.07))
    flow = drawing.add_axes((0, 0.36, 0.66, 0.49))
    growth = drawing.add_axes((0, 0, 0.66, 0.25))
    fates = drawing.add_axes((0.81, 0.36, 0.19, 0.49))
    span = float(tables.steps["begin"].min()), float(tables.steps["end"].max())
    _steps(steps, tables.steps, span)
    _river(flow, tables, names)
    _growth(growth, tables)
    _fates(fates, tables.fates, names)
    for axes in (flow, growth):
        axes.set_xlim(*span)
        axes.set_xticks(sorted({*tables.steps["begin"], *tables.steps["end"]})[:: max(1, len(tables.steps) // 8)])
        axes.tick_params(labelcolor=ink.MUTED)
    growth.set_xlabel("hours on the clock of the data")
    return render(drawing, "A simulated series of populations", _caption(tables, names))


@styled
def fate_bars(found: "Fates") -> Figure:
    """Draw what the cells of each time will become: a bar a time, pale where cells are not decided.

    Args:
        found: Fates of a time course; those beyond the five most frequent are drawn together.

    Raises:
        DataError: Probabilities are not finite, or cells have no times.
    """
    if found.cells.times is None or not np.isfinite(found.probabilities).all():
        raise DataError(["Fates to draw are finite and of cells with times. Ask for them again (aivc fate)."])
    times, at_n, count = np.unique(found.cells.times, return_inverse=True, return_counts=True)
    most = np.argsort(-found.probabilities.mean(axis=0), kind="stable")
    kept = most if len(most) <= MOST_GROUPS else most[: MOST_GROUPS - 1]
    names = [str(found.names[c]) for c in kept] + [OTHERS] * (len(kept) < len(most))
    p_nc = np.c_[found.probabilities[:, kept], 1 - found.probabilities[:, kept].sum(axis=1)][:, : len(names)]
    decided_n = decided(found)
    drawing = canvas(6.4, 0.5 + 0.42 * len(times))
    axes = drawing.add_axes((0, 0, 1, 1))
    for t in range(len(times)):
        left = 0.0
        for c, name in enumerate(names):
            for sure, alpha in ((True, 0.95), (False, 0.4)):
                wide = float(p_nc[(at_n == t) & (decided_n == sure), c].sum() / count[t])
                axes.barh(t, wide, left=left, height=0.62, color=_colors(names)[name], alpha=alpha, lw=0)
                left += wide
        here = float(decided_n[at_n == t].mean())
        axes.text(1.015, t, f"{here:.0%} decided", va="center", fontsize=8, color=ink.MUTED)
    axes.set(xlim=(0, 1), ylim=(len(times) - 0.5, -0.5))
    axes.set_yticks(range(len(times)), [f"{time:g} h, {n:,} cells" for time, n in zip(times, count, strict=True)])
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_xlabel("mean probability of each fate")
    for name in names:
        axes.plot([], [], "s", color=_colors(names)[name], ms=6, label=plain(name, 20))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=min(len(names), 6), handletextpad=0.2)
    caption = (
        f"What the cells of each time will become: mean probability of {len(found.names)} terminal states. Full color: "
        f"cells whose likeliest fate is decided, its interval of {found.level:.0%} lying above those of all others; "
        f"pale: the rest. {found.note} A fate that is said is no observation of it."
    )
    return render(drawing, "What cells will become", caption)


def decided(found: "Fates") -> np.ndarray:
    """``(n,)`` whether the interval of the likeliest fate of a cell lies above those of all others."""
    first = np.arange(len(found.probabilities)), found.probabilities.argmax(axis=1)
    others_nc = found.high.copy()
    others_nc[first] = -np.inf
    return np.asarray(found.low[first] > others_nc.max(axis=1))


def _shown_states(states: pd.DataFrame) -> list[str]:
    """States that have a color, in the order of the table; the last stands for all others where there are more."""
    order = list(dict.fromkeys(states["state"].astype(str)))
    if len(order) <= MOST_GROUPS:
        return order
    most = states.groupby("state", observed=True)["share"].max().nlargest(MOST_GROUPS - 1).index
    return [*(name for name in order if name in set(most)), OTHERS]


def _colors(names: list[str]) -> dict[str, str]:
    shown = [name for name in names if name != OTHERS]
    return {**dict(zip(shown, (color for color, _ in GROUP_LOOKS), strict=False)), OTHERS: ink.GRAY}


def _merged(column: pd.Series, names: list[str]) -> pd.Series:
    return column.astype(str).where(column.astype(str).isin(names), OTHERS)


def _steps(axes: "Axes", steps: pd.DataFrame, span: tuple[float, float]) -> None:
    """What was done when; steps of the same follow each other as one."""
    run = (steps["done"] != steps["done"].shift()).cumsum()
    for _, rows in steps.groupby(run):
        begin, end, done = rows["begin"].iloc[0], rows["end"].iloc[-1], str(rows["done"].iloc[0])
        given = done != "wait"
        axes.barh(0, end - begin, left=begin, height=1, color=ink.ORANGE if given else ink.RULE, alpha=0.85, lw=0)
        room = int(64 * (end - begin) / max(span[1] - span[0], 1e-9))
        said = re.sub(r" for [0-9.]+h$", "", done)
        if len(said) <= room:
            color = ink.PAPER if given else ink.MUTED
            axes.text((begin + end) / 2, 0, plain(said), ha="center", va="center", fontsize=8, color=color)
        elif given:
            axes.text((begin + end) / 2, 0.7, plain(said, 40), ha="center", va="bottom", fontsize=8, color=ink.INK)
    outside = steps[~steps["inside"].astype(bool)]
    for row in outside.itertuples():
        axes.barh(0, row.end - row.begin, left=row.begin, height=1, fill=False, hatch="///", edgecolor=ink.MUTED, lw=0)
    axes.set(xlim=span, ylim=(-0.5, 0.5))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)


def _river(axes: "Axes", tables: SeriesTables, names: list[str]) -> None:
    """Ribbons from each state to each, as wide as the cells that go there."""
    colors, flows = _colors(names), tables.flows
    flows = flows.assign(source=_merged(flows["source"], names), target=_merged(flows["target"], names))
    width = flows.groupby(["step", "source", "target"], observed=True)[["leaves", "arrives"]].sum()
    when = tables.steps.set_index("step")
    curve = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, _POINTS))
    for step in when.index:
        table = {pair: width.loc[(step, *pair)].to_numpy() for pair in width.loc[step].index}
        left = _stacked({pair: both[0] for pair, both in table.items()}, names, first=0)
        right = _stacked({pair: both[1] for pair, both in table.items()}, names, first=1)
        x = np.linspace(when.at[step, "begin"], when.at[step, "end"], _POINTS)
        for pair in table:
            low, high = ((1 - curve) * left[pair][i] + curve * right[pair][i] for i in (0, 1))
            axes.fill_between(x, low, high, color=colors[pair[0]], alpha=0.55, lw=0)
    _bars(axes, tables, names)
    for name in names:
        axes.plot([], [], "s", color=colors[name], ms=6, label=plain(name, 20))
    axes.legend(loc="upper left", ncols=3, bbox_to_anchor=(-0.01, 1.0), handletextpad=0.2, columnspacing=1.0)
    axes.set_ylim(0, 1.25 * float(tables.growth["mass"].max()))
    axes.set_ylabel("cells, for one at the start")
    axes.set_title("What cells are, and what they become", fontsize=9)


def _stacked(width: dict[tuple[str, str], float], names: list[str], *, first: int) -> dict[tuple[str, str], np.ndarray]:
    """Lower and upper end of each ribbon: by state at this side, then by state at the other."""
    place = {name: i for i, name in enumerate(names)}
    found, total = {}, 0.0
    for pair in sorted(width, key=lambda pair: (place[pair[first]], place[pair[1 - first]])):
        found[pair] = np.array([total, total + width[pair]])
        total += width[pair]
    return found


def _bars(axes: "Axes", tables: SeriesTables, names: list[str]) -> None:
    """The composition at each moment, as a thin bar."""
    states = tables.states.assign(state=_merged(tables.states["state"], names))
    share = states.groupby(["step", "state"], observed=True)["share"].sum()
    thin = 0.012 * float(tables.growth["time"].max() - tables.growth["time"].min())
    for row in tables.growth.itertuples():
        low = 0.0
        for name in names:
            high = low + row.mass * float(share.get((row.step, name), 0.0))
            axes.bar(row.time, high - low, bottom=low, width=thin, color=_colors(names)[name], lw=0)
            low = high


def _growth(axes: "Axes", tables: SeriesTables) -> None:
    growth = tables.growth
    axes.fill_between(growth["time"], growth["low"], growth["high"], color=ink.BLUE, alpha=0.2, lw=0)
    axes.plot(growth["time"], growth["mass"], "-o", color=ink.BLUE, ms=4, lw=1.6, label="simulated")
    if not np.allclose(growth["untreated"], growth["mass"]):
        axes.plot(growth["time"], growth["untreated"], "--", color=ink.MUTED, lw=1.2, label="untreated")
        axes.legend(loc="upper left")
    ends = growth[["mass", "low", "high", "untreated"]].to_numpy(float)
    room = 0.1 * (float(np.ptp(ends)) or 1.0)
    axes.set_ylim(float(ends.min()) - room, float(ends.max()) + room)
    axes.set_ylabel("mass")


def _fates(axes: "Axes", fates: pd.DataFrame, names: list[str]) -> None:
    """A bar for each state of the start, of what its descendants are in the end."""
    colors = _colors(names)
    share = fates.assign(state=_merged(fates["state"], names)).groupby(["start", "state"], sort=False)["share"].sum()
    starts = list(dict.fromkeys(fates["start"].astype(str)))[:MOST_GROUPS]
    for i, start in enumerate(starts):
        left = 0.0
        for name in names:
            wide = float(share.get((start, name), 0.0))
            axes.barh(i, wide, left=left, height=0.4, color=colors[name], alpha=0.9, lw=0)
            left += wide
    axes.set(xlim=(0, 1), ylim=(len(starts) - 0.4, -0.6))
    axes.set_yticks(range(len(starts)), [plain(name, 14) for name in starts])
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_title("From whom to what", fontsize=9)


def _caption(tables: SeriesTables, names: list[str]) -> str:
    about, last = tables.about, tables.growth.iloc[-1]
    outside = int((~tables.steps["inside"].astype(bool)).sum())
    far = (
        f"{outside} of {len(tables.steps)} steps, hatched, lie outside of the times that were read. " if outside else ""
    )
    assumed = " ".join(map(str, about.get("assumptions", ())))
    level = float(about.get("level", 0.9))
    return (
        f"Simulated: {plain(about.get('schedule', ''), 120)}, in {plain(about.get('context', ''), 40)}. The river "
        f"shows {len(names)} states, as wide as there are cells for one at the start; at the end {last['mass']:.2f} "
        f"(from {last['low']:.2f} to {last['high']:.2f}, {level:.0%} of draws and of samples of the cells). Bars at "
        f"the right: what the descendants of each state of the start are. {far}{assumed} A simulation is a reason to "
        "do the experiment, not its result."
    ).replace("  ", " ")
