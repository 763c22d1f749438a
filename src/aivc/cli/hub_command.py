"""`aivc publish`, `pull`, `verify` and `hub`: share instruments with others, and check those of others."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aivc.cli.console import REFUSED, Outcome, Reporter, table
from aivc.cli.grammar import Commands, Parser, listed, positive
from aivc.cli.hub_shown import card, checks, entries, unsaid
from aivc.core.errors import DataError

if TYPE_CHECKING:
    from aivc.hub.hub import Hub

_PLACE = "a folder, an fsspec URL, or https://host/api/v1/hub (default: AIVC_HUB, or the hub of your own service)"
_REF = "kind/namespace/name@version; without a kind a virtual cell, without a version the latest"
# Options of `publish` that say something of the thing, and what they say.
_TEXTS = {
    "title": "for people",
    "description": "what it is",
    "intended-use": "what it is for",
    "limits": "where it does not hold",
    "bias": "whom or what it misses",
    "citation": "whom to cite",
}


def add(commands: Commands) -> None:
    """Declare the commands."""
    _add_publish(commands)
    made = commands.add(
        "pull",
        _pull,
        "Fetch a published virtual cell or instrument, every file checked.",
        examples=("aivc pull lab/jak@1.0 --from https://host/api/v1/hub --to cell/",),
    )
    made.add_argument("ref", metavar="REF", help=_REF)
    _add_place(made, "--from")
    made.add_argument("--to", type=Path, metavar="FOLDER", required=True, help="missing or empty")
    _add_patience(made)
    made = commands.add(
        "verify",
        _verify,
        "Check something published: files and signatures are true, it runs, it answers as at publication. "
        "Exit code 1 if a check fails.",
        examples=("aivc verify lab/jak@1.0 --from hub/", "aivc verify cell/ --badges valid"),
    )
    made.add_argument("what", metavar="REF|FOLDER", help=f"a fetched folder, or {_REF}")
    _add_place(made, "--from")
    made.add_argument("--badges", type=listed, metavar="a,b", help="of valid, runs, reproduces (default all)")
    _add_patience(made)
    _add_hub(commands)


def _add_publish(commands: Commands) -> None:
    made = commands.add(
        "publish",
        _publish,
        "Publish a virtual cell or an instrument, with a manifest and a self-test, for others to find. A version is "
        "never changed.",
        examples=(
            "aivc publish cell/ lab/jak@1.0 --license CC-BY-4.0 --to hub/",
            "aivc publish cell/ manipulator/lab/jak-effects@1.0 --part effect.v2 --license MIT --key my.pem --to hub/",
        ),
    )
    made.add_argument(
        "thing",
        type=Path,
        metavar="CELL|FOLDER|FILE",
        help="folder of a virtual cell, card or campaign, or one file of a benchmark or scores",
    )
    made.add_argument("ref", metavar="NAMESPACE/NAME@VERSION", help="what it is to be called; a kind may stand before")
    made.add_argument("--license", required=True, metavar="SPDX", help="such as CC-BY-4.0")
    _add_place(made, "--to")
    made.add_argument("--key", type=Path, metavar="FILE", help="signs it (aivc hub key new)")
    made.add_argument(
        "--part", default="", metavar="NAME", help="which part of the cell, if it is to be published alone"
    )
    made.add_argument(
        "--terms", type=listed, default=[], metavar="a,b", help="such as non-commercial, no-redistribution"
    )
    made.add_argument("--visibility", default="", metavar="V", help="of a new namespace: public, gated or private")
    made.add_argument(
        "--made-from", type=listed, default=[], metavar="REF,REF", help="such as the benchmark that scores are of"
    )
    for name, what in _TEXTS.items():
        made.add_argument(f"--{name}", default="", metavar="TEXT", help=what)


def _add_hub(commands: Commands) -> None:
    group = commands.group(
        "hub",
        "Search a hub, look at what is in it, and keep keys.",
        examples=("aivc hub search interferon", "aivc hub key new my.pem"),
    )
    made = group.add("search", _search, "Find what is published, newest first.")
    made.add_argument("text", metavar="TEXT", nargs="?", default="", help="words that all must stand in it")
    made.add_argument("--kind", default="", help="only of this kind")
    made.add_argument("--limit", type=positive, default=50, help="at most so many (default 50)")
    _add_place(made, "--from")
    made = group.add("show", _show, "Show what a version says of itself; all of its manifest with --json.")
    made.add_argument("ref", metavar="REF", help=_REF)
    _add_place(made, "--from")
    made = group.add("alias", _alias, "Let an alias, such as champion, point to a version.")
    made.add_argument("ref", metavar="REF", help=_REF)
    made.add_argument("alias", metavar="ALIAS")
    made.add_argument("--key", type=Path, metavar="FILE", help="signs it")
    _add_place(made, "--to")
    made = group.add("export", _export, "Write a version as the Hugging Face Hub lays folders out.")
    made.add_argument("ref", metavar="REF", help=_REF)
    _add_place(made, "--from")
    made.add_argument("--to", type=Path, metavar="FOLDER", required=True, help="missing or empty")
    made = group.add("import", _import, "Publish a folder that was exported, or laid out for the Hugging Face Hub.")
    made.add_argument("folder", type=Path, metavar="FOLDER")
    made.add_argument("--as", dest="named", default="", metavar="REF", help="a new name (default: its own)")
    made.add_argument("--key", type=Path, metavar="FILE", help="signs it under a new name")
    made.add_argument("--visibility", default="", metavar="V", help="of a new namespace: public, gated or private")
    _add_place(made, "--to")
    made = group.add("reindex", _reindex, "Make the index again from the store.")
    _add_place(made, "--from")
    group.add("schema", _schema, "Print the JSON Schema of manifests.")
    _add_keys(group)


def _add_keys(group: Commands) -> None:
    keys = group.group("key", "Make a key to sign with, and say whose keys you trust.")
    made = keys.add("new", _new_key, "Make a key to sign with.", examples=("aivc hub key new my.pem",))
    made.add_argument("file", type=Path, metavar="FILE", help="private key; keep it to yourself")
    made = keys.add("trust", _trust, "Trust somebody's public key.")
    made.add_argument("name", metavar="NAME", help="whose it is")
    made.add_argument("key", metavar="KEY", help="as `aivc hub key new` showed it to them")
    made.add_argument(
        "--namespaces", type=listed, default=[], metavar="a,b", help="what is in these counts only if so signed"
    )
    keys.add("list", _list_keys, "List the keys that are trusted.")
    made = keys.add("remove", _distrust, "Trust a key no more.")
    made.add_argument("name", metavar="NAME")


def _add_place(parser: Parser, option: str) -> None:
    parser.add_argument(option, dest="place", default="", metavar="LOCATION", help=_PLACE)


def _add_patience(parser: Parser) -> None:
    parser.add_argument(
        "--deadline", type=positive, metavar="S", help="give up a service after so many seconds (default a day)"
    )
    parser.add_argument(
        "--least-rate", type=positive, metavar="N",
        help="give up a service that sends fewer than N bytes a second for a minute (default 8192)",
    )  # fmt: skip


def _hub(args: argparse.Namespace, *, made: bool = False) -> "Hub":
    """The hub that is meant; a token for a service comes from the environment, not from the shell's history.

    Args:
        args: Of the command.
        made: Whether a folder that is missing becomes one.
    """
    _require_extra()
    import platformdirs

    from aivc.hub.hub import Hub
    from aivc.hub.patience import Patience

    given = {"seconds": getattr(args, "deadline", None), "least_rate": getattr(args, "least_rate", None)}
    patience = Patience(**{name: float(value) for name, value in given.items() if value is not None})
    home = Path(os.environ.get("AIVC_HOME") or platformdirs.user_data_dir("aivc"))
    place = args.place or os.environ.get("AIVC_HUB") or str(home / "hub")
    if not made and "://" not in place and not Path(place).is_dir():
        raise DataError([f"There is no hub in {place}. Check the path; `aivc publish` makes one there."])
    return Hub.open(place, token=os.environ.get("AIVC_TOKEN", ""), patience=patience)


def _require_extra() -> None:
    from aivc.hub.platform_extra import platform_module

    for name in ("pydantic", "sqlalchemy", "alembic", "cryptography", "fsspec", "httpx", "packaging.licenses", "yaml"):
        platform_module(name)


def _key(args: argparse.Namespace) -> Any:
    from aivc.hub.signing import SigningKey

    return None if args.key is None else SigningKey.load(args.key)


def _publish(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    hub = _hub(args, made=True)
    from aivc.hub.refs import Ref

    ref = Ref.parse(args.ref)
    if not ref.version:
        raise DataError([f"{args.ref!r} names no version. Write {ref.place}@1.0."])
    fields = {
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "version": ref.version,
        "licence": args.license,
        "terms": args.terms,
        "parents": args.made_from,
        **{name.replace("-", "_"): getattr(args, name.replace("-", "_")) for name in _TEXTS},
    }
    reporter("publishing", 0, 0)
    made = hub.publish(args.thing, fields, _key(args), part=args.part, visibility=args.visibility)
    reporter("checking what was published (minutes, where scores are computed again)", 0, 0)
    report = hub.verify(made.ref)
    body = {**report.to_json(), "location": hub.location, "terms": list(made.terms), "seconds": reporter.seconds}
    shown = [f"{made.ref} is published in {hub.location}, as {made.digest}.", *checks(report)]
    shown += [f"Terms of use: {', '.join(made.terms)}."] if made.terms else []
    shown += [*unsaid(fields), f"Others fetch it: aivc pull {made.ref} --from {hub.location} --to FOLDER"]
    return Outcome(body, shown, 0 if report.passed else REFUSED)


def _pull(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    hub = _hub(args)
    reporter("fetching", 0, 0)
    at, found = hub.resolve(args.ref)
    hub.pull(at, args.to)
    manifest = hub.manifest(at)
    terms = list(manifest.terms)
    said = [f"{at} lies in {args.to}. Check it: aivc verify {args.to}"]
    said.append(f"Licence: {manifest.licence}. Terms of use: {', '.join(terms) or 'none'}.")
    body = {"ref": str(at), "digest": found.digest, "folder": args.to, "terms": terms, "seconds": reporter.seconds}
    return Outcome(body, said)


def _verify(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.hub_report import ALL_BADGES, verify_folder

    badges, folder = args.badges or ALL_BADGES, Path(args.what)
    reporter("checking", 0, 0)
    report = verify_folder(folder, badges) if folder.is_dir() else _hub(args).verify(args.what, badges)
    shown = [f"{report.ref}, {report.digest}", *checks(report)]
    return Outcome({**report.to_json(), "seconds": reporter.seconds}, shown, 0 if report.passed else REFUSED)


def _search(args: argparse.Namespace, _: Reporter) -> Outcome:
    hub = _hub(args)
    found = hub.search(args.text, args.kind, limit=args.limit)
    return Outcome({"entries": found}, entries(found, hub.location, args.text))


def _show(args: argparse.Namespace, _: Reporter) -> Outcome:
    hub = _hub(args)
    made = hub.manifest(args.ref)
    listing = hub.listing(made.ref)
    aliases = {name: record.version for name, record in listing.aliases.items()}
    body = {**made.model_dump(mode="json"), "digest": made.digest}
    return Outcome(body, card(made, list(listing.versions), aliases))


def _alias(args: argparse.Namespace, _: Reporter) -> Outcome:
    record = _hub(args).alias(args.ref, args.alias, _key(args))
    return Outcome(record.to_json(), [f"{record.place}@{record.alias} is {record.version}, {record.digest}."])


def _export(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    hub = _hub(args)
    from aivc.hub.model_folders import export

    reporter("exporting", 0, 0)
    export(hub, args.ref, args.to)
    said = f"{args.ref} lies in {args.to}, with a README. Bring it into another hub: aivc hub import {args.to} --to HUB"
    return Outcome({"folder": args.to, "seconds": reporter.seconds}, [said])


def _import(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    hub = _hub(args, made=True)
    from aivc.hub.model_folders import bring_in
    from aivc.hub.refs import Ref

    reporter("importing", 0, 0)
    ref = Ref.parse(args.named) if args.named else None
    made = bring_in(hub, args.folder, ref, _key(args), visibility=args.visibility)
    body = {"ref": str(made.ref), "digest": made.digest, "seconds": reporter.seconds}
    return Outcome(body, [f"{made.ref} is published in {hub.location}, as {made.digest}."])


def _reindex(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    hub = _hub(args)
    problems = hub.reindex()
    entries = len(hub.search(limit=1_000_000))
    body = {"entries": entries, "problems": problems, "seconds": reporter.seconds}
    return Outcome(body, [f"{entries} versions are in the index.", *problems], REFUSED if problems else 0)


def _schema(_args: argparse.Namespace, _: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.manifest import manifest_schema

    return Outcome(manifest_schema(), [json.dumps(manifest_schema(), indent=1)])


def _new_key(args: argparse.Namespace, _: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.signing import SigningKey

    key = SigningKey()
    key.save(args.file)
    said = [
        f"{args.file} is your private key: keep it to yourself. Give others your public key: {key.public}",
        f"To see your own signatures as yours: aivc hub key trust me {key.public}",
    ]
    return Outcome({"file": args.file, "key": key.public}, said)


def _trust(args: argparse.Namespace, _: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.signing import TrustStore

    TrustStore.load().add(args.name, args.key, tuple(args.namespaces)).save()
    alone = f" What is in {', '.join(args.namespaces)} counts only if so signed." if args.namespaces else ""
    return Outcome({"name": args.name, "key": args.key}, [f"The key of {args.name} is trusted.{alone}"])


def _list_keys(_args: argparse.Namespace, _: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.signing import TrustStore

    keys = [
        {"name": each.name, "key": each.key, "namespaces": list(each.namespaces)} for each in TrustStore.load().keys
    ]
    rows = [[each["name"], each["key"], ", ".join(each["namespaces"])] for each in keys]
    return Outcome({"keys": keys}, [table(["name", "key", "namespaces"], rows)])


def _distrust(args: argparse.Namespace, _: Reporter) -> Outcome:
    _require_extra()
    from aivc.hub.signing import TrustStore

    TrustStore.load().remove(args.name).save()
    return Outcome({"name": args.name}, [f"The key of {args.name} is trusted no more."])
