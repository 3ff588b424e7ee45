"""The device that commands and trials compute on."""

from __future__ import annotations

import pytest
import torch

from tid_tune.device import pick_device
from tid_tune.errors import UsageError


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_device_can_be_named() -> None:
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=rf"device '{name}' .*Expected auto, cpu"):
        pick_device(name)
