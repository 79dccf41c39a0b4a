"""What was measured of the backbones: rows of ``measured.csv``, beside this file."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

MEASURED = Path(__file__).with_name("measured.csv")


class Measurement(NamedTuple):
    """One number.

    Attributes:
        backbone: its name in the registry.
        side: of the images, pixels.
        quantity: ``ms`` a picture on one core, ``ms_channels_last`` the same in that memory format, ``mib`` of memory a
            picture more in a batch takes, ``map_frozen``: mAP@all of the bare backbone on tiny-51's unseen classes.
        value: the number.
        date: when, as YYYY-MM-DD.
    """

    backbone: str
    side: int
    quantity: str
    value: float
    date: str

    @property
    def key(self) -> tuple[str, int, str]:
        """What was measured."""
        return self.backbone, self.side, self.quantity


def read_measured() -> list[Measurement]:
    """Return every row."""
    with MEASURED.open(newline="") as file:
        return [
            Measurement(row["backbone"], int(row["side"]), row["quantity"], float(row["value"]), row["date"])
            for row in csv.DictReader(file)
        ]


def write_measured(rows: Iterable[Measurement]) -> None:
    """Replace every row."""
    with MEASURED.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Measurement._fields)
        writer.writerows(sorted(rows))
