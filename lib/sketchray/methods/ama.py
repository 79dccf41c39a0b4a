"""AMA: asymmetric mutual alignment, for sketches and photos without any labels (Yin, Yan, Xu, Deng; AAAI 2024).

After the released code, which stops with errors once its warm-up is over, with the repairs that this takes: the mask of
the cluster contrast, which views each term sees, and the similarity guidance of photos (`sketchray.losses`). The
paper's text was not at hand.

    L = 2 L_sd^sketch + L_sd^photo + w(step) (L_cc^sketch + L_cc^photo) + 0.02 (L_sg^sketch + L_sg^photo) + 0.1 L_ma

    L_sd    DINO's self-distillation over many crops of one sample.
    L_cc    a sample's views are drawn to the views of its cluster; clusters are found anew each epoch.
    L_sg    the student's distances follow how alike the teacher finds two views.
    L_ma    two samples are as far apart seen from the sketches' clusters as from the photos'.

The teacher is an average of the student over time, and it is what ships. Where we depart from the released code: each
modality has its own centre (a shared one lets the two modalities settle on different outputs of the head, which keeps
them apart; ``centre: shared`` is the code's); the backbone has no drop-path; clusters are spherical.

Tensor legend: B samples of one modality, V views (the g global ones first), D features, K outputs of the head, L
granularities.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from sketchray.data.multicrop import MultiCropConfig
from sketchray.data.samples import Modality
from sketchray.encoders import Encoder, EncoderConfig
from sketchray.losses import gather_rows, moved_centre, self_distillation
from sketchray.methods.ama_clusters import Clusters
from sketchray.methods.ama_config import AMAConfig
from sketchray.methods.ama_head import Branch
from sketchray.methods.ama_terms import contrast_term, guidance_term, mutual_term, shares, spread
from sketchray.methods.base import Batch, CleanSamples, Method
from sketchray.methods.freezing import freeze
from sketchray.methods.modality_means import MODALITIES, need_shifts, subtract_modality_means
from sketchray.methods.sketch_norms import adapt_sketch_norms


class AMA(Method):
    """Student and teacher of one kind, for both modalities.

    Args:
        classes: not used; there are no labels here.
        encoder: of student and teacher.
        config: see `AMAConfig`.
    """

    needs_labels = False
    centre_MK: Tensor
    steps_done: Tensor

    def __init__(self, *, classes: Sequence[str], encoder: EncoderConfig, config: AMAConfig) -> None:  # noqa: ARG002
        super().__init__()
        self.config = config
        self.student = Branch(Encoder(encoder), config.head)
        freeze(self.student.encoder.backbone, stages=config.frozen_stages, filters=config.frozen_filters)
        if config.centre_samples:
            need_shifts(self.student.encoder)
        self.teacher = self.student.follower()
        self.start = copy.deepcopy(self.student.encoder).requires_grad_(False) if config.start_share else None
        dim = self.student.encoder.dim
        self.sketch_clusters = Clusters(config.granularities, dim, name="sketch")
        self.photo_clusters = Clusters(config.granularities, dim, name="photo")
        self.register_buffer("centre_MK", torch.zeros(1 if config.centre == "shared" else 2, config.head.outputs))
        self.register_buffer("steps_done", torch.zeros((), dtype=torch.int64))

    @property
    def encoder(self) -> Encoder:
        """The teacher's."""
        return self.teacher.encoder

    def starting(self) -> list[Encoder]:
        """Return the student's encoder, the teacher's, and the one that keeps the start, if there is one."""
        return [self.student.encoder, self.teacher.encoder, *([] if self.start is None else [self.start])]

    @property
    def crops(self) -> MultiCropConfig:
        """The views that each batch must hold."""
        return self.config.crops

    def clusters(self, modality: Modality) -> Clusters:
        """Return the clusters of a modality."""
        return self.sketch_clusters if modality == "sketch" else self.photo_clusters

    @torch.no_grad()
    def start_epoch(self, epoch: int, samples: CleanSamples) -> None:
        """Cluster the teacher's features of every training sample, once a term needs it.

        Before the first epoch, measure the statistics of the sketches' own norms, where the encoders have them.
        """
        if epoch == 0:
            adapt_sketch_norms(self.starting(), samples, self.config.norms)
        if int(self.steps_done) >= self.config.clusters_from:
            for modality in MODALITIES:
                self.clusters(modality).fit(self._embedded(modality, samples), most=self.config.cluster_samples)

    def _embedded(self, modality: Modality, samples: CleanSamples) -> Iterator[tuple[Tensor, list[str]]]:
        for images_B3HW, ids in samples(modality):
            photo_B = torch.full((len(images_B3HW),), modality == "photo", device=images_B3HW.device)
            yield self.teacher.encoder(images_B3HW, photo_B), ids

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return every term unweighted, its share of the loss (``share_*``), ``loss``, and what shows a collapse.

        ``spread_*`` (`spread`) is of the teacher's features, ``kept_*`` the part of samples in the cluster contrast. A
        term is 0 before its time.

        Raises:
            ValueError: the batch has no views.
        """
        config, step = self.config, batch.step
        contrasts = config.contrast > 0 and step >= config.contrast_from and len(self.sketch_clusters) > 0
        guides = config.guidance > 0 and step >= config.mutual_from
        aligns = config.mutual > 0 and step >= config.mutual_from and len(self.sketch_clusters) > 0
        nothing = self.centre_MK.new_zeros(())
        terms: dict[str, Tensor] = {"ma": nothing}
        seen: dict[str, Tensor] = {}
        for modality in MODALITIES:
            sketch = modality == "sketch"
            crops, ids = (batch.sketch_crops, batch.sketch_ids) if sketch else (batch.photo_crops, batch.photo_ids)
            if not crops:
                raise ValueError(f"AMA learns from several views of each {modality}, and this batch has none")
            student_VBD, outputs_VBK = self.student(crops, photo=not sketch)
            with torch.no_grad():
                teacher_gBD, targets_gBK = self.teacher(crops[:1], photo=not sketch)
            terms[f"sd_{modality}"] = self._distil(modality, outputs_VBK, targets_gBK)
            terms[f"cc_{modality}"], seen[f"kept_{modality}"] = nothing, nothing
            if contrasts:
                terms[f"cc_{modality}"], seen[f"kept_{modality}"] = contrast_term(
                    student_VBD, teacher_gBD[0], self.clusters(modality), ids, config
                )
            student_gBD = student_VBD[: len(teacher_gBD)]
            terms[f"sg_{modality}"] = guidance_term(student_gBD, teacher_gBD, config) if guides else nothing
            if aligns:
                aligned = mutual_term(student_gBD[0], self.sketch_clusters, self.photo_clusters, config)
                terms["ma"] = terms["ma"] + aligned / len(MODALITIES)
            seen[f"spread_{modality}"] = spread(gather_rows(teacher_gBD[0]))
        weights = {"ma": config.mutual, "sd_sketch": config.sketch, "sd_photo": config.photo}
        weights |= {f"cc_{modality}": config.contrast_weight(step) for modality in MODALITIES}
        weights |= {f"sg_{modality}": config.guidance for modality in MODALITIES}
        weighted = {name: weights[name] * term for name, term in terms.items()}
        return {"loss": torch.stack(list(weighted.values())).sum()} | terms | shares(weighted) | seen

    def _distil(self, modality: Modality, outputs_VBK: Tensor, targets_gBK: Tensor) -> Tensor:
        """Return L_sd against the centre as it was, and move the centre."""
        config = self.config
        row = MODALITIES.index(modality) % len(self.centre_MK)
        loss = self_distillation(
            outputs_VBK,
            targets_gBK,
            self.centre_MK[row],
            student_temperature=config.tau_student,
            teacher_temperature=config.tau_teacher,
        )
        self.centre_MK[row] = moved_centre(self.centre_MK[row], targets_gBK, momentum=config.centre_momentum)
        return loss

    def optimizers(self, total_steps: int) -> dict[str, Optimizer]:  # noqa: ARG002 - others plan over it
        """Return one optimiser, with a rate for the student's encoder and one for its head."""
        config = self.config
        groups = [
            {"params": [p for p in self.student.encoder.parameters() if p.requires_grad], "lr": config.lr},
            {"params": list(self.student.head.parameters()), "lr": config.head_lr or config.lr},
        ]
        if config.optimizer == "adamw":
            return {"student": AdamW(groups, weight_decay=config.weight_decay)}
        return {"student": SGD(groups, momentum=0.9, weight_decay=config.weight_decay)}

    def lr_factor(self, step: int, total_steps: int) -> float:
        """Rise linearly over the warm-up, under half a cosine."""
        return min(1.0, (step + 1) / self.config.warmup) * super().lr_factor(step, total_steps)

    def after_step(self, step: int) -> None:
        """Let the teacher follow the student."""
        self.teacher.follow(self.student, half_life=self.config.ema_half_life)
        self.steps_done.fill_(step + 1)

    def finish(self, samples: CleanSamples) -> None:
        """Move the teacher back towards the start, then take the modalities' means out, where that is asked for."""
        if self.start is not None:
            for ships, began in zip(self.encoder.parameters(), self.start.parameters(), strict=True):
                ships.data.lerp_(began, self.config.start_share)
        if self.config.centre_samples:
            subtract_modality_means(self.encoder, samples, most=self.config.centre_samples)
