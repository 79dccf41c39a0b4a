"""The Serve application: ``serve deploy serve/config.yaml``, or ``serve.run(build({...}))``."""

from typing import Any

from pydantic import Field, ValidationError
from ray import serve
from ray.serve import Application, Deployment

from serve.encoder import SketchEncoder
from serve.ingress import Ingress
from serve.models import Ready
from serve.shard import GalleryShard
from sketchray.config import Config
from sketchray.gallery import open_gallery
from sketchray.storage import default_store, open_store, read_uri


class ServeArgs(Config):
    """Arguments of the application.

    Attributes:
        gallery: name of the gallery in the store.
        store: URI of the object store; None for ``$SKETCHRAY_STORE``. Every replica opens it, so a path must exist on
            every node.
        version: gallery version; None for the one that is current when the application is built. Replicas that start
            later serve this same version.
        attribution: URI or path of a text about the pictures' origin and licences, for ``/attribution``.
        ingress_replicas, encoder_replicas: how many of each.
        encoder_threads, shard_threads: threads that torch and faiss use in a replica.
        decoders: threads of an ingress replica that decode and rasterise uploads.
    """

    gallery: str = "starter"
    store: str | None = None
    version: str | None = None
    attribution: str | None = None
    ingress_replicas: int = Field(1, ge=1)
    encoder_replicas: int = Field(1, ge=1)
    encoder_threads: int = Field(2, ge=1)
    shard_threads: int = Field(1, ge=1)
    decoders: int = Field(2, ge=1)


def build(args: dict[str, Any]) -> Application:
    """Build the query graph of one gallery version.

    Args:
        args: the fields of `ServeArgs`.

    Raises:
        ValueError: an unknown argument, no store, no such gallery.
    """
    try:
        settings = ServeArgs.model_validate(args)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise ValueError(f"arguments of serve.app:build: {problems}") from error
    store = default_store() if settings.store is None else open_store(settings.store)
    gallery = open_gallery(store, settings.gallery, settings.version)
    manifest = gallery.manifest
    shards = [
        deployed(GalleryShard, name=f"shard-{index}", num_cpus=0.1).bind(
            gallery, index=index, threads=settings.shard_threads
        )
        for index in range(manifest.content.shards)
    ]
    encoder = deployed(SketchEncoder, name="encoder", num_cpus=0.2, replicas=settings.encoder_replicas).bind(
        gallery, threads=settings.encoder_threads
    )
    about = Ready(
        gallery=settings.gallery,
        gallery_version=gallery.version,
        pictures=manifest.rows,
        shards=len(shards),
        model=f"{manifest.encoder.uri.rstrip('/').rpartition('/')[2]}@{manifest.encoder.fingerprint[:12]}",
    )
    return deployed(Ingress, name="ingress", num_cpus=0.2, replicas=settings.ingress_replicas).bind(
        encoder,
        shards,
        gallery=about,
        attribution=None if settings.attribution is None else read_uri(settings.attribution).decode("utf-8"),
        decoders=settings.decoders,
    )


def deployed(cls: type[Any], *, name: str, num_cpus: float, replicas: int = 1) -> Deployment:
    """Make a deployment of a class.

    ``max_ongoing_requests`` is said on purpose: Serve's own 5 a replica starves the batches, a factor of ten here.
    ``num_cpus`` is what the scheduler counts; the threads that a replica uses are its own argument.
    """
    decorator = serve.deployment(
        name=name,
        num_replicas=replicas,
        ray_actor_options={"num_cpus": num_cpus},
        max_ongoing_requests=256,
        max_queued_requests=512,
    )
    return decorator(cls)
