"""The same compounds in two screens, of RNA and of images: what one tells of the other, with compounds left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.effects import effects
from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.registry import ENCODERS
from aivc.core.ur import UR
from aivc.data.names.compound_names import family_of
from aivc.experiments.fitting.summary import with_zero_control

FEWEST = 8
# Relative to the mean size of a training compound; chosen among by leaving out each of these.
_PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_DRAWS = 1000
_METRICS = ("cosine", "retrieval", "first")


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """What each compound did in one screen.

    Attributes:
        effects: ``(c, f)`` mean over contexts and over doses from the median up.
        halves: ``(2, c, f)`` the same from either half of its plates and contexts; NaN where it has only one.
    """

    effects: Float[np.ndarray, "c f"]
    halves: Float[np.ndarray, "2 c f"]

    def ceiling(self) -> float | None:
        """What cosine with the measured effects the true ones would have; None where fewer than two were repeated.

        Effects are centered by the mean over compounds. The cosine of two halves tells that of two such experiments
        (Spearman 1910; Brown 1910), and its root is the cosine with the truth.
        """
        known_c = np.isfinite(self.halves).all(axis=(0, 2))
        if known_c.sum() < 2:
            return None
        one, other = (half - half.mean(axis=0) for half in self.halves[:, known_c])
        half = max(float(np.mean([_cosine(a, b) for a, b in zip(one, other, strict=True)])), 0.0)
        return float(np.sqrt(2 * half / (1 + half)))


@final
@dataclass(frozen=True, eq=False)
class Shared:
    """Compounds that two screens have in common.

    Attributes:
        compounds: ``(c,)`` keys (`aivc.data.names.compound_names.compound`), sorted.
        rna: What they did to expression.
        images: What they did to what cells look like.
    """

    compounds: np.ndarray
    rna: Seen
    images: Seen

    def __len__(self) -> int:
        return len(self.compounds)

    @property
    def no_power(self) -> str:
        """Why nothing can be said, empty where something can."""
        if len(self) >= FEWEST:
            return ""
        return f"no power: too few compounds are shared to tell anything ({len(self)}, and {FEWEST} are the fewest)"


def states_of(screen: Measurement, *, encoder: str = "full-space", seed: int = 0) -> UR:
    """States of a screen, fitted on all of it without any label; a table of effects gets the control it lacks."""
    table = with_zero_control(screen) if screen.is_effects else screen
    part: Any = ENCODERS.load(encoder)
    states: UR = part.fit(table, seed=seed).encode(table)
    return states


def shared(rna: UR, images: UR, *, seed: int = 0) -> Shared:
    """Find the compounds that both screens hold, whatever names, salts and doses they write.

    Args:
        rna: States with their controls, such as those of `states_of`; combinations are left out.
        images: The same of images or their profiles, such as states of ``morphology``.
        seed: Draws the halves.

    Raises:
        ControlError: A context has no control.
        DataError: They share no compound.
    """
    by = [_kept(each) for each in (rna, images)]
    names = sorted(set(by[0].values()) & set(by[1].values()))
    if not names:
        raise DataError(["The two screens share no compound. Are the perturbations of both drugs, by name?"])
    found = [_seen(ur, of, names, seed) for ur, of in zip((rna, images), by, strict=True)]
    return Shared(np.array(names, dtype=object), *found)


def cross_modal(both: Shared, *, permutations: int = 200, seed: int = 0) -> pd.DataFrame:
    """Predict what each compound does in one screen from what it does in the other, by kernel ridge regression.

    Kernel (linear, or Gaussian of median width) and penalty are chosen by leaving out training compounds, so that
    nothing of a compound that is asked about enters. ``cosine`` leaves out one compound, and is that of the answer with
    the measured effect, both less the mean of training. An answer is made of training compounds and resembles them, so
    retrieval leaves out two: ``retrieval`` is how often the answer is nearer to its own compound than to the other, of
    which one half is chance, and ``first`` how often nearer than to every other. Permuted: the compounds of one screen
    exchange their effects.

    Returns:
        A row for each ``question`` and ``metric``: ``value``; ``low`` and ``high``, the 95 % interval over compounds;
        ``null`` and ``p`` by permutation; ``ceiling`` of a cosine by halves of the screen that is predicted, NaN where
        it was not repeated; ``note``. Values are NaN, with a note, where too few compounds are shared.

    >>> rng = np.random.default_rng(0)
    >>> seen = Seen(rng.normal(size=(3, 5)), np.full((2, 3, 5), np.nan))
    >>> cross_modal(Shared(np.array(["A", "B", "C"]), seen, seen))["note"][0]
    'no power: too few compounds are shared to tell anything (3, and 8 are the fewest)'
    """
    rows: list[dict[str, Any]] = []
    for question, given, asked in (
        ("images from RNA", both.rna, both.images),
        ("RNA from images", both.images, both.rna),
    ):
        ceiling = asked.ceiling()
        if both.no_power:
            rows += [{"question": question, "metric": each, "note": both.no_power} for each in _METRICS]
            continue
        rng = np.random.default_rng(seed)
        # The first order is the true one.
        orders_pc = np.array([np.arange(len(both)), *(rng.permutation(len(both)) for _ in range(permutations))])
        for metric, score_pc in _scores(given.effects, asked.effects, orders_pc).items():
            value, null = float(score_pc[0].mean()), score_pc[1:].mean(axis=1)
            low, high = _interval(score_pc[0], rng)
            row = {"question": question, "metric": metric, "value": value, "low": low, "high": high}
            row |= {"null": null.mean(), "p": (1 + (null >= value).sum()) / (1 + permutations)}
            row["ceiling"] = ceiling if metric == "cosine" and ceiling is not None else np.nan
            rows.append({**row, "note": f"{len(both)} compounds"})
    columns = ["question", "metric", "value", "low", "high", "null", "p", "ceiling", "note"]
    return pd.DataFrame(rows).reindex(columns=columns)


def joint_states(both: Shared, *, rna: bool = True, images: bool = True, dim: int = 8, leave_out: int = -1) -> UR:
    """One state for each compound: the product of what its RNA and its images say (``ppca-experts``).

    Args:
        both: The compounds.
        rna: Read expression.
        images: Read images.
        dim: Axes, at most one less than the compounds that it is fitted on.
        leave_out: Position of a compound that the fit does not see; -1 for none.
    """
    blocks = [("rna", both.rna.effects)] * rna + [("image", both.images.effects)] * images
    names = [f"{name}:{i}" if name == "rna" else str(i) for name, block in blocks for i in range(block.shape[1])]
    entities = pd.DataFrame({"perturbation": [f"drug:{name}" for name in both.compounds]}, index=both.compounds)
    values = np.concatenate([block for _, block in blocks], axis=1)
    table = Measurement(values, np.array(names, dtype=object), entities, "arbitrary", modality="image")
    part: Any = ENCODERS.load("ppca-experts")
    kept = np.flatnonzero(np.arange(len(both)) != leave_out)
    states: UR = part.fit(table.take(kept), dim=min(dim, len(kept) - 1, values.shape[1] - 1)).encode(table)
    return states


def joint_mechanisms(
    both: Shared, mechanisms: Mapping[str, str], *, dim: int = 8, permutations: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Name the mechanism of each compound by the nearest other one, from RNA, from images, and from both in one state.

    The axes of each question are fitted without the compound asked about, and no label enters them. Compounds whose
    mechanism no other one has are candidates only.

    Args:
        both: The compounds.
        mechanisms: By key of the compound.
        dim: Axes of the states.
        permutations: Of mechanisms, for the null.
        seed: Of permutations, and of the interval over compounds.

    Returns:
        A row for ``rna``, ``images``, ``joint`` and ``gain`` (joint less the better of the two): ``value``, the share
        of compounds named rightly; ``low``, ``high``, ``null``, ``p`` and ``note`` as in `cross_modal`.
    """
    kind_c = np.array([mechanisms.get(str(name), "") for name in both.compounds], dtype=object)
    asked = [i for i, kind in enumerate(kind_c) if kind and (kind_c == kind).sum() > 1]
    columns = ["read", "value", "low", "high", "null", "p", "note"]
    reads = {"rna": (True, False), "images": (False, True), "joint": (True, True)}
    note = both.no_power or ("" if asked else "no power: no two compounds share a mechanism")
    if note:
        return pd.DataFrame([{"read": each, "note": note} for each in (*reads, "gain")]).reindex(columns=columns)
    rng, right, rows = np.random.default_rng(seed), {}, []
    note = f"{len(asked)} compounds asked about, {len(both)} to answer"
    for name, (rna, images) in reads.items():
        nearest = np.array([_nearest(both, i, kind_c != "", rna=rna, images=images, dim=dim) for i in asked])
        right[name] = (kind_c[nearest] == kind_c[asked]).astype(float)
        null = np.array([_hits(rng.permutation(kind_c), asked, nearest) for _ in range(permutations)])
        low, high = _interval(right[name], rng)
        p = (1 + (null >= right[name].mean()).sum()) / (1 + permutations)
        rows.append((name, right[name].mean(), low, high, null.mean(), p, note))
    better = max(("rna", "images"), key=lambda name: right[name].mean())
    gain = right["joint"] - right[better]
    rows.append(("gain", gain.mean(), *_interval(gain, rng), np.nan, np.nan, f"over {better} alone"))
    return pd.DataFrame(rows, columns=columns)


