"""What a search can be made of without this project: Optuna, and Ray Tune with Optuna in it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from landscapes import EPOCHS, OBJECTIVE, RANGES, TRAININGS, WORKERS, Landscape, seconds
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch


def suggest(trial: optuna.Trial) -> None:
    """The space in Optuna's words."""
    for name, (low, high) in RANGES.items():
        if name not in ("quantile", "weak_threshold"):
            trial.suggest_float(name, low, high, log=True)
    if trial.suggest_categorical("select", ["threshold", "quantile"]) == "quantile":
        trial.suggest_float("quantile", *RANGES["quantile"], log=True)
    else:
        trial.suggest_float("weak_threshold", *RANGES["weak_threshold"])


class Strategy(Protocol):
    """Proposes points and says which trials go on."""

    def ask(self, name: str) -> dict[str, Any]: ...

    def report(self, name: str, epoch: int, value: float) -> bool: ...

    def end(self, name: str, epoch: int, value: float) -> None: ...


class PlainOptuna:
    """A study with a pruner, used as Optuna's documentation shows."""

    def __init__(self, seed: int, sampler: str, pruner: optuna.pruners.BasePruner) -> None:
        make = {
            "tpe": optuna.samplers.TPESampler,
            "gp": optuna.samplers.GPSampler,
            "random": optuna.samplers.RandomSampler,
        }[sampler]
        self.study = optuna.create_study(
            direction="maximize", sampler=make(seed=seed), pruner=pruner
        )
        self.trials: dict[str, optuna.Trial] = {}

    def ask(self, name: str) -> dict[str, Any]:
        self.trials[name] = self.study.ask()
        suggest(self.trials[name])
        return dict(self.trials[name].params)

    def report(self, name: str, epoch: int, value: float) -> bool:
        self.trials[name].report(value, epoch)
        return epoch == EPOCHS or not self.trials[name].should_prune()

    def end(self, name: str, epoch: int, value: float) -> None:
        state = None if epoch == EPOCHS else optuna.trial.TrialState.PRUNED
        self.study.tell(self.trials[name], value if epoch == EPOCHS else None, state=state)


class RayTune:
    """OptunaSearch and ASHA as a Tuner would call them."""

    def __init__(self, seed: int) -> None:
        np.random.seed(seed)  # the scheduler draws its bracket from it
        self.searcher = OptunaSearch(suggest, metric=OBJECTIVE, mode="max", seed=seed)
        self.scheduler = AsyncHyperBandScheduler(
            metric=OBJECTIVE, mode="max", grace_period=1, reduction_factor=3, max_t=EPOCHS
        )

    def ask(self, name: str) -> dict[str, Any]:
        self.scheduler.on_trial_add(None, SimpleNamespace(trial_id=name))
        return dict(self.searcher.suggest(name))

    def report(self, name: str, epoch: int, value: float) -> bool:
        result = {OBJECTIVE: value, "training_iteration": epoch}
        answer = self.scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result)
        if epoch < EPOCHS and answer == AsyncHyperBandScheduler.CONTINUE:
            self.searcher.on_trial_result(name, result)
            return True
        return False

    def end(self, name: str, epoch: int, value: float) -> None:
        result = {OBJECTIVE: value, "training_iteration": epoch}
        self.scheduler.on_trial_complete(None, SimpleNamespace(trial_id=name), result)
        self.searcher.on_trial_complete(name, result)


@dataclass(order=True)
class _Running:
    due: float
    name: str
    params: dict[str, Any] = field(compare=False)
    epoch: int = field(compare=False)


def drive(strategy: Strategy, landscape: Landscape) -> tuple[dict[str, Any], float]:
    """Spend the budget; return the best point of full length and the value it was seen with."""
    left, started = TRAININGS * EPOCHS, 0
    running: list[_Running] = []
    finished: list[tuple[float, dict[str, Any]]] = []
    now = 0.0
    while running or left > 0:
        while len(running) < WORKERS and left > 0:
            started, left, name = started + 1, left - 1, f"{started:05d}"
            params = strategy.ask(name)
            heapq.heappush(running, _Running(now + seconds(params), name, params, 1))
        item = heapq.heappop(running)
        now = item.due
        value = landscape.value(item.params, item.epoch, seed=0)
        going_on = strategy.report(item.name, item.epoch, value) and item.epoch < EPOCHS
        if going_on and left > 0:
            left -= 1
            due = now + seconds(item.params)
            heapq.heappush(running, _Running(due, item.name, item.params, item.epoch + 1))
            continue
        if item.epoch == EPOCHS:
            finished.append((value, item.params))
        strategy.end(item.name, item.epoch, value)
    value, params = max(finished, key=lambda pair: pair[0])
    return params, value
