"""The Serve application: ``serve deploy serve/config.yaml``, or ``serve.run(build({...}))``."""

from typing import Any

from ray import serve
from ray.serve import Application, Deployment

from serve.access import with_keys
from serve.director import Director
from serve.encoder import PART as ENCODER
from serve.encoder import SketchEncoder
from serve.ingress import Ingress
from serve.limiter import Limiter
from serve.settings import DeploymentArgs, ServeArgs
from serve.shard import ShardGroup
from sketchray.config import ConfigError, build_config
from sketchray.gallery import open_gallery
from sketchray.storage import default_store, open_store, read_uri

# One replica that does little; its work waits for others, so any number may be under way.
ALONE = DeploymentArgs(ray_actor_options={"num_cpus": 0.05}, max_ongoing_requests=10_000, max_queued_requests=-1)


def build(args: dict[str, Any]) -> Application:
    """Build the query graph.

    Args:
        args: the fields of `ServeArgs`.

    Raises:
        ValueError: an unknown argument, no store, no such gallery, no file of keys.
    """
    try:
        settings = build_config(ServeArgs, args)
    except ConfigError as error:
        raise ValueError(f"arguments of serve.app:build: {error}") from error
    store = default_store() if settings.store is None else open_store(settings.store)
    settings = with_keys(settings, store)
    for name in settings.galleries:
        open_gallery(store, name)  # refused here, where it is read, and not by replicas that never come up
    groups = [f"shards-{group}" for group in range(settings.shard_groups)]
    director = deployed(Director, "director", ALONE).bind(
        store=store, galleries=settings.galleries, encoder=ENCODER, groups=groups, poll_s=settings.poll_s
    )
    encoder = deployed(SketchEncoder, ENCODER, settings.encoder).bind(
        director,
        store=store,
        threads=settings.encoder.threads,
        max_batch=settings.encoder.max_batch,
        poll_s=settings.poll_s,
    )
    shards = [
        deployed(ShardGroup, name, settings.shards).bind(
            director,
            store=store,
            group=group,
            groups=len(groups),
            threads=settings.shards.threads,
            poll_s=settings.poll_s,
        )
        for group, name in enumerate(groups)
    ]
    return deployed(Ingress, "ingress", settings.ingress).bind(
        director,
        encoder,
        shards,
        settings=settings,
        attribution=None if settings.attribution is None else read_uri(settings.attribution).decode("utf-8"),
        limiter=deployed(Limiter, "limiter", ALONE).bind() if settings.auth == "keys" else None,
    )


def deployed(cls: type[Any], name: str, args: DeploymentArgs) -> Deployment:
    """Make a deployment of a class."""
    return serve.deployment(name=name, **args.options())(cls)
