"""mmdet's registries, filled: `REGISTRY.build(config)`, `@REGISTRY.register_module()`."""

from tid_tune.openmmlab.setup import mmdet_ready

with mmdet_ready():
    from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS

__all__ = ["DATASETS", "HOOKS", "METRICS", "MODELS"]