def _kept(ur: UR) -> dict[str, str]:
    """Compound of each perturbation by one drug, at its median dose or above."""
    single = {text: each for text in set(ur.perturbations.astype(str)) - {CONTROL} if (each := _drug(text))}
    dose_of: dict[str, list[float]] = {}
    for name, dose in single.values():
        dose_of.setdefault(name, []).append(dose)
    return {text: name for text, (name, dose) in single.items() if dose >= np.median(dose_of[name])}


def _drug(text: str) -> tuple[str, float] | None:
    """Key and dose of the drug that a perturbation is; None for other kinds and for combinations."""
    parsed = Perturbation.parse(text)
    if len(parsed.agents) != 1 or parsed.agents[0].kind != "drug":
        return None
    return family_of(parsed), float(parsed.agents[0].dose or 0.0)


def _seen(ur: UR, of: Mapping[str, str], names: Sequence[str], seed: int) -> Seen:
    text_n = ur.perturbations.astype(str)
    half_n = _halves(ur, of, seed)
    parts = [_means(ur.take((text_n == CONTROL) | (half_n == half)), of, names) for half in (0, 1)]
    return Seen(_means(ur, of, names), np.array(parts))


def _means(ur: UR, of: Mapping[str, str], names: Sequence[str]) -> np.ndarray:
    """``(c, f)`` mean effect of each compound, NaN where it is not there."""
    made = np.full((len(names), ur.space.dim), np.nan)
    if (ur.perturbations.astype(str) == CONTROL).all():
        return made
    found = effects(ur)
    name_p = np.array([of.get(str(text), "") for text in found.perturbations], dtype=object)
    shift_pf = found.filled()
    for row, name in enumerate(names):
        if (own := name_p == name).any():
            made[row] = shift_pf[own].mean(axis=0)
    return made


