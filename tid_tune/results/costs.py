"""What a search has cost so far: epochs, seconds and images, by trial, stage and outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tid_tune.ledger.events import Ended, Reported
from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.searchfile.model import Resources, SearchSpec

USEFUL, STOPPED, FAILED, OPEN = "useful", "stopped early", "failed", "open"
_OUTCOME = {
    Status.COMPLETED: USEFUL,
    Status.STOPPED: STOPPED,
    Status.FAILED: FAILED,
}


@dataclass
class Cost:
    """A sum. On a fraction of the training images, an epoch counts as that fraction."""

    trials: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    images: int = 0

    def add(self, other: Cost) -> None:
        """Add another sum to this one."""
        self.trials += other.trials
        self.epochs += other.epochs
        self.seconds += other.seconds
        self.images += other.images

    def device_hours(self, resources: Resources) -> float:
        """Return GPU-hours held; CPU-hours where a trial asks for no GPU."""
        return self.seconds / 3600 * devices(resources)


def devices(resources: Resources) -> float:
    """Return how many devices one trial holds while it runs: its GPUs, or without any its CPUs."""
    return resources.gpus or resources.cpus


def trial_cost(trial: Trial) -> Cost:
    """Return what one trial has cost, including repeated intervals and time without a report."""
    reports = trial.reports
    return Cost(
        trials=1,
        epochs=sum(map(trained_epochs, [None, *reports], reports)),
        seconds=sum(r.seconds for r in reports) + trial.repeated_seconds + trial.unreported_seconds,
        images=sum(report.images for report in reports),
    )


def trained_epochs(before: Report | None, report: Report) -> float:
    """Return the epochs trained between a report and the one before it."""
    same_run = before is not None and before.fraction == report.fraction
    gone = before.epoch if before is not None and same_run else 0.0
    return (report.epoch - gone) * report.fraction


def cost_table(state: RunState) -> dict[tuple[str, str], Cost]:
    """Return the cost by (stage, outcome); outcomes: useful, stopped early, failed, open."""
    table: dict[tuple[str, str], Cost] = {}
    for trial in state.trials.values():
        if trial.status is Status.DUPLICATE:
            continue
        key = (trial.stage, _OUTCOME.get(trial.status, OPEN))
        table.setdefault(key, Cost()).add(trial_cost(trial))
    return table


@dataclass(frozen=True)
class CostRow:
    """What was spent on one stage with one outcome; `stage` is `all` in the last row."""

    stage: str
    outcome: str
    trials: int
    epochs: float
    device_hours: float


def cost_rows(state: RunState, spec: SearchSpec) -> list[CostRow]:
    """Return the costs by stage and outcome, and their sum."""
    costs = cost_table(state)
    rows = [(stage, outcome, cost) for (stage, outcome), cost in costs.items()]
    return [
        CostRow(stage, outcome, cost.trials, cost.epochs, cost.device_hours(spec.resources))
        for stage, outcome, cost in [*rows, ("all", "", total_cost(costs.values()))]
    ]


def device_name(resources: Resources) -> str:
    """Return the unit of `Cost.device_hours`: `GPU`, or `CPU` where a trial asks for no GPU."""
    return "GPU" if resources.gpus else "CPU"


def total_cost(costs: Iterable[Cost]) -> Cost:
    """Return the sum of `costs`."""
    total = Cost()
    for cost in costs:
        total.add(cost)
    return total


@dataclass
class Meter:
    """The running total, kept up to date event by event."""

    spent: Cost = field(default_factory=Cost)
    reports: float = 0.0
    """How many; on a fraction of the training images, each counts as that fraction."""

    def apply(self, event: Reported | Ended, trial: Trial) -> None:
        """Take in an event of a trial, after it has been folded into `trial`."""
        if isinstance(event, Ended) or event.repeated:
            # Time without a result: a report that was repeated, or one that never came.
            self.spent.seconds += event.seconds
            return
        before = trial.reports[-2] if len(trial.reports) > 1 else None
        last = trial.reports[-1]
        epochs = trained_epochs(before, last)
        self.spent.add(Cost(epochs=epochs, seconds=last.seconds, images=last.images))
        self.reports += last.fraction

    def interval(self, spec: SearchSpec) -> float:
        """Return how many epochs a report interval has; for one in iterations, as known so far."""
        if spec.report_every.unit == "epoch":
            return float(min(spec.report_every.count, spec.epochs))
        return self.spent.epochs / self.reports if self.reports else 0.0
