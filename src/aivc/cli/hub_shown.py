"""Shows people what a hub holds: what a search found, what a version says of itself, and what a check found."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from aivc.cli.console import table

if TYPE_CHECKING:
    from aivc.hub.hub_report import HubReport
    from aivc.hub.manifest import Manifest

_VERDICTS = {True: "yes", False: "no", None: "cannot be checked"}
# What a reader of a version looks for first, and what is said where it is not there.
_PROSE = ("description", "intended_use", "limits")


def entries(found: Sequence[Mapping[str, Any]], place: str, asked: str) -> list[RenderableType]:
    """What a search found.

    Args:
        found: Entries, as `aivc.hub.hub.Hub.search` gives them.
        place: Of the hub.
        asked: The words; empty for all.
    """
    if not found:
        what = f"of {asked!r}" if asked else "published"
        return [f"Nothing {what} is in {place}."]
    columns = ["ref", "title", "licence", "terms", "passed", "created"]
    rows = [
        [
            each.get("ref", ""), each.get("title", ""), each.get("licence", ""), ", ".join(each.get("terms", ())),
            ", ".join(name for name, passed in each.get("badges", {}).items() if passed) or "–",
            str(each.get("created", ""))[:10],
        ]
        for each in found
    ]  # fmt: skip
    return [table(columns, rows)]


def card(manifest: "Manifest", versions: Sequence[str], aliases: Mapping[str, str]) -> list[RenderableType]:
    """What a version says of itself, without its lists of files and spaces.

    Args:
        manifest: Of the version.
        versions: All that there are of the thing.
        aliases: Alias → version.
    """
    sets = [f"{each.name} ({each.licence})" for each in manifest.training.sets]
    facts = {
        "ref": str(manifest.ref),
        "digest": manifest.digest,
        "title": manifest.title,
        **{name.replace("_", " "): getattr(manifest, name) or "not said" for name in (*_PROSE, "bias", "citation")},
        "licence": manifest.licence,
        "terms": ", ".join(manifest.terms) or "none",
        "made from": ", ".join([*sets, *manifest.made_with.parents]) or "unknown",
        "files": f"{len(manifest.files)}, {manifest.size:,} bytes",
        "versions": ", ".join(versions),
        "aliases": ", ".join(f"{name} is {version}" for name, version in aliases.items()) or "none",
        "created": manifest.created.isoformat(),
    }
    scores = [[each.metric, each.dataset, each.value, each.low, each.high] for each in manifest.evaluation]
    shown: list[RenderableType] = [table(["", ""], [list(each) for each in facts.items()])]
    shown += [table(["score", "dataset", "value", "low", "high"], scores)] if scores else []
    return [*shown, "With --json you see all of it."]


def checks(report: "HubReport") -> list[RenderableType]:
    """What a check found, and whose signatures there are."""
    rows = [[each.badge, _VERDICTS[each.passed], each.detail] for each in report.badges]
    shown: list[RenderableType] = [table(["check", "passed", "found"], rows)]
    if report.signed_by or not report.strangers:
        shown.append(f"Signed by {', '.join(report.signed_by) or 'nobody whom you trust'}.")
    if report.strangers:
        keys = "A key" if report.strangers == 1 else f"{report.strangers} keys"
        shown.append(
            f"{keys} that you do not trust signed it. If you know whose it is, your own for instance, say so: aivc hub "
            "key trust NAME KEY"
        )
    return shown


def unsaid(fields: Mapping[str, Any]) -> list[RenderableType]:
    """What others would want to read, and was not said at publication."""
    if not (lacking := [name for name in _PROSE if not fields.get(name)]):
        return []
    options = ", ".join(f"--{name.replace('_', '-')}" for name in lacking)
    names = ", ".join(name.replace("_", " ") for name in lacking)
    return [f"Nothing is said of its {names}, and a version is never changed. Say it in the next one ({options})."]
