"""The encoder package: a folder in the store with ``config.json``, ``model.safetensors`` and ``README.md``.

``config.json`` is written last: where it is, the package is whole.
"""

import hashlib
import json
from typing import Any

import safetensors.torch
from pydantic import ValidationError
from safetensors import SafetensorError

from sketchray.data.raster import RASTER_VERSION
from sketchray.encoders.encoder import Encoder, EncoderConfig
from sketchray.storage import NotFound, open_store

FORMAT_VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


class PackageError(ValueError):
    """An encoder package that cannot be used; the message names it and what is wrong."""


def save_pretrained(encoder: Encoder, uri: str, *, metadata: dict[str, Any], card: str) -> str:
    """Write an encoder as a package.

    Args:
        encoder: on any device.
        uri: the package's folder, in a store or on disk.
        metadata: how it came to be (method, recipe, data fingerprint, ...), kept in ``config.json``.
        card: the README in Markdown.

    Returns:
        The encoder's fingerprint.
    """
    store = open_store(uri)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    weights = safetensors.torch.save(tensors)
    config = {
        "format_version": FORMAT_VERSION,
        "fingerprint": encoder.fingerprint,
        "encoder": encoder.config.model_dump(mode="json"),
        "preprocessing": {"mean": encoder.backbone.mean, "std": encoder.backbone.std, "range": 255},
        "weights": {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)},
        "backbone_licence": encoder.backbone.licence,
        "metadata": metadata,
    }
    store.write(WEIGHTS, weights)
    store.write(CARD, card.encode())
    store.write(CONFIG, json.dumps(config, indent=2, sort_keys=True).encode())
    return str(config["fingerprint"])


def read_package_config(uri: str) -> dict[str, Any]:
    """Return a package's ``config.json``.

    Raises:
        PackageError: there is none, it is not readable, or of another format version.
    """
    try:
        config = json.loads(open_store(uri).read(CONFIG))
    except NotFound as error:
        raise PackageError(f"{uri}: no encoder package here ({CONFIG} is missing)") from error
    except ValueError as error:
        raise PackageError(f"{uri}: {CONFIG} is not readable as JSON ({error})") from error
    if not isinstance(config, dict) or config.get("format_version") != FORMAT_VERSION:
        raise PackageError(f"{uri}: {CONFIG} is not of format version {FORMAT_VERSION}")
    return config


def from_pretrained(uri: str) -> Encoder:
    """Read an encoder from its package; hashes are checked before weights are parsed.

    Args:
        uri: the package's folder, in a store or on disk.

    Raises:
        PackageError: a file is missing, truncated, changed or of another version, or the encoder was made for another
            sketch raster than this code draws.
    """
    config = read_package_config(uri)
    try:
        encoder_config = EncoderConfig.model_validate(config["encoder"])
        expected, fingerprint = config["weights"]["sha256"], config["fingerprint"]
    except (KeyError, TypeError, ValidationError) as error:
        raise PackageError(f"{uri}: {CONFIG} lacks or garbles a field ({error})") from error
    if encoder_config.raster_version != RASTER_VERSION:
        raise PackageError(
            f"{uri}: made for sketch raster version {encoder_config.raster_version}, this code draws {RASTER_VERSION}"
        )
    try:
        weights = open_store(uri).read(WEIGHTS)
    except NotFound as error:
        raise PackageError(f"{uri}: {WEIGHTS} is missing") from error
    if hashlib.sha256(weights).hexdigest() != expected:
        raise PackageError(f"{uri}: {WEIGHTS} is damaged (its SHA-256 is not that of {CONFIG})")
    encoder = Encoder(encoder_config, pretrained=False)
    try:
        encoder.load_state_dict(safetensors.torch.load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise PackageError(f"{uri}: {WEIGHTS} does not fit {CONFIG} ({error})") from error
    if encoder.fingerprint != fingerprint:
        raise PackageError(f"{uri}: the fingerprint in {CONFIG} is not that of the encoder")
    return encoder


def load_encoder(spec: str) -> Encoder:
    """Return an encoder in evaluation mode from a package, or a backbone as it is.

    Args:
        spec: a package's URI or path, or ``frozen:<backbone>[@<image size>][:<weights>]``: 128 pixels if not said, and
            weights (a file, folder or hub's name) for a backbone that does not bring its own.

    Raises:
        ValueError: unknown backbone, unusable weights or malformed spec; `PackageError` for a package that cannot be
            used.
    """
    if not spec.startswith("frozen:"):
        return from_pretrained(spec)
    name, _, weights = spec.removeprefix("frozen:").partition(":")
    backbone, separator, size = name.partition("@")
    if separator and not size.isdecimal():
        raise ValueError(f"{spec}: a frozen backbone is frozen:<backbone>[@<image size>][:<weights>]")
    values = {"backbone": backbone, "dim": None, "modality_bias": False, "weights": weights or None}
    try:
        config = EncoderConfig.model_validate(values | ({"image_size": int(size)} if separator else {}))
    except ValidationError as error:
        raise ValueError(f"{spec}: the image size is out of range") from error
    return Encoder(config)
