"""Held-out seen classes: whole classes, the same ones each time, never an unseen one."""

import pyarrow as pa
import pytest

from sketchray.data.held_out import hold_out
from sketchray.data.samples import Sample, sample_table


@pytest.fixture
def samples() -> pa.Table:
    return sample_table(
        Sample(
            f"{modality}/{word}/{i}", f"{modality}/{word}/{i}", modality, word, "unseen" if word == "owl" else "seen"
        )
        for modality in ("sketch", "photo")
        for word in ("cat", "cup", "dog", "owl", "pig", "sun")
        for i in range(3)
    )


def splits(table: pa.Table) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in table.to_pylist():
        found.setdefault(row["class_name"], set()).add(row["split"])
    return found


def test_whole_seen_classes_move_and_nothing_else_changes(samples: pa.Table) -> None:
    held = hold_out(samples, 2, seed=0)
    assert held.drop(["split"]) == samples.drop(["split"])
    assert held.schema == samples.schema
    assert splits(held)["owl"] == {"unseen"}
    assert sorted(map(tuple, (splits(held)[word] for word in ("cat", "cup", "dog", "pig", "sun")))) == [
        ("seen",), ("seen",), ("seen",), ("val",), ("val",),
    ]  # fmt: skip


def test_the_choice_depends_on_the_seed_alone(samples: pa.Table) -> None:
    assert hold_out(samples, 2, seed=3) == hold_out(samples, 2, seed=3)
    shuffled = samples.take(list(reversed(range(samples.num_rows))))
    assert splits(hold_out(shuffled, 2, seed=3)) == splits(hold_out(samples, 2, seed=3))
    assert len({repr(splits(hold_out(samples, 2, seed=seed))) for seed in range(8)}) > 1


def test_too_many_are_refused(samples: pa.Table) -> None:
    with pytest.raises(ValueError, match="4 classes of 5 seen ones leave fewer than two"):
        hold_out(samples, 4, seed=0)
