"""What a search can be made of without this project: Optuna, and Ray Tune with Optuna in it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from landscapes import OBJECTIVE, Task
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from tid_tune.space import Choice, Distribution, Integer, LogUniform, Space, Uniform

Seen = Callable[[dict[str, Any], int, float], None]
"""Called with each report: values, epoch, what was reported."""


def suggest(trial: optuna.Trial, space: Mapping[str, Distribution]) -> dict[str, Any]:
    """Return a point of the space, each value asked for by the method of Optuna for its kind."""

    def pick(name: str, dist: Distribution) -> Any:
        if isinstance(dist, Choice):
            return trial.suggest_categorical(name, dist.values)
        assert isinstance(dist, Integer | LogUniform | Uniform)
        log = isinstance(dist, LogUniform) or (isinstance(dist, Integer) and dist.log)
        ask = trial.suggest_int if isinstance(dist, Integer) else trial.suggest_float
        return ask(name, dist.low, dist.high, log=log)

    return Space(space).build(pick)


class Strategy(Protocol):
    """Proposes points and says which trials go on."""

    def ask(self, name: str) -> dict[str, Any]: ...

    def report(self, name: str, epoch: int, value: float) -> bool: ...

    def end(self, name: str, epoch: int, value: float) -> None: ...


class PlainOptuna:
    """A study with a pruner, used as Optuna's documentation shows."""

    def __init__(
        self, task: Task, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner
    ) -> None:
        self.task = task
        self.study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        self.trials: dict[str, optuna.Trial] = {}

    def ask(self, name: str) -> dict[str, Any]:
        self.trials[name] = self.study.ask()
        return suggest(self.trials[name], self.task.space)

    def report(self, name: str, epoch: int, value: float) -> bool:
        self.trials[name].report(value, epoch)
        return epoch == self.task.epochs or not self.trials[name].should_prune()

    def end(self, name: str, epoch: int, value: float) -> None:
        full = epoch == self.task.epochs
        state = None if full else optuna.trial.TrialState.PRUNED
        self.study.tell(self.trials[name], value if full else None, state=state)


class RayTune:
    """OptunaSearch and ASHA as a Tuner would call them."""

    def __init__(self, task: Task, seed: int) -> None:
        np.random.seed(seed)  # the scheduler draws its bracket from it
        self.epochs = task.epochs

        def define(trial: optuna.Trial) -> None:
            suggest(trial, task.space)

        self.searcher = OptunaSearch(define, metric=OBJECTIVE, mode="max", seed=seed)
        self.scheduler = AsyncHyperBandScheduler(
            metric=OBJECTIVE, mode="max", grace_period=1, reduction_factor=3, max_t=task.epochs
        )

    def ask(self, name: str) -> dict[str, Any]:
        self.scheduler.on_trial_add(None, SimpleNamespace(trial_id=name))
        return dict(self.searcher.suggest(name))

    def report(self, name: str, epoch: int, value: float) -> bool:
        result = {OBJECTIVE: value, "training_iteration": epoch}
        answer = self.scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result)
        if epoch < self.epochs and answer == AsyncHyperBandScheduler.CONTINUE:
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


def drive(
    strategy: Strategy, task: Task, trainings: int, workers: int, seen: Seen | None = None
) -> tuple[dict[str, Any], float]:
    """Spend the budget; return the best point of full length and the value it was seen with."""
    left, started = trainings * task.epochs, 0
    running: list[_Running] = []
    finished: list[tuple[float, dict[str, Any]]] = []
    now = 0.0
    while running or left > 0:
        while len(running) < workers and left > 0:
            started, left, name = started + 1, left - 1, f"{started:05d}"
            params = strategy.ask(name)
            heapq.heappush(running, _Running(now + task.seconds(params), name, params, 1))
        item = heapq.heappop(running)
        now = item.due
        value = task.value(item.params, item.epoch, seed=0)
        if seen is not None:
            seen(item.params, item.epoch, value)
        going_on = strategy.report(item.name, item.epoch, value) and item.epoch < task.epochs
        if going_on and left > 0:
            left -= 1
            due = now + task.seconds(item.params)
            heapq.heappush(running, _Running(due, item.name, item.params, item.epoch + 1))
            continue
        if item.epoch == task.epochs:
            finished.append((value, item.params))
        strategy.end(item.name, item.epoch, value)
    value, params = max(finished, key=lambda pair: pair[0])
    return params, value
