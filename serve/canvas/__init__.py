"""The page: a canvas that searches as one draws."""

from serve.canvas.page import DOCS, mount_canvas

__all__ = ["DOCS", "mount_canvas"]
