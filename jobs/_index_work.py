"""The work prefix of one run: its parts, and the objects that it has made before their version is known.

A version's digest needs the hashes of all its objects. So they are kept here as they are made, with what the manifest
will say of them, and a killed run makes nothing twice; when all are there they are copied under the version.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

from jobs._index_parts import PART, READERS, Parts, Summary
from sketchray.gallery.claims import CLAIM, claim
from sketchray.gallery.publish import version_key
from sketchray.storage import NotFound, Store

DONE = "done.json"


class Work:
    """What one run keeps under ``work/<run id>/`` of its gallery. A small picklable value.

    Args:
        gallery: the gallery's place.
        run_id: the run.
        sampled: see `Parts`.
    """

    def __init__(self, gallery: Store, run_id: str, *, sampled: Fraction = Fraction(0)) -> None:
        self.gallery, self._prefix = gallery, f"work/{run_id}"
        self.place = gallery.child(self._prefix)
        self.parts = Parts(self.place, sampled=sampled)

    @property
    def objects(self) -> Store:
        """Where the objects are, under the keys that they will have in the version."""
        return self.place.child("objects")

    def begin(self, *, parts: int) -> dict[int, Summary]:
        """Claim the work, so that no garbage collection takes it, and return the finished parts.

        Args:
            parts: how many there will be. While one is missing, what there is beside them was made when it was another,
                since a picture that could not be read then may be there now; it is forgotten.
        """
        claim(self.place)
        finished = self.parts.finished()
        if len(finished) < parts:
            self.forget()
        return finished

    def keep(self, step: str, said: bytes, objects: Mapping[str, bytes]) -> None:
        """Keep what a step of the run has made: its objects, and then what it says of them, JSON."""
        for key, data in objects.items():
            self.objects.write(key, data)
        self.place.write(f"{step}.json", said)

    def recall(self, step: str) -> bytes | None:
        """Return what a finished step has said, or None."""
        try:
            return self.place.read(f"{step}.json")
        except NotFound:
            return None

    def copy_to(self, version: str) -> None:
        """Copy all objects under a version; they are immutable, so copying them twice changes nothing."""
        keys = [entry.key for entry in self.objects.list()]
        with ThreadPoolExecutor(READERS) as pool:
            source = f"{self._prefix}/objects"
            list(pool.map(lambda key: self.gallery.copy(f"{source}/{key}", version_key(version, key)), keys))

    def published(self) -> str | None:
        """Return the version that this run published when it ran before, or None."""
        said = self.recall(DONE.removesuffix(".json"))
        return None if said is None else str(json.loads(said)["version"])

    def finish(self, version: str, *, again: bool) -> None:
        """Note what was published, and delete everything else.

        Args:
            version: what was published.
            again: keep the parts and note nothing, so that the next run tries again what could not be read.
        """
        if not again:
            self.place.write(DONE, json.dumps({"version": version}).encode())
            self.parts.remove()
        self.forget()

    def remove(self) -> None:
        """Delete everything: the run has published nothing, and has nothing to go on with."""
        self.parts.remove()
        self.forget()
        self.place.delete(CLAIM)

    def forget(self) -> None:
        """Delete what the steps have made, what they say of it first."""
        keys = [entry.key for entry in self.place.list()]
        made = [key for key in keys if key not in (CLAIM, DONE) and not key.startswith(PART)]
        for folder in (False, True):
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(self.place.delete, [key for key in made if ("/" in key) == folder]))
