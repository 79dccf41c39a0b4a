"""QuickDraw Extended: 110 classes, about 330,000 sketches and 204,000 photos; tested on 92,291 and 54,151."""

from sketchray.data.layouts import Dataset, Layout

QUICKDRAW = Dataset(
    name="quickdraw",
    title="QuickDraw",
    folders=("QuickDraw", "QuickDraw Extended"),
    layouts=(
        Layout("doodle2search", ("QuickDraw_sketches_final",), ("QuickDraw_images_final",)),
        Layout("ZSE-SBIR", ("sketches",), ("images",)),
        Layout("TVT or Sketch_LVM", ("sketch",), ("photo",)),
        Layout("ACNet", ("train/sketch", "val/sketch"), ("train/photo", "val/photo")),
    ),
)
