"""Back to the bench: turn a virtual screen into the next plate, part to confirm, part to learn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError, DataError, IntegrityError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.sureness import clear_of_zero, sureness
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.written import write_table
from aivc.experiments.families import Families
from aivc.experiments.informative import joint_errors, most_informative
from aivc.experiments.plate import PLATES, lay_out, place, wells
from aivc.experiments.saved_table import count, ratio, read_table
from aivc.experiments.screen import Screen, rows_to_json
from aivc.experiments.targets import CONTRADICTS, NO, UNAVAILABLE

# So many candidates are held against each other at once; of more, those with the widest intervals.
_COMPARED = 2000
_COLUMNS = {
    "well": "text", "row": "text", "column": "count", "perturbation": "text", "role": "text", "replicate": "count",
    "score": "end", "low": "end", "high": "end", "applicability": "text", "reason": "text",
}  # fmt: skip
_KNOWN = {
    Applicability.IN: "all of its agents were seen, though not together",
    Applicability.EDGE: "only relatives of it were seen",
    Applicability.OUT: "nothing like it was seen",
}
POSITIVE = "positive"
ROLES = ("control", POSITIVE, "exploit", "explore")
_FIRST = ["well", "row", "column", "perturbation", "role", "replicate", "reason", "guide", "family"]
_KEPT = ("perturbation", "score", "low", "high", "applicability")
_ALSO = ("target_level", "expressed", "annotation", "brake")


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """A plate to run.

    Attributes:
        table: One row per filled well, in the order of the plate: ``well`` (A01), ``row``, ``column``,
            ``perturbation``, ``role`` (control, positive, exploit or explore), ``replicate`` and ``reason``; then
            ``guide`` (name of the guide, empty of what is no CRISPR perturbation), ``family`` (smallest set that holds
            the target, empty where families were not asked for), ``score``, ``low``, ``high``, ``applicability`` and,
            where the screen has them, ``target_level``, ``expressed``, ``annotation`` and ``brake``.
        size: Wells of the plate.
        seed: That laid it out.
        level: Of the intervals.
        remarks: What was left out and how wells were chosen; not part of the saved table.
    """

    table: pd.DataFrame
    size: int
    seed: int
    level: float = 0.9
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def note(self) -> str:
        """What is on the plate, and how many wells stay empty."""
        roles = self.table["role"].value_counts()
        counts = ", ".join(f"{int(roles.get(role, 0))} {role}" for role in ROLES if role in roles or role != POSITIVE)
        empty = self.size - len(self.table)
        left = f"{empty} wells stay empty" if empty else "no well stays empty"
        return f"{self.size} wells: {counts}; {left}."

    @property
    def sureness(self) -> str:
        """One line: how many of the perturbations on the plate have a predicted interval clear of zero."""
        asked = self.table[self.table["role"].isin(("exploit", "explore"))].drop_duplicates("perturbation")
        clear = clear_of_zero(asked["low"].to_numpy(), asked["high"].to_numpy())
        return sureness(clear, len(asked), "perturbations on the plate", self.level)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write one tidy table, ``.csv`` or ``.parquet``.

        Raises:
            DataError: Another ending.
            IntegrityError: A file is there, and is not to be replaced.
            WritingError: The place cannot be written to.
        """
        made = self.table.assign(plate=self.size, seed=self.seed, level=self.level)
        write_table(made, Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path | str) -> "Plan":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The file is missing, or holds no plan.
        """
        table, asked = read_table(Path(path), ("plate", "seed", "level"), _COLUMNS)
        size = count(asked["plate"], "plate")
        if size not in PLATES or not set(table["well"]) <= set(wells(size)) or table["well"].duplicated().any():
            raise IntegrityError(f"{path} holds no plate of {', '.join(map(str, PLATES))} wells. Save the plan again.")
        return cls(table, size, count(asked["seed"], "seed"), ratio(asked["level"], "level"))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; what is not finite becomes None."""
        about = {"size": self.size, "seed": self.seed, "level": self.level, "note": self.note}
        return {**about, "sureness": self.sureness, "wells": rows_to_json(self.table)}


class _Pool(NamedTuple):
    """What can be tried, and what was said of the rest."""

    table: pd.DataFrame
    remarks: list[str]


