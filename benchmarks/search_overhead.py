"""What the search itself costs: suggestions, reports and the ledger, over 10,000 trials.

    python benchmarks/search_overhead.py                      # 10,000 trials, prints JSON
    python benchmarks/search_overhead.py --trials 2000 --sampler random --out overhead.json

Trials are functions, so every second measured is the search's own. Times are milliseconds for
one `next()` that starts a trial and one `report()`, means of the first and the last tenth of the
run. `cpu` is processor time; `wall` includes waiting for the disk, since the ledger is a real
file that is synced at each call, and for other programs. `open_seconds` is what resuming takes.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import Assignment, Continue
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Choice, LogUniform, Uniform

OBJECTIVE = "coco/bbox_mAP"


def make_spec(trials: int, sampler: str, scheduler: str) -> SearchSpec:
    """Eight parameters, one of them conditional, as in the README's search."""
    return SearchSpec(
        name="overhead",
        trial=Path("/none.py"),
        epochs=9,
        space={
            "loss_weight": LogUniform(low=0.3, high=10),
            "key_weight": LogUniform(low=0.1, high=10),
            "weak_weight": LogUniform(low=0.1, high=10),
            "rest_weight": LogUniform(low=0.01, high=3),
            "weak_threshold": Uniform(low=0.3, high=3.0),
            "select": Choice(values=("threshold", "quantile")),
            "quantile": Uniform(low=0.005, high=0.1, when={"select": ("quantile",)}),
            "lr": LogUniform(low=1e-3, high=1e-2),
        },
        trials=trials,
        sampler={"type": sampler},
        scheduler={"type": scheduler},
    )


def curve(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """Nine metrics, like a COCO evaluation."""
    distance = sum(math.log(v) ** 2 for k, v in params.items() if k.endswith("weight"))
    value = 0.4 * math.exp(-distance / 20) * (1 - math.exp(-epoch / 3))
    return {OBJECTIVE: value, **{f"coco/metric_{i}": value / (i + 2) for i in range(8)}}


@dataclass
class Stopwatch:
    """Processor and wall seconds of repeated calls."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def time(self, call: Callable[[], Any]) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        answer = call()
        self.cpu.append(time.process_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        return answer

    def summary(self) -> dict[str, Any]:
        tenth = max(1, len(self.cpu) // 10)
        means = {
            f"{name}_ms": [round(1e3 * fmean(part), 2) for part in (times[:tenth], times[-tenth:])]
            for name, times in (("cpu", self.cpu), ("wall", self.wall))
        }
        return {"count": len(self.cpu), **means}


def drive(search: Search, workers: int = 8) -> tuple[Stopwatch, Stopwatch]:
    """Run the search with `workers` trials at a time; return the times of next and report."""
    nexts, reports = Stopwatch(), Stopwatch()
    running: deque[tuple[Assignment, int]] = deque()
    while True:
        while len(running) < workers:
            work = nexts.time(search.next)
            if not isinstance(work, Assignment):
                break
            running.append((work, work.step))
        if not running:
            return nexts, reports
        work, step = running.popleft()
        report = partial(
            search.report,
            work.trial,
            step=step + 1,
            epoch=step + 1,
            metrics=curve(work.params, step + 1),
            seconds=30.0,
            images=1000,
            checkpoint=f"{work.trial}/{step}.pth",
        )
        decision = reports.time(report)
        if step + 1 == work.epochs:
            search.complete(work.trial)
        elif isinstance(decision, Continue):
            running.append((work, step + 1))


def measure(spec: SearchSpec, folder: Path) -> dict[str, Any]:
    """Run once, then open the ledger again."""
    path = folder / "ledger.jsonl"
    with Ledger.open(path) as ledger:
        nexts, reports = drive(Search.open(spec, ledger))
    opening = Stopwatch()
    with Ledger.open(path) as ledger:
        opening.time(lambda: Search.open(spec, ledger))
    return {
        "sampler": spec.sampler.type,
        "scheduler": spec.scheduler.type,
        "trials": spec.trials,
        "next": nexts.summary(),
        "report": reports.summary(),
        "open_seconds": {"cpu": round(opening.cpu[0], 2), "wall": round(opening.wall[0], 2)},
        "ledger_mb": round(path.stat().st_size / 2**20, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--scheduler", default="asha")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = make_spec(options.trials, options.sampler, options.scheduler)
        text = json.dumps(measure(spec, Path(folder)), indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
