"""A campaign in a folder: what is asked next, what was measured, and everything anybody did, to be done again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError, UnitsError
from aivc.core.state import SETTINGS, State
from aivc.core.units import EXPECTED_COUNTS, parse_units
from aivc.core.writing import whole_folder
from aivc.experiments.campaign.campaign_learner import campaign_learner, library_from, require_fit
from aivc.experiments.campaign.campaign_record import MEASURED, NEW, PROPOSED, CampaignRecord
from aivc.experiments.campaign.pair_library import PairLibrary
from aivc.experiments.campaign.plate_map import plate_map, read_measured, scores
from aivc.experiments.design.acquisition import acquisition
from aivc.experiments.design.batching import Limits, batch
from aivc.experiments.design.gene_features import GeneFeatures, strong
from aivc.experiments.design.gene_learner import LearnerSettings
from aivc.experiments.design.stopping import StoppingRule

_RECORD, _INPUTS = "campaign.jsonl", "candidates"
# Without a threshold of one's own, the strongest of what was measured count as hits.
_TOP = 0.05


@final
@dataclass(frozen=True)
class CampaignSettings:
    """What a campaign is asked to do; fixed when it is made.

    Attributes:
        units: Of what is measured, as the bench writes them.
        batch: Perturbations in each round.
        plate: Wells of a plate.
        controls: Control wells of each plate.
        replicates: Wells of each perturbation.
        direction: What counts as strong: ``both``, ``lower`` or ``raise``.
        hit: Strength from which on it is a hit; None takes the strongest 5 % of what was measured.
        rule: Acquisition, by name.
        start: How the first batch is chosen: ``prior``, ``coverage`` or ``random``.
        use_prior: Whether related screens have a say of their own after the first batch.
        budget: Highest cost of a batch; None has no limit.
        per_family: At most so many of one family in a batch, where families are given.
        least: Expected hits for each unit of cost below which to stop; 0 never stops.
        seed: Of choices and layouts.
    """

    units: str
    batch: int = 128
    plate: int = 384
    controls: int = 32
    replicates: int = 2
    direction: str = "both"
    hit: float | None = None
    rule: str = "greedy"
    start: str = "prior"
    use_prior: bool = True
    budget: float | None = None
    per_family: int = 3
    least: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.units.strip() or self.batch < 1 or self.replicates < 1:
            raise DataError(
                [
                    "A campaign has units, and batches of one perturbation or more, in one well or more, got "
                    f"units={self.units!r}, batch={self.batch}, replicates={self.replicates}. Correct them."
                ]
            )
        strong(np.zeros(1), self.direction)
        acquisition(self.rule)
        LearnerSettings(start=self.start)
        StoppingRule(self.least)


@final
@dataclass(frozen=True, eq=False)
class CampaignRound:
    """A batch that was proposed.

    Attributes:
        number: From 1 on.
        names: Of the perturbations, in the order in which they were chosen.
        plates: The plate map (`aivc.experiments.campaign.plate_map.plate_map`).
        remarks: Why there are fewer than asked for, and why to stop, if so.
    """

    number: int
    names: tuple[str, ...]
    plates: pd.DataFrame
    remarks: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Campaign:
    """A folder with candidates and a record. Many may read it; one at a time writes.

    Attributes:
        folder: Where it lies.
        settings: See `CampaignSettings`.
        features: Candidates, genes or pairs, and what is known of them.
        cost: ``(n,)`` of each candidate.
        families: ``n`` names of the set that each belongs to, empty for none.
    """

    folder: Path
    settings: CampaignSettings
    features: GeneFeatures | PairLibrary
    cost: np.ndarray
    families: tuple[str, ...]

    @classmethod
    def new(
        cls,
        folder: Path | str,
        features: GeneFeatures | PairLibrary,
        settings: CampaignSettings,
        *,
        cost: Mapping[str, float] | None = None,
        families: Mapping[str, str] | None = None,
    ) -> "Campaign":
        """Begin a campaign.

        Args:
            folder: Missing or empty.
            features: Candidates.
            settings: See `CampaignSettings`; its units are those that `measured_units` knows.
            cost: Of candidates, by name; 1 for those that are not named.
            families: Set of a candidate, by name.

        Raises:
            DataError: A cost or a family is of no candidate, the plates have no room, or a setting means nothing for
                pairs.
            UnitsError: The units are none we know.
            IntegrityError: The folder holds something.
        """
        settings = replace(settings, units=measured_units(settings.units))
        require_fit(
            features,
            start=settings.start,
            use_prior=settings.use_prior,
            direction=settings.direction,
            rule=settings.rule,
        )
        strangers = sorted({*(cost or {}), *(families or {})} - set(features.names))
        if strangers:
            raise DataError([f"{strangers[0]} is no candidate, but has a cost or a family. Leave it out."])
        made = cls(
            Path(folder),
            settings,
            features,
            np.array([float((cost or {}).get(name, 1.0)) for name in features.names]),
            tuple((families or {}).get(name, "") for name in features.names),
        )
        made._limits()
        made._map([features.names[0]], 1)
        inner = features.state()
        state = State({**inner.settings, "families": list(made.families)}, {**inner.arrays, "cost": made.cost})
        with whole_folder(made.folder, "campaign", _own) as fresh:
            state.save(fresh / _INPUTS)
            about = {"settings": asdict(settings), "candidates": state.digest()}
            CampaignRecord(fresh / _RECORD).add(NEW, about, after=0)
        return made

    @classmethod
    def load(cls, folder: Path | str) -> "Campaign":
        """Open a campaign.

        Raises:
            IntegrityError: It is none, or its candidates are not those it was begun with.
        """
        place = Path(folder)
        if not (place / _RECORD).is_file() or not (place / _INPUTS / SETTINGS).is_file():
            raise IntegrityError(f"{place} holds no campaign. Begin one with `aivc campaign new`, or check the path.")
        events = CampaignRecord(place / _RECORD).read()
        state = State.load(place / _INPUTS)
        if not events or events[0]["event"] != NEW or events[0]["candidates"] != state.digest():
            raise IntegrityError(f"The candidates in {place} are not those the campaign was begun with. Restore them.")
        try:
            settings = CampaignSettings(**events[0]["settings"])
            families = tuple(map(str, state.settings["families"]))
            return cls(place, settings, library_from(state), state.arrays["cost"], families)
        except (TypeError, KeyError) as error:
            raise IntegrityError(f"{place} is a campaign of another version ({error}). Use that version.") from error

    def propose(self) -> CampaignRound:
        """Choose the next batch and write it into the record; one that waits for its measurements is given again.

        Raises:
            IntegrityError: Another process writes.
        """
        record = CampaignRecord(self.folder / _RECORD)
        with record.writing():
            events = record.read()
            if events[-1]["event"] == PROPOSED:
                return self._round(events[-1])
            made = self._choose(events)
            body = {"round": made.number, "names": list(made.names), "remarks": list(made.remarks)}
            record.add(PROPOSED, body, after=len(events))
        return made

    def bring_in(self, path: Path | str) -> pd.Series:
        """Take in the measurements of the batch that waits for them, all or nothing.

        Args:
            path: The plate map with its values filled in.

        Returns:
            Score of each perturbation: its wells less the controls of their plate.

        Raises:
            DataError: No batch waits, or the file does not fit it.
            ControlError: All controls of a plate failed.
            IntegrityError: Another process writes.
        """
        record = CampaignRecord(self.folder / _RECORD)
        with record.writing():
            events = record.read()
            if events[-1]["event"] != PROPOSED:
                raise DataError(["No batch waits for measurements. Propose one first: `aivc campaign propose`."])
            waiting = self._round(events[-1])
            table = read_measured(Path(path), waiting.plates)
            found = scores(table)
            wells = [None if np.isnan(value) else float(value) for value in table["value"]]
            kept = {name: float(found[name]) if np.isfinite(found[name]) else None for name in waiting.names}
            body = {"round": waiting.number, "wells": wells, "scores": kept, "file": Path(path).name}
            record.add(MEASURED, body, after=len(events))
        return found

    def status(self) -> dict[str, Any]:
        """How far the campaign is: rounds, hits by round, what was spent, and what it waits for."""
        events = CampaignRecord(self.folder / _RECORD).read()
        measured, score, _ = self._measured(events)
        hit = self._hits(score)
        rounds = [event for event in events if event["event"] == MEASURED]
        place = {name: i for i, name in enumerate(self.features.names)}
        cost = [float(sum(self.cost[place[name]] for name in event["scores"])) for event in rounds]
        found, at = list[int](), 0
        for event in rounds:
            kept = sum(value is not None for value in event["scores"].values())
            found.append(int(hit[at : at + kept].sum()))
            at += kept
        waits = events[-1]["round"] if events[-1]["event"] == PROPOSED else None
        order = np.argsort(-strong(score, self.settings.direction), kind="stable")[:20]
        return {
            "candidates": len(self.features),
            "measured": len(measured),
            "failed": sum(len(event["scores"]) for event in rounds) - len(measured),
            "rounds": len(rounds),
            "hits": int(hit.sum()),
            "hits_by_round": found,
            "cost_by_round": cost,
            "waits_for_round": waits,
            "strongest": [{"perturbation": self.features.names[measured[i]], "score": float(score[i])} for i in order],
            "settings": asdict(self.settings),
        }

    def replay(self) -> list[int]:
        """Choose every batch again from what was known then.

        Returns:
            Rounds whose batch came out otherwise than the record says; none, if all is as it was.
        """
        events = CampaignRecord(self.folder / _RECORD).read()
        odd = []
        for i, event in enumerate(events):
            if event["event"] == PROPOSED:
                again = self._choose(events[:i])
                if list(again.names) != event["names"] or list(again.remarks) != event["remarks"]:
                    odd.append(int(event["round"]))
        return odd

    def _choose(self, events: Sequence[Mapping[str, Any]]) -> CampaignRound:
        """The next batch; depends on nothing but the folder and the events."""
        settings = self.settings
        measured, score, tried = self._measured(events)
        number = 1 + sum(event["event"] == PROPOSED for event in events)
        rng = np.random.default_rng([settings.seed, number])
        learner = campaign_learner(
            self.features, start=settings.start, use_prior=settings.use_prior, direction=settings.direction
        )
        open_n = np.ones(len(self.features), dtype=bool)
        open_n[tried] = False
        remarks = list[str]()
        # A model needs some results; where wells failed, the start is asked again for the rest.
        if len(measured) < learner.least:
            order = learner.first(settings.batch, rng)
            order = order[open_n[order]]
            chosen = batch(order, self._limits())
        else:
            size, hit = strong(score, settings.direction), self._hits(score)
            believed = learner.believe(measured, score, hit)
            rule = acquisition(settings.rule, threshold=self._threshold(size))
            chosen = batch(rule.order(believed, open_n, settings.batch, rng), self._limits())
            if settings.least > 0:
                left = np.flatnonzero(open_n)
                odds = believed.above(self._threshold(size))[left]
                stop = StoppingRule(settings.least)
                said = stop.reason(odds, np.isin(left, chosen.places), chosen.cost, int(hit.sum()))
                remarks += [f"Stop: {said}"] * bool(said)
        remarks += [chosen.short] * bool(chosen.short)
        if not len(chosen.places):
            raise DataError([f"There is nothing to propose. {chosen.short} Raise the budget, or end the campaign."])
        names = [self.features.names[i] for i in chosen.places]
        return CampaignRound(number, tuple(names), self._map(names, number), tuple(remarks))

    def _round(self, event: Mapping[str, Any]) -> CampaignRound:
        names, number = list(map(str, event["names"])), int(event["round"])
        return CampaignRound(number, tuple(names), self._map(names, number), tuple(map(str, event["remarks"])))

    def _map(self, names: list[str], number: int) -> pd.DataFrame:
        s = self.settings
        return plate_map(
            names,
            number,
            size=s.plate,
            controls=s.controls,
            replicates=s.replicates,
            units=s.units,
            seed=s.seed + 100_000 * number,
        )

    def _measured(self, events: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Places and scores of what was measured, and places of all that was tried."""
        place = {name: i for i, name in enumerate(self.features.names)}
        pairs = [pair for event in events if event["event"] == MEASURED for pair in event["scores"].items()]
        kept = [(place[name], float(value)) for name, value in pairs if value is not None]
        found, score = np.array([i for i, _ in kept], dtype=np.int64), np.array([v for _, v in kept], dtype=float)
        return found, score, [place[name] for name, _ in pairs]

    def _threshold(self, size: np.ndarray) -> float:
        return float(np.quantile(size, 1 - _TOP)) if self.settings.hit is None else self.settings.hit

    def _hits(self, score: np.ndarray) -> np.ndarray:
        size = strong(score, self.settings.direction)
        return np.asarray(size >= self._threshold(size)) if len(size) else np.zeros(0, dtype=bool)

    def _limits(self) -> Limits:
        budget = float("inf") if self.settings.budget is None else self.settings.budget
        return Limits(self.settings.batch, self.cost, budget, self.families, self.settings.per_family)


def measured_units(text: str) -> str:
    """The canonical spelling of units that can be measured.

    Raises:
        UnitsError: They are unknown, or of predictions only.

    >>> measured_units("log1p_cp10000")
    'log1p_cp10k'
    """
    found = parse_units(text)
    if found == EXPECTED_COUNTS:
        raise UnitsError(f"What is measured is never in {found}, which are means a model states. Say counts.")
    return found


def _own(name: str) -> bool:
    return name in (_RECORD, _INPUTS, f".{_RECORD}.in-use") or name.startswith(f"{_INPUTS}/")
