"""A ledger read line by line, beside the package's own fold: what tests of figures compare with."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from support.search_cases import OBJECTIVE


@dataclass
class Facts:
    """What the ledger says of one trial."""

    name: str
    suggested: dict[str, Any]
    reports: list[dict[str, Any]] = field(default_factory=list)
    status: str = "pending"
    cause: str = ""
    ended: float | None = None
    other_seconds: float = 0.0

    @property
    def stage(self) -> str:
        return str(self.suggested["stage"])

    @property
    def label(self) -> str:
        return str(self.suggested["label"])

    @property
    def seed(self) -> int:
        return int(self.suggested["seed"])

    @property
    def epochs(self) -> float:
        return float(self.reports[-1]["epoch"]) if self.reports else 0.0

    @property
    def seconds(self) -> float:
        return sum(report["seconds"] for report in self.reports) + self.other_seconds

    @property
    def is_full(self) -> bool:
        return self.stage == "search" and self.status == "completed"

    def at(self, epoch: float, name: str = OBJECTIVE) -> float:
        return float(next(r["metrics"][name] for r in self.reports if r["epoch"] == epoch))

    def value(self, name: str = OBJECTIVE) -> float:
        return float(self.reports[-1]["metrics"][name])


class Recorded:
    """The ledger of a run folder, line by line."""

    def __init__(self, run: Path) -> None:
        lines = (run / "ledger.jsonl").read_text().splitlines()
        self.events = [json.loads(line) for line in lines]
        self.spec = self.events[0]["spec"]
        self.trials: dict[str, Facts] = {}
        for event in self.events:
            if event["event"] == "suggested":
                self.trials[event["trial"]] = Facts(event["trial"], event)
            elif event["event"] == "reported":
                event["metrics"] = {n: float(value) for n, value in event["metrics"].items()}
                self.trials[event["trial"]].reports.append(event)
            elif event["event"] == "started":
                self.trials[event["trial"]].status = "running"
            elif event["event"] == "ended":
                trial = self.trials[event["trial"]]
                trial.status, trial.ended = event["status"], event["time"]
                trial.cause = event["cause"] or ""
                trial.other_seconds += event["seconds"]

    @cached_property
    def full(self) -> list[Facts]:
        return [trial for trial in self.trials.values() if trial.is_full]

    @cached_property
    def plan(self) -> dict[str, Any]:
        return next(e for e in reversed(self.events) if e["event"] == "confirmation_planned")

    @cached_property
    def winner(self) -> Facts:
        decided = [e["winner"] for e in self.events if e["event"] == "result_decided"]
        return self.trials[decided[-1]] if decided else max(self.full, key=Facts.value)

    @cached_property
    def alone(self) -> Facts:
        return self.baseline("none")

    def baseline(self, label: str) -> Facts:
        (found,) = [t for t in self.trials.values() if t.stage == "baseline" and t.label == label]
        return found

    def reruns(self, label: str) -> dict[int, float]:
        """The values of the completed reruns of a candidate or a baseline, by seed."""
        return {
            trial.seed: trial.value()
            for trial in self.trials.values()
            if trial.stage == "confirm" and trial.label == label and trial.status == "completed"
        }

    def held(self, seconds: float) -> float:
        """Device hours: one device a worker in all of these searches."""
        return seconds / 3600

    def course(self) -> Iterator[tuple[float, float, Facts]]:
        """The ended search trials in order, with the epochs and hours of all trials by then."""
        ended = [t for t in self.trials.values() if t.ended is not None and t.reports]
        for trial in sorted(ended, key=lambda t: t.ended or 0.0):
            epochs = seconds = 0.0
            for other in self.trials.values():
                past = [r for r in other.reports if r["time"] <= trial.ended]
                epochs += past[-1]["epoch"] if past else 0.0
                seconds += sum(report["seconds"] for report in past)
                if other.ended is not None and trial.ended and other.ended <= trial.ended:
                    seconds += other.other_seconds
            if trial.stage == "search" and math.isfinite(trial.value()):
                yield epochs, self.held(seconds), trial
