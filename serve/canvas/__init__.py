"""The page: a canvas that searches as one draws."""

from serve.canvas.page import mount_canvas

__all__ = ["mount_canvas"]
