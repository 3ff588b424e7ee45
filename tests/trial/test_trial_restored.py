"""A trial that is restored goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trial_runs import (
    ACCUMULATE,
    CLIP,
    EMA,
    EPOCH,
    assert_same,
    make,
    run_to_end,
    trained,
)

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.searchfile.model import Interval


@pytest.mark.parametrize(
    ("more", "every", "workers"),
    [
        ("", EPOCH, 0),
        (EMA + CLIP, Interval(count=3, unit="iter"), 0),
        (EMA, Interval(count=3, unit="iter"), 2),
        (ACCUMULATE, Interval(count=4, unit="iter"), 0),
    ],
)
def test_a_restored_trial_equals_an_uninterrupted_one(
    shapes_config: Callable[..., Path], tmp_path: Path, more: str, every: Interval, workers: int
) -> None:
    config = shapes_config(more, flip=0.5, workers=workers)
    with make(config, tmp_path, every=every) as whole:
        expected = run_to_end(whole)
        whole.save(tmp_path / "whole.pth")
    with make(config, tmp_path, every=every) as first:
        first.step()
        first.save(tmp_path / "first.pth")
    with make(config, tmp_path, every=every, restore_from=tmp_path / "first.pth") as second:
        found = run_to_end(second)
        second.save(tmp_path / "second.pth")
    assert [trained(r) for r in found] == [trained(r) for r in expected[1:]]
    left: Any = load_state(tmp_path / "whole.pth")
    right: Any = load_state(tmp_path / "second.pth")
    assert_same(left["state_dict"], right["state_dict"])
    assert left.get("ema_state_dict", {}).keys() == right.get("ema_state_dict", {}).keys()
    for name, value in left.get("ema_state_dict", {}).items():
        assert torch.equal(value, right["ema_state_dict"][name])
    assert str(left["optimizer"]) == str(right["optimizer"])
    assert left["param_schedulers"] == right["param_schedulers"]
    assert torch.equal(left["trial"]["random"][0]["torch"], right["trial"]["random"][0]["torch"])
    assert left["message_hub"]["runtime_info"]["iter"] == 9


def test_a_restored_trial_takes_over_a_changed_learning_rate(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config()
    with make(config, tmp_path, epochs=4) as trial:
        trial.step()
        trial.step()
        trial.save(tmp_path / "donor.pth")
        donor_lr = trial.runner.optim_wrapper.get_lr()["lr"][0]
    changed = {"optim_wrapper.optimizer.lr": 0.02, "optim_wrapper.optimizer.momentum": 0.5}
    with make(config, tmp_path, changed, epochs=4, restore_from=tmp_path / "donor.pth") as trial:
        trial.proof()
        group = trial.runner.optim_wrapper.param_groups[0]
        assert group["lr"] == pytest.approx(2 * donor_lr)  # the same phase of the schedule
        assert group["momentum"] == 0.5
        assert trial.step().metrics["train/lr"] == pytest.approx(0.002)


@pytest.mark.parametrize(("donor", "copier"), [(2, 5), (5, 2)])
def test_a_trial_restored_with_another_batch_size_stands_at_the_same_epoch(
    shapes_config: Callable[..., Path], tmp_path: Path, donor: int, copier: int
) -> None:
    """Its reports and its learning rates are those of a trial that had this batch size always."""
    config, batch = shapes_config(), "train_dataloader.batch_size"
    with make(config, tmp_path, {batch: donor}, epochs=3) as trial:
        trial.step()
        trial.save(tmp_path / "donor.pth")
    with make(config, tmp_path, {batch: copier}, epochs=3) as trial:
        expected = run_to_end(trial)[1:]
    donated = tmp_path / "donor.pth"
    with make(config, tmp_path, {batch: copier}, epochs=3, restore_from=donated) as trial:
        found = run_to_end(trial)
    assert [(r.epoch, r.step) for r in found] == [(r.epoch, r.step) for r in expected]
    rates = [[r.metrics["train/lr"] for r in reports] for reports in (found, expected)]
    assert rates[0] == pytest.approx(rates[1])


def test_a_checkpoint_of_weights_alone_cannot_be_restored_from(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / "weights.pth")
    with make(shapes_config(EMA), tmp_path) as trial:
        trial.step()
        trial.save(tmp_path / "whole.pth")
        trial.save_weights(tmp_path / "weights.pth")
    whole, weights = (load_state(tmp_path / f"{name}.pth") for name in ("whole", "weights"))
    assert set(weights) == {"meta", "state_dict"}
    assert weights["meta"] == whole["meta"]
    assert_same(dict(weights["state_dict"]), dict(whole["state_dict"]))
    with pytest.raises(ConfigError, match="weights only"):
        make(shapes_config(), tmp_path, restore_from=tmp_path / "weights.pth")


def test_an_infinite_sampler_is_resumed_by_epochs(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    more = (
        "train_dataloader['sampler'] = dict(type='InfiniteSampler', shuffle=True)\n"
        "train_cfg = dict(by_epoch=False, max_iters=20)\n"
    )
    with make(shapes_config(more), tmp_path) as trial:
        assert run_to_end(trial)[-1].step == 10
