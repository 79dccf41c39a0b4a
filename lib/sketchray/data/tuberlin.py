"""TU-Berlin Extended: 250 classes, 20,000 sketches (80 a class), 204,489 photos."""

from sketchray.data.layouts import Dataset, Layout

TUBERLIN = Dataset(
    name="tuberlin",
    title="TU-Berlin",
    folders=("TUBerlin", "TU-Berlin", "TU-Berlin Extended"),
    layouts=(
        Layout("SAKE", ("png_ready",), ("ImageResized_ready",)),
        Layout("the TU-Berlin archives", ("png",), ("ImageResized",)),
        Layout("sem-pcyc or doodle2search", ("sketches",), ("images",)),
        Layout("TVT or Sketch_LVM", ("sketch",), ("photo",)),
        Layout("ACNet", ("train/sketch", "val/sketch"), ("train/photo", "val/photo")),
    ),
)
