"""How good the best trial is at a quarter, at half and at the end of a budget, on one worker.

    python benchmarks/search_progress.py                    # 24 tasks of each kind, prints JSON
    python benchmarks/search_progress.py --kind network --only asha --out progress.json

Every strategy spends the same epochs on the same random tasks: `detector` (landscapes.py) and
`network` (networks.py). The best trial is the leaderboard's: of the longest so far, the highest
value. `regrets` are how much it lies below the best point, without scatter, by part and task.
`gp_wins` counts the tasks on which `gp` without early stopping has the smaller regret. Optuna's
GP gets half of the budget: a suggestion of it takes most of a second. --out keeps what the file
has of other strategies and kinds.
"""

from __future__ import annotations

import argparse
import json
import logging
import operator
import re
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from landscapes import OBJECTIVE, Landscape, Task
from networks import Network
from optuna.pruners import NopPruner
from optuna.samplers import GPSampler
from rivals import PlainOptuna, drive

from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Budget, SearchSpec

TRAININGS = 40
PARTS = (0.25, 0.5, 1.0)
KINDS: dict[str, Callable[[int], Task]] = {"detector": Landscape.draw, "network": Network.draw}


@dataclass
class Progress:
    """The regret of the best trial after each epoch of the budget."""

    task: Task
    best: tuple[int, float] = (0, 0.0)
    regrets: list[float] = field(default_factory=list)

    def __call__(self, params: dict[str, Any], epoch: int, value: float) -> None:
        better = (epoch, value) > self.best
        regret = self.task.best - self.task.level(params) if better else self.regrets[-1]
        self.best = max(self.best, (epoch, value))
        self.regrets.append(regret)

    def parts(self) -> list[float]:
        """Return the regret at each part of the budget that was reached."""
        ends = [round(part * TRAININGS * self.task.epochs) - 1 for part in PARTS]
        return [round(self.regrets[end], 5) for end in ends if end < len(self.regrets)]


def tid_tune(task: Task, seed: int, sampler: str, scheduler: str) -> Progress:
    progress = Progress(task)
    spec = SearchSpec(
        name="progress",
        trial=Path("/none.py"),
        epochs=task.epochs,
        space=dict(task.space),
        trials=10_000,
        sampler={"type": sampler, "seed": seed},
        scheduler={"type": scheduler},
        budget=Budget(x=TRAININGS),
        baseline=False,
    )

    def objective(assignment: Assignment, epoch: float) -> dict[str, float]:
        value = task.value(assignment.params, round(epoch), assignment.seed)
        progress(assignment.params, round(epoch), value)
        return {OBJECTIVE: value}

    simulate(spec, objective)
    return progress


def optuna_gp(task: Task, seed: int) -> Progress:
    """Optuna's, with as many random points as ours."""
    progress = Progress(task)
    sampler = GPSampler(seed=seed, n_startup_trials=5, warn_independent_sampling=False)
    drive(PlainOptuna(task, sampler, NopPruner()), task, TRAININGS // 2, 1, progress)
    return progress


GP = "tid-tune: gp, no early stopping"
STRATEGIES: dict[str, Callable[[Task, int], Progress]] = {
    "Optuna GP, 5 random points, no early stopping": optuna_gp,
    GP: partial(tid_tune, sampler="gp", scheduler="none"),
    **{
        f"tid-tune: {sampler}, {scheduler}": partial(tid_tune, sampler=sampler, scheduler=scheduler)
        for scheduler in ("asha", "hyperband")
        for sampler in ("random", "tpe")
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=24, help="of each kind")
    parser.add_argument("--kind", choices=KINDS, help="the other kind is left out")
    parser.add_argument("--only", default="", help="strategies whose name has this in it")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = options.out is not None and options.out.exists()
    found = json.loads(options.out.read_text())["tasks"] if known else {}
    for kind, draw in KINDS.items():
        if options.kind in (None, kind):
            runs = found.setdefault(kind, {})
            for name, strategy in STRATEGIES.items():
                if options.only in name:
                    parts = [strategy(draw(n), n).parts() for n in range(options.tasks)]
                    runs[name] = {"regrets": [list(part) for part in zip(*parts, strict=True)]}
            _summarize(runs)
    report = {
        "command": f"python benchmarks/search_progress.py --tasks {options.tasks}",
        "budget": f"{TRAININGS} trainings, one at a time",
        "parts": PARTS,
        "tasks": found,
    }
    lists = re.compile(r"\[[^\[\]]*\]")
    text = lists.sub(lambda match: " ".join(match[0].split()), json.dumps(report, indent=2))
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


def _summarize(runs: dict[str, dict[str, Any]]) -> None:
    """Add to each strategy what a reader compares."""
    for name, run in runs.items():
        run["median"] = [round(statistics.median(part), 4) for part in run["regrets"]]
        run["mean"] = [round(statistics.fmean(part), 4) for part in run["regrets"]]
        if GP in runs and name != GP:
            pairs = zip(runs[GP]["regrets"], run["regrets"], strict=False)
            run["gp_wins"] = [sum(map(operator.lt, *pair)) for pair in pairs]


if __name__ == "__main__":
    main()
