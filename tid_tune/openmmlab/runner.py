"""The pieces of mmengine's Runner that trials and evaluations are built from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.logging import HistoryBuffer
from mmengine.runner import EpochBasedTrainLoop, Runner

__all__ = [
    "EpochBasedTrainLoop",
    "HistoryBuffer",
    "Hook",
    "ParamScheduler",
    "Runner",
    "RuntimeInfoHook",
]


class ParamScheduler(Protocol):
    """The used part of mmengine 0.10's schedulers of one hyperparameter."""

    param_name: str
    base_values: list[float]
    """What the schedule multiplies, one a parameter group."""
    by_epoch: bool
    """Whether it makes a step each epoch, not each iteration."""

    def step(self) -> None:
        """Set the values of the next epoch or iteration."""

    def state_dict(self) -> dict[str, object]:
        """Return the state that a checkpoint holds."""

    def load_state_dict(self, state_dict: Mapping[str, object]) -> None:
        """Go on from a state."""
