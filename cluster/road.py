"""The stages of the demo, in order, and what each hands to the next: names of objects in the store, nothing else."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cluster.deploy import deploy
from cluster.processes import Record, end
from cluster.ray_head import RayHead
from cluster.stages import Stages, source_digest, stage_key
from cluster.submit import CHECKOUT, JobError, submit
from cluster.upload import listing_digest, upload
from jobs._cli import recipe_path
from sketchray.storage import Store, open_store
from sketchray.zoo import DEFAULT, list_shipped

JOB_SOURCES = (CHECKOUT / "jobs", CHECKOUT / "lib" / "sketchray")
STARTER = "starter"
OWN = "own"
# One of each, on a machine that does everything else too, and nobody has to sign in.
DEMO_ARGS: dict[str, Any] = {"auth": "open", "ingress": {}, "encoder": {}, "shards": {}}
CODEBOOKS = "codebooks.names=[manifold]"  # the best of them, and the only one that is fitted in seconds


def say_now(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


class RoadOptions(NamedTuple):
    """What to run.

    Attributes:
        recipe: a name in ``jobs/recipes``, or a YAML file's absolute path.
        data: a dataset in the folder layout; None for the starter set, which is built first.
        pictures: folder or URI of pictures to search instead: only the index is built and served.
        encoder: for those pictures: an encoder package, the name of one that comes with the library, or
            ``frozen:<backbone>@<side>``.
        port: of the page and the API.
        train: overrides for the training.
    """

    recipe: str
    data: Path | None
    port: int
    train: tuple[str, ...] = ()
    pictures: str | None = None
    encoder: str = DEFAULT


class Road:
    """Runs the stages on one cluster.

    Args:
        options: what to run.
        state_dir: the cluster's state folder.
        head: a running Ray.
        store: the object store of its jobs.
        stages: runs or skips each stage.
        say: called with each line of text for the user.
    """

    def __init__(
        self,
        options: RoadOptions,
        *,
        state_dir: Path,
        head: RayHead,
        store: Store,
        stages: Stages,
        say: Callable[[str], Any] = say_now,
    ) -> None:
        self.options = options
        self.state_dir = state_dir
        self.head = head
        self.store = store
        self.stages = stages
        self.say = say

    def run(self) -> None:
        """Run every stage; the page answers when this returns.

        Raises:
            JobError, DeployError, StoreError, ValueError: a stage failed; its name is in front of the message.
        """
        if self.options.pictures:
            return self.search_pictures(self.options.pictures, self.options.encoder)
        source = self.upload()
        where = [f"data.reader={'folder' if self.options.data else STARTER}", f"data.root={source}"]
        encoder = self.job("train", [*where, *self.options.train])["encoder"]
        self.job("evaluate", [*where, f"encoders=[{self.frozen(encoder)}, {encoder}]"])
        index = self.job("index", [f"gallery={self.name}", f"source={source}", f"encoder={encoder}", CODEBOOKS])
        return self.serve(index, attribution=self.attribution(source))

    def search_pictures(self, pictures: str, encoder: str) -> None:
        """Index somebody's own pictures where they are, or bring their gallery up to date, and serve them."""
        source = pictures if "://" in pictures else f"file://{Path(pictures).expanduser().resolve()}"
        # Always submitted: only the job itself can tell whether the folder's pictures are still those of its index.
        verb = ["update"] if self.has_gallery(source, encoder) else ["build", CODEBOOKS]
        argv = command("index", [*verb, f"gallery={OWN}", f"source={source}", f"encoder={encoder}"])
        with self.always("index"):
            index = self.submit("index", argv)
        self.serve(index, attribution=None)

    def has_gallery(self, source: str, encoder: str) -> bool:
        """Tell whether there is a gallery of this source by this encoder, however old.

        A later release may bring another encoder under the same name, so that names are not enough.
        """
        # Torch and faiss, which the demo does not need otherwise.
        from sketchray.encoders import encoder_uri, read_package_config
        from sketchray.gallery import GalleryError, open_gallery

        try:
            manifest = open_gallery(self.store, OWN).manifest
        except GalleryError:
            return False
        known = manifest.encoder.fingerprint
        if encoder in list_shipped():
            known = read_package_config(encoder)["fingerprint"]
        wanted = (open_store(source).uri, encoder_uri(encoder), known)
        return (manifest.source, manifest.encoder.uri, manifest.encoder.fingerprint) == wanted

    @property
    def name(self) -> str:
        """What the data and the gallery are called in the store: the folder's name, in letters, digits and dashes."""
        folder = self.options.data.resolve().name.lower() if self.options.data else STARTER
        return re.sub(r"[^a-z0-9]+", "-", folder)[:63].strip("-") or "data"

    def upload(self) -> str:
        """Build the starter set if it is wanted, and copy the data into the store; return their URI there."""
        root = self.options.data
        if root is None:
            root = self.state_dir / "data" / STARTER
            self.run_stage("data", source_digest([JOB_SOURCES[1] / "data" / "starter"]), lambda: self.build(root))
        target = self.store.child(f"data/{self.name}")
        result = self.run_stage("upload", f"{listing_digest(root)} {target.uri}", lambda: upload(root, target))
        return str(result["source"])

    def build(self, root: Path) -> dict[str, Any]:
        """Build the starter set in a process of its own, and return its record."""
        command = [sys.executable, "-m", "sketchray.data.starter", "--root", str(root)]
        command += ["--cache", str(self.state_dir / "cache")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        known = Record.of(process.pid, mark="", cwd=Path.cwd())
        try:
            output, _ = process.communicate()
        except BaseException:  # with all that it started itself, npm and the renderers
            end(known)
            raise
        if process.returncode != 0:
            status = process.returncode
            raise JobError(f"the starter set could not be built (exit status {status}; the reason is above)")
        made: dict[str, Any] = json.loads(output.splitlines()[-1])
        return made

    def job(self, verb: str, arguments: Sequence[str]) -> dict[str, Any]:
        """Submit a verb of ``jobs/`` with the recipe and these arguments, unless its result is there; return it."""
        argv = command(verb, ["--recipe", self.options.recipe, *arguments])
        recipe = recipe_path(self.options.recipe)
        key = stage_key(argv, folders=JOB_SOURCES, recipe=recipe)
        return self.run_stage(verb, key, lambda: self.submit(verb, argv))

    def submit(self, verb: str, argv: Sequence[str]) -> dict[str, Any]:
        """Submit a command as a job, show what it prints, and return its result."""
        log = self.state_dir / "logs" / f"{verb}.log"
        return submit(self.head, argv, log=log, show=self.say, metadata={"verb": verb})

    def serve(self, index: dict[str, Any], *, attribution: str | None) -> None:
        """Deploy the gallery, and wait until it is answered from this version."""
        args = DEMO_ARGS | {"galleries": [index["gallery"]], "attribution": attribution}
        with self.always("serve"):
            deploy(self.head, port=self.options.port, args=args, version=index["version"])

    @contextmanager
    def always(self, name: str) -> Iterator[None]:
        """Say that a stage begins which is never skipped, and note how long it took."""
        self.say(f"== {name}")
        started = time.monotonic()
        yield
        self.stages.note(name, time.monotonic() - started)

    def run_stage(self, name: str, key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run or skip a stage, and say so."""
        self.say(f"== {name}")
        return self.stages.run(name, key, work)

    def frozen(self, encoder: str) -> str:
        """Return the spec of the bare backbone that an encoder package started from."""
        config = json.loads(self.store.read(f"{encoder.removeprefix(self.store.uri)[1:]}/config.json"))["encoder"]
        weights = f":{config['weights']}" if config.get("weights") else ""
        return f"frozen:{config['backbone']}@{config['image_size']}{weights}"

    def attribution(self, source: str) -> str | None:
        """Return the URI of the text about the pictures' origin, if the data bring one."""
        key = f"{source.removeprefix(self.store.uri)[1:]}/ATTRIBUTION.md"
        return self.store.uri_of(key) if self.store.exists(key) else None


def command(verb: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of a verb of ``jobs/``."""
    return ["python", "-m", f"jobs.{verb}", *arguments]
