"""All that manipulators share, fitted once: encoder, decoder, and what each training perturbation did."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder, Encoder
from aivc.core.errors import ControlError, DataError, UnitsError, UnknownNameError
from aivc.core.matching import MATCHED_HOURS, matched_columns
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.registry import DECODERS, ENCODERS
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.experiments.fitting.own_target import without_own_target
from aivc.experiments.fitting.summary import Summary

# Cells that encoder and decoder learn from, fewer where each has many features, and control states that a prediction
# starts from. A screen is fitted thirty times over to be calibrated and scored, and a few thousand cells fix its axes.
_CELLS, _FEWEST, _VALUES, STATES = 20_000, 4_000, 40_000_000, 200
# Dense values that are worked on at once, 128 MiB of them.
_VALUES_AT_ONCE = 2**24
_UNSEEN = ("any", "perturbation", "context", "pair")
# Contexts and perturbations that were left out.
Keys: TypeAlias = tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class Recipe:
    """What a virtual cell is made of.

    Attributes:
        encoder: Registered name.
        decoder: Registered name.
        dim: Axes of the representation; principal axes of cells in ``full-space``, which adds those of effects.
        members: Members of the ensemble; 0 for a single fit, which says nothing of its ignorance.
        inner_folds: Into how many parts the perturbations are cut to calibrate intervals; 0 for no calibration.
        seed: Of everything that draws.
        unseen: What calibration leaves out, as the questions will: ``perturbation`` (all that shares its targets),
            ``context``, ``pair`` of these, or ``any``: half of the perturbations at random, and single pairs of the
            rest, so that intervals are promised both for what was measured in other contexts and for what never was.
            With a single perturbed context, perturbations are left out instead of contexts and of any.
    """

    encoder: str = "full-space"
    decoder: str = "linear-expression"
    dim: int = 32
    members: int = 8
    inner_folds: int = 5
    seed: int = 0
    unseen: str = "any"

    def __post_init__(self) -> None:
        if self.unseen not in _UNSEEN:
            raise UnknownNameError("kind of question to leave out", self.unseen, _UNSEEN, "Name it as Recipe.unseen.")


@final
@dataclass(frozen=True, eq=False)
class SharedFit:
    """Encoder, decoder and effects of one training set.

    Attributes:
        recipe: How it was made.
        encoder: Fitted on a sample of the training cells.
        decoder: Fitted on the same cells.
        states: Mean state of each context, batch and perturbation, with its cells as mass.
        profiles: ``(p, f)`` mean profiles behind them; those among ``inner`` keep their rows and no feature.
        variance: ``(f,)`` variance of one control cell, in the units of the profiles.
        controls: By context, a few hundred control states that have the mean of all its training controls; where
            controls are matched by hours, those of each have their own mean.
        cells: ``(n,)`` names of the entities that encoder and decoder were fitted on.
        sample: Training cells, and those kept from this shared fit too.
        kept: ``(n,)`` which of these are its own.
        inner: The same without some of it, and which contexts and perturbations those are; for calibration. Those of a
            shared fit that is used once are laid one by one as they are walked through (`Folds`).
        parts: Molecular UR that the encoder was given; None where it uses none.
    """

    recipe: Recipe
    encoder: Encoder
    decoder: Decoder
    states: UR
    profiles: Measurement
    variance: np.ndarray
    controls: Mapping[str, UR]
    cells: np.ndarray
    sample: Measurement
    kept: np.ndarray
    inner: "Sequence[tuple[SharedFit, Keys]] | Folds" = ()
    parts: UR | None = None

    @property
    def left_out(self) -> tuple[Keys, ...]:
        """Which contexts and perturbations each inner shared fit is without."""
        return self.inner.keys if isinstance(self.inner, Folds) else tuple(keys for _, keys in self.inner)

    def start(self, context: str) -> UR:
        """Control states of a context.

        Raises:
            ControlError: It has none.
        """
        if context not in self.controls:
            raise ControlError(
                f"Context {context!r} has no control to start from. Add its control cells; known: "
                f"{', '.join(self.controls)}."
            )
        return self.controls[context]

    @cached_property
    def population(self) -> UR:
        """States of the single training cells, encoded when first asked for.

        The cells of each context and perturbation are shifted, all alike, to the mean of ``states`` over their batches:
        so they have the mean of all cells measured, not only of the sampled ones, and the drop of a target's own
        reading is no part of it.

        Raises:
            DataError: The training set is a table of effects, which has no cells.
        """
        if self.profiles.is_effects:
            raise DataError(
                [
                    f"A method that learns from single cells was given a table of effects in {self.profiles.units}. "
                    "Choose effect.v2, or another method of mean effects; or read the cells of that screen."
                ]
            )
        cells = self.encoder.encode(self.sample.take(self.kept), self.parts)
        return dataclasses.replace(cells, values=cells.values + _to_means(cells, self.states))


@final
@dataclass(frozen=True, eq=False)
class Folds:
    """Shared fits without some of the training set, laid when they are walked through and not kept.

    Attributes:
        summary: Of the whole training set.
        recipe: How each is made.
        parts: Molecular UR, for an encoder that uses it.
        left_out: Of each fold, the profiles and sampled cells it leaves out, True per row of each; and their names.
    """

    summary: Summary
    recipe: Recipe
    parts: UR | None
    left_out: tuple[tuple[np.ndarray, np.ndarray, Keys], ...]

    @classmethod
    def of(cls, summary: Summary, recipe: Recipe, parts: UR | None) -> "Folds":
        """Choose what each fold leaves out."""
        units = _Units.of(summary.profiles, recipe)
        rows, cells = units.named(summary.profiles), units.named(summary.sample)
        chosen = []
        for part in units.folds(rows, recipe):
            out, gone = (pd.Series(names).isin(part).to_numpy() for names in (rows, cells))
            labels = (summary.profiles.contexts[out], summary.profiles.perturbations[out])
            keys = sorted(set(zip(*(map(str, each) for each in labels), strict=True)))
            chosen.append((out, gone, tuple(keys)))
        return cls(summary, recipe, parts, tuple(chosen))

    def __len__(self) -> int:
        return len(self.left_out)

    def __iter__(self) -> "Iterator[tuple[SharedFit, Keys]]":
        # Nothing of a fold is held here while the next is laid.
        for out, gone, keys in self.left_out:
            yield self._laid(out, gone), keys

    def _laid(self, out: np.ndarray, gone: np.ndarray) -> SharedFit:
        # The cells are those of the whole, not copied for every fold; the profiles are held by who lays it alone.
        sample, kept = self.summary.sample, ~gone
        return _lay(restrict(self.summary, ~out, kept), self.recipe, sample, kept, self.parts, keep=False)

    @property
    def keys(self) -> tuple[Keys, ...]:
        """What each fold leaves out, without laying it."""
        return tuple(keys for _, _, keys in self.left_out)


def shared_fit(summary: Summary, recipe: Recipe, parts: UR | None = None, *, once: bool = False) -> SharedFit:
    """Fit what manipulators share, on training entities only.

    Args:
        summary: Of the training entities and the controls given to methods.
        recipe: What to make.
        parts: Molecular UR, for an encoder that uses it.
        once: For one manipulator alone: inner shared fits are laid as they are walked through, so that one of them is
            in memory at a time.

    Raises:
        ControlError: A context has no control, or there are no perturbations.
        UnitsError: The decoder does not read out what was measured.
    """
    if not (summary.profiles.perturbations != CONTROL).any():
        raise ControlError("There is nothing but controls to learn from. Add perturbed cells, or use fewer folds.")
    every = np.ones(len(summary.sample), dtype=bool)
    whole = _lay(summary, recipe, summary.sample, every, parts, keep=True)
    folds = Folds.of(summary, recipe, parts)
    return dataclasses.replace(whole, inner=folds if once else tuple(folds))


def _require_readable(recipe: Recipe, decoder: Decoder, states: UR, units: str) -> None:
    """Refuse a decoder that reads out something else, such as the cell type: its numbers are no expression."""
    said = decoder.decode(states.take(np.arange(min(2, len(states)))))
    if said.profile_units != units:
        raise UnitsError(
            f"A virtual cell reads out what was measured, in {units}, but {recipe.decoder} answers in "
            f"{said.profile_units}. Choose a decoder of expression, such as linear-expression."
        )


class _Units(NamedTuple):
    """What is left out together.

    Attributes:
        family: Of each perturbation, by its text.
        whole: Families that are left out in all contexts at once; of the others each context by itself.
        by_context: Whether whole contexts are left out instead.
    """

    family: Mapping[str, str]
    whole: frozenset[str]
    by_context: bool

    @classmethod
    def of(cls, profiles: Measurement, recipe: Recipe) -> "_Units":
        """Choose at random, from the names alone, so that the order of the rows decides nothing."""
        texts = profiles.perturbations.astype(str)
        family = {text: family_of(Perturbation.parse(text)) for text in sorted(set(texts) - {CONTROL})}
        families = sorted(set(family.values()))
        alone = len(set(profiles.contexts[texts != CONTROL])) < 2
        match "perturbation" if alone and recipe.unseen in ("any", "context") else recipe.unseen:
            case "any":
                drawn = np.random.default_rng([recipe.seed, len(families)]).permutation(families)
                whole = frozenset(map(str, drawn[: -(-len(drawn) // 2)]))
            case "perturbation":
                whole = frozenset(families)
            case _:
                whole = frozenset()
        return cls(family, whole, not alone and recipe.unseen == "context")

    def named(self, of: Measurement) -> np.ndarray:
        """``(n,)`` the unit of each perturbed row; empty for controls, which always stay."""
        pairs = zip(of.contexts.astype(str), of.perturbations.astype(str), strict=True)
        return np.array(["" if text == CONTROL else self._unit(context, text) for context, text in pairs], dtype=object)

    def _unit(self, context: str, text: str) -> str:
        if self.by_context:
            return context
        return self.family[text] if self.family[text] in self.whole else f"{context} | {text}"

    def folds(self, rows: np.ndarray, recipe: Recipe) -> list[np.ndarray]:
        """Units that are left out of each fold, as many of either kind in every one; none where there are too few."""
        names = np.array(sorted(set(rows) - {""}), dtype=object)
        count = min(recipe.inner_folds, len(names))
        shuffled = np.random.default_rng(recipe.seed).permutation(names)
        first = np.array([name not in self.whole for name in shuffled], dtype=int)
        dealt = shuffled[np.argsort(first, kind="stable")]
        return [dealt[i::count] for i in range(count)] if count > 1 else []


def restrict(summary: Summary, profiles: np.ndarray, sample: np.ndarray) -> Summary:
    """Keep some of the profiles and some of the sampled cells: True per row of each."""
    rows = np.arange(len(summary.profiles)) if summary.rows is None else summary.rows
    # The variance is read in the whole one: as large as the profiles, it is not copied for every fold.
    return Summary(summary.profiles.take(profiles), summary.variance, summary.sample.take(sample), rows[profiles])


def _lay(
    summary: Summary, recipe: Recipe, sample: Measurement, kept: np.ndarray, parts: UR | None, *, keep: bool
) -> SharedFit:
    """Fit encoder and decoder; without ``keep`` the values of the profiles are let go as soon as nobody reads them."""
    rng = np.random.default_rng(recipe.seed)
    most = min(_CELLS, max(_FEWEST, _VALUES // len(summary.sample.features)))
    cells = summary.sample.take(np.sort(rng.permutation(len(summary.sample))[:most]))
    if summary.profiles.is_effects:
        # The rows of a table are the effects themselves: axes must not be spent on the interventions in them.
        cells = without_own_target(cells)
    profiles, features = without_own_target(summary.profiles), summary.profiles.features
    if not keep:
        summary = dataclasses.replace(summary, profiles=summary.profiles.select([]))
    kind = ENCODERS.load(recipe.encoder)
    below, of_all = kind.given(parts), {"profiles": profiles} if kind.uses_profiles else {}
    encoder = kind.fit(cells, dim=recipe.dim, seed=recipe.seed, units=summary.units, **of_all, **below)
    encoded, states = encoder.encode(cells, **below), encoder.encode(profiles, **below)
    # As large as the training set may be, and a decoder that reads cells out needs the room.
    del profiles, of_all
    decoder = _decoder(recipe, encoder, encoded, cells, summary.units)
    variance = _of_one_cell(summary)
    states = _with_variance(states, encoder, summary, features, variance, encoded)
    control = summary.sample.take(summary.sample.perturbations == CONTROL)
    begun = encoder.encode(control, **below)
    _require_readable(recipe, decoder, begun, summary.units)
    controls = _starts(begun, states, recipe.seed)
    names = cells.entities.index.to_numpy(dtype=object)
    made = (recipe, encoder, decoder, states, summary.profiles, variance, controls, names, sample, kept)
    return SharedFit(*made, parts=below.get("parts"))


def _decoder(recipe: Recipe, encoder: Encoder, encoded: UR, cells: Measurement, units: str) -> Decoder:
    kind = DECODERS.load(recipe.decoder)
    given = {"axes": encoder.projection} if kind.uses_axes and encoder.projection is not None else {}
    made = kind.fit(encoded, cells, seed=recipe.seed, units=units, **given)
    assert isinstance(made, Decoder)
    return made


def _of_one_cell(summary: Summary) -> np.ndarray:
    """``(f,)`` variance of one control cell, in the units of the profiles."""
    rows = summary.profiles.perturbations == CONTROL
    variance = summary.variance_of(rows)
    weight = np.maximum(summary.profiles.mass[rows] - 1, 0)[:, None] * np.isfinite(variance)
    return np.asarray((np.nan_to_num(variance) * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1))


def _with_variance(
    states: UR, encoder: Encoder, summary: Summary, features: np.ndarray, variance: np.ndarray, cells: UR
) -> UR:
    """Add the sampling variance of each mean state, where the axes of the states are known.

    Features of one cell vary together, so that along an axis a cell varies more, or less, than its features tell one by
    one: by how much is measured on sampled cells.

    The variance of a group of one cell is that of a control cell.
    """
    axes = encoder.projection
    if axes is None or summary.profiles.is_effects:
        return states
    columns = pd.Index(features).get_indexer(axes.features)
    together_d = _within(cells) / np.maximum(axes.variance(variance[None, columns])[0], 1e-300)
    along, at_once = np.empty(states.values.shape), max(1, _VALUES_AT_ONCE // len(columns))
    for start in range(0, len(states), at_once):
        rows = slice(start, start + at_once)
        known = summary.variance_of(rows)[:, columns]
        of_one = np.where(np.isfinite(known), known, variance[columns])
        along[rows] = axes.caught(of_one, axes.variance(of_one) * together_d)
    return dataclasses.replace(states, variance=along / states.mass[:, None])


def _within(cells: UR) -> np.ndarray:
    """``(d,)`` variance of one cell along each axis, within context, perturbation and batch."""
    labels = pd.DataFrame(dict(enumerate(_labels(cells, _sites(cells)))))
    code_n = labels.groupby(list(labels)).ngroup()
    values = pd.DataFrame(cells.values)
    away = values - values.groupby(code_n.to_numpy()).transform("mean")
    return np.asarray((away**2).sum(axis=0)) / max(len(cells) - int(code_n.nunique()), 1)


def _starts(control: UR, states: UR, seed: int) -> dict[str, UR]:
    """Sampled control states of each context, shifted to the mean over all its control cells, not only the sampled."""
    means = states.take(states.perturbations == CONTROL)
    rows_of = pd.Series(means.contexts.astype(str)).groupby(means.contexts.astype(str)).indices
    starts = {}
    for context, rows in pd.Series(control.contexts.astype(str)).groupby(control.contexts.astype(str)).indices.items():
        drawn = control.take(rows).sample(min(len(rows), STATES), seed=seed)
        starts[str(context)] = _to_mean(drawn, means.take(rows_of[context]))
    return starts


def _to_mean(drawn: UR, means: UR) -> UR:
    """Shift states to the mean over all cells; those read after some hours to the mean over cells of these hours."""
    values = drawn.values + means.mean - drawn.values.mean(axis=0)
    if MATCHED_HOURS in means.entities:
        hours = (each.entities[MATCHED_HOURS].astype(str).to_numpy() for each in (drawn, means))
        own_n, of_means = hours
        for here in sorted(set(own_n)):
            rows = own_n == here
            values[rows] += means.take(of_means == here).mean - values[rows].mean(axis=0)
    return dataclasses.replace(drawn, values=values)


def _to_means(cells: UR, states: UR) -> np.ndarray:
    """``(n, d)`` shift of each cell, the same for all of a context and perturbation, to the mean of its states."""
    sites = [name for name in _sites(states) if name in cells.entities]
    weighted = pd.DataFrame(states.values * states.mass[:, None]).assign(mass=states.mass)
    sums = weighted.groupby(_labels(states, sites)).sum()
    labels = _labels(cells, sites)
    asked = sums.loc[pd.MultiIndex.from_arrays(labels)].to_numpy()
    missing = pd.DataFrame(asked[:, :-1] / asked[:, -1:] - cells.values)
    return missing.groupby(labels[:2]).transform("mean").to_numpy()


def _sites(ur: UR) -> list[str]:
    """Columns within which cells are compared with their controls."""
    return [*(["batch"] if "batch" in ur.entities else []), *matched_columns(ur.entities)]


def _labels(ur: UR, sites: list[str]) -> list[np.ndarray]:
    labels = [ur.contexts.astype(str), ur.perturbations.astype(str)]
    return [*labels, *(ur.entities[name].astype(str).to_numpy() for name in sites)]
