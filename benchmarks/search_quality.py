"""How good the student is that a search ends with, and how accurate its reported value is.

    python benchmarks/search_quality.py                    # 60 landscapes, prints JSON
    python benchmarks/search_quality.py --landscapes 10 --out quality.json

Every strategy spends the same epochs on the same random landscapes (see landscapes.py), eight
trials at a time on a virtual clock. The rivals are the libraries' own classes (see rivals.py).
`regret` is how much the chosen point lies below the best one, without scatter: what a user loses.
`optimism` is the value a strategy ends with minus the true one of its choice: how much it promises
too much. Lower quartile, median and upper quartile over the landscapes.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from landscapes import EPOCHS, OBJECTIVE, TRAININGS, WORKERS, Landscape
from optuna.samplers import GPSampler, RandomSampler, TPESampler
from rivals import PlainOptuna, RayTune, Strategy, drive

from tid_tune.results.ranking import winning_trial
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import simulate
from tid_tune.search.stages.verdict import judge
from tid_tune.searchfile.model import Budget, Confirm, SearchSpec


def tid_tune(
    landscape: Landscape, seed: int, sampler: str, **options: Any
) -> tuple[dict[str, Any], float]:
    """The same by this project's engine, as a spec would say it."""
    spec = SearchSpec(
        name="quality",
        trial=Path("/none.py"),
        epochs=EPOCHS,
        space=dict(landscape.space),
        trials=10_000,
        sampler={"type": sampler, "seed": seed},
        budget=Budget(x=TRAININGS),
        baseline=False,
        **options,
    )

    def objective(assignment: Assignment, epoch: float) -> dict[str, float]:
        return {OBJECTIVE: landscape.value(assignment.params, round(epoch), assignment.seed)}

    search = simulate(
        spec, objective, workers=WORKERS, seconds=lambda a: landscape.seconds(a.params)
    )
    winner = winning_trial(search.state, spec)
    assert winner is not None
    verdict = judge(search.state, spec)
    if verdict is not None and verdict.best is not None and verdict.best.estimate is not None:
        return winner.params, verdict.best.estimate.mean
    return winner.params, winner.value(OBJECTIVE) or 0.0


def _rival(make: Callable[[Landscape, int], Strategy], landscape: Landscape, seed: int) -> Any:
    return drive(make(landscape, seed), landscape, TRAININGS, WORKERS)


def _optuna(
    sampler: Callable[..., optuna.samplers.BaseSampler], stopping: bool = False, **options: Any
) -> Callable[[Landscape, int], Any]:
    halving = optuna.pruners.SuccessiveHalvingPruner(1, reduction_factor=3)
    pruner = halving if stopping else optuna.pruners.NopPruner()
    return functools.partial(
        _rival, lambda task, seed: PlainOptuna(task, sampler(seed=seed, **options), pruner)
    )


STRATEGIES: dict[str, Callable[[Landscape, int], tuple[dict[str, Any], float]]] = {
    "Optuna random": _optuna(RandomSampler),
    "Optuna TPE": _optuna(TPESampler),
    "Optuna TPE and its SuccessiveHalvingPruner": _optuna(TPESampler, stopping=True),
    "Optuna GP": _optuna(GPSampler),
    "Optuna GP, 5 random points": _optuna(GPSampler, n_startup_trials=5),
    "Ray Tune: OptunaSearch (TPE) and ASHA": functools.partial(_rival, RayTune),
    "tid-tune: random, asha": functools.partial(tid_tune, sampler="random"),
    "tid-tune: tpe, asha": functools.partial(tid_tune, sampler="tpe"),
    "tid-tune: cmaes, asha": functools.partial(tid_tune, sampler="cmaes"),
    "tid-tune: gp, asha": functools.partial(tid_tune, sampler="gp"),
    "tid-tune: gp, asha, confirm 3 x 3": functools.partial(
        tid_tune, sampler="gp", confirm=Confirm(top=3, seeds=3)
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
            params, reported = strategy(landscape, number)
            true = landscape.level(params)
            found[name].append((landscape.best - true, reported - true))
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
