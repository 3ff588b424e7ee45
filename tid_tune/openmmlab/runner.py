"""The pieces of mmengine's Runner that trials and evaluations are built from."""

from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.logging import HistoryBuffer
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model as load_checkpoint_to_model

__all__ = [
    "EpochBasedTrainLoop",
    "HistoryBuffer",
    "Hook",
    "Runner",
    "RuntimeInfoHook",
    "load_checkpoint_to_model",
]