def propose(  # noqa: PLR0913 - one keyword for each thing a plate may be asked
    screen: Screen,
    size: int = 96,
    *,
    controls: int = 8,
    positive: Sequence[str] = (),
    explore: float = 0.5,
    replicates: int = 1,
    guides: int = 1,
    edge: bool = True,
    seed: int = 0,
    repeat_seen: bool = False,
    unexpressed: bool = False,
    cell: VirtualCell | None = None,
    families: Mapping[str, frozenset[str]] | None = None,
    per_family: int = 3,
) -> Plan:
    """Choose the next plate from a virtual screen.

    To exploit is to confirm the best: unseen perturbations that are predicted to move the response the right way, in
    rank order, never one about which nothing is known. To explore is to learn. With the virtual cell that was screened,
    each well is the one that takes away most of the variance of all candidates, after what the wells before it tell
    (`aivc.experiments.informative.most_informative`). Without it, the widest intervals come first, in turn from what
    lies near to training and what lies far, each new prediction and each new target before those that repeat one. Where
    there is not enough to exploit, more is explored. The layout is random (`aivc.experiments.plate.lay_out`).

    Args:
        screen: What to choose from.
        size: Wells: 6, 12, 24, 48, 96, 384 or 1536.
        controls: Control wells.
        positive: Perturbations whose effect is known, such as ``ko:JAK2``: positive controls, each in as many wells as
            a perturbation has replicates, spread over the plate as controls are.
        explore: Fraction of the perturbations that are there to learn from.
        replicates: Wells per perturbation and guide.
        guides: Guides per perturbation, each in wells of its own.
        edge: Whether the outer rows and columns are used.
        seed: Of the layout, and of the choice among equals.
        repeat_seen: Offer also what was in training.
        unexpressed: Offer also to lower what is not expressed in these cells, as far as the screen says.
        cell: The virtual cell that was screened.
        families: Genes by name of their set, such as `aivc.data.priors.gene_sets.gene_sets("reactome")`.
        per_family: At most so many of the exploited perturbations lie in one set of up to fifty genes.

    Raises:
        DataError: No such plate, an impossible share, nothing left to try, guides for what is no CRISPR perturbation,
            or a cell that cannot say how its errors go together.
        ControlError: No control wells, or nothing but them.
        UnknownNameError: The cell keeps no such context.

    >>> table = pd.DataFrame({"perturbation": ["ko:A", "ko:B", "ko:C"], "score": [-0.5, -0.2, 0.1], "low": -1.0,
    ...     "high": 0.5, "seen": [True, False, False], "applicability": "edge", "self_target": False, "scored_on": 1})
    >>> from aivc.experiments.screen import Response
    >>> plan = propose(Screen(table, Response.of(["D"]), "", 0.9, "lower", "log1p_cp10k"), 6, controls=2)
    >>> plan.note
    '6 wells: 2 control, 1 exploit, 1 explore; 2 wells stay empty.'
    """
    names = wells(size, edge=edge)
    known_hits = _positive(positive, screen, replicates)
    _require_possible(len(names), controls, explore, replicates, guides, len(known_hits))
    pool = _pool(screen, repeat_seen=repeat_seen, unexpressed=unexpressed)
    pool = pool._replace(
        table=pool.table[~pool.table["perturbation"].isin({row["perturbation"] for row in known_hits})]
    )
    genetic = bool(pool.table["perturbation"].map(_genetic).all())
    if guides > 1 and not genetic:
        raise DataError(["Only genes have guides, and other perturbations are among these. Propose with guides=1."])
    room = (len(names) - controls - len(known_hits)) // (replicates * guides)
    known = Families(families or {}, per_family)
    best, waiting = _exploit(pool.table, screen.direction, room - round(explore * room), known)
    rest = pool.table.drop(index=best.index)
    count = room - len(best) if explore else 0
    learn, how = _explore(screen, best, rest, count, cell, seed)
    entries = [_entry(row, "exploit", _why_exploit(row, screen), known) for row in _rows(best)]
    entries += [_entry(row, "explore", why, known) for row, why in zip(_rows(learn), how, strict=True)]
    sets = _repeated(entries, replicates, guides, genetic=genetic)
    compared = [*(_control(i, genetic=genetic) for i in range(controls)), *known_hits]
    table = _table(lay_out(names, compared, sets, seed))
    remarks = [*pool.remarks, *_remarks(best, waiting, cell, families, per_family)]
    return Plan(table, size, seed, screen.level, tuple(remarks))


def _require_possible(usable: int, controls: int, explore: float, replicates: int, guides: int, positive: int) -> None:
    if not 0 <= explore <= 1 or replicates < 1 or guides < 1:
        raise DataError(
            [
                "A share lies between 0 and 1 and every perturbation has a guide and a well, got "
                f"explore={explore}, replicates={replicates} and guides={guides}. Try explore=0.5, replicates=1, "
                "guides=1."
            ]
        )
    if not 1 <= controls <= usable - positive - replicates * guides:
        hits = f"{positive} wells of positive controls, " if positive else ""
        raise ControlError(
            f"A plate of {usable} usable wells has controls and room for at least one perturbation, got {controls} "
            f"controls, {hits}{replicates} replicates and {guides} guides. Without control nothing can be compared: "
            "keep some, but not all."
        )


