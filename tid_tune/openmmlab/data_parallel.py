"""mmdet and mmengine in a process that is one of several ranks; see `tid_tune.ranks`.

mmdet divides most losses by the mean over the ranks of a count, and leaves it to the mean of the
gradients to make up for that. That is not the loss of the whole batch where a count has a lower
limit, and some heads do not exchange counts at all. Here all counts are totals, and gradients are
added.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import utils as mmengine_ranks
from mmengine.model import MMDistributedDataParallel, convert_sync_batchnorm
from torch import Tensor, nn

from tid_tune import ranks
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config

HEADS = ("ATSSHead", "FCOSHead", "GFLHead", "RetinaHead")
"""Dense heads, by their exact class, whose losses are known to be sums over counts."""


class RankModel(MMDistributedDataParallel):  # type: ignore[misc]  # mmengine is untyped
    """A model whose gradients are the sum of those of all ranks."""

    def __init__(self, module: nn.Module, device: torch.device, unused: bool) -> None:
        super().__init__(
            module,
            device_ids=[device] if device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=unused,
        )
        self.register_comm_hook(None, lambda _, bucket: _added(bucket.buffer()))
        self.idle = False
        """Whether the next batch is one that this rank has no image of: it adds nothing."""

    def train_step(self, data: object, optim_wrapper: Any) -> dict[str, Tensor]:
        """Train on the rank's part of a batch, and return its shares of what is logged."""
        with ranks.idle(self.idle), optim_wrapper.optim_context(self):
            prepared = self.module.data_preprocessor(data, training=True)
            losses = self._run_forward(prepared, mode="loss")
        loss, values = self.module.parse_losses(losses)
        if self.idle:
            loss = loss * 0
            values = {name: value * 0 for name, value in values.items()}
        optim_wrapper.update_params(loss)
        shares: dict[str, Tensor] = values
        return shares


def data_parallel(model: nn.Module, device: torch.device, config: Config) -> RankModel:
    """Wrap a model, on its device, for the ranks of a trial.

    Batch norms across processes stay on GPUs, the only place where torch has them.

    Raises:
        ConfigError: its losses are not known to add up over ranks.
    """
    add_up(model)
    if config.get("sync_bn") and device.type == "cuda":
        model = convert_sync_batchnorm(model, config.sync_bn)
    return RankModel(model, device, bool(config.get("find_unused_parameters", False)))


def add_up(model: nn.Module) -> None:
    """Let the losses of a detector be shares of the loss of the whole batch; repeatable.

    Raises:
        ConfigError: they are not known to be.
    """
    head: Any = getattr(model, "bbox_head", None)
    whole = head is None or hasattr(model, "roi_head")
    require_sums(type(model if whole else head).__name__)
    modules = [sys.modules[kind.__module__] for kind in type(head).__mro__]
    exchanging = [module for module in modules if hasattr(module, "reduce_mean")]
    for module in exchanging:
        module.__dict__["reduce_mean"] = ranks.total
    if not exchanging and not isinstance(head.get_targets, _TotalCount):
        head.get_targets = _TotalCount(head.get_targets)


def require_sums(head: str) -> None:
    """Check that the losses of a head are known to add up over ranks.

    Args:
        head: the name of its class, or that of a detector which is more than a backbone, a neck
            and one head.

    Raises:
        ConfigError: they are not.
    """
    if head not in HEADS:
        raise ConfigError(
            f"resources.ranks: the losses of {head} are not known to add up over ranks; use "
            f"{', '.join(HEADS)}, or set resources.ranks to 1"
        )


class _TotalCount:
    """A head's `get_targets`, with the count that losses are divided by of all ranks."""

    def __init__(self, targets: Callable[..., tuple[Any, ...]]) -> None:
        self.targets = targets

    def __call__(self, anchors: list[list[Tensor]], *args: Any, **options: Any) -> tuple[Any, ...]:
        *found, count = self.targets(anchors, *args, **options)
        device = anchors[0][0].device
        return *found, ranks.total(torch.tensor(float(count), device=device)).item()


def _added(gradients: Tensor) -> torch.futures.Future[Tensor]:
    work = dist.all_reduce(gradients, async_op=True)
    assert work is not None
    added: torch.futures.Future[Tensor] = work.get_future().then(lambda done: done.value()[0])
    return added


@contextlib.contextmanager
def as_one_process() -> Iterator[None]:
    """Let mmengine take this process for the only one, as where the order of images is made."""
    known = mmengine_ranks.is_distributed
    mmengine_ranks.is_distributed = lambda: False
    try:
        yield
    finally:
        mmengine_ranks.is_distributed = known
