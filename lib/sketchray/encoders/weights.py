"""Published weights that a user brings: where they lie, what they hold, and the classifier that came with them."""

import pickle
import re
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from sketchray.encoders.backbones import Backbone

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_TENSOR_FILES = (("*.safetensors",), ("*.pth", "*.pt", "*.bin"))  # the first kind that is there


class BackboneOfWeights(Backbone):
    """A backbone that does not bring its weights, and keeps the classifier of those it is given.

    Attributes:
        head: W_KD and b_K, where the weights hold them.
    """

    head: tuple[Tensor, Tensor] | None = None

    @property
    def licence(self) -> str:
        """The licence of its weights, which need not be the published ones."""
        return f"that of the weights it was built from; of {self.card.weights}: {self.card.licence}"

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Return the classifier in its weights."""
        if self.head is None:
            raise ValueError(
                f"backbone {self.card.name} has no classifier: its weights were published without one, or it was read "
                "from a package (`dim: null` keeps its features as they are; methods that distil need a classifier)"
            )
        weight_KD, bias_K = self.head
        return weight_KD.clone(), bias_K.clone()


def find_weights(backbone: str, weights: str | None, *, published: str = "") -> Path:
    """Return the local file or folder of a backbone's weights; those of a hub are fetched, or found in its cache.

    Args:
        backbone: its name, for messages.
        weights: a local file or folder, or ``owner/model`` on the Hugging Face hub.
        published: where the published ones are, for messages.

    Raises:
        ValueError: nothing given, nothing there, or the hub cannot be asked.
    """
    if weights is None:
        raise ValueError(
            f"backbone {backbone} does not bring its weights: say where they are "
            f"(`weights`: a local file or folder, or owner/model on the hub; published: {published or 'none'})"
        )
    path = Path(weights).expanduser()
    if path.exists():
        return path
    if not _HUB_NAME.fullmatch(weights):
        raise ValueError(f"backbone {backbone}: no weights at {weights}")
    try:
        from huggingface_hub import snapshot_download

        for files in _TENSOR_FILES:
            folder = Path(snapshot_download(weights, allow_patterns=["config.json", *files]))
            if any(found for pattern in files for found in folder.glob(pattern)):
                break
    except (ImportError, OSError, ValueError) as error:
        raise ValueError(
            f"backbone {backbone}: {weights} is no path here, nor can the hub give it ({error})"
        ) from error
    return folder


def read_tensors(backbone: str, path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file, or of the only such file in a folder: .safetensors, else .pth, .pt or .bin.

    The latter are read as tensors only (``weights_only``): nothing in them is run.

    Args:
        backbone: its name, for messages.
        path: of the file or folder.

    Raises:
        ValueError: no such file or several, or not readable as tensors by name.
    """
    files = [path]
    if path.is_dir():
        kinds = (sorted(file for pattern in kind for file in path.glob(pattern)) for kind in _TENSOR_FILES)
        files = next((found for found in kinds if found), [])
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise ValueError(f"backbone {backbone}: {path} should hold one file of weights, and holds: {names}")
    file = files[0]
    try:
        if file.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(file))
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"backbone {backbone}: {file} is not readable as weights ({error})") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ValueError(f"backbone {backbone}: {file} holds something else than tensors by name")
    return tensors