def _halves(ur: UR, of: Mapping[str, str], seed: int) -> np.ndarray:
    """``(n,)`` half of each row, 0 or 1, plates and contexts of a compound whole; -1 for what takes no part."""
    rng, half_n = np.random.default_rng(seed), np.full(len(ur), -1)
    batch = ur.entities["batch"].astype(str) if "batch" in ur.entities else pd.Series("all", index=ur.entities.index)
    unit_n = np.array([f"{a}|{b}" for a, b in zip(ur.contexts.astype(str), batch, strict=True)], dtype=object)
    name_n = np.array([of.get(text, "") for text in ur.perturbations.astype(str)], dtype=object)
    for name in sorted(set(name_n) - {""}):
        own = name_n == name
        units = rng.permutation(sorted(set(unit_n[own])))
        half_n[own] = np.isin(unit_n[own], units[::2]).astype(int)
    return half_n


def _scores(given_cf: np.ndarray, asked_cg: np.ndarray, orders_pc: np.ndarray) -> dict[str, np.ndarray]:
    """By metric, ``(p, c)`` scores of compounds, for each order that the effects asked about are dealt out in."""
    gram_cc, dealt_cc = given_cf @ given_cf.T, asked_cg @ asked_cg.T
    # Inner products are all that is needed of effects.
    asked_pcc = dealt_cc[orders_pc[:, :, None], orders_pc[:, None, :]]
    count = len(gram_cc)
    cosine_pc, wins_pcc = np.zeros(orders_pc.shape), np.full(asked_pcc.shape, np.nan)
    for i in range(count):
        cosine_pc[:, i] = _likeness(gram_cc, asked_pcc, [i])[:, 0, 0]
        for j in range(i + 1, count):
            alike_pqr = _likeness(gram_cc, asked_pcc, [i, j])
            wins_pcc[:, i, j] = _won(alike_pqr[:, 0, 0], alike_pqr[:, 0, 1])
            wins_pcc[:, j, i] = _won(alike_pqr[:, 1, 1], alike_pqr[:, 1, 0])
    first_pc = (np.nanmin(wins_pcc, axis=2) == 1.0).astype(float)
    return {"cosine": cosine_pc, "retrieval": np.nanmean(wins_pcc, axis=2), "first": first_pc}


