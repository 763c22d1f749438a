"""Control cells of a plate that was not trained on, moved to a drug: how near to its treated cells they come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.registry import ENCODERS, IMAGE_DECODERS
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.experiments.moved_cells import moved_cells

COPY, OTHER_HALF, TRAINING, MOVED = "copy-control", "other-half", "training-cells", "moved-cells"
SHIFTED, MEAN_SHIFT = "shifted-training-cells", "control-mean-shift"
OURS, QUANTILES, MEAN_IMAGE = "synthetic-microscope", "pixel-quantiles", "mean-image"
# Each draws after those before it, so that a method asked alone scores as it does among all.
_ORDER = (COPY, TRAINING, SHIFTED, MOVED, MEAN_SHIFT, OURS, QUANTILES, MEAN_IMAGE)
_IMAGES = (COPY, OTHER_HALF, TRAINING, QUANTILES, MEAN_IMAGE)
_FEATURES = (COPY, OTHER_HALF, TRAINING, SHIFTED, MOVED, MEAN_SHIFT)
_SHUFFLABLE = (MOVED, MEAN_SHIFT)
_NEEDED = ("dataset", "rows", "plates", "perturbations", "reader", "axes", "clip", "halves")


@final
@dataclass(frozen=True, eq=False)
class TrainingAxes:
    """Features on the main axes of a training plate, standardized by its controls.

    Attributes:
        center: ``(f,)`` mean of the controls.
        scale: ``(f,)`` their standard deviation.
        kept: ``(f,)`` True for features that controls vary in.
        middle: ``(k,)`` mean of the standardized features of the plate.
        axes: ``(k, d)``.
        clip: In standard deviations.
    """

    center: np.ndarray
    scale: np.ndarray
    kept: np.ndarray
    middle: np.ndarray
    axes: np.ndarray
    clip: float

    @classmethod
    def fit(cls, x_nf: np.ndarray, control_n: np.ndarray, *, axes: int, clip: float) -> "TrainingAxes":
        """Fit on all cells of the training plate."""
        center, scale = x_nf[control_n].mean(axis=0), x_nf[control_n].std(axis=0)
        kept = scale > 1e-8 * np.maximum(np.abs(center), 1.0)
        z_nk = np.clip((x_nf[:, kept] - center[kept]) / scale[kept], -clip, clip)
        middle = z_nk.mean(axis=0)
        turn = np.linalg.svd(z_nk - middle, full_matrices=False)[2][:axes].T
        return cls(center, scale, kept, middle, turn, clip)

    def __call__(self, x_nf: np.ndarray) -> Float[np.ndarray, "n d"]:
        """States of features."""
        z_nk = (x_nf[:, self.kept] - self.center[self.kept]) / self.scale[self.kept]
        return np.asarray((np.clip(z_nk, -self.clip, self.clip) - self.middle) @ self.axes)


def distances(made_nd: np.ndarray, real_md: np.ndarray) -> tuple[float, float]:
    """W1 by the best assignment of as many cells, and the Fréchet distance (Dowson & Landau 1982)."""
    cost = cdist(made_nd, real_md)
    w1 = float(cost[linear_sum_assignment(cost)].mean())
    one, other = np.cov(made_nd.T), np.cov(real_md.T)
    power, axes = np.linalg.eigh(one)
    root = (axes * np.sqrt(np.maximum(power, 0))) @ axes.T
    # Trace of the root of the product, which need not be regular: a mean image has no covariance.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    apart = ((made_nd.mean(axis=0) - real_md.mean(axis=0)) ** 2).sum()
    return w1, float(apart + np.trace(one) + np.trace(other) - 2 * shared)


@final
@dataclass(frozen=True, eq=False)
class _Pair:
    """A plate to learn a perturbation on, and the plate that is asked about.

    Attributes:
        name: Of the fold.
        perturbation: Its text.
        there: ``(n,)`` True for controls of the plate learned on.
        treated: ``(n,)`` for its perturbed cells.
        here: ``(n,)`` for controls of the plate asked about.
        real: ``(n,)`` for its perturbed cells.
        space: Axes of the plate learned on.
        states: ``(n, d)`` of all cells.
    """

    name: str
    perturbation: str
    there: np.ndarray
    treated: np.ndarray
    here: np.ndarray
    real: np.ndarray
    space: TrainingAxes
    states: np.ndarray


@final
class TreatedCells(Protocol):
    """Controls of a plate are moved to a drug that was seen on another plate, and compared with its treated cells.

    Image decoders that are fitted with a ``perturbation`` are methods; they are given controls of the plate asked
    about, and images come back. Of features alone there are ``moved-cells`` (treated cells of the other plate, moved by
    the trusted part of the difference of controls) and ``control-mean-shift``. The floor is ``copy-control``; nulls are
    ``mean-image`` (of treated cells, repeated), ``pixel-quantiles`` (of each channel), ``training-cells`` (treated
    cells of the other plate as they are, which are images too) and ``shifted-training-cells`` (the same in features,
    shifted by the whole difference of controls); the ceiling, ``other-half``, is one half of the real cells against the
    other. Shuffled: controls and treated cells of the plate learned on exchange their labels.

    ``features_gain_METRIC`` and ``images_gain_METRIC`` are (copy − method) / (copy − other half) in W1 and in Fréchet
    distance, apart for what answers with features and with images. ``effect_cosine`` is that of mean effects, and
    ``images_sharpness`` the gradient energy over that of real cells, or its inverse where that is less: 1 is as sharp.
    Folds are pairs of plates in each direction and perturbations; the note says how much halves differ.

    Settings: ``dataset``; ``rows``, number of cells; two ``plates``; ``perturbations``; ``reader``, the encoder whose
    table of features is used; ``axes``, ``clip``, of `TrainingAxes`; ``halves``, how often real cells are halved.
    """

    def __init__(self) -> None:
        self._pairs: list[_Pair] = []
        self._cells: Measurement | None = None

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of treated-cells lack {', '.join(missing)}. State them.")
        if not hasattr(ENCODERS.load(settings["reader"]), "table"):
            raise SpaceError(f"{settings['reader']} gives no table of features. Name an encoder that measures images.")
        for method in methods:
            name, decoders = method.removesuffix(SHUFFLED), IMAGE_DECODERS.names()
            known = [*_ORDER, OTHER_HALF, *decoders]
            if name not in known:
                raise UnknownNameError("method", method, known, "An image decoder is a method too.")
            if method != name and name not in (*_SHUFFLABLE, *decoders):
                raise UnknownNameError("method", method, known, f"{name} has no labels to exchange.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        if self._cells is None:
            cells: Measurement = data[settings["dataset"]]
            _require_rows(cells, settings)
            self._cells = cells.take(np.arange(len(cells)))
            self._pairs = _pairs(self._cells, settings)
        scored: dict[str, dict[str, float]] = {}
        notes = {}
        for pair in self._pairs:
            scored[pair.name], notes[pair.name] = self._of_pair(pair, settings, method, seed)
        rows = [
            ScoreRow(method, fold, metric, value, note=notes[fold])
            for fold, by in scored.items()
            for metric, value in by.items()
        ]
        for metric in next(iter(scored.values())):
            mean = float(np.mean([by[metric] for by in scored.values()]))
            rows.append(ScoreRow(method, POOLED, metric, mean, note=f"mean of {len(scored)} pairs"))
        return rows

    def _of_pair(
        self, pair: _Pair, settings: Mapping[str, Any], method: str, seed: int
    ) -> tuple[dict[str, float], str]:
        assert self._cells is not None
        name, own = method.removesuffix(SHUFFLED), pair
        if method != name:
            own = _exchanged(pair, np.random.default_rng(seed))
        image = None if name in _FEATURES else _drawn(self._cells, own, name, seed)
        states = _features(own, name) if image is None else pair.space(_table(image, settings))
        gains, spread = _gains(pair, states, name, settings["halves"])
        kinds = [
            *(["images"] if image is not None or name in _IMAGES else []),
            *(["features"] if name in _FEATURES else []),
        ]
        made = {f"{kind}_gain_{metric}": value for kind in kinds for metric, value in gains.items()}
        note = f"standard deviation over halves: W1 {spread[0]:.3f}, Fréchet {spread[1]:.3f}"
        if name != OTHER_HALF:
            made["effect_cosine"] = _cosine(pair, states)
        if "images" in kinds:
            rows = {COPY: pair.here, TRAINING: pair.treated}.get(name, pair.real)
            shown = _light(self._cells, rows) if image is None else np.asarray(image.values)
            ratios = _sharper(shown, _light(self._cells, pair.real))
            made["images_sharpness"] = float(np.mean(np.minimum(ratios, 1 / ratios)))
            named = zip(self._cells.features, ratios, strict=True)
            note += "; gradient energy over measured: " + ", ".join(f"{each} {ratio:.2f}" for each, ratio in named)
        return made, note


def _require_rows(cells: Measurement, settings: Mapping[str, Any]) -> None:
    plates = set(cells.entities["batch"].astype(str))
    if len(cells) != settings["rows"] or not set(settings["plates"]) <= plates:
        raise IntegrityError(
            f"The benchmark was frozen on {settings['rows']} cells, of plates {', '.join(settings['plates'])} among "
            f"others; these are {len(cells)} of {', '.join(sorted(plates))}. Read the same file."
        )


def _table(cells: Measurement, settings: Mapping[str, Any]) -> np.ndarray:
    part: Any = ENCODERS.load(settings["reader"])
    return np.asarray(part.table(cells, brightness=True).values, dtype=float)


def _light(cells: Measurement, rows: np.ndarray) -> np.ndarray:
    """``(k, c, y, x)`` images of some cells."""
    return np.asarray(cells.take(rows).values)


def _pairs(cells: Measurement, settings: Mapping[str, Any]) -> list[_Pair]:
    x_nf, label_n = _table(cells, settings), cells.perturbations
    plate_n = cells.entities["batch"].astype(str).to_numpy()
    first, second = settings["plates"]
    made = []
    for there, here in ((first, second), (second, first)):
        of = plate_n == there
        space = TrainingAxes.fit(x_nf[of], label_n[of] == CONTROL, axes=settings["axes"], clip=settings["clip"])
        states = space(x_nf)
        for text in settings["perturbations"]:
            control, treated = ((plate_n == there) & (label_n == kind) for kind in (CONTROL, text))
            target, real = ((plate_n == here) & (label_n == kind) for kind in (CONTROL, text))
            made.append(_Pair(f"{there} → {here}, {text}", text, control, treated, target, real, space, states))
    return made


def _exchanged(pair: _Pair, rng: np.random.Generator) -> _Pair:
    """Deal the labels of controls and of treated cells of the plate learned on anew."""
    rows = np.flatnonzero(pair.there | pair.treated)
    dealt = rng.permutation(pair.treated[rows])
    treated = np.zeros_like(pair.treated)
    treated[rows[dealt]] = True
    there = (pair.there | pair.treated) & ~treated
    return replace(pair, there=there, treated=treated)


def _features(pair: _Pair, name: str) -> np.ndarray:
    """``(k, d)`` states that a method without images answers with."""
    z_nd = pair.states
    treated, there, here = z_nd[pair.treated], z_nd[pair.there], z_nd[pair.here]
    match name:
        case "copy-control":
            return np.asarray(here)
        case "training-cells":
            return np.asarray(treated)
        case "shifted-training-cells":
            return np.asarray(treated - there.mean(axis=0) + here.mean(axis=0))
        case "control-mean-shift":
            return np.asarray(here + treated.mean(axis=0) - there.mean(axis=0))
        case "moved-cells":
            return moved_cells(treated, there, here)
    return np.asarray(z_nd[pair.real])


def _drawn(cells: Measurement, pair: _Pair, name: str, seed: int) -> Measurement:
    """Images that a method answers with, from controls of the plate asked about."""
    control, before, after = cells.take(pair.here), _light(cells, pair.there), _light(cells, pair.treated)
    if name == MEAN_IMAGE:
        made = np.broadcast_to(after.mean(axis=0), (len(control), *after.shape[1:])).astype(np.float32)
    elif name == QUANTILES:
        grid, made = np.linspace(0, 1, 257), _light(cells, pair.here).astype(np.float32)
        for c in range(made.shape[1]):
            levels = [np.quantile(each[:, c], grid) for each in (before, after)]
            made[:, c] = np.interp(made[:, c], *levels)
    else:
        labels = np.where(pair.treated, pair.perturbation, CONTROL)
        learned = cells.replace(entities=cells.entities.assign(perturbation=labels)).take(pair.there | pair.treated)
        part: Any = IMAGE_DECODERS.load(name)
        answer = part.fit(learned, seed=seed, perturbation=pair.perturbation).decode(control)
        made = np.asarray(answer.select(list(cells.features)).values)
    # A camera stores whole numbers.
    return control.replace(values=np.clip(np.round(made), 0, 255))


def _gains(pair: _Pair, states: np.ndarray, name: str, halves: int) -> tuple[dict[str, float], tuple[float, float]]:
    """Gain over copying the control in each metric, and its standard deviation over halves."""
    real, here, treated = (pair.states[rows] for rows in (pair.real, pair.here, pair.treated))
    sizes = {each: len(treated) if each in (TRAINING, SHIFTED, MOVED) else len(here) for each in _ORDER}
    found: dict[str, list[tuple[float, float]]] = {"own": [], "copy": [], "floor": []}
    for repeat in range(halves):
        rng = np.random.default_rng(repeat)
        order = rng.permutation(len(real))
        half, other = real[order[: len(order) // 2]], real[order[len(order) // 2 :]]
        rows = {each: rng.permutation(size) for each, size in sizes.items()}
        own = rows[name] if name in rows else rng.permutation(len(states))
        found["floor"].append(distances(other[: len(half)], half))
        found["copy"].append(distances(here[rows[COPY][: len(half)]], half))
        found["own"].append(found["floor"][-1] if name == OTHER_HALF else distances(states[own[: len(half)]], half))
    copy, floor = np.mean(found["copy"], axis=0), np.mean(found["floor"], axis=0)
    gain_r2 = (copy - np.array(found["own"])) / (copy - floor)
    w1, frechet = map(float, gain_r2.mean(axis=0))
    spread = gain_r2.std(axis=0)
    return {"w1": w1, "frechet": frechet}, (float(spread[0]), float(spread[1]))


def _cosine(pair: _Pair, states: np.ndarray) -> float:
    """Cosine of the mean effect with the real one; 0 where nothing moved."""
    here = pair.states[pair.here].mean(axis=0)
    own, effect = states.mean(axis=0) - here, pair.states[pair.real].mean(axis=0) - here
    return float(own @ effect / max(float(np.linalg.norm(own) * np.linalg.norm(effect)), 1e-12))


def _sharper(made_ncyx: np.ndarray, real_ncyx: np.ndarray) -> np.ndarray:
    """``(c,)`` gradient energy over that of real cells."""

    def energy(image: np.ndarray) -> np.ndarray:
        light = image.astype(np.float64)
        axes = (np.diff(light, axis=axis) ** 2 for axis in (2, 3))
        return np.asarray(sum(each.mean(axis=(0, 2, 3)) for each in axes))

    return np.maximum(energy(made_ncyx), 1e-12) / np.maximum(energy(real_ncyx), 1e-12)