def _pool(screen: Screen, *, repeat_seen: bool, unexpressed: bool) -> _Pool:
    """Rows that can be tried."""
    table, remarks = screen.table, []
    pool = table[(table["scored_on"] > 0) & (repeat_seen | ~table["seen"].astype(bool))]
    if "expressed" in pool and not unexpressed:
        silent = (pool["expressed"] == NO) & pool["perturbation"].map(_lowers)
        pool = pool[~silent]
        if silent.any():
            remarks.append(
                f"{int(silent.sum()):,} perturbations were left out: they lower what is not expressed in these cells."
            )
    if pool.empty:
        raise DataError(
            [
                "Nothing is left to try: all that was screened is known already, or is not expressed. Screen more "
                "perturbations, or allow them: --repeat-seen or --unexpressed (in Python, repeat_seen=True or "
                "unexpressed=True)."
            ]
        )
    return _Pool(pool, remarks)


def _exploit(pool: pd.DataFrame, direction: str, count: int, families: Families) -> tuple[pd.DataFrame, int]:
    """The best of each family, and how many had to wait as their family had given enough."""
    sign = -1 if direction == "lower" else 1
    hopeful = pool[(pool["score"] * sign > 0) & (pool["applicability"].astype(str) != Applicability.OUT)]
    kept, waiting = list[Any](), 0
    for index, text in hopeful["perturbation"].items():
        if len(kept) == count:
            break
        if families.admits(Perturbation.parse(text)):
            kept.append(index)
        else:
            waiting += 1
    return hopeful.loc[kept], waiting


