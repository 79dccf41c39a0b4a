"""An encoder rounded to half precision: what a package of half the size holds."""

import copy

import torch

from sketchray.encoders.encoder import Encoder


def rounded(encoder: Encoder) -> Encoder:
    """Return a copy whose parameters and statistics have values of float16, kept as float32.

    It is another encoder, with a fingerprint of its own: cosines move by about 1e-4. Its calibration stays that of the
    original, whose steps are far wider than that.

    Raises:
        ValueError: a parameter is beyond float16; it is named.
    """
    copied = copy.deepcopy(encoder).float()
    with torch.no_grad():
        for name, tensor in copied.state_dict().items():
            if not tensor.is_floating_point():
                continue
            half = tensor.half()
            if not torch.isfinite(half).all():
                raise ValueError(f"{name} does not fit float16: it holds values up to {float(tensor.abs().max()):g}")
            tensor.copy_(half)
    if encoder.calibration is not None:
        encoder.calibration.check_encoder(encoder.fingerprint)
        copied.calibration = encoder.calibration.model_copy(update={"encoder": copied.fingerprint})
    return copied
