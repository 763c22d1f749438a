"""Writes and reads folders as the Hugging Face Hub lays them out: a README with front matter beside the files."""

from pathlib import Path
from typing import Any

import yaml

from aivc.core.errors import DataError, IntegrityError
from aivc.core.foreign_text import read_text
from aivc.core.shown_text import visible
from aivc.core.state import write_text
from aivc.hub.badges import README, load, require_files
from aivc.hub.hub import Hub
from aivc.hub.hub_report import fetched, signers_of
from aivc.hub.manifest import MANIFEST, Manifest
from aivc.hub.preparing import Thing
from aivc.hub.refs import Ref
from aivc.hub.signing import SigningKey
from aivc.hub.use_terms import require_redistributable

_LARGEST_README = 1 << 20
_FENCE = "---"


def export(hub: Hub, ref: str, to: Path) -> Path:
    """Fetch a version into a folder that can be uploaded to the Hugging Face Hub as it is.

    Args:
        hub: Where it is.
        ref: Which one.
        to: Missing or empty folder.

    Raises:
        DataError: Its terms forbid passing it on.
        IntegrityError: Something is not true, or the folder holds something.
        UnknownNameError: There is no such version.
    """
    manifest = hub.manifest(ref)
    require_redistributable(manifest.terms, str(manifest.ref))
    hub.pull(manifest.ref, to)
    if not (to / README).exists():
        write_text(to / README, readme(manifest))
    return to


def bring_in(
    hub: Hub, folder: Path, ref: Ref | None = None, key: SigningKey | None = None, *, visibility: str = ""
) -> Manifest:
    """Publish such a folder.

    Args:
        hub: Where to.
        folder: With files of a virtual cell or a part; with our manifest, if it was exported from a hub.
        ref: What it is to be called here, as a new version with the former one as its parent; None keeps name, digest
            and signatures of what was exported.
        key: Signs a new version.
        visibility: Of the namespace.

    Raises:
        DataError: It has no manifest and no name, or its licence or terms forbid it.
        IntegrityError: Something is not true.
    """
    exported = (folder / MANIFEST).is_file()
    if ref is None:
        if not exported:
            raise DataError([f"{folder} holds no {MANIFEST}. Say what to call it: --as namespace/name@version."])
        return hub.adopt(folder, visibility=visibility)
    thing: Thing = folder
    fields: dict[str, Any]
    if not exported:
        fields = {"licence": _licence(folder / README)}
    else:
        former, signatures = fetched(folder)
        signers_of(hub.trust, former, signatures)
        require_files(folder, former)
        kept = ("title", "description", "terms", "intended_use", "limits", "bias", "citation", "licence", "evaluation")
        fields = former.model_dump(include=set(kept))
        fields |= {"parents": [f"{former.ref}#{former.digest}"]}
        fields |= {"ancestry": former.training.ancestry, "sexes": former.training.sexes}
        thing = load(folder, former) or folder
    named = {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name, "version": ref.version}
    return hub.publish(thing, {**fields, **named}, key, visibility=visibility)


def readme(manifest: Manifest) -> str:
    """A card for people, with front matter for the Hugging Face Hub; texts of others are shown as texts."""
    plain = manifest.licence.replace("-", "").replace(".", "").isalnum() and "LicenseRef" not in manifest.licence
    front: dict[str, Any] = {"license": manifest.licence.lower() if plain else "other"}
    if not plain:
        front["license_name"] = manifest.licence
    front |= {"library_name": "aivc", "tags": ["aivc", str(manifest.kind), "biology"]}
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    sections = [
        ("What it is", manifest.description),
        ("Intended use", manifest.intended_use),
        ("Limits", manifest.limits),
        ("Bias", manifest.bias),
        ("Terms of use", ", ".join(manifest.terms)),
        ("Made from", ", ".join(f"{each.name} ({each.licence})" for each in manifest.training.sets) or "unknown"),
        ("Uncertainty", f"{manifest.uncertainty.method}; {manifest.uncertainty.coverage}"),
        ("Citation", manifest.citation),
    ]
    body = "\n\n".join(f"## {title}\n\n{_quoted(text)}" for title, text in sections if text)
    use = f"Checked with `aivc verify FOLDER`. Identity: `{manifest.ref}`, `{manifest.digest}`."
    return f"{_FENCE}\n{head}{_FENCE}\n\n# {_shown(manifest.title)}\n\n{use}\n\n{body}\n"


def _shown(text: str) -> str:
    """Text that neither a terminal nor Markdown obeys."""
    spelled = "".join(f"\\{letter}" if letter in "\\`*_[]#|!" else letter for letter in visible(text))
    return spelled.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def _quoted(text: str) -> str:
    return "\n".join(f"> {_shown(line)}" for line in text.splitlines())


def _licence(path: Path) -> str:
    """The licence that a README states in its front matter."""
    text = read_text(path, _LARGEST_README) if path.is_file() else ""
    parts = text.split(f"{_FENCE}\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise DataError([f"{path} states no licence in front matter. Publish the folder with aivc publish --license."])
    try:
        # Scalars, lists and mappings only: nothing in it is made into objects.
        found = yaml.safe_load(parts[1])
    except yaml.YAMLError as error:
        raise IntegrityError(f"The front matter of {path} is no YAML. Correct it.") from error
    licence = found.get("license") if isinstance(found, dict) else None
    if licence == "other" and isinstance(found.get("license_name"), str):
        licence = found["license_name"]
    if not isinstance(licence, str):
        raise DataError([f"{path} states no licence. Publish the folder with aivc publish --license."])
    return licence
