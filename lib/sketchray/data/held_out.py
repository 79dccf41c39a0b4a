"""Seen classes set aside, so that hyper-parameters are chosen without a look at an unseen one."""

import pyarrow as pa
import pyarrow.compute as pc

from sketchray.data.order import order


def hold_out(samples: pa.Table, count: int, *, seed: int) -> pa.Table:
    """Return the table with the split ``val`` on every sample of some seen classes, drawn by the seed.

    Args:
        samples: a sample table.
        count: how many seen classes; their sketches and photos leave training together.
        seed: of the draw, which depends on nothing else but the list of seen classes.

    Raises:
        ValueError: fewer than two seen classes would be left to train on.
    """
    seen = pc.equal(samples["split"], "seen")
    classes = sorted(name for name in pc.unique(samples["class_name"].filter(seen)).to_pylist() if name is not None)
    if count > len(classes) - 2:
        raise ValueError(f"held_out: {count} classes of {len(classes)} seen ones leave fewer than two to train on")
    chosen = pa.array(
        [classes[place] for place in order(len(classes), seed, 0, stream="held-out")[:count]], pa.string()
    )
    split = pc.if_else(pc.and_(seen, pc.is_in(samples["class_name"], value_set=chosen)), "val", samples["split"])
    return samples.set_column(samples.schema.get_field_index("split"), samples.schema.field("split"), split)
