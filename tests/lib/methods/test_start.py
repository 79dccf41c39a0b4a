"""A method that starts from a trained encoder has it everywhere, and refuses one of another kind."""

from typing import Any

import pytest
import torch

from sketchray.encoders import Encoder, EncoderConfig

HEAD = {"hidden": 8, "bottleneck": 8, "outputs": 8}


def trained(**options: Any) -> Encoder:
    torch.manual_seed(3)
    encoder = Encoder(EncoderConfig.model_validate({"backbone": "tiny-test", "dim": 8, "image_size": 32, **options}))
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    return encoder


@pytest.mark.parametrize(("name", "options"), [("finetune", {"ema": 0.9}), ("rpkd", {}), ("ama", {"head": HEAD})])
def test_the_student_and_what_follows_it_start_there(small: Any, name: str, options: dict[str, Any]) -> None:
    method, encoder = small.method(name, dtype=torch.float32, **options), trained()
    assert method.encoder.fingerprint != encoder.fingerprint
    method.begin_from(encoder)
    assert method.encoder.fingerprint == encoder.fingerprint
    assert all(own.fingerprint == encoder.fingerprint for own in method.starting())


def test_an_encoder_of_another_kind_is_refused(small: Any) -> None:
    with pytest.raises(ValueError, match=r"^start: that encoder is .*dim=4"):
        small.method("finetune").begin_from(trained(dim=4))
