"""What methods learn of classes before the first step: sums that grow with the classes, not with the photos."""

import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from sketchray.methods.class_sums import class_sums


def test_sums_are_those_of_a_loop_and_a_class_without_rows_has_none() -> None:
    values_BX = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels_B = torch.tensor([0, 2, 2, 0, 4, 2, 0])
    rows = zip(torch.split(values_BX, 3), torch.split(labels_B, 3), strict=True)
    sums_CX, count_C = class_sums(rows, values_BX.new_zeros(5, 3))
    for label in range(5):
        own_rows = [value for value, own in zip(values_BX, labels_B, strict=True) if own == label]
        assert count_C[label] == len(own_rows)
        torch.testing.assert_close(sums_CX[label], sum(own_rows, torch.zeros(3, dtype=torch.float64)))


@pytest.mark.parametrize("name", ["finetune", "rpkd"])
def test_no_photo_is_kept_and_none_is_read_before_its_turn(small: Any, name: str) -> None:
    alive: list[int] = []
    yielded: list[weakref.ref[Tensor]] = []

    def photos() -> Iterator[tuple[Tensor, Tensor]]:
        for first in range(20):
            alive.append(sum(ref() is not None for ref in yielded))
            images = small.batch(first).photos
            yielded.append(weakref.ref(images))
            yield images, (torch.arange(4) + first) % 5
            del images

    small.method(name).prepare(photos())
    assert len(yielded) == 20
    assert max(alive) <= 1  # the one that was just looked at
