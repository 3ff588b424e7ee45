"""Normalization of feature maps, and means over points and levels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tid_tune.distill.features import mean_over_levels, normalize_channels


def random(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_an_area_without_points_costs_exactly_nothing_and_keeps_a_graph() -> None:
    difference = random(1, 1, 2, 2).requires_grad_()
    nowhere = torch.zeros(1, 2, 2, dtype=torch.bool)
    term = mean_over_levels([difference], [nowhere])
    assert term == 0
    term.backward()
    assert difference.grad is not None
    assert torch.equal(difference.grad, torch.zeros(1, 2, 2))


def test_levels_without_points_do_not_count_in_the_mean() -> None:
    differences = [torch.full((1, 2, 2), 3.0), torch.full((1, 1, 1), 5.0)]
    masks = [torch.ones(1, 2, 2, dtype=torch.bool), torch.zeros(1, 1, 1, dtype=torch.bool)]
    assert mean_over_levels(differences, masks) == 3.0


def test_normalized_features_do_not_depend_on_scale_and_shift() -> None:
    features = random(2, 2, 3, 4, 4)
    valid = torch.ones(2, 4, 4, dtype=torch.bool)
    normal = normalize_channels(features, valid)
    shifted = normalize_channels(features * 40 + 7, valid)
    assert torch.allclose(normal, shifted, atol=1e-3)
    assert normal.mean(dim=(0, 2, 3)).abs().max() < 1e-6
    assert (normal.var(dim=(0, 2, 3), correction=0) - 1).abs().max() < 1e-3


def test_constant_channels_and_half_precision_stay_finite() -> None:
    features = torch.full((1, 2, 2, 2), 6e4, dtype=torch.float16)
    normal = normalize_channels(features, torch.ones(1, 2, 2, dtype=torch.bool))
    assert normal.dtype == torch.float32
    assert torch.equal(normal, torch.zeros(1, 2, 2, 2))


def test_weights_that_sum_to_less_than_one_still_give_a_mean() -> None:
    values, weights = torch.tensor([[[3.0, 5.0]]]), torch.tensor([[[0.1, 0.3]]])
    assert mean_over_levels([values], [weights]).item() == pytest.approx(4.5)
