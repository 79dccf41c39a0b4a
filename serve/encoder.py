"""The encoder deployment: canonical sketch rasters to unit vectors, many requests a forward pass."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ray.serve.handle import DeploymentHandle

from serve.batching import Batcher
from serve.follower import Follower
from serve.holding import Holding
from serve.metrics import BATCH_SIZE
from serve.model import Model, Models, Parts
from serve.plans import EncoderFacts, Held, Plan, Report
from serve.probes import check_model
from serve.rasters import Raster, unpack
from serve.release import Release
from serve.threads import numeric_pool
from sketchray.gallery import open_gallery
from sketchray.storage import Store

PART = "encoder"
Vector = npt.NDArray[np.float32]


class SketchEncoder:
    """One replica of the query encoder, with the encoder of every release that it holds.

    Args:
        director: its handle.
        store: where the galleries are.
        threads: torch threads of one replica.
        max_batch: sketches of a forward pass.
        poll_s: seconds between two reports.
    """

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, director: DeploymentHandle[Any], *, store: Store, threads: int, max_batch: int, poll_s: float
    ) -> None:
        self.store = store
        self._pool = numeric_pool(PART, threads, torch=True)
        self._models = Models()
        self._holding = Holding(PART, self._load)
        self._batcher = Batcher(self._embed, max_size=max_batch)
        self._follower = Follower(director, poll_s=poll_s, report=self._report, obey=self._obey)
        await self._follower.start()
        await self._holding.whole()  # nobody is sent here before

    async def embed(self, release: Release, packed: bytes) -> Vector:
        """Embed a sketch.

        Args:
            release: whose encoder.
            packed: its canonical raster, as `pack` gives it.

        Returns:
            float32 (dim,), a unit vector.

        Raises:
            NotHeldError: the release is not here and cannot be loaded.
        """
        model = await self._holding.get(release)
        return await self._batcher.ask(model, unpack(packed))

    async def explain(self, release: Release, image_HW: Raster, picture_3HW: Raster) -> Parts:
        """Tell which parts of a sketch and a picture matched.

        Args:
            release: whose encoder.
            image_HW: the sketch's canonical raster, uint8 (size, size).
            picture_3HW: the picture, uint8 (3, size, size).

        Raises:
            NotHeldError: the release is not here and cannot be loaded.
        """
        model = await self._holding.get(release)
        return await asyncio.get_running_loop().run_in_executor(self._pool, model.explain, image_HW, picture_3HW)

    async def check_health(self) -> None:
        """Embed a probe by every encoder that is held; Serve replaces a replica in which that fails."""
        for model in set(self._holding.held.values()):
            await self._batcher.ask(model, model.probes[0])

    async def _embed(self, model: Model, images: Sequence[Raster]) -> list[Vector]:
        BATCH_SIZE.observe(len(images))
        return list(await asyncio.get_running_loop().run_in_executor(self._pool, model.embed, images))

    def _load(self, release: Release) -> Model:
        gallery = open_gallery(self.store, release.gallery, release.version)
        model = self._models.load(gallery.manifest.encoder.uri, gallery.manifest.encoder.fingerprint)
        gallery.check_encoder(model.fingerprint)
        # One probe at a time in the thread that answers: a waiting query goes in between.
        check_model(lambda image_HW: self._pool.submit(model.embed, [image_HW]).result()[0], model, gallery.manifest)
        return model

    async def _obey(self, plan: Plan) -> None:
        await self._holding.obey(plan.hold)

    def _report(self) -> Report:
        held = tuple(
            Held(release, EncoderFacts(model.image_size, model.calibration))
            for release, model in self._holding.held.items()
        )
        return Report(PART, held=held, failed=self._holding.failed)
