"""Networks of the transformers library, from a folder in its format: ``config.json`` beside ``model.safetensors``."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError

from sketchray.config import Config, build_config

C = TypeVar("C", bound=Config)


def library(backbone: str) -> Any:
    """Return the transformers library.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        message = f"backbone {backbone} needs the package transformers: pip install 'sketchray[transformers]'"
        raise ValueError(message) from error
    return transformers


def read_sizes(cls: type[C], backbone: str, folder: Path, *, kinds: Sequence[str], section: str = "") -> C:
    """Return the sizes in a folder's ``config.json``.

    Args:
        cls: the sizes that matter, under the library's names.
        backbone: its name, for messages.
        folder: in the library's format.
        kinds: the library's ``model_type``, one of which it must hold.
        section: of the configuration that holds the sizes, where it has sections.

    Raises:
        ValueError: no readable ``config.json``, or it tells of another network.
    """
    try:
        config = library(backbone).AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"backbone {backbone}: {folder} holds no config.json of a network ({error})") from error
    if config.model_type not in kinds:
        raise ValueError(f"backbone {backbone}: {folder} holds a network of type {config.model_type}, not {kinds[0]}")
    config = getattr(config, section, config)
    sizes = {name: getattr(config, name) for name in cls.model_fields}
    return build_config(cls, sizes, where=f"{folder}/config.json: ")


def read_network(
    model: Any, backbone: str, folder: Path, *, may_lack: Collection[str] = (), **options: Any
) -> tuple[Any, bool]:
    """Return the library's network with the weights of a folder, in float32.

    Args:
        model: the library's class.
        backbone: its name, for messages.
        folder: in the library's format.
        may_lack: parameters that need not be there.
        options: of the class.

    Returns:
        The network, and whether all of ``may_lack`` was there.

    Raises:
        ValueError: no weights, damaged ones, or some that do not fill the network: nothing starts at random.
    """
    try:
        with _quiet(backbone):
            network, report = model.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **options
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"backbone {backbone}: the weights in {folder} cannot be read ({error})") from error
    lacking = set(report["missing_keys"])
    if lacking - set(may_lack):
        first = ", ".join(sorted(lacking - set(may_lack))[:3])
        raise ValueError(f"backbone {backbone}: the weights in {folder} lack parameters: {first} ...")
    return network, not lacking


@contextmanager
def _quiet(backbone: str) -> Iterator[None]:
    """Keep the library's progress bar and its report off the screen: what matters of it becomes an error here."""
    logging = library(backbone).utils.logging
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
