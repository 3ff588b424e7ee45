"""A trial trains what mmengine would train, and can be stopped and restored at any interval."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tid_tune import warm
from tid_tune.errors import ConfigError, DataError, TrialError
from tid_tune.openmmlab.checkpoints import load_state, load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial, TrialReport

EPOCH = Interval()
EMA = "custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]\n"
CLIP = "optim_wrapper.update(clip_grad=dict(max_norm=0.1))\n"
ACCUMULATE = "optim_wrapper.update(accumulative_counts=3)\n"


def make(
    config: Path,
    tmp_path: Path,
    params: dict[str, Any] | None = None,
    *,
    epochs: int = 2,
    every: Interval = EPOCH,
    seed: int = 3,
    **options: Any,
) -> Trial:
    return Trial(
        config,
        params or {},
        seed=seed,
        epochs=epochs,
        report_every=every,
        work_dir=tmp_path / "work",
        device="cpu",
        **options,
    )


def weights(trial: Trial) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in trial.model.state_dict().items()}


def assert_same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert different == []


def run_to_end(trial: Trial) -> list[TrialReport]:
    reports = [trial.step()]
    while not reports[-1].done:
        reports.append(trial.step())
    return reports


def evaluation(report: TrialReport) -> dict[str, float]:
    return {k: v for k, v in report.metrics.items() if not k.startswith("train/")}


def trained(report: TrialReport) -> dict[str, float]:
    """What training gave, without the clock's part."""
    clock = ("seconds", "per_second")
    return {k: v for k, v in report.metrics.items() if not k.endswith(clock)}


