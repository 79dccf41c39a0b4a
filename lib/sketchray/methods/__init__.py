"""Training methods by name. Each composes `sketchray.losses` and reads like its paper."""

from sketchray.methods.ama import AMA
from sketchray.methods.ama_config import AMAConfig
from sketchray.methods.base import Batch, Method
from sketchray.methods.bridge import Bridge, BridgeConfig
from sketchray.methods.clusterretri import ClusterRetri, ClusterRetriConfig
from sketchray.methods.finetune import Finetune, FinetuneConfig
from sketchray.methods.registry import create_method, list_methods, register_method
from sketchray.methods.rpkd import RPKD, RPKDConfig
from sketchray.methods.sbka import SBKA, SBKAConfig
from sketchray.methods.student import StudentConfig, StudentMethod

__all__ = [
    "AMA",
    "RPKD",
    "SBKA",
    "AMAConfig",
    "Batch",
    "Bridge",
    "BridgeConfig",
    "ClusterRetri",
    "ClusterRetriConfig",
    "Finetune",
    "FinetuneConfig",
    "Method",
    "RPKDConfig",
    "SBKAConfig",
    "StudentConfig",
    "StudentMethod",
    "create_method",
    "list_methods",
    "register_method",
]

register_method("ama", AMA, AMAConfig)
register_method("bridge", Bridge, BridgeConfig)
register_method("clusterretri", ClusterRetri, ClusterRetriConfig)
register_method("finetune", Finetune, FinetuneConfig)
register_method("rpkd", RPKD, RPKDConfig)
register_method("sbka", SBKA, SBKAConfig)
