"""What cells look like under a compound that was never given, from what is known of its structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError, UnavailableError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.molecule import Molecule
from aivc.core.perturbation import Perturbation
from aivc.core.registry import MANIPULATORS, PROVIDERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.molecules.blocks import molecular_ur
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.images.profile_inputs import centered_scores, plates_of, without

STRUCTURE = ":structure"
NEAREST, ORACLE = "nearest-structure", "same-mechanism"
KNOWN = ("mean", "random-compound", NEAREST, ORACLE)
_DRAWS = 1000


@final
@dataclass(frozen=True, eq=False)
class _Compounds:
    """Profiles of a screen, by compound.

    Attributes:
        wells: States of all wells.
        names: ``(c,)`` all compounds, sorted.
        mechanisms: ``(c,)`` as the authors gave them.
        profiles: ``(c, f)`` mean over the wells at the median dose of the compound and above.
        doses: Texts of the perturbations behind each profile.
        well_names: ``(n,)`` compound of each well; empty for controls.
    """

    wells: UR
    names: np.ndarray
    mechanisms: np.ndarray
    profiles: np.ndarray
    doses: tuple[tuple[str, ...], ...]
    well_names: np.ndarray

    @classmethod
    def of(cls, data: Mapping[str, Any], settings: Mapping[str, Any]) -> "_Compounds":
        """Center by the controls of each plate.

        Raises:
            IntegrityError: A compound that is asked about is not in the data.
        """
        read = without(data[settings["dataset"]], settings["without"])
        z_nf = centered_scores(read, clip=settings["clip"])
        text_n = read.perturbations.astype(str)
        parsed = {text: Perturbation.parse(text) for text in set(text_n) - {CONTROL}}
        agent = {text: each.agents[0] for text, each in parsed.items()}
        name_n = np.array([agent[text].target if text in agent else "" for text in text_n], dtype=object)
        names = sorted(set(name_n) - {""})
        if missing := sorted(set(settings["smiles"]) - set(names)):
            raise IntegrityError(
                f"The benchmark asks about {missing[0]}, which the data do not hold ({len(missing)} such). Read the "
                "file it was frozen on."
            )
        profiles, doses, mechanisms = [], [], []
        for name in names:
            own = sorted({text for text in agent if agent[text].target == name}, key=lambda text: agent[text].dose or 0)
            upper = [text for text in own if (agent[text].dose or 0) >= np.median([agent[t].dose or 0 for t in own])]
            profiles.append(z_nf[np.isin(text_n, upper)].mean(axis=0))
            doses.append(tuple(upper))
            mechanisms.append(str(read.entities[settings["mechanism"]].to_numpy()[name_n == name][0]))
        entities = pd.DataFrame({"perturbation": text_n.astype(object), "context": "all", "batch": plates_of(read)})
        space = Space("profiles", Scale.CELLULAR, z_nf.shape[1], "standardized")
        said = np.array(names, dtype=object), np.array(mechanisms, dtype=object), np.array(profiles)
        return cls(UR(z_nf, space, entities), *said, tuple(doses), name_n)


@final
class UnseenCompound(Protocol):
    """The profile of each compound is asked for with all of its wells left out.

    A profile is the mean over wells at the median dose of the compound and above, as differences from the controls of
    their plate in standard deviations over all controls. ``cosine_centred`` is its cosine with the answer after the
    mean profile of the other compounds was taken from both, and is what counts; ``cosine`` leaves the mean in.

    ``mean`` of the other compounds and a ``random-compound`` (the mean score of answering with any other) know nothing
    of the compound; ``nearest-structure`` answers with the other one of the most similar fingerprint (Tanimoto);
    ``same-mechanism``, the mean of the others of its mechanism, knows the mechanism. Every manipulator is a method:
    it is fitted on the other wells as on any screen, with what the providers of ``knowledge`` say of compounds, and
    asked at the doses of the profile. ``NAME:structure`` has nothing but the structures. Shuffled: compounds exchange
    what is known of them, and the mean over draws stands there.

    Folds are compounds, and intervals draw them. The note of a manipulator that is given knowledge says that structure
    was not used where its interval holds 0, or its value is no more than ``nearest_known``, which the nearest structure
    was known to reach.

    Settings: ``dataset``; ``without`` and ``clip`` as in `UnseenDose`; ``smiles``, the structures of the compounds
    that are asked about; ``mechanism``, the column; ``knowledge``, ``structure`` and ``nearest-structure``,
    providers of each; ``nearest_known``; ``shuffles``.
    """

    def __init__(self) -> None:
        self._compounds: _Compounds | None = None
        self._parts: dict[tuple[str, ...], UR] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            alone = name in KNOWN and name in (method, NEAREST)
            if not alone and (name in KNOWN or name.removesuffix(STRUCTURE) not in MANIPULATORS.names()):
                listed = [*KNOWN, NEAREST + SHUFFLED, *MANIPULATORS.names()]
                raise UnknownNameError("method", method, listed, "A manipulator is a method too, and with :structure.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        if self._compounds is None:
            self._compounds = _Compounds.of(data, settings)
        seen, name, rng = self._compounds, method.removesuffix(SHUFFLED), np.random.default_rng(seed)
        times = 1 if method == name else int(settings["shuffles"])
        found = []
        for _ in range(times):
            parts = self._knowledge(name, settings)
            if parts is not None and method != name:
                parts = _exchanged(parts, rng)
            for compound in settings["smiles"]:
                own = seen.names == compound
                center_f, truth_f = seen.profiles[~own].mean(axis=0), seen.profiles[own][0]
                for said_f in _said(name, seen, str(compound), parts, seed):
                    scores = _cosine(said_f - center_f, truth_f - center_f), _cosine(said_f, truth_f)
                    found.append((compound, *scores))
        table = pd.DataFrame(found, columns=["compound", "cosine_centred", "cosine"]).groupby("compound").mean()
        return _rows(method, table, settings, seed)

    def _knowledge(self, name: str, settings: Mapping[str, Any]) -> UR | None:
        """What a method is given to know about compounds."""
        if name in KNOWN and name != NEAREST:
            return None
        kind = NEAREST if name == NEAREST else "structure" if name.endswith(STRUCTURE) else "knowledge"
        blocks = tuple(settings[kind])
        if blocks not in self._parts:
            assert self._compounds is not None
            names = [str(each) for each in self._compounds.names]
            molecules = [Molecule("compound", each, sequence=settings["smiles"].get(each, "")) for each in names]
            self._parts[blocks] = molecular_ur(molecules, [_provider(each) for each in blocks], names=names)
        return self._parts[blocks]


def _provider(name: str) -> Any:
    """A registered source of knowledge.

    Raises:
        UnavailableError: It cannot be had here.
    """
    kind: Any = PROVIDERS.load(name)
    if (reason := kind.available()) is not None:
        raise UnavailableError(f"The benchmark reads {name}, which cannot be had here: {reason}")
    return kind.build() if hasattr(kind, "build") else kind()


def _said(name: str, seen: _Compounds, compound: str, parts: UR | None, seed: int) -> Iterator[np.ndarray]:
    """``(f,)`` answers of a method, of which the mean score counts; none where it cannot be asked."""
    other_c = seen.names != compound
    match name:
        case "mean":
            yield seen.profiles[other_c].mean(axis=0)
        case "random-compound":
            yield from seen.profiles[other_c]
        case "same-mechanism":
            alike_c = other_c & (seen.mechanisms == seen.mechanisms[~other_c][0])
            if alike_c.any():
                yield seen.profiles[alike_c].mean(axis=0)
        case "nearest-structure":
            assert parts is not None
            known_c = other_c & parts.values.any(axis=1)
            like_c = _tanimoto(parts.values[known_c], parts.values[~other_c][0])
            yield seen.profiles[known_c][int(like_c.argmax())]
        case _:
            yield _manipulated(name.removesuffix(STRUCTURE), seen, compound, parts, seed)


def _manipulated(name: str, seen: _Compounds, compound: str, parts: UR | None, seed: int) -> np.ndarray:
    """What a manipulator that has seen no well of the compound expects, over the doses of its profile."""
    part: Any = MANIPULATORS.load(name)
    training = seen.wells.take(seen.well_names != compound)
    given = {"parts": parts} if part.uses_parts or part.needs_parts else {}
    fitted = part.fit(training, seed=seed, **given)
    first = training.take(np.flatnonzero(training.perturbations == CONTROL)[:1])
    # The mean control is zero in these units.
    start = replace(first, values=np.zeros_like(first.values))
    texts = seen.doses[list(seen.names).index(compound)]
    said = [fitted.manipulate(start, Perturbation.parse(text)).mean for text in texts]
    return np.mean(np.asarray(said, dtype=float).reshape(len(texts), -1), axis=0)


def _exchanged(parts: UR, rng: np.random.Generator) -> UR:
    """Let compounds exchange what is known of them, and which blocks know them."""
    order = rng.permutation(len(parts))
    entities = parts.entities.iloc[order].set_axis(parts.entities.index, axis=0)
    variance = None if parts.variance is None else parts.variance[order]
    return UR(parts.values[order], parts.space, entities, variance, parts.mass)


def _tanimoto(x_cd: np.ndarray, y_d: np.ndarray) -> np.ndarray:
    """``(c,)`` Tanimoto coefficients of real vectors."""
    dot_c = x_cd @ y_d
    return np.asarray(dot_c / np.maximum((x_cd**2).sum(axis=1) + y_d @ y_d - dot_c, 1e-12))


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine; 0 where one says nothing."""
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size > 1e-9 else 0.0


