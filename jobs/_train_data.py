"""The rows a training run reads: seen classes to learn from, and held-out seen classes to measure on. No unseen one."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jobs._train_config import TrainConfig
from sketchray.config import ConfigError, digest
from sketchray.data.samples import Modality
from sketchray.methods.base import UNLABELLED

Tables = dict[Modality, pa.Table]


class TrainData(NamedTuple):
    """What a run reads; every table has the columns ``id``, ``uri`` and ``label``, and is sorted by id.

    Attributes:
        classes: the seen classes by label; none for a method that takes no labels.
        seen: training samples by modality.
        held_out: samples of held-out classes by modality; empty for a run that does not validate.
        calibration: samples of held-out classes to calibrate on; empty where there are none.
        calibrated_on: those samples in words, or why there are none.
    """

    classes: list[str]
    seen: Tables
    held_out: Tables
    calibration: Tables
    calibrated_on: str


def train_data(samples: pa.Table, config: TrainConfig) -> TrainData:
    """Choose a run's rows from a dataset's sample table.

    Raises:
        ConfigError: the method has no such option, or nothing is held out to validate on.
        ValueError: training samples without a class, for a method that needs it.
    """
    seen = samples.filter(pc.equal(samples["split"], "seen"))
    classes = class_names(seen)
    # What is wrong with a method's options is said here, in one line, not by every worker.
    if not config.create(classes).needs_labels:
        classes = []
    elif seen["class_name"].null_count:
        raise ValueError(f"{seen['class_name'].null_count} training samples have no class, which this method needs")
    held_out = validation_tables(samples, config.validate_per_class) if config.validate_per_class else {}
    calibration, words = calibration_tables(samples, config.calibrate_per_class)
    return TrainData(classes, _by_modality(seen, classes), held_out, calibration, words)


def validation_tables(samples: pa.Table, per_class: int) -> Tables:
    """Return at most ``per_class`` sketches and as many photos of each held-out class (split ``val``), by modality.

    Raises:
        ConfigError: fewer than two classes are held out, or they lack sketches or photos.
    """
    problem = held_out_problem(samples)
    if problem is not None:
        raise ConfigError(f"validation needs {problem}")
    val = _held_out(samples)
    tables = _by_modality(val, class_names(val))
    # An id is a digest: the first ones are a random choice, and the same one each time.
    return {modality: first_of_each_class(table, per_class) for modality, table in tables.items()}


def calibration_tables(samples: pa.Table, per_class: int) -> tuple[Tables, str]:
    """Return the rows to calibrate on, chosen as `validation_tables` does, and what they are in words.

    Where there are none, as with ``per_class`` 0, the words say why.
    """
    problem = held_out_problem(samples) if per_class else "calibrate_per_class above 0"
    if problem is not None:
        return {}, f"it needs {problem}"
    classes = class_names(_held_out(samples))
    return validation_tables(samples, per_class), f"{len(classes)} seen classes ({', '.join(classes)})"


def calibration_fingerprint(samples: pa.Table, per_class: int) -> str | None:
    """Return what names the rows to calibrate on; None where there are none."""
    tables, _ = calibration_tables(samples, per_class)
    return digest({modality: table["id"].to_pylist() for modality, table in tables.items()}) if tables else None


def held_out_problem(samples: pa.Table) -> str | None:
    """Say what the held-out samples (split ``val``) lack to be searched among themselves; None if nothing."""
    val = _held_out(samples)
    classes = class_names(val)
    if len(classes) < 2:
        return (
            f"two held-out seen classes or more, not {len(classes)}: set data.held_out (among the photos of one class "
            "alone every ranking is perfect)"
        )
    for modality, table in _by_modality(val, classes).items():
        if not table.num_rows:
            return f"sketches and photos: the held-out classes ({', '.join(classes)}) have not one {modality}"
    return None


def class_names(samples: pa.Table) -> list[str]:
    """Return the classes that occur in a sample table, sorted."""
    return sorted(name for name in pc.unique(samples["class_name"]).to_pylist() if name is not None)


def labelled(samples: pa.Table, modality: Modality, classes: list[str]) -> pa.Table:
    """Return one modality's rows sorted by id, with ``label``: the class's place in ``classes``, -1 without one."""
    rows = samples.filter(pc.equal(samples["modality"], modality)).sort_by("id")
    label = pc.index_in(rows["class_name"], value_set=pa.array(classes, pa.string())).cast(pa.int64())
    label = pc.fill_null(label, UNLABELLED)
    return rows.select(["id", "uri"]).append_column("label", label)


def first_of_each_class(samples: pa.Table, count: int) -> pa.Table:
    """Return at most ``count`` rows of each label, those first in the table's order."""
    seen: dict[int, int] = {}
    keep = []
    for row, label in enumerate(samples["label"].to_pylist()):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= count:
            keep.append(row)
    return samples.take(keep)


def _by_modality(samples: pa.Table, classes: list[str]) -> Tables:
    return {"sketch": labelled(samples, "sketch", classes), "photo": labelled(samples, "photo", classes)}


def _held_out(samples: pa.Table) -> pa.Table:
    return samples.filter(pc.equal(samples["split"], "val"))
