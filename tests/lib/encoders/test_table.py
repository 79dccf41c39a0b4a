"""docs/backbones.md is what the registry and the measurements say, and so it stays."""

from pathlib import Path

from sketchray.encoders import backbone_card, list_backbones
from sketchray.encoders.measured import read_measured
from sketchray.encoders.table import page

DOCUMENT = Path(__file__).parents[3] / "docs" / "backbones.md"


def test_the_page_is_made_from_the_registry() -> None:
    assert DOCUMENT.read_text() == page(), "python -m sketchray.encoders > docs/backbones.md"


def test_every_backbone_with_weights_is_in_both_tables_with_what_it_states() -> None:
    lines = page().splitlines()
    for name in list_backbones():
        card = backbone_card(name)
        rows = [line.split(" | ") for line in lines if line.startswith(f"| `{name}` |")]
        assert len(rows) == (2 if card.weights else 0), name
        if card.weights:
            assert {card.title, card.weights, card.licence, str(card.dim)} <= set(rows[0])


def test_measurements_are_of_backbones_that_are_here() -> None:
    rows = read_measured()
    assert {row.backbone for row in rows} <= set(list_backbones())
    assert len({row.key for row in rows}) == len(rows)
    assert all(row.value >= 0 for row in rows)