def test_a_trial_reports_every_epoch_until_its_full_length(
    shapes_config: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with make(shapes_config(), tmp_path) as trial:
        reports = run_to_end(trial)
        assert trial.done
    assert [(r.step, r.epoch, r.images, r.done) for r in reports] == [
        (5, 1.0, 10, False),
        (10, 2.0, 10, True),
    ]
    assert {"coco/bbox_mAP", "coco/bbox_mAP_50", "train/loss", "train/loss_cls"} <= set(
        reports[0].metrics
    )
    assert {"train/grad_norm", "train/lr", "train/images_per_second"} <= set(reports[0].metrics)
    assert all(r.seconds > 0 for r in reports)
    assert capsys.readouterr() == ("", "")


def test_intervals_of_iterations_cross_epochs_and_the_last_is_shorter(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with make(shapes_config(), tmp_path, every=Interval(count=4, unit="iter")) as trial:
        reports = run_to_end(trial)
    assert [(r.step, r.epoch) for r in reports] == [(4, 0.8), (8, 1.6), (10, 2.0)]
    assert [r.images for r in reports] == [8, 8, 4]


def train_with_mmengine(
    config: Path, tmp_path: Path, epochs: int, seed: int
) -> dict[str, torch.Tensor]:
    """Train by mmengine's own Runner and loop: the reference."""
    from mmengine.runner import Runner

    cfg = copy.deepcopy(load_config(config))
    cfg.work_dir = str(tmp_path / "reference")
    cfg.train_cfg.max_epochs = epochs
    cfg.randomness = {"seed": seed}
    cfg.experiment_name = f"reference-{tmp_path.name}"
    cfg.default_hooks = {"checkpoint": {"type": "CheckpointHook", "interval": epochs}}
    cfg.log_level = "ERROR"
    runner = Runner.from_cfg(cfg)
    runner.train()
    return load_weights(tmp_path / "reference" / f"epoch_{epochs}.pth")


@pytest.mark.parametrize("more", ["", EMA + CLIP, ACCUMULATE])
def test_a_trial_ends_with_the_weights_of_an_mmengine_run(
    shapes_config: Callable[..., Path], tmp_path: Path, more: str
) -> None:
    config = shapes_config(more)
    reference = train_with_mmengine(config, tmp_path, epochs=4, seed=3)
    with make(config, tmp_path, epochs=4, every=Interval(count=7, unit="iter")) as trial:
        run_to_end(trial)
        trial.save(tmp_path / "end.pth")
    assert_same(load_weights(tmp_path / "end.pth"), reference)


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


def test_augmentation_does_not_depend_on_the_number_of_workers(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    found = []
    for workers in (0, 2):
        config = shapes_config(flip=0.5, workers=workers)
        with make(config, tmp_path, epochs=1) as trial:
            trial.step()
            found.append(weights(trial))
    assert_same(*found)


def test_trials_after_each_other_in_a_process_do_not_touch(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config(EMA, flip=0.5)
    other = {"optim_wrapper.optimizer.lr": 0.03}
    with make(config, tmp_path, epochs=1) as trial:
        first = trained(trial.step())
    with make(config, tmp_path, other, epochs=1, seed=8) as trial:
        assert trained(trial.step()) != first
    with make(config, tmp_path, epochs=1) as trial:
        assert trained(trial.step()) == first


def test_close_puts_the_process_back(shapes_config: Callable[..., Path], tmp_path: Path) -> None:
    from mmengine.logging import MessageHub, MMLogger

    def process() -> tuple[Any, ...]:
        return (
            set(MMLogger._instance_dict),
            set(MessageHub._instance_dict),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_rng_state().sum().item(),
        )

    before = process()
    trial = make(
        shapes_config("randomness = dict(deterministic=True)\n"), tmp_path, epochs=1, threads=2
    )
    assert torch.get_num_threads() == 2
    trial.step()
    trial.close()
    trial.close()
    assert process() == before
    with pytest.raises(TrialError, match="closed"):
        trial.step()


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


def test_loaders_without_workers_may_keep_what_is_said_of_workers(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    """As in mmdet's base configs, where a search sets `num_workers` to 0."""
    more = "".join(
        f"{part}_dataloader.update(persistent_workers=True, prefetch_factor=2)\n"
        for part in ("train", "val")
    )
    with make(shapes_config(more), tmp_path, epochs=1) as trial:
        assert trial.step().done


def test_too_few_images_for_a_batch_are_a_data_error(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    more = "train_dataloader.update(batch_size=16, drop_last=True)\n"
    with pytest.raises(DataError, match="10 images"):
        make(shapes_config(more), tmp_path)


def test_an_untrained_detector_without_detections_scores_zero(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with make(shapes_config(), tmp_path, {"model.test_cfg.score_thr": 0.999}, epochs=1) as trial:
        assert evaluation(trial.step())["coco/bbox_mAP"] == 0.0


@pytest.mark.parametrize("score_thr", [0.0, 0.999])
def test_recalls_have_mmdets_names_with_and_without_detections(
    shapes_config: Callable[..., Path], tmp_path: Path, score_thr: float
) -> None:
    edits = {"val_evaluator.metric": ["bbox", "proposal"], "model.test_cfg.score_thr": score_thr}
    with make(shapes_config(), tmp_path, edits, epochs=1) as trial:
        found = evaluation(trial.step())
    assert {"coco/bbox_mAP", "coco/AR@100", "coco/AR@300", "coco/AR@1000"} <= set(found)
    assert not [name for name in found if "proposal" in name]
    assert min(found.values()) >= 0


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


def test_a_schedule_is_fitted_to_the_trials_length(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    """The config halves its 4 epochs' schedule: warm-up of 2 iterations, both decays after one."""
    with make(shapes_config(), tmp_path, epochs=2) as trial:
        first, second = run_to_end(trial)
    assert first.metrics["train/lr"] == pytest.approx((0.001 + 4 * 0.01) / 5)
    assert second.metrics["train/lr"] == pytest.approx(0.01 * 0.1**2)


def test_the_gradient_norm_is_that_before_clipping(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    norms = []
    every = Interval(count=1, unit="iter")
    for name, more in (("free", ""), ("clipped", CLIP)):
        with make(shapes_config(more, name=f"{name}.py"), tmp_path, every=every) as trial:
            norms.append(trial.step().metrics["train/grad_norm"])
    assert norms[0] == pytest.approx(norms[1])
    assert norms[0] > 0.1  # so that clipping to 0.1 has clipped


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


FRESH = """
import json, sys
from pathlib import Path
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial
config, work_dir = map(Path, sys.argv[1:])
with Trial(config, {}, seed=3, epochs=1, report_every=Interval(), work_dir=work_dir,
           device="cpu", threads=1) as trial:
    print(json.dumps(trial.step().metrics))
"""


def test_a_trial_after_another_equals_one_in_a_fresh_process(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config(EMA, flip=0.5)
    other = shapes_config("randomness = dict(deterministic=True)\n", name="other.py", width=8)
    with make(other, tmp_path, epochs=1, seed=9) as trial:
        trial.step()
    with make(config, tmp_path, epochs=1, threads=1) as trial:
        here = trial.step()
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(config), str(tmp_path / "fresh")],
        capture_output=True,
        text=True,
        check=True,
    )
    there = dataclasses.replace(here, metrics=json.loads(done.stdout))
    assert trained(there) == trained(here)


def test_a_second_trial_reads_no_annotations_and_trains_the_same(
    shapes_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm.clear()
    with make(shapes_config(), tmp_path, epochs=1) as trial:
        expected = trained(trial.step())
    with make(shapes_config(), tmp_path, epochs=1, fraction=0.5) as trial:
        trial.step()
    monkeypatch.delattr(json, "load")
    with make(shapes_config(), tmp_path, epochs=1) as trial:
        assert trained(trial.step()) == expected


def test_a_fraction_trains_on_part_of_the_images_and_small_parts_lie_in_large_ones(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    used = {}
    for fraction in (0.25, 0.5, 1.0):
        with make(shapes_config(), tmp_path, epochs=1, fraction=fraction) as trial:
            dataset = trial.runner.train_dataloader.dataset
            used[fraction] = {dataset.get_data_info(i)["img_id"] for i in range(len(dataset))}
            assert trial.step().images >= 1
    assert len(used[0.25]) == round(len(used[1.0]) / 4)
    assert len(used[0.5]) == round(len(used[1.0]) / 2)
    assert used[0.25] < used[0.5] < used[1.0]
