"""How a query orders a gallery."""

from sketchray.ranking.nearest import Nearest

__all__ = ["Nearest"]
