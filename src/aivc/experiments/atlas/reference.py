"""A reference to ask: which known cells are these most like, what are they called, and are they new?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder, Encoder
from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, ENCODERS
from aivc.core.saved_cell import fitting
from aivc.core.state import ARRAYS, SETTINGS, State, write_text
from aivc.core.ur import UR
from aivc.core.writing import whole_folder
from aivc.data.priors.memberships import memberships
from aivc.data.streaming.stream import CHUNK, Progress
from aivc.experiments.atlas.embed import coverage
from aivc.experiments.atlas.neighbors import Neighbors

FORMAT = 1
CARD = "atlas.json"
_NEAREST, _SAMPLE, _USUAL = 15, 2000, 0.99


class Match(NamedTuple):
    """What an atlas says of entities.

    Attributes:
        table: A row per entity: ``novelty`` (mean distance to its nearest states, where 1 is the median among the
            atlas' own), ``coverage`` (share of the encoder's features measured) and ``new`` (farther away than 99 % of
            the atlas' own states, or unlike any class). Where the atlas has labels also ``label``, ``best``,
            ``confidence``, ``set`` and ``rarity``, as `cell-labels` says them.
        near: A row per entity and neighbour: ``entity``, ``rank`` from 1, ``distance``, ``match`` (name of the state)
            and the columns that the atlas keeps of it, such as study, tissue and label.
    """

    table: pd.DataFrame
    near: pd.DataFrame


@final
@dataclass(frozen=True, eq=False)
class Atlas:
    """States of many entities, the encoder that made them, and what is known about each.

    Attributes:
        encoder: Writes the states.
        states: With the columns that are kept of each entity.
        search: Among the states.
        labels: ``cell-labels`` fitted on them; None where there are no labels.
        card: JSON-ready: entities, column of labels, how it searches, what is usual among its own states.
        below: Encoder of cells, where ``encoder`` is one of tissue; None where it is one of cells.
    """

    encoder: Encoder
    states: UR
    search: Neighbors
    labels: Decoder | None
    card: Mapping[str, Any]
    below: Encoder | None = None

    @classmethod
    def build(
        cls,
        cells: Measurement | Sequence[Measurement],
        encoder: Encoder | str = "factor-analysis",
        *,
        label: str = "",
        parents: Mapping[str, str] | None = None,
        parts: UR | None = None,
        dim: int = 32,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "Atlas":
        """Make an atlas.

        Args:
            cells: Entities of one study or of several, whose names differ.
            encoder: A fitted one, or the registered name of one to fit on the first study.
            label: Column to transfer; empty transfers none.
            parents: Label → broader label, for answers that back off.
            parts: UR of the scale below, for an encoder that uses it.
            dim: Axes, where an encoder is fitted.
            seed: Of all that draws.
            progress: Called with what is being done, how many entities are done, of how many.

        Raises:
            DataError: No entities, or names that stand twice.
            UnknownNameError: No such column or encoder.

        >>> from aivc.testing import sample_measurement
        >>> atlas = Atlas.build(sample_measurement(), dim=4)
        >>> atlas.card["search"], len(atlas.ask(sample_measurement()).table)
        ('exact', 184)
        """
        studies = [cells] if isinstance(cells, Measurement) else list(cells)
        if not studies or not all(map(len, studies)):
            raise DataError(["An atlas needs entities, and one of its studies has none. Give studies with entities."])
        kind = ENCODERS.load(encoder) if isinstance(encoder, str) else encoder
        made = kind.fit(studies[0], dim=dim, seed=seed, **kind.given(parts)) if isinstance(encoder, str) else encoder
        states = _joined([_encoded(made, each, progress, parts) for each in studies])
        return cls.of(made, states, label, parents, seed=seed)

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        states: UR,
        label: str = "",
        parents: Mapping[str, str] | None = None,
        *,
        seed: int = 0,
        below: Encoder | None = None,
    ) -> "Atlas":
        """Make an atlas of states that are there already, of cells or of cells with their surroundings; see `build`.

        Args:
            encoder: That made them. One of tissue, such as `aivc.experiments.atlas.embed_tissue.tissue_embedding` fits,
                makes an atlas of surroundings, which answers where else a niche occurs.
            states: With the columns that are kept.
            label: As for `build`.
            parents: Likewise.
            seed: Likewise.
            below: Encoder of cells that one of tissue stands on, to ask about other sections.

        Raises:
            SpaceError: The states were made by another encoder.
        """
        encoder.writes.require(states.space, "an atlas with this encoder")
        search = Neighbors.of(states.values, seed=seed)
        labels = None
        if label:
            known = memberships(states.entities, label, scale=encoder.scale)
            labels = DECODERS.load("cell-labels").fit(states, known, seed=seed, parents=parents)
        drawn = np.sort(np.random.default_rng(seed).permutation(len(states))[:_SAMPLE])
        # Each of these finds itself first.
        nearest = search.find(states.values[drawn], _NEAREST + 1)[1][:, 1:]
        own = nearest.mean(axis=1) if nearest.size else np.ones(1)
        card = {
            "entities": len(states),
            "label": label,
            "search": search.kind,
            "typical": max(float(np.median(own)), 1e-12),
            "usual": max(float(np.quantile(own, _USUAL)), 1e-12),
        }
        return cls(encoder, replace(states, links=None), search, labels, card, below)

    def ask(self, cells: Measurement | UR, *, k: int = _NEAREST, level: float = 0.9, apart: str = "") -> Match:
        """Find what is nearest to entities, and what that says of them.

        Args:
            cells: Entities, or their states in this atlas' space.
            k: How many neighbours are listed.
            level: How often a set of labels is to hold the right one.
            apart: Column, such as ``section`` or ``donor``: what shares its value with an entity is not found for it.

        Raises:
            SpaceError: The states were made by another encoder.
            UnitsError: The units cannot be brought to those of the encoder.
            UnknownNameError: None of the encoder's features were measured.
            ValueError: ``k`` is below one.
        """
        if k < 1:
            raise ValueError(f"At least one neighbour is wanted, got k={k}. Ask for k=15.")
        ur = cells if isinstance(cells, UR) else self._encoded(cells)
        self.encoder.writes.require(ur.space, "this atlas")
        if apart:
            of = [_column(each.entities, apart) for each in (ur, self.states)]
            rows, far = self.search.find_apart(ur.values, max(k, _NEAREST), *of)
        else:
            rows, far = self.search.find(ur.values, max(k, _NEAREST))
        mean_n = far[:, :_NEAREST].mean(axis=1)
        share = np.full(len(ur), np.nan) if isinstance(cells, UR) else coverage(self.below or self.encoder, cells)
        columns: dict[str, Any] = {"novelty": mean_n / self.card["typical"], "coverage": share}
        new = mean_n > self.card["usual"]
        if self.labels is not None:
            # The contract of a decoder knows probabilities only; sets and verdicts are this one's own.
            answer = getattr(self.labels, "labels")(ur, level=level)  # noqa: B009
            new |= (answer["label"] == "unknown").to_numpy()
            answer = answer.rename(columns={"novelty": "rarity"})
            columns = {**{str(name): answer[name].to_numpy() for name in answer}, **columns}
            columns["label"] = np.where(new, "unknown", columns["label"])
        table = pd.DataFrame({**columns, "new": new}, index=ur.entities.index)
        return Match(table, self._near(ur, rows[:, :k], far[:, :k]))

    def where_else(self, cells: Measurement | UR, by: str = "section", *, k: int = 50, apart: str = "") -> pd.DataFrame:
        """Say where else surroundings like these occur: which sections, or patients, their nearest states are of.

        Args:
            cells: Entities, such as those of a niche, or their states in this atlas' space.
            by: Column that is counted.
            k: Nearest states of each.
            apart: As for `ask`.

        Returns:
            A row for each value of ``by``: ``found`` (share of the nearest states), ``expected`` (share of all states
            that could be found), ``log2_ratio`` and ``distance`` (median, 1 being usual among the atlas' own states);
            the most enriched first. Where nothing could be found it has no row.

        Raises:
            DataError: All states share the value of ``apart`` with an entity.
            SpaceError: The states were made by another encoder.
            UnknownNameError: There is no such column.
        """
        ur = cells if isinstance(cells, UR) else self._encoded(cells)
        near, of = self.ask(ur, k=k, apart=apart).near, _column(self.states.entities, by)
        could = np.zeros(len(self.states))
        groups = _column(ur.entities, apart) if apart else np.zeros(len(ur))
        for name, count in zip(*np.unique(groups, return_counts=True), strict=True):
            kept = _column(self.states.entities, apart) != name if apart else np.ones(len(could), dtype=bool)
            could += kept * (count / len(ur) / kept.sum())
        expected = pd.Series(could).groupby(of).sum()
        found = near.groupby(near[by].astype(str))["distance"].agg(["size", "median"])
        share = (found["size"] / len(near)).reindex(expected.index, fill_value=0.0)
        table = pd.DataFrame({"found": share, "expected": expected})
        one = 1 / max(len(near), 1)
        table["log2_ratio"] = np.log2((table["found"] + one) / (table["expected"] + one)).round(6)
        table["distance"] = found["median"].reindex(table.index) / self.card["typical"]
        return table[table["expected"] > 0].sort_values("log2_ratio", ascending=False).rename_axis(by).reset_index()

    def _encoded(self, cells: Measurement) -> UR:
        if self.below is None:
            return self.encoder.encode(cells)
        parts = self.below.encode(replace(cells, links=None))
        return self.encoder.encode(cells, **self.encoder.given(parts))

    def _near(self, ur: UR, rows_nk: np.ndarray, far_nk: np.ndarray) -> pd.DataFrame:
        n, k = rows_nk.shape
        kept = self.states.entities.iloc[rows_nk.ravel()]
        nearest = pd.DataFrame(
            {
                "entity": np.repeat(ur.entities.index.to_numpy(dtype=object), k),
                "rank": np.tile(np.arange(1, k + 1), n),
                "distance": far_nk.ravel(),
                "match": kept.index.to_numpy(dtype=object),
            }
        )
        clashing = [name for name in kept if name not in nearest]
        return pd.concat([nearest, kept[clashing].reset_index(drop=True)], axis=1)

    def save(self, folder: Path | str, *, overwrite: bool = False) -> None:
        """Write the atlas as JSON and safetensors: all of it or nothing.

        Args:
            folder: Missing or empty.
            overwrite: Replace an atlas that is there.

        Raises:
            IntegrityError: The folder holds something.
            WritingError: The place cannot be written to.
        """
        with whole_folder(Path(folder), "atlas", _owns, overwrite=overwrite) as fresh:
            self._write(fresh)

    def _write(self, folder: Path) -> None:
        body: dict[str, Any] = {"format": FORMAT, "card": dict(self.card), "parts": {}}
        for key, part in (("encoder", self.encoder), ("labels", self.labels), ("below", self.below)):
            if part is not None:
                part.state().save(folder / key)
                body["parts"][key] = {"name": part.name, "digest": part.state().digest()}
        self.states.save(folder / "states")
        self.search.state().save(folder / "search")
        body["digests"] = {"states": self.states.digest, "search": self.search.state().digest()}
        write_text(folder / CARD, json.dumps(body, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> "Atlas":
        """Read what `save` wrote.

        Raises:
            IntegrityError: A file is missing, altered, or of another format.
            UnknownNameError: A part's package is not installed.
        """
        folder = Path(folder)
        body = read_json(folder / CARD)
        if not isinstance(body, dict) or body.get("format") != FORMAT or "encoder" not in body.get("parts", {}):
            raise IntegrityError(f"{folder / CARD} is not an atlas in format {FORMAT}. Build and save it again.")
        parts, card, digests = body["parts"], body.get("card"), body.get("digests", {})
        known = isinstance(parts, dict) and all(isinstance(each, dict) for each in parts.values())
        if not known or not isinstance(digests, dict) or not _is_card(card):
            raise IntegrityError(f"{folder / CARD} does not say what an atlas consists of. Build and save it again.")
        encoder, labels, below = (_part(folder, body, key) for key in ("encoder", "labels", "below"))
        states = UR.load(folder / "states")
        if digests and digests.get("states") != states.digest:
            raise IntegrityError(f"The states in {folder} were altered after they were saved. Fetch the atlas again.")
        encoder.writes.require(states.space, "an atlas with this encoder")
        with fitting(f"The search in {folder}"):
            search = Neighbors.from_state(State.load(folder / "search"), states.values)
        return cls(encoder, states, search, labels, body["card"], below)


def _column(entities: pd.DataFrame, name: str) -> np.ndarray:
    if name not in entities:
        raise UnknownNameError("column", name, map(str, entities), "Name a column of the entities.")
    return entities[name].astype(str).to_numpy(dtype=object)


def _part(folder: Path, body: Mapping[str, Any], key: str) -> Any:
    entry = body["parts"].get(key)
    if entry is None:
        return None
    state = State.load(folder / key)
    if state.digest() != entry.get("digest"):
        raise IntegrityError(f"The {key} in {folder} is not the one its atlas was saved with. Fetch the atlas again.")
    with fitting(f"The {key} in {folder}"):
        return (DECODERS if key == "labels" else ENCODERS).load(str(entry.get("name"))).from_state(state)


def _owns(path: str) -> bool:
    place, _, file = path.partition("/")
    return path == CARD or (
        place in ("encoder", "labels", "below", "states", "search") and file in ("", SETTINGS, ARRAYS)
    )


def _is_card(card: Any) -> bool:
    if not isinstance(card, dict):
        return False
    numbers = [card.get("typical"), card.get("usual")]
    return all(isinstance(each, int | float) and 0 < each < np.inf for each in numbers)


def _encoded(encoder: Encoder, cells: Measurement, progress: Progress | None, parts: UR | None) -> UR:
    found = []
    for start in range(0, len(cells), CHUNK):
        if progress is not None:
            progress("encoding", start, len(cells))
        block = cells.take(np.arange(start, min(start + CHUNK, len(cells))))
        found.append(encoder.encode(block, **encoder.given(parts)))
    return _joined(found)


def _joined(parts: list[UR]) -> UR:
    entities = pd.concat([each.entities for each in parts])
    if not entities.index.is_unique:
        twice = entities.index[entities.index.duplicated()].unique()[:3]
        raise DataError([f"Entities stand twice: {', '.join(map(str, twice))}. Put the study before each name."])
    variances = [each.variance for each in parts if each.variance is not None]
    return UR(
        np.concatenate([each.values for each in parts]),
        parts[0].space,
        entities,
        np.concatenate(variances) if len(variances) == len(parts) else None,
        np.concatenate([each.mass for each in parts]),
    )
