"""Sketchy Extended: 125 classes, 75,481 sketches, 73,002 photos of which 12,500 are the originals that were drawn.

SAKE's tree, and the lists that most papers use, have those originals twice: once by themselves, once among the
extension. The copy inside the extension is the one that stays when the gallery is de-duplicated, because the extension
alone is the whole set and was prepared in one way. Of the transformed renderings (``tx_000100000000`` and so on) only
the untransformed ``tx_000000000000`` is read.
"""

from sketchray.data.layouts import Dataset, Layout

_TX = "tx_000000000000"

SKETCHY = Dataset(
    name="sketchy",
    title="Sketchy",
    folders=("Sketchy", "Sketchy Extended"),
    layouts=(
        Layout("SAKE", (f"256x256/sketch/{_TX}_ready",), (f"256x256/photo/{_TX}_ready", "EXTEND_image_sketchy_ready")),
        Layout("the Sketchy database", (f"256x256/sketch/{_TX}",), (f"256x256/photo/{_TX}", "EXTEND_image_sketchy")),
        Layout("sem-pcyc", (f"sketch/{_TX}",), (f"photo/{_TX}", "photo/extended_photo", "extended_photo")),
        Layout("doodle2search", (f"Sketchy/sketch/{_TX}",), (f"Sketchy/photo/{_TX}", "EXTEND_image_sketchy")),
        Layout("TVT or Sketch_LVM", ("sketch",), ("photo",)),
        Layout("ACNet", ("train/sketch", "val/sketch"), ("train/photo", "val/photo")),
    ),
)
