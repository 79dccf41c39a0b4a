"""What the trainer writes beside the weights: the card a person reads, the metadata a program reads."""

import json
from typing import Any, NamedTuple

from jobs._card_calibration import Outcome, calibration_figures, calibration_record, calibration_section
from jobs._train_config import TrainConfig
from jobs._train_data import TrainData

CARD = """# Sketch encoder {run_id}

A {backbone} student trained by **{method}** to embed sketches and photographs in one space (cosine similarity).

| | |
|---|---|
| seen classes | {n_classes} |
| training sketches / photos | {sketches} / {photos} |
| steps, global batch | {steps}, {sketch_batch} sketches + {photo_batch} photos |
| image side | {image_size} px |
| seed | {seed} |

## Protocol
Zero-shot: only samples of the seen classes below were read in training. Retrieval on unseen classes is measured by
`python -m jobs.evaluate`, which names every metric variant; no number here was chosen on unseen classes.

## Calibrated score
{calibration}

## Limits
It knows the drawing styles and the pictures of its training data; other styles (engineering drawings, filled or
coloured sketches, long texts) were not seen. It starts from a backbone trained on ImageNet, whose 1,000 classes may
include some that are called unseen here, as in all published work with such backbones.

## Seen classes
{classes}

## Configuration
```json
{configuration}
```
"""


class Card(NamedTuple):
    """What goes into the package beside the encoder: `save_pretrained`'s arguments of these names."""

    metadata: dict[str, Any]
    card: str
    figures: dict[str, str]


class CardWriter:
    """Knows all of a run but how its encoder turns out; it travels to the worker that ships it.

    Args:
        config: the resolved recipe.
        run_id: the run's name.
        data: what it reads.
    """

    def __init__(self, config: TrainConfig, *, run_id: str, data: TrainData) -> None:
        self._config, self._run_id, self._classes = config, run_id, data.classes
        self._rows = {modality: table.num_rows for modality, table in data.seen.items()}

    def write(self, calibrated: Outcome) -> Card:
        """Return the card and what belongs to it.

        Args:
            calibrated: the encoder's calibration, or why it has none.
        """
        config, classes = self._config, self._classes
        recipe = config.model_dump(mode="json", exclude={"resources", "data"})
        metadata = {
            "run": self._run_id,
            "method": config.method["name"],
            "recipe": recipe,
            "seen_classes": classes,
            "calibration": calibration_record(calibrated),
        }
        card = CARD.format(
            run_id=self._run_id,
            backbone=config.encoder.backbone,
            method=config.method["name"],
            n_classes=len(classes),
            sketches=self._rows["sketch"],
            photos=self._rows["photo"],
            steps=config.steps,
            sketch_batch=config.sketch_batch,
            photo_batch=config.photo_batch,
            image_size=config.encoder.image_size,
            seed=config.seed,
            calibration=calibration_section(calibrated),
            classes=", ".join(classes),
            configuration=json.dumps(recipe, indent=2, sort_keys=True),
        )
        return Card(metadata, card, calibration_figures(calibrated))
