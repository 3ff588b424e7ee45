"""A search on a cluster of several nodes on this machine, and what a fault did to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.workplace import CONFIG, Workplace

from tid_tune.cluster.starting import end_processes
from tid_tune.files import write_text
from tid_tune.ledger.events import Ended, Event, Reported, Started
from tid_tune.ledger.file import read_events
from tid_tune.ledger.state import RunState

FAULTY = Path(__file__).with_name("faulty.py")
HARMED = Path(__file__).with_name("harmed.py")
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
sampler: random
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
SECONDS = 150
"""In which what is waited for has to come."""


@dataclass
class Row:
    """A line of the table."""

    fault: str
    lost: int
    """Epochs that had been reported, and were not there in the end or were reported anew."""
    repeated: int
    """Reported epochs that were trained again."""
    seconds: float | None
    """Until the first report of a trial that had to be started again."""
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


def add_node(nodes: Any) -> Any:
    """Add a node with one CPU; try again on a busy machine."""
    for left in reversed(range(3)):
        try:
            return nodes.add_node(**NODE)
        except Exception as error:
            end_processes(error)
            if not left:
                raise
    raise AssertionError


@dataclass
class Scene:
    """A search in a folder of its own, on a cluster."""

    place: Workplace
    at: float = 0.0
    """When the test itself has done harm."""
    process: subprocess.Popen[str] | None = None
    """The command that runs the search, where it runs beside the test."""
    output: str = ""
    """What the last command has printed until its end."""

    @classmethod
    def make(cls, root: Path, address: str, spec: str = SPEC, pace: float = 0.4) -> Scene:
        """Write the search; an epoch takes `pace` seconds."""
        (root / "config.py").write_text(CONFIG)
        (root / "teacher.py").write_text('model = dict(type="GFL")')
        (root / "teacher.pth").touch()
        (root / "space.yaml").write_text(spec)
        scene = cls(Workplace(root, address))
        scene.set_pace(pace)
        return scene

    def set_pace(self, seconds: float) -> None:
        """Let an epoch of all trials take so long from now on."""
        write_text(self.place.root / "pace", str(seconds))

    def ask(self, kind: str, trial: str = "t0002", epoch: int = 4) -> None:
        """Let a fault happen in a worker."""
        text = json.dumps({"kind": kind, "epoch": epoch})
        write_text(self.place.root / f"fault_{trial}.json", text)

    def start(self, *options: str, harm: str = "") -> None:
        """Start the search, unless it runs; `harm` is a fault that happens to the driver."""
        if self.process is None or self.process.poll() is not None:
            command = (str(HARMED), harm) if harm else ("-m", "tid_tune")
            self.process = self.place.start(*command, "run", "space.yaml", *options)

    def wait(self, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait until something holds, while the command runs."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.place.events() and holds():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.3)
        if self.process.poll() is None:
            self.process.kill()
        self.finish()
        raise AssertionError(f"it did not come to that: {self.output}")

    def finish(self, seconds: float = SECONDS) -> int:
        """Wait for the end of the command, and return its exit code."""
        assert self.process is not None
        try:
            self.output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.output, _ = self.process.communicate()
        sys.stdout.write(self.output)
        return self.process.returncode

    @property
    def said(self) -> str:
        """The output of the last command, in one line."""
        return " ".join(self.output.split())

    def mark(self) -> None:
        """Remember the time: the fault happens now."""
        self.at = time.time()

    def events(self) -> list[Event]:
        return list(read_events(self.place.ledger))

    def news(self, since: float) -> set[str]:
        """The trials that have reported since a time."""
        return {e.trial for e in self.events() if isinstance(e, Reported) and e.time > since}

    def restarted(self) -> dict[str, float]:
        """The trials that were started after the fault and have reported since; and when."""
        begun: dict[str, float] = {}
        found: dict[str, float] = {}
        for event in self.events():
            if isinstance(event, Started) and event.time > self.at:
                begun.setdefault(event.trial, event.time)
            elif isinstance(event, Reported) and event.trial in begun:
                found.setdefault(event.trial, event.time)
        return found

    def recover(self, trials: int = 1) -> None:
        """Wait until so many trials have been started anew since the fault, and have reported."""
        self.wait(lambda: len(self.restarted()) >= trials)

    def happened(self, kind: str) -> str:
        """Mark the time of a fault in a worker; return its trial."""
        lines = (self.place.root / "happened.jsonl").read_text().splitlines()
        found = next(one for one in map(json.loads, lines) if one["kind"] == kind)
        self.at = found["time"]
        return str(found["trial"])

    def reasons(self, trial: str) -> list[str]:
        """Why the runs of a trial have ended."""
        return [e.reason for e in self.events() if isinstance(e, Ended) and e.trial == trial]

    def row(self, fault: str, quote: str, before: str = "", trial: str = "") -> Row:
        """Return what became of the fault that happened at `at`, once that is over.

        Args:
            fault: how the table calls it.
            quote: what the user must have seen, in a reason or in the output; empty: nothing.
            before: said in the table before the quote.
            trial: that the fault has happened to; empty: to all.
        """
        state = self.place.state()
        names = [trial] if trial else list(state.trials)
        texts = [self.said, *(reason for name in names for reason in self.reasons(name))]
        assert any(quote in text for text in texts), texts
        reports = [e for e in self.events() if isinstance(e, Reported) and e.trial in names]
        first = [time for name, time in self.restarted().items() if name in names]
        return Row(
            fault,
            sum(_lost(state, name, [e for e in reports if e.time < self.at]) for name in names),
            sum(event.repeated for event in reports if event.time > self.at),
            round(min(first) - self.at, 1) if first else None,
            before + (f"“{quote}”" if quote else ""),
        )


def _lost(state: RunState, name: str, before: list[Reported]) -> int:
    """How many epochs that a trial had reported are not there, or are there twice."""
    told = {event.epoch for event in before if event.trial == name and not event.repeated}
    after = [report.epoch for report in state.trials[name].reports]
    return len(told - set(after)) + len(after) - len(set(after))
