"""mmdet's registries, filled: `REGISTRY.build(config)`, `@REGISTRY.register_module()`."""

from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.registry import (
        DATASETS,
        HOOKS,
        LOG_PROCESSORS,
        LOOPS,
        METRICS,
        MODELS,
        VISUALIZERS,
    )

__all__ = ["DATASETS", "HOOKS", "METRICS", "MODELS", "UNUSED"]

UNUSED = {
    "train_cfg": LOOPS,
    "val_cfg": LOOPS,
    "visualizer": VISUALIZERS,
    "log_processor": LOG_PROCESSORS,
}
"""Parts of a config that mmengine's Runner builds, and a trial does not."""
