"""A trial that fails says of what kind the failure is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trial_runs import (
    make,
    run_to_end,
)

from tid_tune.errors import ConfigError, DataError, TrialError


def test_a_diverging_trial_fails_as_nan_within_the_interval(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with (
        make(shapes_config(), tmp_path, {"optim_wrapper.optimizer.lr": 1e12}) as trial,
        pytest.raises(TrialError, match=r"loss.*(nan|inf)") as caught,
    ):
        run_to_end(trial)
    assert caught.value.kind == "nan"


def test_a_config_nothing_can_be_built_from_is_the_users_failure(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(TrialError, match="no_such_option") as caught:
        make(shapes_config("model['no_such_option'] = 1\n"), tmp_path)
    assert caught.value.kind == "user"


def test_a_config_without_validation_data_says_so(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="`val_evaluator`"):
        make(shapes_config("val_evaluator = None\n"), tmp_path)


def test_too_few_images_for_a_batch_are_a_data_error(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    more = "train_dataloader.update(batch_size=16, drop_last=True)\n"
    with pytest.raises(DataError, match="10 images"):
        make(shapes_config(more), tmp_path)


def test_a_full_gpu_is_a_failure_of_its_own_kind(
    shapes_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    with make(shapes_config(), tmp_path) as trial:
        monkeypatch.setattr(trial.model, "forward", full)
        with pytest.raises(TrialError, match="9 GiB") as caught:
            trial.step()
    assert caught.value.kind == "oom"
