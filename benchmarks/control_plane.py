"""What it costs to keep many trials running on Ray: trials that train nothing, through the driver.

    python benchmarks/control_plane.py --part yardstick --trials 10000 --slots 16
    python benchmarks/control_plane.py --part search --trials 2000 --slots 64 --seconds 4

Two parts. `search`: a search of four parameters with TPE and ASHA and up to nine reports a trial,
each after a short sleep, with MLflow on SQLite. `yardstick`: trials of one report after one second,
as in Ray's own release test of many short trials, which has 16 slots and allows 1.28.

`wall_over_ideal` is the time from the first start to the last report, divided by reports x seconds
/ slots; `wall_over_ideal_later` begins when a tenth of the reports has come, and all workers have
started. `overhead` is what `tid-tune status` shows. The driver's processor time is that of this
process; `by_thread` divides it, and the rest is that of Ray's own threads. `growth` is its memory
at the end less that at a tenth of the reports. Needs no data. All workers run on this machine,
beside the driver: where they need more than its cores have, the sleep no longer covers it, and the
ratios say so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import idle_trial
from publishing import publish

ROOT = Path(__file__).resolve().parents[1]
CONFIG = "model = dict(type='None', first=1.0, second=1.0, third=1.0, level=0.01)"
MIB = 2**20


def spec_fields(part: str, trials: int, slots: int) -> dict[str, Any]:
    """Return the search of a part; a slot is a share of the processor, so that all fit."""
    cores = os.cpu_count() or 1
    shared = {
        "name": part,
        "trial": "trial.py",
        "trainable": f"{Path(idle_trial.__file__)}:IdleTrainable",
        "space": {
            "model.first": {"log_uniform": [0.3, 10]},
            "model.second": {"log_uniform": [0.1, 10]},
            "model.third": {"log_uniform": [0.1, 10]},
            "model.level": {"log_uniform": [1e-3, 1e-1]},
        },
        "baseline": False,
        "trials": trials,
        "resources": {"cpus": cores / slots, "concurrent": slots},
    }
    if part == "search":
        return {**shared, "epochs": 9, "sampler": "tpe", "scheduler": "asha"}
    return {
        **shared,
        "epochs": 1,
        "sampler": "random",
        "scheduler": "none",
        "tracking": {"enabled": False},
    }


@dataclass
class Sample:
    """What the driver has used when so many reports had come."""

    reports: int
    cpu: float = field(default_factory=time.process_time)
    mib: float = field(default_factory=lambda: resident())
    time: float = field(default_factory=time.monotonic)
    threads: dict[str, float] = field(default_factory=lambda: thread_seconds())


class Watch:
    """Follows a search: when reports came, what the driver had used of processor and memory."""

    def __init__(self) -> None:
        self.reports = 0
        self.first = self.last = 0.0
        self.samples: list[Sample] = []

    def __call__(self, event: Any, trial: Any) -> None:
        """Take in an event of the search."""
        kind = type(event).__name__
        if kind == "Started" and not self.first:
            self.first = time.monotonic()
        if kind == "Reported":
            self.reports, self.last = self.reports + 1, time.monotonic()
            if self.reports % 10 == 0:
                self.samples.append(Sample(self.reports))

    def costs(self, slots: int, seconds: float) -> dict[str, Any]:
        """Return the driver's processor time for a report, early and late, and its memory."""
        early, late = self.samples[len(self.samples) // 10], self.samples[-1]
        middle = self.samples[(len(self.samples) // 10 + len(self.samples)) // 2]
        count = late.reports - early.reports
        threads = {
            name: round(1000 * (used - early.threads.get(name, 0.0)) / count, 2)
            for name, used in late.threads.items()
        }
        return {
            "reports": self.reports,
            "wall_over_ideal_later": (late.time - early.time) * slots / (count * seconds),
            "driver_cpu_ms_per_report": _cost(early, late),
            "driver_cpu_ms_per_report_first_half": _cost(early, middle),
            "driver_cpu_ms_per_report_second_half": _cost(middle, late),
            "driver_cpu_ms_per_report_by_thread": threads,
            "driver_mib": late.mib,
            "growth_mib": late.mib - early.mib,
            "growth_kib_per_report_first_half": _growth(early, middle),
            "growth_kib_per_report_second_half": _growth(middle, late),
        }


def _cost(a: Sample, b: Sample) -> float:
    return 1000 * (b.cpu - a.cpu) / max(1, b.reports - a.reports)


def _growth(a: Sample, b: Sample) -> float:
    return 1024 * (b.mib - a.mib) / max(1, b.reports - a.reports)


def thread_seconds() -> dict[str, float]:
    """Return the processor time of Python's threads."""
    found = {}
    for thread in threading.enumerate():
        try:
            stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
        except OSError:  # it has just ended
            continue
        user, system = stat.rpartition(")")[2].split()[11:13]
        found[thread.name] = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return found


def resident() -> float:
    """Return this process's memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def run(part: str, trials: int, slots: int, seconds: float) -> dict[str, Any]:
    """Run one part in a folder of its own."""
    import yaml

    from tid_tune.cluster.driver import run_search
    from tid_tune.results.costs import worker_time
    from tid_tune.searchfile import load

    os.environ[idle_trial.SECONDS] = str(seconds)
    watch, before = Watch(), os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        file = Path("search.yaml")
        Path("trial.py").write_text(CONFIG)
        file.write_text(yaml.safe_dump(spec_fields(part, trials, slots)))
        started = time.monotonic()
        outcome = run_search(load(file), runs=Path("runs"), root=Path.cwd(), observer=watch)
        wall = time.monotonic() - started
        size = outcome.run.ledger.stat().st_size
        overhead = worker_time(outcome.run.state).overhead
        os.chdir(before)
    busy = watch.last - watch.first
    slept = watch.reports * seconds
    return {
        "trials": trials,
        "slots": slots,
        "seconds_of_a_report": seconds,
        "wall": wall,
        "wall_of_trials": busy,
        "wall_over_ideal": busy * slots / slept,
        "overhead": overhead,
        "reports_per_second": watch.reports / busy,
        "ledger_bytes_per_report": size / watch.reports,
        **watch.costs(slots, seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=["search", "yardstick"], action="append")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="a trial sleeps before a report")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    result: dict[str, Any] = {"cores": os.cpu_count()}
    for part in options.part or ["search", "yardstick"]:
        found = run(part, options.trials, options.slots, options.seconds)
        shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}
        result[part] = {**shown, "load_average": round(os.getloadavg()[1], 1)}
    publish(result, options.out)


if __name__ == "__main__":
    main()
