"""Which namespaces list an object of a store: nobody reads one through a version that is not open to him."""

import threading
from dataclasses import dataclass, field
from typing import final

from aivc.core.errors import AIVCError
from aivc.hub.manifest import LARGEST_MANIFEST, Manifest
from aivc.hub.stored_hub import StoredHub


@final
@dataclass(eq=False)
class ListedObjects:
    """Objects by the versions that list them. Versions are never changed, so that each is read once.

    Attributes:
        stored: The hub.
    """

    stored: StoredHub
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _listed: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def namespaces(self, digest: str, *, anew: bool = False) -> frozenset[str]:
        """Namespaces with a version that is, or lists, an object.

        Args:
            digest: ``sha256:…`` of the object.
            anew: Look first for versions that were published since.
        """
        with self._lock:
            if anew:
                self._look()
            return frozenset(self._listed.get(digest, ()))

    def _look(self) -> None:
        # A version that cannot be read lists nothing; whoever reindexes the hub learns of it.
        for ref, manifest in self.stored.everything()[0]:
            if (str(ref), manifest) in self._seen:
                continue
            try:
                data = self.stored.read(manifest, LARGEST_MANIFEST)
                files = Manifest.from_bytes(data, str(ref)).files
            except AIVCError:
                continue
            for each in (manifest, *(file.sha256 for file in files)):
                self._listed.setdefault(each, set()).add(ref.namespace)
            self._seen.add((str(ref), manifest))
