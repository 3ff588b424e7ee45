"""From a config to a runner that stands at the first iteration of a trial."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import torch

from tid_tune import ranks
from tid_tune.data.coco import check_encoding
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.coco_metric import CocoMetric, FastCocoMetric
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.data_parallel import as_one_process
from tid_tune.openmmlab.shared_annotations import shared_annotations
from tid_tune.searchfile.checks.data import LOADERS, leaf_datasets, local_paths
from tid_tune.trial.data_order import finite_sampler, reduced, resumable
from tid_tune.trial.loop import IntervalLoop
from tid_tune.trial.runner import TrialRunner
from tid_tune.trial.schedule import config_length, scaled
from tid_tune.trial.teacher_cache import content_mark

NEEDED = (
    "model",
    "train_dataloader",
    "val_dataloader",
    "val_evaluator",
    "optim_wrapper",
    "train_cfg",
)


def assemble(
    config: Config,
    *,
    seed: int,
    epochs: int,
    work_dir: Path,
    device: torch.device,
    fresh: bool,
    fraction: float = 1.0,
) -> TrialRunner:
    """Build everything a trial trains with; `runner.train_loop.advance` may be called next.

    The learning-rate schedule is that of `epochs`, the trial's full length (see `schedule`).
    `fresh` False leaves out the config's `load_from`: a checkpoint of the trial will follow.
    `fraction` below 1 trains on that part of the training images.

    Raises:
        ConfigError: the config lacks a part.
    """
    cfg = copy.deepcopy(config)
    missing = [name for name in NEEDED if not cfg.get(name)]
    if missing:
        raise ConfigError(f"{cfg.filename} has no {', '.join(f'`{name}`' for name in missing)}")
    unit, length = config_length(cfg.train_cfg)
    cfg.work_dir = str(work_dir)
    cfg.train_cfg = {"by_epoch": True, "max_epochs": epochs}
    cfg.val_cfg = cfg.get("val_cfg") or {}
    cfg.randomness = {**(cfg.get("randomness") or {}), "seed": seed}
    cfg.train_dataloader = finite_sampler(runnable(cfg.train_dataloader))
    cfg.val_dataloader = runnable(cfg.val_dataloader)
    cfg.val_evaluator = fast_metrics(cfg.val_evaluator)
    if not fresh:
        cfg.load_from = None
    _check_encodings(cfg)
    with shared_annotations():
        runner = TrialRunner(cfg, device)
        data = cfg.train_dataloader
        described = data["dataset"]
        if fraction < 1:
            data["dataset"] = reduced(data["dataset"], fraction, seed)
        # One order of whole batches, of which each rank gets its part.
        whole = {**data, "batch_size": data["batch_size"] * ranks.count()}
        with as_one_process():
            loader = runner.build_dataloader(whole, seed=seed)
        mark = content_mark(runner, described, loader, epochs)
        loop = IntervalLoop(runner, resumable(loader, seed, mark), epochs)
        runner._train_loop = loop
        trained = epochs if unit == "epochs" else loop.max_iters
        runner.param_schedulers = scaled(runner.param_schedulers, trained / length)
        runner.train()
    _collect_everywhere(runner)
    return runner


def _collect_everywhere(runner: TrialRunner) -> None:
    """Let the metrics of several ranks exchange detections without a folder that all see."""
    if ranks.several():
        for metric in runner.val_loop.evaluator.metrics:
            metric.collect_device, metric.collect_dir = "gpu", None


def runnable(dataloader: Mapping[str, object]) -> dict[str, object]:
    """Return a dataloader's config without the options that torch refuses where no worker is."""
    needless = () if dataloader.get("num_workers") else ("persistent_workers", "prefetch_factor")
    return {key: value for key, value in dataloader.items() if key not in needless}


def fast_metrics(evaluator: object) -> object:
    """Return the evaluator's config with mmdet's COCO metric replaced by the equal, faster one."""
    if isinstance(evaluator, list | tuple):
        return [fast_metrics(metric) for metric in evaluator]
    if isinstance(evaluator, Mapping) and evaluator.get("type") in ("CocoMetric", CocoMetric):
        return {**evaluator, "type": FastCocoMetric}
    return evaluator


def _check_encodings(cfg: Config) -> None:
    """Refuse an annotation file that mmdet cannot read: its own error does not name the file."""
    for loader in LOADERS:
        for dataset in leaf_datasets(cfg[loader]):
            for what, path in local_paths(dataset):
                if what == "annotation file" and path.suffix == ".json" and path.is_file():
                    with path.open("rb") as file:
                        check_encoding(path, file.read(4))
