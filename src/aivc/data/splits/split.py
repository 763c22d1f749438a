"""Who may see what: a manifest of test perturbations, control pools and replicate halves, stamped with its hash."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.errors import AIVCError, IntegrityError, SplitError, UnknownNameError
from aivc.core.foreign_text import HIGHEST_SEED, read_json, require_sound, whole_number
from aivc.core.matching import matched_columns
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.state import write_text
from aivc.data.streaming.stream import random_ranks

TRAIN, UNUSED = "train", "unused"
CONTROL_TRAIN, CONTROL_SCORE = "control-train", "control-score"
SCORE, REPLICATE = "score", "replicate"
ROLES = (TRAIN, CONTROL_TRAIN, CONTROL_SCORE, SCORE, REPLICATE, UNUSED)

FORMAT = 1
STRATA = ("context", "donor", "batch")

Names: TypeAlias = tuple[str, ...]


@final
@dataclass(frozen=True)
class Fold:
    """One question: which perturbed entities are predicted, and which are kept from the methods.

    A perturbed entity is tested when every column in ``test`` lists its value, trained on when no column in ``held``
    does, and unused otherwise: what shares only its context with a test of both unseen helps nobody honestly.

    Attributes:
        test: Values by column: ``perturbation``, ``context``, ``donor``, ``batch``, or ``pair`` for
            ``context | perturbation``.
        held: Values by column, covering all that is tested.

    Raises:
        SplitError: Something tested would be trained on.
    """

    test: Mapping[str, Names]
    held: Mapping[str, Names]

    def __post_init__(self) -> None:
        for name in ("test", "held"):
            object.__setattr__(self, name, {c: tuple(sorted(set(v))) for c, v in getattr(self, name).items()})
        if not self.test or not all(self.test.values()):
            raise SplitError("A fold tests nothing. Name at least one value to test, or leave the fold out.")
        if not any(set(values) <= set(self.held.get(column, ())) for column, values in self.test.items()):
            raise SplitError(
                f"A fold tests {_shown(self.test)} but does not hold all of it out of training, so it would leak. "
                "List every tested value of one column in `held`."
            )

    def tested(self, measurement: Measurement) -> np.ndarray:
        """``(n,)`` True where a perturbed entity is tested."""
        return _perturbed(measurement) & np.all([_listed(measurement, *item) for item in self.test.items()], axis=0)

    def trained(self, measurement: Measurement) -> np.ndarray:
        """``(n,)`` True where a perturbed entity may be trained on."""
        return _perturbed(measurement) & ~np.any([_listed(measurement, *item) for item in self.held.items()], axis=0)


@final
@dataclass(frozen=True)
class Split:
    """A manifest that assigns every entity one role per fold, whatever the order of the file.

    Attributes:
        kind: Such as ``unseen-perturbation``; says what the folds ask.
        seed: Draws control pools and halves.
        folds: At least one.
        controls: Explicit names of the control entities in the pools ``train`` and ``score``; None draws them.
        halves: Explicit names by perturbation, as ``scoring`` and ``replicate``; None draws them.
        data_digest: Digest of the entity names it was made for (`data_digest`), or None for any data.
        notes: JSON-ready remarks.

    Raises:
        SplitError: No folds, or pools or halves that overlap.
    """

    kind: str
    seed: int
    folds: tuple[Fold, ...]
    controls: Mapping[str, Names] | None = None
    halves: Mapping[str, Mapping[str, Names]] | None = None
    data_digest: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.folds:
            raise SplitError("A split has no folds. Give at least one.")
        if self.controls is not None:
            _require_disjoint("control pools", self.controls, ("train", "score"))
        for text, halves in (self.halves or {}).items():
            _require_disjoint(f"halves of {text}", halves, ("scoring", "replicate"))

    @property
    def digest(self) -> str:
        """sha256 of the manifest."""
        return hashlib.sha256(json.dumps(self._body(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def roles(self, measurement: Measurement, fold: int) -> np.ndarray:
        """Assign every entity its role in a fold.

        ``train``: perturbed, for fitting. ``control-train``: given to the methods, as training and as the starting
        population of predictions; so methods see unperturbed entities of a held-out context or donor, as one would at
        the bench. ``control-score``: for scoring only. ``score``: half of the tested entities, the truth.
        ``replicate``: the other half, the ceiling. ``unused``: nobody sees them.

        Pools are balanced over context, donor, batch and what controls are matched by, halves over donor and batch; a
        tested perturbation of a single entity has a truth and no replicate. Effect-level data have no controls and no
        halves: all tested is ``score``.

        Args:
            measurement: The data the split was made for, in any order.
            fold: Position in ``folds``.

        Returns:
            ``(n,)`` texts.

        Raises:
            SplitError: The data are others, or leave nothing to train on, to score, or to compare with.
        """
        if self.data_digest not in (None, data_digest(measurement)):
            raise SplitError(
                f"This {self.kind} split was made for other entities than the {len(measurement)} given. "
                "Give it the whole dataset it was made for, or make the split again for these data."
            )
        if not 0 <= fold < len(self.folds):
            raise SplitError(f"The split has folds 0 to {len(self.folds) - 1}, but fold {fold} was asked for.")
        chosen = self.folds[fold]
        role_n = np.full(len(measurement), UNUSED, dtype=object)
        tested_n = chosen.tested(measurement)
        role_n[chosen.trained(measurement)] = TRAIN
        role_n[tested_n] = SCORE
        if not measurement.is_effects:
            self._halve(role_n, tested_n, measurement)
            self._pool(role_n, tested_n, measurement)
        check_roles(role_n, measurement)
        return role_n

    def _halve(self, role_n: np.ndarray, tested_n: np.ndarray, measurement: Measurement) -> None:
        rows = np.flatnonzero(tested_n)
        if self.halves is None:
            second = _alternate(measurement, rows, ("perturbation", "context"), ("donor", "batch"), self.seed)
            role_n[rows[second]] = REPLICATE
            return
        text_m = measurement.perturbations[rows]
        absent = sorted(set(text_m) - set(self.halves))
        if absent:
            raise SplitError(f"The split lists no halves for {', '.join(absent[:5])}. Add them, or list none at all.")
        role_n[rows] = UNUSED
        for text in set(text_m):
            for half, role in (("scoring", SCORE), ("replicate", REPLICATE)):
                own = rows[text_m == text]
                role_n[own[_named(measurement, own, self.halves[text][half])]] = role

    def _pool(self, role_n: np.ndarray, tested_n: np.ndarray, measurement: Measurement) -> None:
        rows = np.flatnonzero(~_perturbed(measurement))
        if self.controls is None:
            balanced = (*matched_columns(measurement.entities), "donor", "batch")
            second = _alternate(measurement, rows, ("context",), balanced, self.seed)
            role_n[rows] = np.where(second, CONTROL_SCORE, CONTROL_TRAIN)
        else:
            for pool, role in (("train", CONTROL_TRAIN), ("score", CONTROL_SCORE)):
                role_n[rows[_named(measurement, rows, self.controls[pool])]] = role
        context_n = column(measurement, "context")
        for context in sorted(set(context_n[tested_n])):
            here = set(role_n[context_n == context])
            if missing := {CONTROL_TRAIN, CONTROL_SCORE} - here:
                raise SplitError(
                    f"Context {context!r} has no {' and no '.join(sorted(missing))} entities: predictions start "
                    "from one pool and are scored against the other. Give single cells, not pools, or leave it out."
                )

    def _body(self) -> dict[str, Any]:
        return {"format": FORMAT, **json.loads(json.dumps(dataclasses.asdict(self)))}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, stamped with its digest."""
        return {**self._body(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Any, measurement: Measurement | None = None) -> "Split":
        """Read a stamped manifest, or a plain list of folds.

        A plain list is ``{"folds": [["GENE1", "GENE2"], …]}``: each name stands for every perturbation of the data with
        that target. It may list its ``control_half_A`` (train), ``control_half_B`` (score) and ``target_halves``.

        Args:
            data: What JSON held.
            measurement: Needed to find the perturbations of a plain list.

        Raises:
            IntegrityError: The stamp is missing or wrong, or this is no split at all.
            SplitError: A plain list has an empty fold or a name in two folds, or came without data.
            UnknownNameError: A name is no target in the data.
        """
        if not isinstance(data, dict) or not data.get("folds"):
            raise IntegrityError('This is no split: it holds no "folds". Write one with Split.save, or list the folds.')
        if "format" in data or "digest" in data:
            return _stamped(data)
        if measurement is None:
            raise SplitError("A plain list of folds names targets: give the data too, so that they can be found there.")
        return _plain(data, measurement)

    def save(self, path: Path) -> None:
        """Write the manifest, stamped."""
        write_text(path, json.dumps(self.to_json(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path, measurement: Measurement | None = None) -> "Split":
        """Read what `save` wrote, or a plain list of folds; see `from_json`."""
        return cls.from_json(read_json(path), measurement)

    @classmethod
    def parse(cls, text: str, measurement: Measurement, *, seed: int = 0) -> "Split":
        """Read a manifest, or make the split that a text such as ``unseen-perturbation:5`` names.

        Args:
            text: Path of a manifest, or a kind with its numbers: ``unseen-perturbation:FOLDS``,
                ``unseen-context[:FOLDS]``, ``few-shot-context:GIVEN[:FOLDS]``, ``unseen-donor[:FOLDS]``,
                ``unseen-batch[:FOLDS]``, ``unseen-both:FOLDS``, ``unseen-pair:FOLDS``,
                ``unseen-combination:SEEN:FOLDS``, ``hidden-combination:SHARE[:MOST]``, ``extrapolate-dose:ABOVE`` or
                ``extrapolate-hours:ABOVE``.
            measurement: The data that are split.
            seed: Draws the folds, where a kind is given.

        Raises:
            SplitError: The data do not allow it, or the numbers behind the kind are wrong.
            UnknownNameError: No such kind of split, and no such file.

        >>> from aivc.data.synthetic import synthetic_screen
        >>> cells, _ = synthetic_screen(perturbations=6, features=60, cells=4, controls=8)
        >>> len(Split.parse("unseen-perturbation:3", cells).folds)
        3
        """
        # The kinds of split are made of splits.
        from aivc.data.splits.split_text import parse

        return parse(text, measurement, seed=seed)


def data_digest(measurement: Measurement) -> str:
    """Return the sha256 of the entity names, whatever their order."""
    return names_digest(measurement.entities.index)


def names_digest(names: Iterable[object]) -> str:
    """Return the sha256 of names, whatever their order."""
    return hashlib.sha256("\n".join(sorted(map(str, names))).encode()).hexdigest()


def check_roles(roles: np.ndarray, measurement: Measurement) -> None:
    """Refuse roles that leak or leave nothing to do.

    Raises:
        SplitError: A control is trained on as a perturbation or the reverse, the same group of entities is both trained
            on and scored, or there is nothing to train on or to score.
    """
    if unknown := set(roles) - set(ROLES):
        raise SplitError(f"Roles are {', '.join(ROLES)}; got {', '.join(map(str, sorted(unknown)))}.")
    role_n, perturbed_n = pd.Series(roles), _perturbed(measurement)
    misplaced_n = role_n.isin((CONTROL_TRAIN, CONTROL_SCORE)) & perturbed_n
    misplaced_n |= role_n.isin((TRAIN, SCORE, REPLICATE)) & ~perturbed_n
    if misplaced_n.any():
        raise SplitError(
            "A control has the role of a perturbed entity, or the reverse. Draw the roles from these data."
        )
    for role, remedy in ((TRAIN, "Use more folds"), (SCORE, "Name perturbations that the data hold")):
        if not (role_n == role).any():
            raise SplitError(f"No entity has the role {role!r}. {remedy}.")
    keys = pd.DataFrame({name: column(measurement, name) for name in ("perturbation", *STRATA)})
    trained, scored = (
        keys[role_n.isin(wanted).to_numpy()].drop_duplicates() for wanted in ((TRAIN,), (SCORE, REPLICATE))
    )
    if len(both := trained.merge(scored)):
        shown = " | ".join(filter(None, both.iloc[0]))
        raise SplitError(f"{shown} is both trained on and scored. Hold out all entities of a group together.")


def column(measurement: Measurement, name: str) -> np.ndarray:
    """``(n,)`` texts of a column that folds may name; what has no value there has the value ``""``."""
    if name == "pair":
        return np.array(
            [pair(c, p) for c, p in zip(measurement.contexts, measurement.perturbations, strict=True)], dtype=object
        )
    defaults = {"perturbation": measurement.perturbations, "context": measurement.contexts}
    if name not in measurement.entities and name not in defaults:
        return np.full(len(measurement), "", dtype=object)
    values = pd.Series(defaults[name] if name in defaults else measurement.entities[name].to_numpy(dtype=object))
    return values.where(values.notna(), "").astype(str).to_numpy(dtype=object)


def pair(context: str, perturbation: str) -> str:
    """Name a perturbation in a context.

    >>> pair("k562", "ko:TP53")
    'k562 | ko:TP53'
    """
    return f"{context} | {perturbation}"


def _perturbed(measurement: Measurement) -> np.ndarray:
    return np.asarray(measurement.perturbations != CONTROL, dtype=bool)


def _listed(measurement: Measurement, name: str, values: Names) -> np.ndarray:
    return pd.Series(column(measurement, name)).isin(values).to_numpy(dtype=bool)


def _alternate(
    measurement: Measurement, rows: np.ndarray, within: Sequence[str], balanced: Sequence[str], seed: int
) -> np.ndarray:
    """Halve entities within groups, balanced over columns: ``(m,)`` True for the second half."""
    chosen = measurement.entities.index[rows]
    codes = [pd.factorize(column(measurement, name)[rows], sort=True)[0] for name in (*within, *balanced)]
    order = np.lexsort((random_ranks(chosen, seed), *reversed(codes)))
    group_m = np.zeros(len(rows), dtype=np.int64)
    for code_m in codes[: len(within)]:
        group_m = group_m * (code_m.max(initial=0) + 1) + code_m
    ordered = group_m[order]
    second = np.zeros(len(rows), dtype=bool)
    second[order] = (np.arange(len(rows)) - np.searchsorted(ordered, ordered)) % 2 == 1
    return second


def _named(measurement: Measurement, rows: np.ndarray, names: Names) -> np.ndarray:
    found = measurement.entities.index[rows].isin(names)
    if found.sum() != len(set(names)):
        absent = sorted(set(names) - set(measurement.entities.index[rows]))
        raise SplitError(
            f"The split lists {len(absent)} entities that the data lack or label otherwise, such as {absent[0]!r}. "
            "Give it the whole dataset it was made for."
        )
    return np.asarray(found)


def _require_disjoint(what: str, parts: Mapping[str, Names], wanted: Names) -> None:
    if set(parts) != set(wanted):
        raise SplitError(f"The {what} are named {' and '.join(wanted)}; got {', '.join(parts)}.")
    if both := set(parts[wanted[0]]) & set(parts[wanted[1]]):
        raise SplitError(f"The {what} share {len(both)} entities, such as {sorted(both)[0]!r}. Make them disjoint.")


def _shown(values: Mapping[str, Names]) -> str:
    return "; ".join(f"{name} {', '.join(listed[:3])}" for name, listed in values.items())


def _names(listed: object) -> Names:
    if not isinstance(listed, list | tuple):
        raise IntegrityError(f"A split lists names, got {str(listed)[:60]!r}. Make it again.")
    return tuple(str(name) for name in listed)


def _text(found: object, what: str) -> str:
    if not isinstance(found, str):
        raise IntegrityError(f"The {what} of a split is text, got {str(found)[:60]!r}. Make it again.")
    return found


def _stamped(data: dict[str, Any]) -> Split:
    require_sound(data, "This split", finite=True)
    try:
        controls, halves = data["controls"], data["halves"]
        split = Split(
            _text(data["kind"], "kind"),
            whole_number(data["seed"], "The seed of a split", high=HIGHEST_SEED),
            tuple(Fold(*({c: _names(v) for c, v in f[k].items()} for k in ("test", "held"))) for f in data["folds"]),
            None if controls is None else {k: _names(v) for k, v in controls.items()},
            None if halves is None else {p: {k: _names(v) for k, v in h.items()} for p, h in halves.items()},
            None if data["data_digest"] is None else _text(data["data_digest"], "data_digest"),
            dict(data["notes"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, AIVCError):
            raise
        raise IntegrityError(f"This split is damaged ({error!r}). Make it again.") from error
    if data.get("format") != FORMAT or data.get("digest") != split.digest:
        raise IntegrityError(
            "This split's stamp does not fit its contents: it was edited, or written by another version. "
            "Make it again, or give a plain list of folds without a stamp."
        )
    return split


def _plain(data: dict[str, Any], measurement: Measurement) -> Split:
    require_sound(data, "This list of folds", finite=True)
    listed = list(data["folds"].values()) if isinstance(data["folds"], dict) else data["folds"]
    if not isinstance(listed, list) or not all(isinstance(names, list) and names for names in listed):
        raise SplitError('A fold is empty or no list. Write {"folds": [["GENE1", "GENE2"], ["GENE3"]]}.')
    names = [str(name) for fold in listed for name in fold]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SplitError(f"{twice!r} stands twice in the folds. Test each target in one fold only.")
    found = _by_target(measurement)
    for name in names:
        if name not in found:
            raise UnknownNameError("perturbation target", name, found, "Folds list targets of this dataset.")
    tests = [{"perturbation": tuple(p for name in fold for p in found[str(name)])} for fold in listed]
    halves = data.get("target_halves")
    if halves is not None:
        if not isinstance(halves, dict) or not all(isinstance(parts, dict) for parts in halves.values()):
            raise SplitError("target_halves lists the two halves of each target. Correct it, or leave it out.")
        halves = {p: {k: _names(v) for k, v in parts.items()} for t, parts in halves.items() for p in found.get(t, ())}
    controls = None
    if "control_half_A" in data:
        if "control_half_B" not in data:
            raise SplitError("control_half_A needs control_half_B beside it: train on one, score by the other.")
        controls = {"train": _names(data["control_half_A"]), "score": _names(data["control_half_B"])}
    used = {"folds", "seed", "control_half_A", "control_half_B", "target_halves"}
    notes = {key: value for key, value in data.items() if key not in used}
    folds = tuple(Fold(test, test) for test in tests)
    seed = whole_number(data.get("seed", 0), "The seed of a split", high=HIGHEST_SEED)
    return Split("given", seed, folds, controls, halves, None, notes)


def _by_target(measurement: Measurement) -> dict[str, Names]:
    found: dict[str, list[str]] = {}
    for text in sorted(set(measurement.perturbations) - {CONTROL}):
        for name in {text, *Perturbation.parse(text).targets}:
            found.setdefault(name, []).append(text)
    return {name: tuple(texts) for name, texts in found.items()}
