"""The one way a job joins Ray: the cluster it was submitted to, or a local one when it is run by hand."""

import ray


def connect() -> None:
    """Join the cluster in ``RAY_ADDRESS`` (``ray job submit`` sets it), or start a local one that ends with us."""
    if not ray.is_initialized():
        ray.init(logging_level="warning", log_to_driver=True)
