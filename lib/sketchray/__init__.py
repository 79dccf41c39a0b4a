"""Sketchray: zero-shot sketch-based image retrieval. Draw a thing, get its photographs.

This package is the science and the formats. It imports no cluster and no web framework, so that every
part of it runs and tests alone, on any device.
"""

__version__ = "0.1.0"
