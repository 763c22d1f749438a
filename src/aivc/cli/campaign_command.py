"""`aivc campaign`: rounds of proposing, measuring and bringing in, on a record in a folder."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.grammar import Commands, natural, positive
from aivc.core.errors import DataError, IntegrityError, UnavailableError
from aivc.core.foreign_text import read_text
from aivc.core.writing import require_absent
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.written import write_table
from aivc.experiments.campaign.campaign import Campaign, CampaignSettings, measured_units
from aivc.experiments.campaign.pair_library import PairLibrary
from aivc.experiments.design.gene_features import DIRECTIONS, GeneFeatures, gene_features
from aivc.experiments.design.gene_learner import STARTS

RULES = ("greedy", "ucb", "thompson", "hit", "information", "coverage", "random")


def add(commands: Commands) -> None:
    """Declare the commands."""
    group = commands.group(
        "campaign",
        "Find the hits of a library of genes or pairs in rounds: propose a batch, measure it, bring the values in.",
        examples=(
            "aivc campaign new find-il2/ --genes library.txt --related other.csv --units log2fc",
            "aivc campaign propose find-il2/ --out round-1.csv",
            "aivc campaign import find-il2/ round-1-measured.csv",
        ),
    )
    made = group.add(
        "new",
        _new,
        "Begin a campaign in a new folder.",
        examples=(
            "aivc campaign new find-il2/ --genes library.txt --related other.csv --units log2fc --batch 96",
            "aivc campaign new find-pairs/ --pairs pairs.csv --measured known.csv --units score --batch 200",
        ),
    )
    made.add_argument("folder", type=Path, metavar="CAMPAIGN", help="folder to make")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--genes", type=Path, metavar="FILE", help="the library, one gene a line")
    which.add_argument("--pairs", type=Path, metavar="FILE.csv", help="the library, columns gene_a and gene_b")
    made.add_argument(
        "--measured", type=Path, metavar="FILE.csv", help="with --pairs: known pairs, columns gene_a, gene_b and score"
    )
    made.add_argument("--units", required=True, help="of what will be measured, such as log2fc, score or counts")
    made.add_argument(
        "--related",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.csv",
        help="another screen, with the columns gene and score; may be given several times",
    )
    made.add_argument("--covariates", type=Path, metavar="FILE.csv", help="numbers by gene, such as expression")
    made.add_argument(
        "--costs", type=Path, metavar="FILE.csv", help="columns gene (or pair, A+B) and cost (default 1 each)"
    )
    made.add_argument("--families", type=Path, metavar="FILE.csv", help="columns gene (or pair, A+B) and family")
    made.add_argument("--direction", choices=DIRECTIONS, default="both", help="what counts as strong (default both)")
    made.add_argument("--hit", type=_number, help="strength of a hit (default: the strongest 5 %% measured)")
    made.add_argument("--rule", choices=RULES, default="greedy", help="acquisition (default greedy)")
    made.add_argument("--start", choices=STARTS, default="prior", help="how the first batch is chosen (default prior)")
    made.add_argument("--no-prior", action="store_true", help="after the first batch, let measurements alone speak")
    made.add_argument("--batch", type=positive, default=128, help="genes or pairs in each round (default 128)")
    made.add_argument("--budget", type=_number, help="highest cost of a batch")
    made.add_argument("--per-family", type=positive, default=3, help="genes of one family in a batch (default 3)")
    made.add_argument("--least", type=_number, default=0.0, help="expected hits for each unit of cost, below: stop")
    made.add_argument("--plate", type=positive, default=384, help="wells of a plate (default 384)")
    made.add_argument("--controls", type=positive, default=32, help="control wells of each plate (default 32)")
    made.add_argument("--replicates", type=positive, default=2, help="wells of each gene or pair (default 2)")
    made.add_argument("--seed", type=natural, default=0, help="of choices and layouts (default 0)")
    made = group.add("propose", _propose, "Choose the next batch and write its plates, to be filled in.")
    _folder(made)
    made.add_argument("--out", type=Path, required=True, metavar="plates.csv", help="plate map to write")
    made.add_argument("--overwrite", action="store_true", help="replace the table where it exists")
    made = group.add("import", _import, "Bring in the measured values of the batch that waits; all of it or nothing.")
    _folder(made)
    made.add_argument("measured", type=Path, metavar="FILE.csv", help="the plate map with its column value filled in")
    _folder(group.add("status", _status, "Say how far a campaign is and what it has found."))
    _folder(group.add("replay", _replay, "Choose every batch again and compare with the record; 1 if one differs."))


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="CAMPAIGN", help="folder of the campaign")


def _new(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    settings = _settings(args)
    key = "pair" if args.pairs else "gene"
    cost = _column(args.costs, "cost", key).astype(float).to_dict() if args.costs else None
    families = _column(args.families, "family", key).to_dict() if args.families else None
    known, before, body = _pair_library(args, reporter) if args.pairs else _gene_library(args, reporter)
    made = Campaign.new(args.folder, known, settings, cost=cost, families=families)
    said = f"A campaign over {len(known):,} {key}s in {made.folder}, with {before}."
    body = {"candidates": len(known), **body, "files": {"campaign": made.folder}}
    return Outcome({**body, "seconds": reporter.seconds}, [said, f"Next: aivc campaign propose {made.folder} --out …"])


def _settings(args: argparse.Namespace) -> CampaignSettings:
    return CampaignSettings(
        units=measured_units(args.units),
        batch=args.batch,
        plate=args.plate,
        controls=args.controls,
        replicates=args.replicates,
        direction=args.direction,
        hit=args.hit,
        rule=args.rule,
        start=args.start,
        use_prior=not args.no_prior,
        budget=args.budget,
        per_family=args.per_family,
        least=args.least,
        seed=args.seed,
    )


def _gene_library(args: argparse.Namespace, reporter: Reporter) -> tuple[GeneFeatures, str, dict[str, Any]]:
    """Genes, what is said of the prior, and what the answer says of it."""
    if args.measured:
        raise DataError(["--measured names pairs, and the library has genes. Give other screens as --related."])
    genes = [line.strip() for line in _lines(args.genes) if line.strip()]
    related = {path.stem: _column(path, "score").astype(float) for path in args.related}
    if len(related) != len(args.related):
        raise DataError(["Two related screens have one name. Give their files different names."])
    reporter("gathering what is known of the genes", 0, 0)
    known = gene_features(
        genes, related, directions=dict.fromkeys(related, args.direction), covariates=_covariates(args.covariates)
    )
    prior = f"{len(related)} related screens" if related else "no related screen: the first batch is spread out"
    if known.unknown:
        prior += f"; nothing is known of {len(known.unknown):,} of them, first {known.unknown[0]}"
    return known, prior, {"related": sorted(related), "unknown": list(known.unknown)}


def _pair_library(args: argparse.Namespace, reporter: Reporter) -> tuple[PairLibrary, str, dict[str, Any]]:
    """Pairs, what is said of those given, and what the answer says of them."""
    if args.related or args.covariates:
        raise DataError(["--related and --covariates are of genes, and the library has pairs. Leave them out."])
    listed = _pairs(args.pairs, scored=False)
    given = _pairs(args.measured, scored=True) if args.measured else listed.iloc[:0].assign(score=0.0)
    measured = dict(zip(_ends(given), given["score"].astype(float), strict=True))
    if len(measured) < len(given):
        raise DataError([f"{args.measured} has a pair twice. Keep each pair once."])
    reporter("gathering what is known of the genes", 0, 0)
    known = PairLibrary.of(_ends(listed), measured)
    left_out = len(listed) - len(known)
    said = f"{len(given):,} pairs known before" if len(given) else "no pair known before: the first batch is at random"
    said += f"; {left_out:,} of the library were measured already" if left_out else ""
    return known, said, {"given": len(given), "measured_already": left_out}


def _propose(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out.suffix != ".csv":
        raise DataError([f"A plate map is written as .csv, got {args.out.name}. Choose this ending."])
    require_absent(args.out, overwrite=args.overwrite)
    campaign = Campaign.load(args.folder)
    reporter("choosing the next batch", 0, 0)
    made = campaign.propose()
    write_table(made.plates, args.out, overwrite=args.overwrite)
    plates = int(made.plates["plate"].max())
    said = f"Round {made.number}: {len(made.names)} {_kind(campaign)}s on {plates} plate{'s' if plates > 1 else ''}."
    body = {
        "round": made.number,
        f"{_kind(campaign)}s": list(made.names),
        "plates": plates,
        "remarks": list(made.remarks),
    }
    shown: list[RenderableType] = [said, *made.remarks, f"Written: {args.out}. Fill in the column value."]
    return Outcome({**body, "files": {"plates": args.out}, "seconds": reporter.seconds}, shown)


def _import(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    campaign = Campaign.load(args.folder)
    found = campaign.bring_in(args.measured)
    strongest = found.sort_values(key=abs, ascending=False).head(20)
    failed = int(found.isna().sum())
    body = {"measured": len(found) - failed, "failed": failed, "scores": found.where(found.notna(), None).to_dict()}
    rows = [[name, round(float(value), 4)] for name, value in strongest.items() if math.isfinite(value)]
    kind = _kind(campaign)
    said = f"{len(found) - failed} {kind}s measured, {failed} failed. The strongest, less the controls of their plate:"
    return Outcome({**body, "seconds": reporter.seconds}, [said, table([kind, "score"], rows)])


def _status(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    campaign = Campaign.load(args.folder)
    found, kind = campaign.status(), _kind(campaign)
    waits = found["waits_for_round"]
    said = (
        f"{found['measured']:,} of {found['candidates']:,} {kind}s measured in {found['rounds']} rounds, "
        f"{found['failed']} failed; {found['hits']} hits, by round {found['hits_by_round']}."
    )
    then = f"Round {waits} waits for its measurements." if waits else "The next batch can be proposed."
    rows = [[each["perturbation"], round(each["score"], 4)] for each in found["strongest"]]
    shown: list[RenderableType] = [said, then, *([table([kind, "score"], rows)] if rows else [])]
    return Outcome({**found, "seconds": reporter.seconds}, shown)


def _replay(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    campaign = Campaign.load(args.folder)
    reporter("choosing every batch again", 0, 0)
    odd = campaign.replay()
    said = f"Rounds that came out otherwise: {', '.join(map(str, odd))}." if odd else "Every batch came out the same."
    return Outcome({"differ": odd, "seconds": reporter.seconds}, [said], code=int(bool(odd)))


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except IntegrityError as error:
        raise UnavailableError(f"{path} cannot be read ({error}). Give a text file of one gene a line.") from error


def _kind(campaign: Campaign) -> str:
    return "pair" if isinstance(campaign.features, PairLibrary) else "gene"


def _table(path: Path, texts: Sequence[str]) -> pd.DataFrame:
    """A table whose named columns are there, as texts, none of them empty."""
    refuse_odd_file(path)
    try:
        found = pd.read_csv(
            path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""], compression=None
        )
    except (OSError, ValueError) as error:
        raise DataError([f"{path} is no table ({error}). Save it as .csv with {' and '.join(texts)}."]) from error
    if any(name not in found or found[name].isna().any() for name in texts):
        raise DataError([f"{path} needs the column {' and the column '.join(texts)}, filled in each row. Correct it."])
    return found


def _opened(path: Path, key: str = "gene") -> pd.DataFrame:
    found = _table(path, [key])
    if found[key].duplicated().any():
        raise DataError([f"{path} has a column {key}, each {key} once. Correct it."])
    return found.set_index(key)


def _pairs(path: Path, *, scored: bool) -> pd.DataFrame:
    found = _table(path, ["gene_a", "gene_b"])
    if scored and ("score" not in found or not pd.api.types.is_numeric_dtype(found["score"])):
        raise DataError([f"{path} has a column score, which holds numbers. Correct it."])
    return found


def _ends(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table["gene_a"].str.strip(), table["gene_b"].str.strip(), strict=True))


def _column(path: Path, name: str, key: str = "gene") -> pd.Series:
    found = _opened(path, key)
    if name not in found or (name != "family" and not pd.api.types.is_numeric_dtype(found[name])):
        raise DataError([f"{path} has the columns {key} and {name}, which holds numbers. Correct it."])
    return found[name].fillna("") if name == "family" else found[name]


def _covariates(path: Path | None) -> pd.DataFrame | None:
    if path is None:
        return None
    found = _opened(path)
    if not all(pd.api.types.is_numeric_dtype(found[name]) for name in found):
        raise DataError([f"{path} has a column that holds no numbers beside gene. Leave it out."])
    return found


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"a finite number is wanted, got {text[:60]!r}")
    return found
