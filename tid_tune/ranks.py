"""What the ranks of a trial compute together: one trial, trained by several processes.

Every rank has a part of each step's batch. The rule for all losses and logged values: a rank
computes its share, and the shares of all ranks add up to what one process computes of the whole
batch. So what a loss is divided by is a total over all ranks, and gradients are added.

A process that is no rank of several is told its own values back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

_idle = False


def several() -> bool:
    """Return whether this process is one of several ranks."""
    return count() > 1


def count() -> int:
    """Return the number of ranks."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this rank, from 0."""
    return dist.get_rank() if several() else 0


@contextlib.contextmanager
def idle(needed: bool = True) -> Iterator[None]:
    """Add nothing to any total inside the block: this rank has no image of the batch."""
    global _idle
    before, _idle = _idle, needed
    try:
        yield
    finally:
        _idle = before


def total(value: Tensor) -> Tensor:
    """Return the sum over all ranks, without gradient."""
    return _summed(value.detach()) if several() else value


def total_count(number: int, device: torch.device) -> Tensor | int:
    """Return the sum over all ranks of a whole number, on `device`."""
    return total(torch.tensor(number, device=device)) if several() else number


def joined(value: Tensor) -> Tensor:
    """Return the sum over all ranks; the losses of all of them have gradients through it."""
    summed: Tensor = _Joined.apply(value) if several() else value  # type: ignore[no-untyped-call]
    return summed


def gathered(value: T) -> list[T]:
    """Return the value of each rank, in their order; it must be one that can be pickled."""
    if not several():
        return [value]
    found: list[Any] = [None] * count()
    dist.all_gather_object(found, value)
    return found


@torch.no_grad()
def unify_buffers(modules: Iterable[nn.Module]) -> None:
    """Give all ranks the mean of each buffer of numbers, as of a batch norm's statistics.

    What is equal everywhere is not changed, not even by rounding.
    """
    if not several():
        return
    for module in modules:
        for buffer in module.buffers():
            if buffer.is_floating_point():
                first = buffer.clone()
                dist.broadcast(first, src=0)
                buffer.copy_(first + _summed(buffer - first) / count())
            else:
                dist.broadcast(buffer, src=0)


def _summed(value: Tensor) -> Tensor:
    summed = torch.zeros_like(value) if _idle else value.clone()
    dist.all_reduce(summed)
    return summed


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        ctx.idle = _idle
        return _summed(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.contiguous().clone()
        dist.all_reduce(summed)
        return torch.zeros_like(summed) if ctx.idle else summed
