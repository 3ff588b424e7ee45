"""What it costs to keep many trials running on Ray: trials that train nothing, through the driver.

    python benchmarks/control_plane.py --out benchmarks/results/control_plane.json
    python benchmarks/control_plane.py --part yardstick --trials 10000 --slots 64

Two parts. `search`: a search of four parameters with TPE and ASHA and up to nine reports a trial,
each after a short sleep, with MLflow on SQLite. `yardstick`: trials of one report after one second,
as in Ray's own release test of many short trials; `wall_over_ideal` is the time from the first
start to the last report, divided by trials x seconds / slots. The driver's processor time is that
of this process, with the threads of Ray and MLflow; `growth` is its memory at the end less that at
a tenth of the reports. Needs no data. All workers run on this machine, beside the driver: where
they need more than its cores have, the sleep no longer covers it, and the ratio says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
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


class Watch:
    """Follows a search: when reports came, what the driver had used of processor and memory."""

    def __init__(self) -> None:
        self.reports = 0
        self.first = self.last = 0.0
        self.samples: list[tuple[int, float, float]] = []

    def __call__(self, event: Any, trial: Any) -> None:
        """Take in an event of the search."""
        kind = type(event).__name__
        if kind == "Started" and not self.first:
            self.first = time.monotonic()
        if kind == "Reported":
            self.reports, self.last = self.reports + 1, time.monotonic()
            if self.reports % 100 == 0:
                self.samples.append((self.reports, time.process_time(), resident()))

    def costs(self) -> dict[str, float]:
        """Return the driver's processor time for a report, early and late, and its memory."""
        early, late = self.samples[len(self.samples) // 10], self.samples[-1]
        middle = self.samples[len(self.samples) // 2]
        return {
            "reports": self.reports,
            "driver_cpu_ms_per_report": 1000 * _slope(early, late),
            "driver_cpu_ms_per_report_first_half": 1000 * _slope(early, middle),
            "driver_cpu_ms_per_report_second_half": 1000 * _slope(middle, late),
            "driver_mib": late[2],
            "growth_mib": late[2] - early[2],
            "growth_kib_per_report": 1024 * (late[2] - early[2]) / max(1, late[0] - early[0]),
        }


def _slope(a: tuple[int, float, float], b: tuple[int, float, float]) -> float:
    return (b[1] - a[1]) / max(1, b[0] - a[0])


def resident() -> float:
    """Return this process's memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def run(part: str, trials: int, slots: int, seconds: float) -> dict[str, Any]:
    """Run one part in a folder of its own."""
    import yaml

    from tid_tune.cluster.driver import run_search
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
        "reports_per_second": watch.reports / busy,
        "ledger_bytes_per_report": size / watch.reports,
        **watch.costs(),
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
