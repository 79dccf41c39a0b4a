"""Training methods by name. Each composes `sketchray.losses` and reads like its paper."""

from sketchray.methods.base import Batch, Method
from sketchray.methods.registry import create_method, list_methods, register_method
from sketchray.methods.rpkd import RPKD, RPKDConfig

__all__ = ["RPKD", "Batch", "Method", "RPKDConfig", "create_method", "list_methods", "register_method"]

register_method("rpkd", RPKD, RPKDConfig)
