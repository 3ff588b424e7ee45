"""How long the workers of a real search have nothing to train, for trials of about a minute.

    python benchmarks/idle_workers.py --out benchmarks/results/idle_workers.json

A search of the digits by `tid-tune run`: Ray is started for it, each trial is trained to its end by
one of two workers, and nothing else runs. The time of the workers is what the command takes, from
its start until its end, times their number; what is not charged to a trial as a step is idle: Ray
and workers that start, the way from one trial to the next one, and the end, when one of them has no
trial any more. Needs the demo's data and teacher (`make demo`).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import process_tree
from publishing import publish

from tid_tune.ledger.events import Placed
from tid_tune.ledger.file import read_events
from tid_tune.results.costs import run_cost, trial_cost, worker_time
from tid_tune.results.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
LINKED = ("data/digits", "runs/teacher-digits-gfl", "search_spaces", "trainables")
WORKERS = 2


def command(trials: int, epochs: int) -> list[str]:
    values = {
        "name": "idle",
        "trials": trials,
        "epochs": epochs,
        "baseline": "false",
        "sampler": "{type: random, seed: 0}",
        "scheduler": "none",
        "resources": f"{{cpus: 1, students: 1, concurrent: {WORKERS}}}",
        "tracking.uri": "sqlite:///mlflow.db",
    }
    settings = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    run = ["-m", "tid_tune", "run", "search_spaces/digits_gfl_tid.yaml"]
    return [sys.executable, "-P", *run, *settings]


def figures(run: RunFolder, began: float, wall: float) -> dict[str, Any]:
    """What the workers did, in seconds; `began` is when the command was started."""
    trials = list(run.state.trials.values())
    events = list(read_events(run.ledger))
    taken = sorted(event.time for event in events if isinstance(event, Placed))
    ends = sorted(trial.reports[-1].time for trial in trials)
    charged = run_cost(run.state).seconds
    later = charged - sum(trial_cost(trial).seconds for trial in trials[:WORKERS])
    # Each worker, from the end of its first trial to that of its last one.
    between = sum(ends[-WORKERS:]) - sum(ends[:WORKERS])
    waits = sum(taken[WORKERS:]) - sum(ends[:-WORKERS])
    return {
        "trials": len(trials),
        "wall": round(wall, 1),
        "in_steps": round(charged, 1),
        "of_a_trial": round(charged / len(trials), 1),
        "idle_share": share(charged, wall * WORKERS),
        "idle_workers": round(WORKERS - charged / wall, 3),
        "idle_share_shown_by_status": round(worker_time(run.state).overhead, 4),
        "idle_share_after_the_first_trials": share(later, between),
        "seconds": {
            "until_a_worker_has_a_trial": [round(at - began, 1) for at in taken[:WORKERS]],
            "from_a_trial_to_the_next_one": round(waits / (len(trials) - WORKERS), 2),
            "of_one_worker_alone_at_the_end": round(ends[-1] - ends[-WORKERS], 1),
            "after_the_last_report": round(began + wall - ends[-1], 1),
        },
    }


def share(used: float, there: float) -> float:
    return round(1 - used / there, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--home", type=Path, default=ROOT, help="has the demo's data/ and runs/")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for place in LINKED:
            (folder / place).parent.mkdir(exist_ok=True)
            home = ROOT if (ROOT / place).exists() else options.home
            (folder / place).symlink_to((home / place).resolve())
        log, env = folder / "log.txt", {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        began, load = time.time(), os.getloadavg()[0]
        cost = process_tree.run(command(options.trials, options.epochs), folder, env, log)
        found = figures(RunFolder(folder / "runs/idle"), began, cost.wall)
    publish(
        {
            "command": "python benchmarks/idle_workers.py",
            "epochs_of_a_trial": options.epochs,
            "workers": WORKERS,
            "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
            "cpu": round(cost.cpu, 1),
            **found,
        },
        options.out,
    )


if __name__ == "__main__":
    main()
