"""Back to the bench: turn a virtual screen into the next plate, part to confirm, part to learn."""

import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError, DataError, IntegrityError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.data.io.written import write_table
from aivc.experiments.saved_table import count, read_table
from aivc.experiments.screen import Screen, rows_to_json

PLATES = {6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}
_COLUMNS = {
    "well": "text", "perturbation": "text", "role": "text", "score": "end", "low": "end", "high": "end",
    "applicability": "text", "reason": "text",
}  # fmt: skip
_KNOWN = {
    Applicability.IN: "all of its agents were seen, though not together",
    Applicability.EDGE: "only relatives of it were seen",
    Applicability.OUT: "nothing like it was seen",
}


@final
@dataclass(frozen=True, eq=False)
class Plan:
    """A plate to run.

    Attributes:
        table: One row per filled well, in the order of the plate: ``well``, ``perturbation``, ``role`` (control,
            exploit or explore), ``score``, ``low``, ``high``, ``applicability`` and ``reason``.
        size: Wells of the plate.
        seed: That laid it out.
    """

    table: pd.DataFrame
    size: int
    seed: int

    def __len__(self) -> int:
        return len(self.table)

    @property
    def note(self) -> str:
        """What is on the plate, and how many wells stay empty."""
        roles = self.table["role"].value_counts()
        counts = ", ".join(f"{int(roles.get(role, 0))} {role}" for role in ("control", "exploit", "explore"))
        empty = self.size - len(self.table)
        left = f"{empty} wells stay empty: there is nothing more to try." if empty else "no well stays empty."
        return f"{self.size} wells: {counts}; {left}"

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write one tidy table, ``.csv`` or ``.parquet``.

        Raises:
            DataError: Another ending.
            IntegrityError: A file is there, and is not to be replaced.
            WritingError: The place cannot be written to.
        """
        write_table(self.table.assign(plate=self.size, seed=self.seed), Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path | str) -> "Plan":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The file is missing, or holds no plan.
        """
        table, asked = read_table(Path(path), ("plate", "seed"), _COLUMNS)
        size = count(asked["plate"], "plate")
        if size not in PLATES or not set(table["well"]) <= set(wells(size)) or table["well"].duplicated().any():
            raise IntegrityError(f"{path} holds no plate of {', '.join(map(str, PLATES))} wells. Save the plan again.")
        return cls(table, size, count(asked["seed"], "seed"))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; what is not finite becomes None."""
        return {"size": self.size, "seed": self.seed, "note": self.note, "wells": rows_to_json(self.table)}


def propose(
    screen: Screen,
    size: int = 96,
    *,
    controls: int = 8,
    explore: float = 0.5,
    replicates: int = 1,
    seed: int = 0,
    repeat_seen: bool = False,
) -> Plan:
    """Choose the next plate from a virtual screen.

    To exploit is to confirm the best: unseen perturbations that are predicted to move the response the right way, in
    rank order, never one about which nothing is known. To explore is to learn: the widest intervals first, in turn
    from what lies near to training and what lies far, each new prediction and each new target before those that
    repeat one. Where there is not enough to exploit, more is explored. The layout is random.

    Args:
        screen: What to choose from.
        size: Wells: 6, 12, 24, 48, 96, 384 or 1536.
        controls: Control wells.
        explore: Fraction of the perturbations that are there to learn from.
        replicates: Wells per perturbation.
        seed: Of the layout, and of the choice among equals.
        repeat_seen: Offer also what was in training.

    Raises:
        DataError: No such plate, an impossible share, or nothing left to try.
        ControlError: No control wells, or nothing but them.

    >>> table = pd.DataFrame({"perturbation": ["ko:A", "ko:B", "ko:C"], "score": [-0.5, -0.2, 0.1], "low": -1.0,
    ...     "high": 0.5, "seen": [True, False, False], "applicability": "edge", "self_target": False, "scored_on": 1})
    >>> from aivc.experiments.screen import Response
    >>> plan = propose(Screen(table, Response.of(["D"]), "", 0.9, "lower", "log1p_cp10k"), 6, controls=2)
    >>> plan.note
    '6 wells: 2 control, 1 exploit, 1 explore; 2 wells stay empty: there is nothing more to try.'
    """
    _require_possible(size, controls, explore, replicates)
    pool = screen.table[(screen.table["scored_on"] > 0) & (repeat_seen | ~screen.table["seen"].astype(bool))]
    if pool.empty:
        raise DataError(
            [
                "Nothing is left to try: all that was screened is known already. Screen more perturbations, or allow "
                "repeat_seen=True."
            ]
        )
    rng = np.random.default_rng(seed)
    room = (size - controls) // replicates
    best = _exploit(pool, screen.direction, room - round(explore * room))
    rest = pool.drop(index=best.index)
    learn = _explore(rest, room - len(best), rng, set(best["perturbation"])) if explore else rest.head(0)
    rows = [
        *[_well(row, "exploit", _why_exploit(row, screen)) for row in _rows(best)],
        *[_well(row, "explore", _why_explore(row, screen)) for row in _rows(learn)],
    ]
    control = {"perturbation": CONTROL, "role": "control", "score": np.nan, "low": np.nan, "high": np.nan}
    control |= {"applicability": "", "reason": "Control: what every other well is compared with."}
    plate = pd.DataFrame([control] * controls + rows * replicates)
    plate = plate.iloc[rng.permutation(len(plate))].reset_index(drop=True)
    plate.insert(0, "well", wells(size)[: len(plate)])
    return Plan(plate, size, seed)


def wells(size: int) -> list[str]:
    """Names of a plate's wells, row by row.

    >>> wells(6)
    ['A01', 'A02', 'A03', 'B01', 'B02', 'B03']
    """
    rows, columns = PLATES[size]
    letters = [*string.ascii_uppercase, *(f"A{letter}" for letter in string.ascii_uppercase)]
    return [f"{letters[i]}{j + 1:02}" for i in range(rows) for j in range(columns)]


def _require_possible(size: int, controls: int, explore: float, replicates: int) -> None:
    if size not in PLATES:
        raise DataError([f"Plates have {', '.join(map(str, PLATES))} wells, not {size}. Choose one of these."])
    if not 0 <= explore <= 1 or replicates < 1:
        raise DataError(
            [
                f"A share lies between 0 and 1 and every perturbation has a well, got explore={explore} and "
                f"replicates={replicates}. Try explore=0.5, replicates=1."
            ]
        )
    if not 1 <= controls <= size - replicates:
        raise ControlError(
            f"A plate of {size} wells has controls and room for at least one perturbation, got {controls} controls and "
            f"{replicates} replicates. Without control nothing can be compared: keep some, but not all."
        )


def _exploit(pool: pd.DataFrame, direction: str, count: int) -> pd.DataFrame:
    sign = -1 if direction == "lower" else 1
    hopeful = pool[(pool["score"] * sign > 0) & (pool["applicability"].astype(str) != Applicability.OUT)]
    return hopeful.head(count)


def _explore(pool: pd.DataFrame, count: int, rng: np.random.Generator, taken: set[str]) -> pd.DataFrame:
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
    return [{**row, "rank": int(place) + 1} for place, row in zip(table.index, table.to_dict("records"), strict=True)]


def _well(row: dict[str, Any], role: str, reason: str) -> dict[str, Any]:
    kept = ("perturbation", "score", "low", "high", "applicability")
    return {**{name: row[name] for name in kept}, "role": role, "reason": reason}


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
