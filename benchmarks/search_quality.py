"""How good the student is that a search ends with, and how true the value that it is told with.

    python benchmarks/search_quality.py                    # 60 landscapes, prints JSON
    python benchmarks/search_quality.py --landscapes 10 --out quality.json

Each landscape is a random function of eight parameters (one conditional) with a known best point,
made to behave like mAP: learning curves that cross, since a high learning rate learns faster early
on, scatter between seeds, scatter between evaluations. Every strategy spends the same epochs on
it, eight trials at a time on a virtual clock. The rivals are the libraries' own classes: Optuna
with and without its pruner, and Ray Tune's OptunaSearch with its ASHA. `regret` is how much the
chosen point lies below the best one, without scatter: what a user loses. `optimism` is the value a
strategy ends with minus the true one of its choice: how much it promises too much. Medians over
the landscapes, with quartiles.
"""

from __future__ import annotations

import argparse
import functools
import heapq
import json
import logging
import math
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from tid_tune.search.decision import Assignment
from tid_tune.search.ranking import winning_trial
from tid_tune.search.simulate import simulate
from tid_tune.search.verdict import judge
from tid_tune.spec.model import (
    Budget,
    Choice,
    Confirm,
    LogUniform,
    Sampler,
    SearchSpec,
    Uniform,
)

OBJECTIVE = "coco/bbox_mAP"
EPOCHS = 12
WORKERS = 8
TRAININGS = 40
"""The budget of a search, in full trainings."""
SEED_SCATTER, EVALUATION_SCATTER = 0.012, 0.004
RANGES = {
    "loss_weight": (0.3, 10.0),
    "key_weight": (0.1, 10.0),
    "weak_weight": (0.1, 10.0),
    "rest_weight": (0.01, 3.0),
    "lr": (1e-3, 1e-2),
    "quantile": (0.005, 0.1),
    "weak_threshold": (0.3, 3.0),
}
LINEAR = ("weak_threshold",)


@dataclass(frozen=True)
class Landscape:
    """A random objective: `level` is what a training converges to, `value` what it reports."""

    number: int
    centre: dict[str, float]
    weight: dict[str, float]
    twist: float
    best: float = 0.5

    @classmethod
    def draw(cls, number: int) -> Landscape:
        rng = np.random.default_rng(number)
        centre = {name: float(rng.uniform(0.15, 0.85)) for name in RANGES}
        # A few parameters matter much, most of them little.
        weight = {name: 0.15 * float(rng.lognormal(0, 1)) for name in RANGES}
        return cls(number, centre, weight, float(rng.uniform(-0.2, 0.2)))

    def level(self, params: dict[str, Any]) -> float:
        off = {
            name: _unit(name, params[name]) - self.centre[name] for name in RANGES if name in params
        }
        loss = sum(self.weight[name] * distance**2 for name, distance in off.items())
        loss += (
            abs(self.twist) * (off["loss_weight"] + math.copysign(1, self.twist) * off["lr"]) ** 2
        )
        if params["select"] == "threshold":
            loss += 0.02
        return max(0.02, self.best - loss)

    def value(self, params: dict[str, Any], epoch: int, seed: int) -> float:
        key = [self.number, seed, *np.frombuffer(repr(sorted(params.items())).encode(), np.uint8)]
        rng = np.random.default_rng(key)
        level = self.level(params) + rng.normal(0, SEED_SCATTER)
        rate = 2 + 3 * _unit("lr", params["lr"])
        noise = np.random.default_rng([*key, epoch]).normal(0, EVALUATION_SCATTER)
        return float(level * (1 - math.exp(-rate * epoch / EPOCHS)) / (1 - math.exp(-rate)) + noise)


def _unit(name: str, value: float) -> float:
    low, high = RANGES[name]
    if name in LINEAR:
        return (value - low) / (high - low)
    return math.log(value / low) / math.log(high / low)


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
    """A study with a pruner, told as Optuna's documentation does."""

    def __init__(self, seed: int, sampler: str, pruner: optuna.pruners.BasePruner) -> None:
        make = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[sampler]
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
            heapq.heappush(running, _Running(now + _seconds(params), name, params, 1))
        item = heapq.heappop(running)
        now = item.due
        value = landscape.value(item.params, item.epoch, seed=0)
        going_on = strategy.report(item.name, item.epoch, value) and item.epoch < EPOCHS
        if going_on and left > 0:
            left -= 1
            due = now + _seconds(item.params)
            heapq.heappush(running, _Running(due, item.name, item.params, item.epoch + 1))
            continue
        if item.epoch == EPOCHS:
            finished.append((value, item.params))
        strategy.end(item.name, item.epoch, value)
    value, params = max(finished, key=lambda pair: pair[0])
    return params, value


