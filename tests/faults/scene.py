"""A search on a cluster of several nodes on this machine, and what a fault did to it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.workplace import CONFIG, Workplace

from tid_tune.cluster.starting import end_processes
from tid_tune.ledger.events import Ended, Reported
from tid_tune.ledger.file import read_events
from tid_tune.ledger.state import RunState

FAULTY = Path(__file__).with_name("faulty.py")
SPEC = f"""
name: toy
trial: config.py
trainable: {FAULTY}:FaultyTrainable
epochs: 8
trials: 3
seed: 1
baseline: false
space:
  optim_wrapper.optimizer.lr: {{log_uniform: [1e-4, 1e-1]}}
scheduler: none
tracking: {{enabled: false}}
failures: {{stall_minutes: 0.05}}
"""
LIGHT: dict[str, Any] = {"include_log_monitor": False, "no_monitor": True}
"""Fewer processes: a busy machine must start them within Ray's 30 s."""
HEAD: dict[str, Any] = {
    **LIGHT,
    "num_cpus": 0,
    "include_dashboard": False,
    "object_store_memory": 2**27,
}
NODE: dict[str, Any] = {**LIGHT, "num_cpus": 1, "object_store_memory": 2**27}


@dataclass
class Row:
    """A line of the table."""

    fault: str
    lost: int
    """Epochs that had been reported, and were not there in the end or were reported anew."""
    repeated: int
    """Reported epochs that were trained again."""
    seconds: float | None
    """Until the next report of a trial that the fault has happened to."""
    seen: str
    """What the user saw of it."""


@contextlib.contextmanager
def cluster(workers: int = 2, **head: Any) -> Iterator[Any]:
    """Start a head without CPUs, and nodes with one each; try again on a busy machine."""
    from ray.cluster_utils import Cluster

    found = None
    for attempt in range(4):
        try:
            found = Cluster(initialize_head=True, head_node_args={**HEAD, **head})
            for _ in range(workers):
                found.add_node(**NODE)
            break
        except Exception as error:
            end_processes(error)
            if found is not None:
                found.shutdown()
            if attempt == 3:
                raise
    assert found is not None
    try:
        yield found
    finally:
        found.shutdown()


@dataclass
class Scene:
    """A search in a folder of its own, on a cluster."""

    place: Workplace
    at: float = 0.0
    """When the test itself has done harm."""

    @classmethod
    def make(cls, root: Path, address: str, spec: str = SPEC, pace: float = 0.4) -> Scene:
        """Write the search; an epoch takes `pace` seconds."""
        (root / "pace").write_text(str(pace))
        (root / "config.py").write_text(CONFIG)
        (root / "teacher.py").write_text('model = dict(type="GFL")')
        (root / "teacher.pth").touch()
        (root / "space.yaml").write_text(spec)
        return cls(Workplace(root, address))

    def ask(self, kind: str, trial: str = "t0002", epoch: int = 4) -> None:
        """Let a fault happen in a worker."""
        text = json.dumps({"kind": kind, "epoch": epoch})
        (self.place.root / f"fault_{trial}.json").write_text(text)

    def wait(self, holds: Callable[[RunState], bool], process: Any, seconds: float = 120) -> None:
        """Wait until the ledger says so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            if self.place.events() and holds(self.place.state()):
                return
            time.sleep(0.1)
        raise AssertionError(f"it did not come to that; exit code {process.poll()}")

    def mark(self) -> None:
        """Remember the time: the fault happens now."""
        self.at = time.time()

    def happened(self, kind: str) -> tuple[str, float]:
        """The trial that a fault has happened to, and when."""
        lines = (self.place.root / "happened.jsonl").read_text().splitlines()
        found = [one for one in map(json.loads, lines) if one["kind"] == kind]
        return found[0]["trial"], found[0]["time"]

    def reasons(self, trial: str) -> list[str]:
        """Why the runs of a trial have ended."""
        events = read_events(self.place.ledger)
        return [e.reason for e in events if isinstance(e, Ended) and e.trial == trial]

    def row(self, fault: str, seen: str, output: str = "", kind: str = "") -> Row:
        """Return what became of it.

        Args:
            fault: how the table calls it.
            seen: what the user must have seen, in a reason or in the output.
            output: of the driver.
            kind: of a fault in a worker; empty: the fault was at `mark`, to all trials.
        """
        state = self.place.state()
        trial, at = self.happened(kind) if kind else ("", self.at)
        names = [trial] if trial else list(state.trials)
        events = [
            event
            for event in read_events(self.place.ledger)
            if isinstance(event, Reported) and event.trial in names
        ]
        lost = 0
        for name in names:
            told = {e.epoch for e in events if e.trial == name and e.time < at and not e.repeated}
            after = [report.epoch for report in state.trials[name].reports]
            lost += len(told - set(after)) + len(after) - len(set(after))
        again = {t.id for t in state.trials.values() if t.segment > 0}
        later = [event.time for event in events if event.time > at and event.trial in again]
        lines = [*output.splitlines(), *(r for name in names for r in self.reasons(name))]
        return Row(
            fault,
            lost,
            sum(event.repeated for event in events),
            round(min(later) - at, 1) if later else None,
            next((line.strip() for line in lines if seen in line), ""),
        )
