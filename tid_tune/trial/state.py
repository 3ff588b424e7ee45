"""Everything a trial needs to go on as if it had not stopped, as one checkpoint.

The layout is mmengine's (`state_dict`, `optimizer`, `param_schedulers`, `message_hub`, `meta`), so
hooks that add to checkpoints, such as the EMA's, do here what they do
there; `trial` holds the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NotRequired, TypedDict, TypeGuard, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from tid_tune import ranks
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import Checkpoint
from tid_tune.openmmlab.named_objects import MessageHub
from tid_tune.openmmlab.runner import HistoryBuffer, ParamScheduler
from tid_tune.trial.process import RandomState, random_state, seed_rank, set_random_state
from tid_tune.trial.runner import TrialRunner

_HOOK_STATE = {"EarlyStoppingHook": ("best_score", "wait_count")}
"""What mmengine's hooks remember in attributes but do not put in checkpoints."""


T = TypeVar("T")


class HubState(TypedDict):
    """A message hub's content; a history is its values and their counts."""

    log_scalars: dict[str, tuple[Tensor, Tensor]]
    runtime_info: dict[str, object]


class TrialState(TypedDict):
    """What mmengine's checkpoints lack."""

    random: list[RandomState]
    """One entry a rank."""
    gradients: dict[str, Tensor]
    """Of an accumulation that has not been stepped yet, by parameter."""
    hooks: dict[str, dict[str, object]]
    """Attributes by the hook's class name."""
    per_epoch: NotRequired[int]
    """Iterations in an epoch. Not in older checkpoints."""


class TrialCheckpoint(Checkpoint):
    """A checkpoint to go on from; optimizer and schedulers have mmengine's own form."""

    optimizer: dict[str, object]
    param_schedulers: list[dict[str, object]]
    message_hub: HubState
    trial: TrialState


@dataclass(frozen=True)
class Shared:
    """What only all ranks together know of a trial."""

    random: list[RandomState]
    gradients: dict[str, Tensor]

    @classmethod
    def of(cls, runner: TrialRunner) -> Shared:
        """Exchange it; all ranks must ask."""
        return cls(ranks.gathered(random_state()), _pending_gradients(runner))


def capture(runner: TrialRunner, shared: Shared | None = None) -> TrialCheckpoint:
    """Return the checkpoint; with an EMA, `state_dict` has the averaged weights, as evaluated.

    `shared`: of the same moment; None: all ranks ask for it now.
    """
    shared = shared or Shared.of(runner)
    checkpoint: TrialCheckpoint = {
        "meta": {
            "epoch": runner.epoch,
            "iter": runner.iter,
            "seed": runner.seed,
            "dataset_meta": _plain(getattr(runner.train_dataloader.dataset, "metainfo", {})),
        },
        "state_dict": {k: _cpu(v) for k, v in runner.detector.state_dict().items()},
        "optimizer": runner.optim_wrapper.state_dict(),
        "param_schedulers": [item.state_dict() for item in _schedulers(runner)],
        "message_hub": _hub_state(runner.message_hub),
        "trial": {
            "random": shared.random,
            "gradients": shared.gradients,
            "hooks": _hook_state(runner),
            "per_epoch": runner.train_loop.per_epoch,
        },
    }
    runner.call_hook("before_save_checkpoint", checkpoint=checkpoint)
    return checkpoint


def apply(runner: TrialRunner, checkpoint: Checkpoint) -> None:
    """Bring a freshly assembled runner to where `capture` was called.

    Hyperparameters of the optimizer that the config has changed since are those of the config.
    Where an epoch has another length now (another batch size), the same epoch is meant, not the
    same iteration; the config's own schedule is followed to there. A rank that the checkpoint has
    no random state of, as it is of fewer ranks, seeds its generators with its number.

    Raises:
        ConfigError: the checkpoint is not that of such a trial.
    """
    if not _is_of_a_trial(checkpoint):
        raise ConfigError("this is not a checkpoint of a trial: it has weights only")
    runner._resume = True  # tells the EMA's hook that its own weights are in the checkpoint
    runner.call_hook("after_load_checkpoint", checkpoint=checkpoint)
    try:
        runner.detector.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as error:
        raise ConfigError(f"the checkpoint is of another model: {error}") from error
    per_epoch = runner.train_loop.per_epoch
    before = checkpoint["trial"].get("per_epoch", per_epoch)
    runner.train_loop.resume_at(round(checkpoint["meta"]["iter"] * per_epoch / before))
    configured = [_hyperparameters(group) for group in runner.optim_wrapper.param_groups]
    runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
    if before == per_epoch:
        states = checkpoint["param_schedulers"]
        for scheduler, state in zip(_schedulers(runner), states, strict=True):
            scheduler.load_state_dict(state)
        _keep_configured(runner, configured)
    else:
        _follow_schedule(runner, configured)
    runner.optim_wrapper.initialize_count_status(runner.model, runner.iter, runner.max_iters)
    _restore_hub(runner.message_hub, checkpoint["message_hub"])
    trial = checkpoint["trial"]
    for hook in runner.hooks:
        for name, value in trial["hooks"].get(type(hook).__name__, {}).items():
            setattr(hook, name, value)
    for name, parameter in runner.detector.named_parameters():
        # They are a sum over all ranks, and will be added again.
        if name in trial["gradients"] and ranks.rank() == 0:
            parameter.grad = trial["gradients"][name].to(parameter.device)
    if ranks.rank() < len(trial["random"]):
        set_random_state(trial["random"][ranks.rank()])
    else:
        seed_rank(runner.seed, runner.iter)


