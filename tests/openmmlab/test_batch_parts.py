"""A batch in parts makes the step of the whole batch, where its loss is a mean over images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper

from tid_tune.openmmlab.batch_parts import train_in_parts


class Line(BaseModel):  # type: ignore[misc]  # mmengine is untyped
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))

    def forward(self, inputs: Any, data_samples: Any, mode: str = "loss") -> Any:
        values, wanted = torch.stack(list(inputs)) @ self.weight, torch.stack(list(data_samples))
        return {"loss": (values - wanted).square().mean(), "size": values.abs().mean()}


def trained(parts: int, count: int, accumulate: int = 1) -> tuple[torch.Tensor, list[float]]:
    generator = torch.Generator().manual_seed(3)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulate)
    wrapper.initialize_count_status(model, 0, 6)
    logged = []
    for _ in range(6):
        batch = {
            "inputs": list(torch.randn(count, 2, generator=generator)),
            "data_samples": list(torch.randn(count, generator=generator)),
        }
        values = (
            train_in_parts(model, batch, wrapper, parts)
            if parts
            else model.train_step(batch, optim_wrapper=wrapper)
        )
        logged += [float(values[name].detach()) for name in ("loss", "size")]
    return model.weight.detach(), logged


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize(("parts", "count"), [(2, 4), (2, 5), (2, 1), (3, 7)])
def test_a_batch_in_parts_is_one_step(parts: int, count: int, accumulate: int) -> None:
    weight, logged = trained(parts, count, accumulate)
    wanted, expected = trained(0, count, accumulate)
    torch.testing.assert_close(weight, wanted)
    assert logged == pytest.approx(expected)
    assert not torch.equal(weight, torch.tensor([1.0, -2.0]))
