"""The gradient's norm, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from tid_tune import ranks

if TYPE_CHECKING:
    from tid_tune.trial.runner import TrialRunner

NAME = "grad_norm"
EVERY = 10
"""Steps between two norms where nothing else needs one: for small models they are not free."""


def watch_gradients(runner: TrialRunner, add: Callable[[dict[str, Tensor]], None]) -> None:
    """Call `add({"grad_norm": norm})` with the norm before clipping, now and then.

    All ranks have the same norm; each adds its share of it, as of a loss.

    Where the config clips, that is every step's norm, which clipping computes anyway (and which
    mmengine would read back from the device to log it); otherwise every tenth step's.
    """
    optim_wrapper = runner.optim_wrapper
    if optim_wrapper.clip_grad_kwargs and getattr(optim_wrapper, "grad_name", "") == NAME:
        clip = optim_wrapper.clip_func

        def clip_and_add(*args: object, **kwargs: object) -> None:
            add({NAME: clip(*args, **kwargs) / ranks.count()})

        optim_wrapper.clip_func = clip_and_add
        return

    def add_norm(optimizer: Optimizer, *_: object) -> None:
        # By the iteration's number: a restored trial looks at the same steps.
        if runner.iter // optim_wrapper._accumulative_counts % EVERY:
            return
        gradients = [
            p.grad
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        if gradients:
            norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
            add({NAME: norm / ranks.count()})

    optim_wrapper.optimizer.register_step_pre_hook(add_norm)