def _rows(method: str, table: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> list[ScoreRow]:
    made: list[ScoreRow] = []
    drawn = np.random.default_rng(seed).integers(0, max(len(table), 1), (_DRAWS, len(table)))
    for metric in table:
        values = table[metric].to_numpy()
        if not len(values):
            made.append(ScoreRow(method, POOLED, str(metric), None, note="no compound shares a mechanism with another"))
            continue
        value, (low, high) = float(values.mean()), map(float, np.quantile(values[drawn].mean(axis=1), [0.025, 0.975]))
        note = f"{len(values)} compounds"
        if metric == "cosine_centred" and _informed(method):
            note += "; " + verdict(value, low, float(settings["nearest_known"]))
        made.append(ScoreRow(method, POOLED, str(metric), value, low=low, high=high, note=note))
        made += [ScoreRow(method, str(name), str(metric), float(each)) for name, each in table[metric].items()]
    return made


def _informed(method: str) -> bool:
    """Whether a method is a manipulator that is given knowledge, and no null."""
    name = method.removesuffix(STRUCTURE)
    if name in KNOWN or name.endswith(SHUFFLED):
        return False
    part = MANIPULATORS.load(name)
    return bool(part.uses_parts or part.needs_parts)


def verdict(value: float, low: float, nearest: float) -> str:
    """Whether a score shows that structure helped: its interval above 0, and it above the nearest structure.

    >>> verdict(0.2, 0.1, 0.26)
    'structure was not used: 0.20 is no more than 0.26 of the nearest structure'
    """
    if low <= 0:
        return "structure was not used: the interval holds 0"
    if value <= nearest:
        return f"structure was not used: {value:.2f} is no more than {nearest:.2f} of the nearest structure"
    return "structure was used"
