"""No method makes the host wait for the device, which would leave the device idle at every step.

Seen without a GPU: an operator whose result's shape or branch depends on the values has to wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.method_cases import TEACHING, supports
from torch.utils._python_dispatch import TorchDispatchMode

from tid_tune.testing.detectors import HEADS
from tid_tune.testing.scenes import make_scene

WAITING = {"nonzero", "_local_scalar_dense", "masked_select", "equal", "_unique2", "bincount"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


class Waits(TorchDispatchMode):
    """Collects the operators that would wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own class is untyped
        self.found: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.__name__.split(".")[0]
        by_mask = name in INDEXING and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if name in WAITING or by_mask:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


def waits(run: Callable[[], Any]) -> set[str]:
    with Waits() as mode:
        run()
    return mode.found


@pytest.mark.parametrize(
    ("method", "kind"),
    [(m, kind) for m in TEACHING for kind in HEADS if supports(m, kind)],
)
def test_a_step_of_a_method_never_waits(method: str, kind: str) -> None:
    made = make_scene(method, kind)
    assert waits(lambda: torch.stack(list(made().losses.values())).sum().backward()) == set()


def test_selection_by_quantile_never_waits() -> None:
    assert waits(make_scene("tid", select="quantile")) == set()


@pytest.mark.parametrize(
    "run",
    [
        lambda: torch.ones(2).sum().item(),
        lambda: torch.ones(2)[torch.tensor([True, False])],
        lambda: torch.ones(2).nonzero(),
        lambda: torch.ones(2).index_put_((torch.tensor([True, False]),), torch.zeros(())),
    ],
)
def test_what_waits_is_seen(run: Callable[[], Any]) -> None:
    assert waits(run)
