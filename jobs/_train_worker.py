"""What each Ray Train worker runs: read its part of both streams, step the method, checkpoint, ship the encoder."""

import time
from collections.abc import Iterator
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from ray.train import CheckpointUploadMode
from torch.nn.parallel import DistributedDataParallel

from jobs import _streams as streams
from jobs._calibration import calibrate_encoder
from jobs._card import CardWriter
from jobs._checkpoints import Checkpoints
from jobs._cluster import quiet
from jobs._tracking import Picture
from jobs._tracking_run import RunTracking
from jobs._train_batch import to_batch, to_tensor
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData, first_of_each_class
from jobs._train_state import TrainState
from jobs._validation import Validator
from sketchray.data.samples import Modality
from sketchray.encoders import save_pretrained
from sketchray.methods import Method
from sketchray.methods.compute import make_deterministic
from sketchray.methods.fitting import train_step


class Worker:
    """One rank of the run. Construct it inside a Ray Train worker."""

    def __init__(self, fit: TrainConfig, data: TrainData, checkpoints: Checkpoints) -> None:
        quiet()
        torch.set_num_threads(fit.resources.threads)
        context = ray.train.get_context()
        self.rank, self.world_size = context.get_world_rank(), context.get_world_size()
        self.fit, self.data = fit, data
        self.sketches, self.photos = data.seen["sketch"], data.seen["photo"]
        ranks = {"rank": self.rank, "world_size": self.world_size}
        self.validator = Validator(fit, data.held_out, **ranks) if data.held_out else None
        self.device = ray.train.torch.get_device()
        if fit.compute.deterministic:
            make_deterministic()
        self.method = fit.create(data.classes).to(self.device)
        self.optimizers = self.method.optimizers(fit.steps)
        self.scaler = fit.compute.scaler(self.device)
        self.state = TrainState(self.method, self.optimizers, self.scaler, checkpoints=checkpoints, rank=self.rank)
        restored = self.state.restore()
        if restored is None:
            self.method.prepare(self._class_photos())
        self.step = restored or 0

    def _share(self) -> dict[str, Any]:
        return {"rank": self.rank, "world_size": self.world_size, "resources": self.fit.resources.decode}

    def _class_photos(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        few = first_of_each_class(self.photos, self.fit.prepare_per_class)
        for batch in streams.every_sample(few, self.fit.stream("photo", augmented=False), **self._share()):
            yield to_tensor(batch["image"], self.device), to_tensor(batch["label"], self.device)

    def _clean_samples(self, modality: Modality) -> Iterator[tuple[torch.Tensor, list[str]]]:
        samples = self.sketches if modality == "sketch" else self.photos
        for batch in streams.every_sample(samples, self.fit.stream(modality, augmented=False), **self._share()):
            yield to_tensor(batch["image"], self.device), batch["id"].tolist()

    def _batches(self) -> Iterator[tuple[streams.Batch, streams.Batch]]:
        steps = range(self.step, self.fit.steps)
        yield from zip(
            streams.step_batches(
                self.sketches, self.fit.stream("sketch", crops=self.method.crops), steps=steps, **self._share()
            ),
            streams.step_batches(
                self.photos, self.fit.stream("photo", crops=self.method.crops), steps=steps, **self._share()
            ),
            strict=True,
        )

    def run(self, board: Any, tracking: RunTracking) -> None:
        """Train from the restored step to the last; report and checkpoint every ``checkpoint_every`` steps.

        Args:
            board: the progress board's actor handle, or None.
            tracking: told of every step and report.
        """
        wrapped = ray.train.torch.prepare_model(
            self.method, move_to_device=False, parallel_strategy_kwargs={"forward_sync_buffers": False}
        )
        unreadable, waited, last = 0, 0.0, time.perf_counter()
        assert isinstance(wrapped, Method | DistributedDataParallel)
        for sketches, photos in self._batches():
            wait = time.perf_counter() - last
            waited += wait
            unreadable += int(sketches["unreadable"].sum() + photos["unreadable"].sum())
            if self.step % self.fit.steps_per_epoch == 0:
                self.method.start_epoch(self.step // self.fit.steps_per_epoch, self._clean_samples)
            batch = to_batch(sketches, photos, seed=self.fit.seed, device=self.device)
            terms = train_step(
                wrapped,
                batch,
                self.optimizers,
                step=self.step,
                total=self.fit.steps,
                compute=self.fit.compute,
                scaler=self.scaler,
            )
            self.step += 1
            self.state.did_step(terms)
            tracking.stepped(self.step, terms, waited=wait, optimizers=self.optimizers)
            if self.rank == 0 and board is not None:
                board.post.remote(self.step, f"loss {terms['loss']:.3f}")
            if self.step % self.fit.checkpoint_every == 0 or self.step == self.fit.steps:
                metrics = self._report(terms, unreadable=unreadable, data_wait_s=waited)
                tracking.reported(self.step, metrics, self._sheet)
                waited = 0.0
            last = time.perf_counter()
        self.state.wait()

    def _report(self, terms: dict[str, float], *, unreadable: int, data_wait_s: float) -> dict[str, float]:
        counts = torch.tensor([unreadable, data_wait_s], dtype=torch.float64, device=self.device)
        if dist.is_initialized():
            dist.all_reduce(counts)
        metrics = terms | {"unreadable": int(counts[0]), "data_wait_s": round(float(counts[1]) / self.world_size, 3)}
        if self.validator is not None:
            metrics |= self.validator.measure(self.method.encoder, self.device)
        metrics["step"] = self.step
        self.state.save(self.step, metrics)
        # Ray Train hears of it in its own time: it looks now and then, and until then a report would wait.
        ray.train.report(metrics, checkpoint_upload_mode=CheckpointUploadMode.ASYNC)
        return metrics

    def _sheet(self, count: int) -> Picture | None:
        return self.validator.sheet(count) if self.validator is not None else None

    def ship(self, uri: str, card: CardWriter) -> None:
        """Calibrate the trained encoder and save it as a package; all ranks call, only rank 0 writes.

        It is the encoder of the last step, or with ``ship: best`` that of the best checkpoint.
        """
        if self.fit.ship == "best":
            self.state.go_to_best()
        self.method.finish(self._clean_samples)
        encoder = self.method.encoder.float()  # where the run was in float64
        calibrated = calibrate_encoder(
            encoder, self.fit, self.data, rank=self.rank, world_size=self.world_size, device=self.device
        )
        if self.rank == 0:
            encoder.calibration = None if isinstance(calibrated, str) else calibrated.calibration
            save_pretrained(encoder, uri, **card.write(calibrated)._asdict())
