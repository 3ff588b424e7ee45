"""mmengine's Runner without its side effects: for trials, which are many and short-lived.

Left out: the environment report (it starts compilers), the formatted config in every log, the log
on stdout, visualizer backends, per-iteration log scalars (each waits for the device), checkpoints.
Everything that trains is mmengine's own.
"""

from __future__ import annotations

import copy
import itertools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tid_tune import ranks
from tid_tune.distill.distiller import named_as_student
from tid_tune.distill.student_state import named_for
from tid_tune.openmmlab.checkpoints import (
    Checkpoint,
    load_matching,
    load_state,
    without_wrapper,
)
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.data_parallel import RankModel, data_parallel
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.openmmlab.loading import watched
from tid_tune.openmmlab.models import revert_sync_batchnorm
from tid_tune.openmmlab.named_objects import MMLogger, Visualizer
from tid_tune.openmmlab.runner import (
    Runner,
    RuntimeInfoHook,
)
from tid_tune.stalls import progress
from tid_tune.trial.hooks import DROPPED, AnyHook, hooks_of, refuse_harmful
from tid_tune.trial.report import LOG_FILE

RANK_LOG = "trial.rank{}.log"
_SERIAL = itertools.count()


class TrialInfoHook(RuntimeInfoHook):  # type: ignore[misc]  # mmengine is untyped
    """Keeps the message hub's epoch and iteration; leaves out the scalars of every iteration."""

    def before_run(self, runner: Runner) -> None:
        """Publish the seed; mmengine adds the config's formatted text, which nothing reads."""
        runner.message_hub.update_info_dict(
            {"seed": runner.seed, "experiment_name": runner.experiment_name}
        )
        self.last_loop_stage = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Publish the iteration's number."""
        runner.message_hub.update_info("iter", runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Do nothing: the loop averages the losses on the device."""


class TrialRunner(Runner):  # type: ignore[misc]  # mmengine is untyped
    """A Runner that trains on `device`, logs to a file, and does not end with `train()`."""

    model: Any

    def __init__(self, cfg: Config, device: torch.device) -> None:
        self.device = device
        parts = {name: cfg.get(name) for name in _PARTS}
        super().__init__(
            model=cfg.model,
            work_dir=cfg.work_dir,
            custom_hooks=_hooks(cfg),
            default_hooks=_default_hooks(cfg),
            env_cfg=cfg.get("env_cfg") or {"dist_cfg": {"backend": "nccl"}},
            default_scope=cfg.get("default_scope", "mmdet"),
            randomness=cfg.randomness,
            experiment_name=f"trial-{os.getpid()}-{next(_SERIAL)}",
            cfg=cfg,
            **parts,
        )

    @property
    def detector(self) -> Detector:
        """The model, without what several ranks have wrapped around it."""
        detector: Detector = self.model.module if isinstance(self.model, RankModel) else self.model
        return detector

    def setup_env(self, env_cfg: dict[str, object]) -> None:
        """Set up processes as mmengine does, without a time stamp: names come from a counter."""
        super().setup_env(env_cfg)
        self._timestamp = ""

    def _log_env(self, env_cfg: dict[str, object]) -> None:
        self.logger.info("seed %s, device %s", self.seed, self.device)

    def dump_config(self) -> None:
        """Write nothing: the search's ledger holds what the config was made of."""

    def build_logger(self, log_level: int | str = "INFO", **_: object) -> MMLogger:
        """Return a logger that appends to the trial's log file, and to nothing else."""
        logger = MMLogger.get_instance(
            self._experiment_name,
            log_file=str(Path(self.work_dir) / LOG_FILE),
            log_level=log_level,
            file_mode="a",
        )
        for handler in list(logger.handlers):
            if not isinstance(handler, logging.FileHandler):
                logger.removeHandler(handler)
        return logger

    def build_visualizer(self, visualizer: object = None) -> Visualizer:
        """Return a visualizer that draws for nobody."""
        return Visualizer.get_instance(self._experiment_name)

    def wrap_model(self, model_wrapper_cfg: object, model: nn.Module) -> nn.Module:
        """Move the model to the trial's device, and wrap it where there are several ranks.

        For one process, and on the CPU, batch norms across processes become plain ones.
        """
        model = model.to(self.device)
        if ranks.several():
            on_gpu = self.device.type == "cuda"
            return data_parallel(
                model if on_gpu else revert_sync_batchnorm(model), self.device, self.cfg
            )
        reverted: nn.Module = revert_sync_batchnorm(model)
        return reverted

    def call_hook(self, fn_name: str, **kwargs: object) -> None:
        """Call all hooks, but not at the end of `train()`, which for a trial is its start."""
        progress()  # every iteration of training and evaluation comes here
        if fn_name != "after_run":
            super().call_hook(fn_name, **kwargs)

    def _init_model_weights(self) -> None:
        """Give the model its first weights; refuse files of which little or nothing matches."""
        detector: Any = self.detector
        # A line a parameter, written past the levels of the log: the log's end shows no training.
        detector._dump_init_info = lambda: None
        try:
            with watched(detector):
                super()._init_model_weights()
        finally:
            del detector._dump_init_info

    def build_optim_wrapper(self, optim_wrapper: object) -> object:
        """Build the optimizer; a constructor of the config's sees the names of a plain student."""
        if not (isinstance(optim_wrapper, Mapping) and "constructor" in optim_wrapper):
            return super().build_optim_wrapper(optim_wrapper)
        model = self.model
        self.model = named_as_student(self.detector)
        try:
            return super().build_optim_wrapper(optim_wrapper)
        finally:
            self.model = model

    def load_checkpoint(
        self, filename: str, map_location: object = "cpu", strict: bool = False, **kwargs: object
    ) -> Checkpoint:
        """Load the weights of the config's `load_from`, which need not be those of a Distiller.

        Raises:
            ConfigError: the file cannot be read, or is of another model.
        """
        checkpoint = load_state(filename)
        weights = without_wrapper(checkpoint["state_dict"])
        checkpoint["state_dict"] = named_for(self.cfg.model, self.detector, weights)
        # The averaged weights of an EMA's hook start from them, too.
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        match = load_matching(self.detector, checkpoint["state_dict"], source=str(filename))
        self.logger.info(match.describe(str(filename), "the model"))
        self._has_loaded = True
        return checkpoint


_PARTS = (
    "train_dataloader",
    "val_dataloader",
    "train_cfg",
    "val_cfg",
    "auto_scale_lr",
    "optim_wrapper",
    "param_scheduler",
    "val_evaluator",
    "data_preprocessor",
    "load_from",
)


def _default_hooks(cfg: Config) -> dict[str, object]:
    hooks = {k: v for k, v in (cfg.get("default_hooks") or {}).items() if k not in DROPPED}
    # None takes a hook out of mmengine's own list.
    return {
        **hooks,
        "timer": None,
        "logger": None,
        "checkpoint": None,
        "runtime_info": TrialInfoHook(),
    }


def _hooks(cfg: Config) -> list[AnyHook]:
    """Return the config's own hooks, without those that log, draw or save."""
    hooks = [hook for keys, hook in hooks_of(cfg) if keys[0] == "custom_hooks"]
    for hook in hooks:
        refuse_harmful(cfg.model, hook)
    return copy.deepcopy(hooks)
