"""A trial trains what mmengine would train, interval by interval."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.trial_runs import (
    ACCUMULATE,
    CLIP,
    EMA,
    assert_same,
    evaluation,
    make,
    run_to_end,
    weights,
)

from tid_tune.openmmlab.checkpoints import load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.model import Interval


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
    (log,) = tmp_path.rglob("trial.log")
    for report in reports:
        value = report.metrics["coco/bbox_mAP"]
        line = f"epoch {report.epoch:g}: loss {report.metrics['train/loss']:.4g}, coco/bbox_mAP "
        assert f"{line}{value:.4g}" in log.read_text()


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


def test_a_trial_that_reports_at_rungs_alone_trains_the_same_in_fewer_evaluations(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    with make(shapes_config(), tmp_path, epochs=3) as trial:
        full, expected = run_to_end(trial), weights(trial)
    rungs = Interval(needed=(2.0,))
    with make(shapes_config(), tmp_path, epochs=3, every=rungs) as trial:
        few = run_to_end(trial)
        assert_same(weights(trial), expected)
    assert [report.epoch for report in few] == [2.0, 3.0]
    assert [evaluation(report) for report in few] == [evaluation(report) for report in full[1:]]
    assert few[0].images == sum(report.images for report in full[:2])
