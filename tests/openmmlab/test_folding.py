"""Batch normalizations are folded where they are seen to follow a convolution, and nowhere else."""

from __future__ import annotations

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from tid_tune.openmmlab import folding
from tid_tune.openmmlab.folding import fold
from tid_tune.openmmlab.models import build_detector
from tid_tune.testing.detectors import HEADS, detector

NORM = {"type": "BN"}


def settled(model: nn.Module) -> nn.Module:
    """Give the batch normalizations statistics and weights as of a training."""
    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(layer.weight, 0.5, 2, generator=generator)
            nn.init.normal_(layer.bias, generator=generator)
    return model.eval()


def norms(model: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, channels, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", HEADS)
def test_a_detector_gives_the_same_outputs_without_its_normalizations(kind: str) -> None:
    torch.manual_seed(0)
    model = build_detector(detector(kind))
    settled(model)
    count = norms(model)
    data = images()

    def run() -> list[Tensor]:
        features = model.extract_feat(data)
        return [*features, *(item for part in model.bbox_head(features) for item in part)]

    with torch.no_grad():
        before = run()
        assert fold(model, run) == count > 0
        assert norms(model) == 0
        for old, new in zip(before, run(), strict=True):
            torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("order", "folds"), [(("conv", "norm", "act"), 1), (("conv", "act", "norm"), 0)]
)
def test_what_ran_counts_and_not_the_order_of_the_layers(
    order: tuple[str, str, str], folds: int
) -> None:
    """An activation that works in place returns the very tensor that the convolution made."""
    torch.manual_seed(0)
    block = settled(ConvModule(3, 4, 3, norm_cfg=NORM, order=order, inplace=True))
    data = images()
    with torch.no_grad():
        before = block(data)
        assert fold(block, lambda: block(data)) == folds
        assert norms(block) == 1 - folds
        torch.testing.assert_close(block(data), before, rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """One convolution, whose result goes to two normalizations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.one, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, data: Tensor) -> Tensor:
        first = self.one(self.conv(data))
        second: Tensor = self.other(self.conv(data))
        return torch.cat([first, second])


def test_a_convolution_of_two_normalizations_stays_as_it_is() -> None:
    torch.manual_seed(0)
    model = settled(Shared())
    data = images()
    assert fold(model, lambda: model(data)) == 0
    assert norms(model) == 2


class Both(nn.Module):
    """Uses a convolution's result with and without its normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, data: Tensor) -> Tensor:
        found: Tensor = self.conv(data)
        return self.norm(found) + found


def test_a_model_whose_outputs_would_change_is_restored() -> None:
    torch.manual_seed(0)
    model = settled(Both())
    data = images()
    layers, weights = list(model.modules()), model.state_dict()
    with torch.no_grad():
        before = model(data)
        assert fold(model, lambda: model(data)) is None
        assert list(model.modules()) == layers
        assert all(torch.equal(weights[k], v) for k, v in model.state_dict().items())
        assert torch.equal(model(data), before)


@pytest.mark.parametrize("change", ["training", "no statistics"])
def test_statistics_of_the_batch_are_not_folded(change: str) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4, track_running_stats=change != "no statistics")
    model = nn.Sequential(nn.Conv2d(3, 4, 3), norm).train(change == "training")
    data = images()
    assert fold(model, lambda: model(data)) == 0
    assert model[1] is norm


def test_outputs_that_are_no_numbers_never_agree() -> None:
    model = settled(ConvModule(3, 4, 3, norm_cfg=NORM))
    data = torch.full((1, 3, 8, 8), torch.nan)
    assert fold(model, lambda: model(data)) is None
    assert norms(model) == 1


def test_tensors_are_found_in_lists_of_lists() -> None:
    one, two = torch.zeros(1), torch.ones(1)
    assert list(folding.tensors([one, [[two]], ()])) == [one, two]
