"""One encoder from several that were trained from one start: the mean of their weights (a "model soup").

    python -m sketchray.methods.soup OUT ENCODER ENCODER ... --centre DATASET

Wortsman et al., ICML 2022: networks that were fine-tuned from one pretrained network, with other seeds, data or losses,
lie in one basin, where their mean is better than each, and takes no longer to use. Here its seeds differ, or its
methods; nothing is selected, so no validation set is needed ("uniform soup").
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor

from sketchray.data.loading import SampleError, SampleLoader
from sketchray.data.reading import DataConfig, read_samples
from sketchray.data.samples import Modality
from sketchray.data.transforms import prepare_photo, prepare_sketch
from sketchray.encoders import Encoder, load_encoder, save_pretrained
from sketchray.methods.base import CleanSamples
from sketchray.methods.modality_means import subtract_modality_means

BATCH = 32


@torch.no_grad()
def average_encoders(encoders: Sequence[Encoder]) -> Encoder:
    """Return the encoder whose weights are the mean of theirs; it has no calibration.

    Args:
        encoders: of one configuration; the first is overwritten.

    Raises:
        ValueError: there is none, or they differ in their configuration.
    """
    if not encoders:
        raise ValueError("there is no encoder to take the mean of")
    first = encoders[0]
    for other in encoders[1:]:
        if other.config.model_dump(exclude={"weights"}) != first.config.model_dump(exclude={"weights"}):
            raise ValueError(f"encoders of different kinds have no mean: {first.config} and {other.config}")
    for tensors in zip(*(encoder.state_dict().values() for encoder in encoders), strict=True):
        if tensors[0].is_floating_point():  # not the counters of batch norms
            tensors[0].copy_(torch.stack([tensor.double() for tensor in tensors]).mean(dim=0))
    first.calibration = None
    return first


def seen_samples(root: str, size: int) -> CleanSamples:
    """Return what reads a folder dataset's seen samples as evaluation would; unreadable ones are left out."""
    samples, loader = read_samples(DataConfig(root=root)), SampleLoader.shared()

    def read(modality: Modality) -> Iterator[tuple[Tensor, list[str]]]:
        chosen = pc.and_(pc.equal(samples["split"], "seen"), pc.equal(samples["modality"], modality))
        rows = samples.filter(chosen).select(["id", "uri"]).to_pylist()
        for part in (rows[first : first + BATCH] for first in range(0, len(rows), BATCH)):
            pictures = {}
            for row in part:
                try:
                    uri = row["uri"]
                    sketch = modality == "sketch"
                    pictures[row["id"]] = (
                        prepare_sketch(loader.sketch(uri), size) if sketch else prepare_photo(loader.photo(uri), size)
                    )
                except SampleError as error:
                    print(f"left out: {error}", file=sys.stderr)
            if pictures:
                yield torch.from_numpy(np.stack(list(pictures.values()))), list(pictures)

    return read


def main(argv: list[str] | None = None) -> int:
    """Write the mean encoder's package and print its record as JSON; 2 and one line on stderr for a wrong argument."""
    parser = argparse.ArgumentParser(
        prog="python -m sketchray.methods.soup", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("out", help="the new package's folder, in a store or on disk")
    parser.add_argument("encoders", nargs="+", help="packages of one configuration, from one pretrained start")
    parser.add_argument("--centre", metavar="DATASET", help="take its seen samples' means out of the result")
    parser.add_argument("--samples", type=int, default=1000, help="of each modality, for --centre (%(default)s)")
    options = parser.parse_args(argv)
    try:
        soup = average_encoders([load_encoder(spec) for spec in options.encoders])
        if options.centre:
            subtract_modality_means(soup, seen_samples(options.centre, soup.config.image_size), most=options.samples)
        metadata = {"mean_of": options.encoders, "centre_samples": options.samples if options.centre else 0}
        card = "\n".join(["# A mean of encoders", "", *(f"- {spec}" for spec in options.encoders), ""])
        fingerprint = save_pretrained(soup, options.out, metadata=metadata, card=card)
    except (OSError, ValueError) as error:
        print(f"soup: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"encoder": options.out, "fingerprint": fingerprint, **metadata}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
