"""What the trainer writes beside the weights: the card a person reads, the metadata a program reads."""

import json
from typing import Any

from jobs._train_config import TrainConfig
from jobs._train_data import Tables

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


def encoder_card(config: TrainConfig, *, run_id: str, classes: list[str], tables: Tables) -> tuple[dict[str, Any], str]:
    """Return (metadata for ``config.json``, text of the card) of the encoder that this run ships.

    Args:
        config: the resolved recipe.
        run_id: the run's name.
        classes: the seen classes, by label.
        tables: the training rows by modality.
    """
    recipe = config.model_dump(mode="json", exclude={"resources", "data"})
    metadata = {"run": run_id, "method": config.method["name"], "recipe": recipe, "seen_classes": classes}
    card = CARD.format(
        run_id=run_id,
        backbone=config.encoder.backbone,
        method=config.method["name"],
        n_classes=len(classes),
        sketches=tables["sketch"].num_rows,
        photos=tables["photo"].num_rows,
        steps=config.steps,
        sketch_batch=config.sketch_batch,
        photo_batch=config.photo_batch,
        image_size=config.encoder.image_size,
        seed=config.seed,
        classes=", ".join(classes),
        configuration=json.dumps(recipe, indent=2, sort_keys=True),
    )
    return metadata, card
