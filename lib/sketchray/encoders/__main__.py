"""Print what docs/backbones.md is: ``python -m sketchray.encoders > docs/backbones.md``."""

from sketchray.encoders.table import page

if __name__ == "__main__":
    print(page(), end="")