def _explore(
    screen: Screen, best: pd.DataFrame, rest: pd.DataFrame, count: int, cell: VirtualCell | None, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """What to learn from, and why."""
    if cell is None or not count or rest.empty:
        learn = _widest(rest, count, np.random.default_rng(seed), set(best["perturbation"]))
        return learn, [_why_explore(row, screen) for row in _rows(learn)]
    wide = (rest["high"] - rest["low"]).astype(float).sort_values(ascending=False, kind="stable").index
    asked = pd.concat([best, rest.loc[wide[:_COMPARED]]])
    half = (asked["high"] - asked["low"]).to_numpy(dtype=float) / 2
    errors = joint_errors(cell, list(asked["perturbation"]), screen.context, half)
    chosen = most_informative(errors, count, given=range(len(best)))
    learn = asked.iloc[[each.place for each in chosen]]
    compared = len(asked)
    how = [
        f"{_why_explore(row, screen)} Measuring it takes away {100 * each.share:.2g} % of the variance of {compared:,} "
        "predictions, after what is measured anyway."
        for row, each in zip(_rows(learn), chosen, strict=True)
    ]
    return learn, how


def _widest(pool: pd.DataFrame, count: int, rng: np.random.Generator, taken: set[str]) -> pd.DataFrame:
    """Widest intervals first, in turn from near and far, what repeats a prediction or a target last."""
    width = (pool["high"] - pool["low"]).astype(float)
    ranks = pd.Series(rng.random(len(pool)), index=pool.index)
    order = pd.DataFrame({"width": -width, "rank": ranks}).sort_values(["width", "rank"]).index
    sorted_pool, width = pool.loc[order], width[order]
    targets = {target for text in taken for target in Perturbation.parse(text).targets}
    heard: set[tuple[str, ...]] = set()
    repeats = []
    for row, wide in zip(_rows(sorted_pool), width, strict=True):
        own = Perturbation.parse(row["perturbation"]).targets
        said = (f"{row['score']:.3g}", f"{wide:.3g}", str(row["applicability"]))
        repeats.append(said in heard or (bool(own) and targets.issuperset(own)))
        heard.add(said)
        targets.update(own)
    turn = sorted_pool.groupby(["applicability", np.array(repeats, dtype=bool)], observed=True).cumcount()
    keys = pd.DataFrame({"repeats": repeats, "turn": turn, "place": np.arange(len(sorted_pool))}, index=order)
    return sorted_pool.loc[keys.sort_values(["repeats", "turn", "place"]).index[:count]]


def _rows(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    return [{**row, "rank": int(at) + 1} for at, row in zip(table.index, table.to_dict("records"), strict=True)]


def _entry(row: dict[str, Any], role: str, reason: str, families: Families) -> dict[str, Any]:
    if str(row.get("annotation", "")).startswith(CONTRADICTS):
        reason += f" Look at it first: what is known {row['annotation'].replace(':', ' the prediction:', 1)}."
    if row.get("brake", "") not in ("", UNAVAILABLE):
        reason += f" Look at it first: a known {row['brake']}."
    family = families.name(Perturbation.parse(row["perturbation"]))
    kept = {name: row[name] for name in (*_KEPT, *_ALSO) if name in row}
    return {**kept, "role": role, "reason": reason, "family": family}


def _control(number: int, *, genetic: bool) -> dict[str, Any]:
    what = "Non-targeting control" if genetic else "Control"
    guide = f"non-targeting {number + 1}" if genetic else ""
    reason = f"{what}: what every other well is compared with."
    return {"perturbation": CONTROL, "role": "control", "replicate": number + 1, "reason": reason, "guide": guide}


def _positive(names: Sequence[str], screen: Screen, replicates: int) -> list[dict[str, Any]]:
    """One entry per well of a positive control, with what was predicted for it where it was screened."""
    texts = [str(Perturbation.parse(name)) for name in names]
    if twice := sorted({text for text in texts if texts.count(text) > 1 or text == CONTROL}):
        raise DataError(
            [f"Positive controls are named once each and are no control, got {twice[0]}. Correct the list."]
        )
    rows = {row["perturbation"]: row for row in _rows(screen.table) if row["perturbation"] in texts}
    found = []
    for text in texts:
        row = rows.get(text, {"perturbation": text})
        kept = {name: row[name] for name in (*_KEPT, *_ALSO) if name in row}
        reason = "Positive control: its effect is known, so it shows that the assay works."
        found += [
            {**kept, "role": POSITIVE, "reason": reason, "replicate": i + 1, "family": "", "guide": _own_guide(text)}
            for i in range(replicates)
        ]
    return found


def _own_guide(text: str) -> str:
    return _guide(text, 0, genetic=_genetic(text))


def _repeated(
    entries: list[dict[str, Any]], replicates: int, guides: int, *, genetic: bool
) -> list[list[dict[str, Any]]]:
    """One list for each replicate, with every guide of every perturbation."""
    each = [
        {**entry, "guide": _guide(entry["perturbation"], i, genetic=genetic)}
        for entry in entries
        for i in range(guides)
    ]
    return [[{**entry, "replicate": i + 1} for entry in each] for i in range(replicates)]


def _guide(text: str, number: int, *, genetic: bool) -> str:
    return f"{'+'.join(Perturbation.parse(text).genes)} guide {number + 1}" if genetic else ""


def _table(laid: Iterable[tuple[str, dict[str, Any]]]) -> pd.DataFrame:
    """One row a well, the columns that a bench reads first."""
    rows = [{**entry, "well": well, "row": place(well)[0], "column": place(well)[1]} for well, entry in laid]
    table = pd.DataFrame(rows)
    others = [name for name in (*_KEPT[1:], *_ALSO) if name in table]
    table = table.reindex(columns=[*_FIRST, *others])
    texts = [name for name in (*_FIRST, "applicability", "expressed", "annotation", "brake") if name in table]
    return table.fillna({name: "" for name in texts if table[name].dtype == object})


def _remarks(
    best: pd.DataFrame, waiting: int, cell: VirtualCell | None, families: object, per_family: int
) -> Iterable[str]:
    if families is None:
        yield "Families were not looked at: give gene sets, and no set fills the plate."
    else:
        yield f"No set of up to fifty genes gave more than {per_family} exploited targets; {waiting:,} waited for that."
    if cell is None:
        yield "Explored are the widest intervals: give the virtual cell, and what each well tells of others counts too."
    if "annotation" in best:
        against = int(best["annotation"].astype(str).str.startswith(CONTRADICTS).sum())
        absent = bool((best["annotation"] == UNAVAILABLE).any())
        said = f"{against} of {len(best)} exploited targets contradict what is known of them (DoRothEA)."
        yield "Signs could not be held against DoRothEA: the table is not available here." if absent else said
    if "brake" in best:
        named = int((~best["brake"].isin(["", UNAVAILABLE])).sum())
        absent = bool((best["brake"] == UNAVAILABLE).any())
        said = f"{named} of {len(best)} exploited targets are known brakes that are predicted like drivers."
        yield "Known brakes could not be looked for: Gene Ontology is not available here." if absent else said


def _genetic(text: str) -> bool:
    parsed = Perturbation.parse(text)
    return len(parsed.genes) == len(parsed.agents)


def _lowers(text: str) -> bool:
    return any(agent.gene is not None and agent.direction == -1 for agent in Perturbation.parse(text).agents)


def _why_exploit(row: dict[str, Any], screen: Screen) -> str:
    return (
        f"Rank {row['rank']} of {len(screen)}: predicted to {screen.direction} {screen.response.name} by "
        f"{abs(row['score']):.3g}, {screen.level:.0%} interval of the change {row['low']:.3g} to {row['high']:.3g}."
    )


def _why_explore(row: dict[str, Any], screen: Screen) -> str:
    known = _KNOWN[Applicability(str(row["applicability"]))]
    return (
        f"To learn from: {known}, and its {screen.level:.0%} interval is {row['high'] - row['low']:.3g} wide "
        f"around a predicted change of {row['score']:.3g} (rank {row['rank']} of {len(screen)})."
    )
