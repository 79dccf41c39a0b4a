"""How an encoder takes a batch: in parts, in a precision of its own or its caller's."""

import pytest
import torch

from sketchray.encoders import Encoder, EncoderConfig
from sketchray.encoders.passes import Passes

IMAGES = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
PHOTO = torch.tensor([False, True, True, False, True])


def encoder(passes: Passes) -> tuple[Encoder, set[torch.dtype], list[int]]:
    """Return an encoder, the dtypes that its network works in, and the images in each of the network's passes."""
    made, dtypes, rows = Encoder(EncoderConfig(backbone="tiny-test", dim=8, image_size=32)), set[torch.dtype](), []

    def note(_module: torch.nn.Module, _inputs: object, result_BDhw: torch.Tensor) -> None:
        rows.append(len(result_BDhw))
        dtypes.add(result_BDhw.dtype)

    made.backbone.stages()[0].register_forward_hook(note)
    made.passes = passes
    return made, dtypes, rows


@pytest.mark.parametrize(("at_once", "parts"), [(None, [5]), (9, [5]), (5, [5]), (2, [2, 2, 1]), (1, [1] * 5)])
def test_parts_are_no_larger_than_asked_for_and_give_what_the_whole_gives(
    at_once: int | None, parts: list[int]
) -> None:
    whole, _, _ = encoder(Passes())
    taken, _, rows = encoder(Passes(at_once=at_once))
    torch.testing.assert_close(taken(IMAGES, PHOTO), whole(IMAGES, PHOTO))
    assert rows == parts
    with torch.inference_mode():
        assert not taken(IMAGES, PHOTO).requires_grad


def test_the_backward_pass_computes_again_what_was_taken_in_parts() -> None:
    taken, _, rows = encoder(Passes(at_once=2))
    embedding_BD = taken(IMAGES, PHOTO)
    assert rows == [2, 2, 1]
    torch.autograd.backward([embedding_BD.sum()])
    assert sorted(rows[3:]) == [1, 2, 2]


def test_features_come_back_in_the_weights_dtype_whoever_asks_for_another_within() -> None:
    for passes, outer in ((Passes(autocast=torch.bfloat16), False), (Passes(), True)):
        taken, dtypes, _ = encoder(passes)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=outer):
            assert taken.features(IMAGES, PHOTO).dtype == torch.float32
        assert dtypes == {torch.bfloat16}
