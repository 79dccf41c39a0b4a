"""An encoder by what names it: a package, one that comes with the library, or a bare backbone."""

from pydantic import ValidationError

from sketchray.encoders.encoder import Encoder, EncoderConfig
from sketchray.encoders.package import from_pretrained
from sketchray.storage import open_store
from sketchray.zoo import list_shipped

FROZEN = "frozen:"  # begins the spec of a backbone without a package


def encoder_uri(spec: str) -> str:
    """Return the one name of what `load_encoder` takes: a package's whole URI, anything that is a name as it is."""
    return spec if spec.startswith(FROZEN) or spec in list_shipped() else open_store(spec).uri


def load_encoder(spec: str) -> Encoder:
    """Return an encoder in evaluation mode from a package, or a backbone as it is.

    Args:
        spec: a package's URI or path, a shipped encoder's name, or ``frozen:<backbone>[@<image size>][:<weights>]``:
            128 pixels if not said, and weights (a file, folder or hub's name) for a backbone that does not bring its
            own.

    Raises:
        ValueError: unknown backbone, unusable weights or malformed spec; `PackageError` for a package that cannot be
            used.
    """
    if not spec.startswith(FROZEN):
        return from_pretrained(spec)
    name, _, weights = spec.removeprefix(FROZEN).partition(":")
    backbone, separator, size = name.partition("@")
    if separator and not size.isdecimal():
        raise ValueError(f"{spec}: a frozen backbone is frozen:<backbone>[@<image size>][:<weights>]")
    values = {"backbone": backbone, "dim": None, "modality_bias": False, "weights": weights or None}
    try:
        config = EncoderConfig.model_validate(values | ({"image_size": int(size)} if separator else {}))
    except ValidationError as error:
        raise ValueError(f"{spec}: the image size is out of range") from error
    return Encoder(config)
