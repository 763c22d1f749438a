"""Genes at a spot from the stained patch under it, in blocks of tissue left out and on sections left out."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.spatial import cKDTree

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import IMAGE_DECODERS
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.images.spot_patches import depth_scaled, section_patches

ALONE, COLOR, POSITION = "patch-alone", "mean-color", "position"
_READABLE, _NEAREST, _DRAWS, _BLOCKS = 0.2, 6, 1000, 3
_NEEDED = ("dataset", "images", "sections", "genes", "decoder", "side", "permutations")


@final
@dataclass(frozen=True, eq=False)
class _Section:
    """A section, cut up.

    Attributes:
        patches: With links.
        genes: Expression of the same spots.
        block: ``(n,)`` block of tissue of each.
        places: ``(n, 2)`` pixels.
        features: ``(n, p)`` what the decoder of the settings reads: own in the first half, neighbors' in the second.
        color: ``(n, 3)`` mean of each color in the spot, standardized within the section.
    """

    patches: Measurement
    genes: Measurement
    block: np.ndarray
    places: np.ndarray
    features: np.ndarray
    color: np.ndarray


@final
class PatchGenes(Protocol):
    """Expression of genes is asked for where no spot of the block of tissue, or of the section, was fitted on.

    Methods are image decoders that are fitted with ``expression`` and ``blocks``, on patches with links. The one of the
    settings is fitted on features of whole sections, measured once; ``patch-alone`` is the same without those of the
    neighbors' patches. Nulls are ``mean-color``, least squares on red, green and blue of the spot, and ``position``,
    the mean of the six nearest training spots, which knows nothing of another section. Shuffled: features
    are permuted over the spots asked about across sections, and over all spots of a section within it; the mean over
    permutations, with their 2.5 and 97.5 % quantiles.

    ``pearson_blocks`` is the correlation of a gene over the spots of a block, mean over blocks and genes; folds are
    sections. ``pearson_sections`` is that over all spots of the other section; folds are directions.
    ``readable_blocks`` and ``readable_sections`` count genes above 0.2. ``pearson_shown`` is that across sections of
    the genes alone that a decoder shows, by what it was fitted on. Intervals draw genes.

    Settings: ``dataset`` of spots and ``images`` of sections; ``sections``, name → a letter for each spot, in order,
    the block it is in; ``genes``; ``decoder``; ``side`` of patches in pixels; ``permutations``.
    """

    def __init__(self) -> None:
        self._sections: dict[str, _Section] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of patch-genes lack {', '.join(missing)}. State them.")
        for name, letters in settings["sections"].items():
            if len(set(letters)) < _BLOCKS:
                raise IntegrityError(
                    f"Section {name} has {len(set(letters))} blocks of tissue: three blocks or more are wanted, one "
                    "left out and two to choose a penalty by."
                )
        known = [ALONE, COLOR, POSITION, *IMAGE_DECODERS.names()]
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            if name not in known or (method != name and name not in (settings["decoder"], ALONE, COLOR)):
                raise UnknownNameError("method", method, known, "An image decoder fitted on expression is a method.")
            if name in (ALONE, COLOR, POSITION):
                continue
            if "expression" not in inspect.signature(IMAGE_DECODERS.load(name).fit).parameters:
                raise SpaceError(f"{name} does not read expression off images. Name a decoder that is fitted on it.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        if not self._sections:
            self._sections = {name: _section(data, settings, name) for name in settings["sections"]}
        rng, name = np.random.default_rng(seed), method.removesuffix(SHUFFLED)
        rounds = 1 if method == name else settings["permutations"]
        drawn = [self._asked(settings, name, None if method == name else rng, seed) for _ in range(rounds)]
        return _rows(method, drawn, seed)

    def _asked(
        self, settings: Mapping[str, Any], name: str, rng: np.random.Generator | None, seed: int
    ) -> dict[str, dict[str, np.ndarray]]:
        """``(g,)`` correlations of genes by metric and fold; permuted over spots where there is something to draw."""
        made: dict[str, dict[str, np.ndarray]] = {"blocks": {}, "sections": {}, "shown": {}}
        for key, own in self._sections.items():
            order = np.arange(len(own.block)) if rng is None else rng.permutation(len(own.block))
            found = []
            for block in np.unique(own.block):
                out = own.block == block
                said, _ = _answer(settings, name, (own, ~out), (own, out), (order, order), seed)
                found.append(correlations(said, own.genes.dense()[out]))
            made["blocks"][key] = np.mean(found, axis=0)
        for first, one in self._sections.items():
            for second, other in self._sections.items():
                if first == second or name == POSITION:
                    continue
                same, every = np.arange(len(other.block)), np.ones(len(one.block), dtype=bool)
                order = same if rng is None else rng.permutation(same)
                asked = np.ones(len(other.block), dtype=bool)
                orders = (np.arange(len(every)), order)
                said, shown = _answer(settings, name, (one, every), (other, asked), orders, seed)
                made["sections"][f"{first} → {second}"] = found_g = correlations(said, other.genes.dense())
                if rng is None and shown is not None and shown.any():
                    made["shown"][f"{first} → {second}"] = found_g[shown]
        return made


def _section(data: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> _Section:
    spots: Measurement = data[settings["dataset"]]
    spots = spots.take((spots.entities["section"].astype(str) == name).to_numpy())
    letters = settings["sections"][name]
    if len(letters) != len(spots):
        raise IntegrityError(
            f"The benchmark was frozen on {len(letters)} spots of section {name}, and there are {len(spots)}. Read the "
            "same file."
        )
    patches = section_patches(spots, data[settings["images"]][name], settings["side"])
    quarter = settings["side"] // 4
    inner = np.asarray(patches.values)[:, :, quarter:-quarter, quarter:-quarter]
    color = inner.astype(np.float64).mean(axis=(2, 3))
    color = (color - color.mean(axis=0)) / np.maximum(color.std(axis=0), 1e-9)
    part: Any = IMAGE_DECODERS.load(settings["decoder"])
    places = spots.entities[["pixel_x", "pixel_y"]].to_numpy(float)
    genes = depth_scaled(spots, settings["genes"])
    return _Section(patches, genes, np.array(list(letters)), places, part.section(patches), color)


def _read(own: _Section, name: str, decoder: str) -> np.ndarray | None:
    """``(n, p)`` what a method of features reads; None for one that reads patches itself."""
    if name == COLOR:
        return own.color
    if name == ALONE:
        return own.features[:, : own.features.shape[1] // 2]
    return own.features if name == decoder else None


def _answer(
    settings: Mapping[str, Any],
    name: str,
    known: tuple[_Section, np.ndarray],
    asked: tuple[_Section, np.ndarray],
    orders: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """``(m, g)`` expression expected at the spots asked about, and ``(g,)`` True for genes that a decoder shows."""
    (one, train), (other, test) = known, asked
    truth, block = one.genes.take(train), one.block[train]
    if name == POSITION:
        near = cKDTree(one.places[train]).query(other.places[test], min(_NEAREST, int(train.sum())))[1]
        return np.asarray(truth.dense()[near.reshape(int(test.sum()), -1)].mean(axis=1)), None
    x_np, y_mp = (_read(each, name, settings["decoder"]) for each in (one, other))
    if name == COLOR and x_np is not None and y_mp is not None:
        x_ne, y_me = (np.c_[np.ones(len(each)), each] for each in (x_np[orders[0]][train], y_mp[orders[1]][test]))
        return np.asarray(y_me @ np.linalg.lstsq(x_ne, truth.dense())[0]), None
    part: Any = IMAGE_DECODERS.load(settings["decoder"] if name == ALONE else name)
    if x_np is not None and y_mp is not None:
        fitted = part.of_features(x_np[orders[0]][train], truth, block)
        return np.asarray(fitted.expected(y_mp[orders[1]][test])), np.asarray(fitted.shown)
    fitted = part.fit(one.patches.take(train), seed=seed, expression=truth, blocks=block)
    shown = fitted.decode(other.patches.take(test))
    place = {str(gene): i for i, gene in enumerate(other.genes.features)}
    made = np.zeros((int(test.sum()), len(place)))
    columns = [place[str(gene)] for gene in shown.features]
    # What is not shown is the same everywhere, and correlates with nothing.
    made[:, columns] = shown.dense()
    return made, np.isin(np.arange(len(place)), columns)


def correlations(one_nf: np.ndarray, other_nf: np.ndarray) -> np.ndarray:
    """``(f,)`` Pearson correlation of each column; 0 where one is constant."""
    a, b = one_nf - one_nf.mean(axis=0), other_nf - other_nf.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(a.shape[1]), where=size > 1e-12)


def _rows(method: str, drawn: Sequence[Mapping[str, Mapping[str, np.ndarray]]], seed: int) -> list[ScoreRow]:
    made: list[ScoreRow] = []
    for kind in ("blocks", "sections"):
        folds = list(drawn[0][kind])
        if not folds:
            note = "places of one section say nothing of another"
            made += [ScoreRow(method, POOLED, f"{name}_{kind}", None, note=note) for name in ("pearson", "readable")]
            continue
        r_rkg = np.array([[each[kind][fold] for fold in folds] for each in drawn])
        count_rk = (r_rkg > _READABLE).sum(axis=2)
        for k, fold in enumerate(folds):
            made.append(ScoreRow(method, fold, f"pearson_{kind}", float(r_rkg[:, k].mean())))
            made.append(ScoreRow(method, fold, f"readable_{kind}", float(count_rk[:, k].mean())))
        gene_g = r_rkg.mean(axis=(0, 1))
        rows = np.random.default_rng(seed).integers(len(gene_g), size=(_DRAWS, len(gene_g)))
        spread = gene_g[rows].mean(axis=1) if len(drawn) == 1 else r_rkg.mean(axis=(1, 2))
        note = "interval draws genes" if len(drawn) == 1 else f"mean of {len(drawn)} permutations and their quantiles"
        low, high = map(float, np.quantile(spread, [0.025, 0.975]))
        made.append(ScoreRow(method, POOLED, f"pearson_{kind}", float(gene_g.mean()), low=low, high=high, note=note))
        made.append(ScoreRow(method, POOLED, f"readable_{kind}", float(count_rk.mean())))
    for fold, r_g in drawn[0]["shown"].items():
        note = f"{len(r_g)} genes shown, the least at {r_g.min():.3f}"
        made.append(ScoreRow(method, fold, "pearson_shown", float(r_g.mean()), note=note))
    return made