def _won(own_p: np.ndarray, other_p: np.ndarray) -> np.ndarray:
    return np.asarray((np.sign(own_p - other_p) + 1) / 2)


def _likeness(gram_cc: np.ndarray, asked_pcc: np.ndarray, asked: Sequence[int]) -> np.ndarray:
    """``(p, q, q)`` cosines of answers with the measured effects of those left out, from the mean of training."""
    train = np.delete(np.arange(len(gram_cc)), asked)
    said_pqc = _answers(gram_cc, asked_pcc, asked)
    truth_qc = np.eye(len(gram_cc))[list(asked)]
    truth_qc[:, train] -= 1 / len(train)
    product_pqc = said_pqc @ asked_pcc
    said_pq = np.sqrt(np.maximum((product_pqc * said_pqc).sum(axis=2), 0.0))
    true_pq = np.sqrt(np.maximum(((truth_qc @ asked_pcc) * truth_qc).sum(axis=2), 0.0))
    return np.asarray(product_pqc @ truth_qc.T / np.maximum(said_pq[:, :, None] * true_pq[:, None], 1e-300))


def _answers(gram_cc: np.ndarray, asked_pcc: np.ndarray, asked: Sequence[int]) -> np.ndarray:
    """``(p, q, c)`` weights of the effects of training compounds in each answer, less their mean; they add up to 0."""
    train = np.delete(np.arange(len(gram_cc)), asked)
    count, square_ktt, answer_kqc = len(train), [], []
    for k_cc in _kernels(gram_cc, train):
        k_tt, k_qt = k_cc[np.ix_(train, train)], k_cc[list(asked)][:, train]
        mean_t = k_tt.mean(axis=0)
        centered_tt = k_tt - mean_t - mean_t[:, None] + mean_t.mean()
        centered_qt = k_qt - mean_t - k_qt.mean(axis=1, keepdims=True) + mean_t.mean()
        size = max(float(np.trace(centered_tt)) / count, 1e-300)
        value_t, vector_tt = np.linalg.eigh(centered_tt / size)
        for penalty in _PENALTIES:
            shrunk_tt = (vector_tt / (np.maximum(value_t, 0.0) + penalty)) @ vector_tt.T
            hat_tt = centered_tt / size @ shrunk_tt + 1 / count
            # What leaving each one out would miss it by, from one fit (Allen 1974).
            off_tt = (np.eye(count) - hat_tt) / np.maximum(1 - np.diag(hat_tt), 1e-9)[:, None]
            square_ktt.append(off_tt.T @ off_tt)
            weight_qt = centered_qt / size @ shrunk_tt
            answer_kqc.append(np.zeros((len(asked), len(gram_cc))))
            answer_kqc[-1][:, train] = weight_qt - weight_qt.mean(axis=1, keepdims=True)
    asked_ptt = asked_pcc[:, train[:, None], train]
    error_pk = asked_ptt.reshape(len(asked_pcc), -1) @ np.array(square_ktt).reshape(len(square_ktt), -1).T
    return np.array(answer_kqc)[error_pk.argmin(axis=1)]


def _kernels(gram_cc: np.ndarray, train: np.ndarray) -> Iterator[np.ndarray]:
    """Linear, and Gaussian as wide as the median distance of training compounds."""
    yield gram_cc
    square_c = np.diag(gram_cc)
    far_cc = np.maximum(square_c[:, None] + square_c - 2 * gram_cc, 0.0)
    middle = float(np.median(far_cc[np.ix_(train, train)][np.triu_indices(len(train), 1)]))
    yield np.exp(-far_cc / max(2 * middle, 1e-300))


def _nearest(both: Shared, i: int, known_c: np.ndarray, *, rna: bool, images: bool, dim: int) -> int:
    """The other compound of known mechanism whose state is most alike, on axes fitted without the one asked about."""
    z_cd = joint_states(both, rna=rna, images=images, dim=dim, leave_out=i).values
    alike_c = np.array([_cosine(z_cd[i], each) for each in z_cd])
    alike_c[~known_c | (np.arange(len(both)) == i)] = -np.inf
    return int(alike_c.argmax())


def _hits(kind_c: np.ndarray, asked: Sequence[int], nearest: np.ndarray) -> float:
    return float((kind_c[nearest] == kind_c[list(asked)]).mean())


def _interval(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    drawn = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-300))
