"""Weights are loaded only into a model that they fit; otherwise what differs is named."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_into


class Renamed(nn.Linear):
    """Its weight had another name in earlier versions."""

    def _load_from_state_dict(
        self, state: dict[str, torch.Tensor], prefix: str, *rest: Any
    ) -> None:
        if f"{prefix}old" in state:
            state[f"{prefix}weight"] = state.pop(f"{prefix}old")
        super()._load_from_state_dict(state, prefix, *rest)


def test_fitting_weights_are_loaded() -> None:
    source, target = nn.Linear(2, 3), nn.Linear(2, 3)
    load_into(target, source.state_dict(), source="a.pth")
    assert torch.equal(source.weight, target.weight)


def test_step_counters_of_batch_norm_may_be_missing() -> None:
    weights = dict(nn.BatchNorm2d(3).state_dict())
    del weights["num_batches_tracked"]
    load_into(nn.BatchNorm2d(3), weights, source="a.pth")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": None}, "weight is missing"),
        ({"extra": torch.zeros(1)}, "extra is not in the model"),
        ({"weight": torch.zeros(5, 2)}, r"weight has the shape \(5, 2\) instead of \(3, 2\)"),
        ({str(i): torch.zeros(1) for i in range(5)}, "and 2 more"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, torch.Tensor | None], words: str) -> None:
    weights = {**nn.Linear(2, 3).state_dict(), **changes}
    kept = {name: value for name, value in weights.items() if value is not None}
    with pytest.raises(ConfigError, match=rf"a\.pth does not fit the teacher: .*{words}"):
        load_into(nn.Linear(2, 3), kept, source="a.pth", target="the teacher")


def test_earlier_names_are_read_by_the_model_and_must_fit_too() -> None:
    model = Renamed(2, 3)
    weights = dict(model.state_dict())
    weights["old"] = torch.ones(3, 2)
    del weights["weight"]
    load_into(model, weights, source="a.pth")
    assert torch.equal(model.weight, torch.ones(3, 2))
    with pytest.raises(ConfigError, match=r"a\.pth does not fit the model: .*weight.*5, 2"):
        load_into(model, {**weights, "old": torch.ones(5, 2)}, source="a.pth")
