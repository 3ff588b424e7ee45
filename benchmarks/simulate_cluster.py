"""What the search itself costs on 200 nodes that join, leave and are slow: a simulation.

    python benchmarks/simulate_cluster.py --out benchmarks/results/simulate_cluster.json
    python benchmarks/simulate_cluster.py --nodes 200 --epochs 40000 --sampler random

The engine is the one that runs on Ray, with a ledger on the disk; nodes, trainings and the clock
are simulated. A quarter of the nodes joins later. Each stays for an hour on average, and another
one joins in its place two minutes after it has left. Half of them leave without a word, half are
announced two minutes before. A tenth is three times as slow as the others. A new worker takes 20 s
to start, an epoch 90 s on average. The search stops trials with ASHA and ends with its budget.

`lost_trials` failed because of their nodes; `lost_epochs` had been reported and were reported again
or are missing. `share`: of the time of the workers that there were, until the search has closed:
trained and reported, trained in vain on nodes that were lost, starting, and idle. `cpu_ms`:
processor time in the engine, retention and ledger for one event, in five parts of the run;
`kib_per_trial`: memory per trial in the same parts. `ended_after` is in hours of the simulation.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from publishing import publish
from search_overhead import curve, make_spec

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Ended, Reported
from tid_tune.ledger.file import Ledger, read_events
from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.simulate import Simulator, VirtualClock
from tid_tune.search.simulated_nodes import Node
from tid_tune.searchfile.model import Budget

HOUR = 3600.0
STAY, PAUSE, NOTICE, STARTING, EPOCH = HOUR, 120.0, 120.0, 20.0, 90.0
PARTS = 5
SPAWN = multiprocessing.get_context("spawn")
"""A process of its own for each search: memory that one gives back would serve the next."""


def cluster(count: int, rng: np.random.Generator, hours: float) -> Iterator[Node]:
    """Yield the nodes of a cluster with room for `count`, for at least so many hours."""
    for place in range(count):
        time, number = (0.0 if place % 4 else float(rng.exponential(HOUR / 2))), 0
        while time < hours * HOUR:
            leaves = time + float(rng.exponential(STAY))
            yield Node(
                f"n{place:03d}.{number}",
                pace=3.0 if rng.random() < 0.1 else 1.0,
                joins=time,
                leaves=leaves,
                notice=NOTICE if rng.random() < 0.5 else 0.0,
                starting=STARTING,
            )
            time, number = leaves + PAUSE, number + 1


class Watch:
    """Processor time and memory by the number of events; the objective's own time is left out."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.events = 0
        self.outside = 0.0
        self.samples: list[tuple[int, float, int, float]] = []
        search.observe(self)

    def __call__(self, event: Any, trial: Any) -> None:
        self.events += 1
        if self.events % 1000 == 0:
            self.sample()

    def sample(self) -> None:
        now = time.process_time() - self.outside
        self.samples.append((self.events, now, len(self.search.state.trials), resident_kib()))

    def objective(self, assignment: Assignment, epoch: float) -> dict[str, float]:
        started = time.process_time()
        found = curve(assignment.params, int(epoch))
        self.outside += time.process_time() - started
        return found

    def parts(self) -> dict[str, list[float]]:
        """Return milliseconds an event, and KiB a trial, in each part of the run."""
        at = [round(n * (len(self.samples) - 1) / PARTS) for n in range(PARTS + 1)]
        pairs = [(self.samples[a], self.samples[b]) for a, b in pairwise(at)]
        return {
            "cpu_ms": [round(1e3 * (b[1] - a[1]) / (b[0] - a[0]), 3) for a, b in pairs],
            "kib_per_trial": [round((b[3] - a[3]) / max(1, b[2] - a[2]), 1) for a, b in pairs],
        }


def resident_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def run(count: int, epochs: int, sampler: str, path: Path) -> dict[str, Any]:
    """Run one search and return its figures."""
    rng, clock = np.random.default_rng(0), VirtualClock()
    hours = 2 + 2 * epochs * EPOCH / count / HOUR
    nodes = list(cluster(count, rng, hours))
    spec = make_spec(10**6, sampler, "asha")
    spec = spec.model_copy(update={"budget": Budget(epochs=epochs)})
    seconds = {}

    def duration(assignment: Assignment) -> float:
        """Return seconds that are the same for all epochs of a trial."""
        return seconds.setdefault(assignment.trial, EPOCH * float(rng.uniform(0.5, 1.5)))

    with Ledger.open(path, sync=False, clock=clock) as ledger:
        search = Search.open(spec, ledger)
        retention, watch = Retention(search), Watch(search)
        simulator = Simulator(search, watch.objective, clock, seconds=duration, nodes=nodes)
        watch.sample()
        while simulator.step():
            retention.drain()
        watch.sample()
    started = time.process_time()
    with Ledger.open(path, clock=clock) as ledger:
        equal = Search.open(spec, ledger).state.trials == search.state.trials
    opening = time.process_time() - started
    return {
        "nodes_at_a_time": count,
        "nodes": sum(node.joins < clock.now for node in nodes),
        "sampler": sampler,
        "ended": search.state.closed,
        "ended_after": round(clock.now / HOUR, 2),
        **outcome(search, path),
        "share": shares(search, nodes, path, clock.now),
        "events": watch.events,
        **watch.parts(),
        "checkpoints_kept": len(retention.kept()),
        "ledger_mib": round(path.stat().st_size / 2**20, 1),
        "resident_mib": round(resident_kib() / 1024),
        "reopened_cpu_seconds": round(opening, 1),
        "reopened_is_equal": equal,
    }


def outcome(search: Search, path: Path) -> dict[str, Any]:
    """Return what became of the trials, and what the nodes have cost them."""
    trials = search.state.trials.values()
    ends, again = Counter[Any](), 0
    for event in read_events(path):
        ends.update([event.cause] if isinstance(event, Ended) else [])
        again += isinstance(event, Reported) and event.repeated
    missing = sum(
        abs(report.epoch - at - 1) for trial in trials for at, report in enumerate(trial.reports)
    )
    return {
        "trials": len(trials),
        "reports": sum(len(trial.reports) for trial in trials),
        "statuses": dict(Counter(str(trial.status) for trial in trials)),
        "runs_lost": ends[Cause.LOST],
        "runs_moved": ends[Cause.PREEMPTED],
        "lost_trials": sum(trial.status is Status.FAILED for trial in trials),
        "lost_epochs": again + missing,
    }


def shares(search: Search, nodes: list[Node], path: Path, end: float) -> dict[str, float]:
    """Return what the time of the workers was used for."""
    room = sum(max(0.0, min(node.leaves, end) - node.joins) * node.workers for node in nodes)
    trained = sum(r.seconds for trial in search.state.trials.values() for r in trial.reports)
    vain = search.spent.seconds - trained
    used = {event.node for event in read_events(path) if event.event == "placed"}
    starting = STARTING * len(used)
    found = {"trained": trained, "in_vain": vain, "starting": starting}
    found["idle"] = room - sum(found.values())
    assert math.isclose(sum(found.values()), room)
    return {name: round(seconds / room, 4) for name, seconds in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=20_000, help="the budget")
    parser.add_argument("--sampler", action="append", help="default: tpe and random")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {"cores": os.cpu_count()}
    for sampler in options.sampler or ["tpe", "random"]:
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, SPAWN) as pool:
            path = Path(folder, "ledger.jsonl")
            result[sampler] = pool.submit(
                run, options.nodes, options.epochs, sampler, path
            ).result()
    publish(result, options.out)


if __name__ == "__main__":
    main()