def _seconds(params: dict[str, Any]) -> float:
    return 60 + 10 * _unit("lr", params["lr"])


def tid_tune(landscape: Landscape, seed: int, **options: Any) -> tuple[dict[str, Any], float]:
    """The same by this project's engine, as a spec would say it."""
    space = {
        name: Uniform(low=low, high=high) if name in LINEAR else LogUniform(low=low, high=high)
        for name, (low, high) in RANGES.items()
    }
    for name, select in (("quantile", "quantile"), ("weak_threshold", "threshold")):
        space[name] = space[name].model_copy(update={"when": {"select": (select,)}})
    spec = SearchSpec(
        name="quality",
        trial=Path("/none.py"),
        epochs=EPOCHS,
        space={**space, "select": Choice(values=("threshold", "quantile"))},
        trials=10_000,
        sampler=Sampler(seed=seed),
        budget=Budget(x=TRAININGS),
        baseline=False,
        **options,
    )

    def objective(assignment: Assignment, epoch: float) -> dict[str, float]:
        return {OBJECTIVE: landscape.value(assignment.params, round(epoch), assignment.seed)}

    search = simulate(spec, objective, workers=WORKERS, seconds=lambda a: _seconds(a.params))
    winner = winning_trial(search.state, spec)
    assert winner is not None
    verdict = judge(search.state, spec)
    if verdict is not None and verdict.best is not None and verdict.best.estimate is not None:
        return winner.params, verdict.best.estimate.mean
    return winner.params, winner.value(OBJECTIVE) or 0.0


def _rival(make: Callable[[int], Strategy], landscape: Landscape, seed: int) -> Any:
    return drive(make(seed), landscape)


STRATEGIES: dict[str, Callable[[Landscape, int], tuple[dict[str, Any], float]]] = {
    "random, no stopping": functools.partial(
        _rival, lambda seed: PlainOptuna(seed, "random", optuna.pruners.NopPruner())
    ),
    "Optuna TPE, no stopping": functools.partial(
        _rival, lambda seed: PlainOptuna(seed, "tpe", optuna.pruners.NopPruner())
    ),
    "Optuna TPE and its SuccessiveHalvingPruner": functools.partial(
        _rival,
        lambda seed: PlainOptuna(
            seed, "tpe", optuna.pruners.SuccessiveHalvingPruner(1, reduction_factor=3)
        ),
    ),
    "Ray Tune: OptunaSearch and ASHA": functools.partial(_rival, RayTune),
    "tid-tune: tpe, asha": tid_tune,
    "tid-tune: tpe, asha, confirm 3 x 3": functools.partial(
        tid_tune, confirm=Confirm(top=3, seeds=3)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--landscapes", type=int, default=60)
    parser.add_argument("--only", help="strategies whose name has this in it")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    chosen = {n: s for n, s in STRATEGIES.items() if options.only is None or options.only in n}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    for number in range(options.landscapes):
        landscape = Landscape.draw(number)
        for name, strategy in chosen.items():
            params, told = strategy(landscape, number)
            true = landscape.level(params)
            found[name].append((landscape.best - true, told - true))
    text = json.dumps(
        {
            "command": f"python benchmarks/search_quality.py --landscapes {options.landscapes}",
            "budget": f"{TRAININGS} trainings of {EPOCHS} epochs, {WORKERS} at a time",
            "strategies": {name: _summary(pairs) for name, pairs in found.items()},
        },
        indent=2,
    )
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


def _summary(pairs: list[tuple[float, float]]) -> dict[str, list[float]]:
    return {
        name: [round(q, 4) for q in statistics.quantiles([p[i] for p in pairs], n=4)]
        for i, name in enumerate(("regret", "optimism"))
    }


if __name__ == "__main__":
    main()
