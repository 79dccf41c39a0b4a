"""The ingress deployment: the HTTP API with the page mounted in it, the same in every replica."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.models import Ready


@serve.ingress()
class Ingress:
    """One replica of the front: decodes, rasterises, fans out, merges; keeps nothing between requests.

    Args:
        encoder: handle of the encoder deployment.
        shards: handles of the shard deployments, in order.
        gallery: what is served.
        attribution: text of ``/attribution``, or None.
        decoders: threads that decode and rasterise.
    """

    def __init__(
        self,
        encoder: DeploymentHandle[Any],
        shards: list[DeploymentHandle[Any]],
        *,
        gallery: Ready,
        attribution: str | None,
        decoders: int,
    ) -> None:
        self.encoder = encoder
        self.shards = shards
        self.gallery = gallery
        self.attribution = attribution
        self.decoders = decoders

    def __serve_build_asgi_app__(self) -> FastAPI:  # Serve calls this in the replica, so no page is ever pickled
        from serve.api import create_api
        from serve.canvas import mount_canvas
        from serve.search import Searcher

        pool = ThreadPoolExecutor(self.decoders, thread_name_prefix="decode")
        searcher = Searcher(encoder=self.encoder, shards=self.shards, gallery=self.gallery, pool=pool)
        api = create_api(searcher, pool, attribution=self.attribution)
        return mount_canvas(api, attribution=self.attribution is not None)
