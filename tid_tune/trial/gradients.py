"""The gradient's norm at every step, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NAME = "grad_norm"


def watch_gradients(optim_wrapper: Any, add: Callable[[dict[str, Tensor]], None]) -> None:
    """Call `add({"grad_norm": norm})` at every optimizer step, with the norm before clipping.

    Where the config clips, the norm is the one clipping computes; mmengine would read it back
    from the device at every step to log it.
    """
    if optim_wrapper.clip_grad_kwargs and getattr(optim_wrapper, "grad_name", "") == NAME:
        clip = optim_wrapper.clip_func

        def clip_and_add(*args: Any, **kwargs: Any) -> None:
            add({NAME: clip(*args, **kwargs)})

        optim_wrapper.clip_func = clip_and_add
        return

    def add_norm(optimizer: Any, *_: Any) -> None:
        gradients = [
            p.grad
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        if gradients:
            add({NAME: torch.nn.utils.get_total_norm(gradients, foreach=True)})

    optim_wrapper.optimizer.register_step_pre_hook(add_norm)