def _is_of_a_trial(checkpoint: Checkpoint) -> TypeGuard[TrialCheckpoint]:
    return "trial" in checkpoint


def _schedulers(runner: TrialRunner) -> list[ParamScheduler]:
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, dict):
        return [item for part in schedulers.values() for item in part]
    return list(schedulers)


def _hyperparameters(group: Mapping[str, object]) -> dict[str, object]:
    return {k: v for k, v in group.items() if k != "params"}


def _keep_configured(runner: TrialRunner, configured: list[dict[str, object]]) -> None:
    """Let changed hyperparameters win over the loaded ones; scheduled values keep their phase."""
    for group, wanted in zip(runner.optim_wrapper.param_groups, configured, strict=True):
        for name, value in wanted.items():
            initial = f"initial_{name}"
            if initial in wanted:
                if group[initial] != wanted[initial]:
                    group[name] = _rescaled(group[name], group[initial], wanted[initial])
                    group[initial] = wanted[initial]
            elif not name.startswith("initial_"):
                group[name] = value
    for scheduler in _schedulers(runner):
        initial = f"initial_{scheduler.param_name}"
        scheduler.base_values = [group[initial] for group in runner.optim_wrapper.param_groups]


def _follow_schedule(runner: TrialRunner, configured: list[dict[str, object]]) -> None:
    """Bring the config's schedule from its start to the iteration that the loop stands at."""
    for group, wanted in zip(runner.optim_wrapper.param_groups, configured, strict=True):
        group.update(wanted)
    schedulers = _schedulers(runner)
    for iteration in range(1, runner.iter + 1):
        epoch_ends = iteration % runner.train_loop.per_epoch == 0
        for by_epoch in (False, True) if epoch_ends else (False,):
            for scheduler in schedulers:
                if scheduler.by_epoch is by_epoch:
                    scheduler.step()


def _rescaled(value: float, before: object, now: object) -> object:
    if isinstance(before, int | float) and isinstance(now, int | float) and before:
        return value * now / before
    return now


def _pending_gradients(runner: TrialRunner) -> dict[str, Tensor]:
    """Return the gradients of an accumulation that has not been stepped yet, of all ranks."""
    wrapper = runner.optim_wrapper
    if wrapper.should_update():
        return {}
    named = runner.detector.named_parameters()
    return {name: ranks.total(p.grad).cpu() for name, p in named if p.grad is not None}


def _hook_state(runner: TrialRunner) -> dict[str, dict[str, object]]:
    hooks = {type(hook).__name__: hook for hook in runner.hooks}
    return {
        kind: {name: getattr(hooks[kind], name) for name in names}
        for kind, names in _HOOK_STATE.items()
        if kind in hooks
    }


def _hub_state(hub: MessageHub) -> HubState:
    histories = {name: _history(*buffer.data) for name, buffer in hub.log_scalars.items()}
    return {"log_scalars": histories, "runtime_info": _plain_entries(hub.runtime_info)}


def _history(values: ArrayLike, counts: ArrayLike) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.array(values)), torch.from_numpy(np.array(counts))


def _restore_hub(hub: MessageHub, state: HubState) -> None:
    for name, (values, counts) in state["log_scalars"].items():
        hub.log_scalars[name] = HistoryBuffer(values.tolist(), counts.tolist())
    hub.runtime_info.update(state["runtime_info"])


def _cpu(value: T) -> T | Tensor:
    return value.detach().cpu() if isinstance(value, Tensor) else value


_DROPPED = object()


def _plain(value: object) -> object:
    """Return `value` without what a safe checkpoint cannot hold."""
    if value is None or isinstance(value, bool | int | float | str | Tensor):
        return _cpu(value)
    if isinstance(value, dict):
        return _plain_entries(value)
    if isinstance(value, list | tuple):
        return type(value)(_kept(value)) if type(value) in (list, tuple) else list(_kept(value))
    return _DROPPED


def _plain_entries(entries: Mapping[str, object]) -> dict[str, object]:
    pairs = ((key, _plain(item)) for key, item in entries.items())
    return {key: item for key, item in pairs if item is not _DROPPED}


def _kept(values: Iterable[object]) -> Iterator[object]:
    return (item for item in map(_plain, values) if item is not _DROPPED)
