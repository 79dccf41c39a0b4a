"""The encoder package: a folder in the store with ``config.json``, ``model.safetensors`` and ``README.md``.

A calibrated encoder's has ``calibration.json`` too, and whatever figures its card shows. ``config.json`` is written
last: where it is, the package is whole.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import safetensors.torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from sketchray.calibration import Calibration, CalibrationError
from sketchray.data.raster import RASTER_VERSION
from sketchray.encoders.encoder import Encoder, EncoderConfig
from sketchray.encoders.rounding import is_rounded, rounded
from sketchray.storage import NotFound, open_store
from sketchray.zoo import list_shipped, package_uri

FORMAT_VERSION = 1
CONFIG, WEIGHTS, CARD, CALIBRATION = "config.json", "model.safetensors", "README.md", "calibration.json"


class PackageError(ValueError):
    """An encoder package that cannot be used; the message names it and what is wrong."""


def save_pretrained(
    encoder: Encoder,
    uri: str,
    *,
    metadata: dict[str, Any],
    card: str,
    figures: Mapping[str, str] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> str:
    """Write an encoder as a package, with its calibration if it has one.

    Args:
        encoder: on any device.
        uri: the package's folder, in a store or on disk.
        metadata: how it came to be (method, recipe, data fingerprint, ...), kept in ``config.json``.
        card: the README in Markdown.
        figures: what the card shows, SVG by file name.
        dtype: of the matrices and kernels in the file. ``float16`` halves it, and makes it that of another encoder, the
            `rounded` one. Either is read into float32, so that a package has one fingerprint on every machine.

    Returns:
        The fingerprint of what was written.

    Raises:
        CalibrationError: the encoder's calibration is that of another one.
        ValueError: its weights do not fit float16, or `uri` is a shipped encoder's name.
    """
    if uri in list_shipped():
        raise ValueError(f"{uri} is an encoder that comes with the library; a folder of that name is ./{uri}")
    if dtype == "float16":
        encoder = rounded(encoder)
    store, fingerprint, calibration = open_store(uri), encoder.fingerprint, None
    if encoder.calibration is not None:
        encoder.calibration.check_encoder(fingerprint)
        calibration = encoder.calibration.to_bytes()
    weights = safetensors.torch.save(_tensors(encoder, half=dtype == "float16"))
    config = {
        "format_version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "encoder": encoder.config.model_dump(mode="json"),
        "preprocessing": {"mean": encoder.backbone.mean, "std": encoder.backbone.std, "range": 255},
        "weights": _described(weights),
        "calibration": None if calibration is None else _described(calibration),
        "backbone_licence": encoder.backbone.licence,
        "metadata": metadata,
    }
    store.write(WEIGHTS, weights)
    if calibration is not None:
        store.write(CALIBRATION, calibration)
    for name, figure in (figures or {}).items():
        store.write(name, figure.encode())
    store.write(CARD, card.encode())
    store.write(CONFIG, json.dumps(config, indent=2, sort_keys=True).encode())
    return fingerprint


def read_package_config(uri: str) -> dict[str, Any]:
    """Return a package's ``config.json``; `uri` as in `from_pretrained`.

    Raises:
        PackageError: there is none, it is not readable, or of another format version.
    """
    try:
        config = json.loads(open_store(package_uri(uri)).read(CONFIG))
    except NotFound as error:
        shipped = ", ".join(list_shipped()) or "none"
        raise PackageError(f"{uri}: no encoder package here ({CONFIG} is missing); by name: {shipped}") from error
    except ValueError as error:
        raise PackageError(f"{uri}: {CONFIG} is not readable as JSON ({error})") from error
    if not isinstance(config, dict) or config.get("format_version") != FORMAT_VERSION:
        raise PackageError(f"{uri}: {CONFIG} is not of format version {FORMAT_VERSION}")
    return config


def from_pretrained(uri: str) -> Encoder:
    """Read an encoder from its package; hashes are checked before weights are parsed.

    Args:
        uri: the package's folder, in a store or on disk, or the name of an encoder that comes with the library.

    Raises:
        PackageError: a file is missing, truncated, changed or of another version, or the encoder was made for another
            sketch raster than this code draws.
    """
    config = read_package_config(uri)
    try:
        encoder_config = EncoderConfig.model_validate(config["encoder"])
        expected, fingerprint = config["weights"]["sha256"], config["fingerprint"]
        calibrated = config["calibration"]["sha256"] if config.get("calibration") else None
    except (KeyError, TypeError, ValidationError) as error:
        raise PackageError(f"{uri}: {CONFIG} lacks or garbles a field ({error})") from error
    if encoder_config.raster_version != RASTER_VERSION:
        raise PackageError(
            f"{uri}: made for sketch raster version {encoder_config.raster_version}, this code draws {RASTER_VERSION}"
        )
    weights = _read_checked(uri, WEIGHTS, expected)
    encoder = Encoder(encoder_config, pretrained=False)
    try:
        encoder.load_state_dict(safetensors.torch.load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise PackageError(f"{uri}: {WEIGHTS} does not fit {CONFIG} ({error})") from error
    if encoder.fingerprint != fingerprint:
        raise PackageError(f"{uri}: the fingerprint in {CONFIG} is not that of the encoder")
    if calibrated is not None:
        encoder.calibration = _read_calibration(uri, calibrated, fingerprint)
    return encoder


def _tensors(encoder: Encoder, *, half: bool) -> dict[str, Tensor]:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    return {name: value.half() if half and is_rounded(value) else value for name, value in tensors.items()}


def _described(data: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _read_checked(uri: str, name: str, sha256: str) -> bytes:
    try:
        data = open_store(package_uri(uri)).read(name)
    except NotFound as error:
        raise PackageError(f"{uri}: {name} is missing") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise PackageError(f"{uri}: {name} is damaged (its SHA-256 is not that of {CONFIG})")
    return data


def _read_calibration(uri: str, sha256: str, fingerprint: str) -> Calibration:
    try:
        calibration = Calibration.from_bytes(_read_checked(uri, CALIBRATION, sha256))
        calibration.check_encoder(fingerprint)
    except CalibrationError as error:
        raise PackageError(f"{uri}: {CALIBRATION}: {error}") from error
    return calibration
