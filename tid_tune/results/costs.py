"""What a search has cost so far: epochs, seconds and images, by trial, stage and outcome.

`trial_cost` is the one definition: progress lines, `status`, `list`, the summary, budgets and
tables all show sums of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.words import counted

USEFUL, STOPPED, FAILED, OPEN = "useful", "stopped", "failed", "open"
OUTCOME_WORDS = {
    USEFUL: "full length",
    OPEN: "not ended",
    STOPPED: Status.STOPPED.words,
    FAILED: FAILED,
    "": "",
}
"""What a person reads."""
_OUTCOME = {
    Status.COMPLETED: USEFUL,
    Status.STOPPED: STOPPED,
    Status.FAILED: FAILED,
}


@dataclass
class Cost:
    """A sum. On a fraction of the training images, an epoch counts as that fraction.

    `trials` counts trainings of every stage, confirmation reruns too, but no duplicates.
    """

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

    def replace(self, old: Cost, new: Cost) -> None:
        """Count `new` in the place of `old`."""
        self.trials += new.trials - old.trials
        self.epochs += new.epochs - old.epochs
        self.seconds += new.seconds - old.seconds
        self.images += new.images - old.images

    def device_hours(self, resources: Resources) -> float:
        """Return GPU-hours held; CPU-hours where a worker asks for no GPU.

        The members of a pack share its worker: their seconds add up to the time it was held.
        """
        return self.seconds / 3600 * devices(resources)


def devices(resources: Resources) -> float:
    """Return how many devices one worker holds: its GPUs, or without any its CPUs, of all ranks."""
    return (resources.gpus or resources.cpus) * resources.ranks


def trial_cost(trial: Trial) -> Cost:
    """Return what one trial has cost: its intervals, repeated ones, and time without a report.

    The time before a worker takes a trial is not part of it. Of the time of a pack, it is the
    trial's share. A duplicate is no trial.
    """
    reports = trial.reports
    return Cost(
        trials=int(trial.status is not Status.DUPLICATE),
        epochs=sum(map(trained_epochs, [None, *reports], reports)),
        seconds=sum(r.seconds for r in reports) + trial.repeated_seconds + trial.unreported_seconds,
        images=sum(report.images for report in reports),
    )


def run_cost(state: RunState) -> Cost:
    """Return what all trials have cost."""
    return total_cost(map(trial_cost, state.trials.values()))


@dataclass(frozen=True)
class WorkerTime:
    """How the time of the workers was used, over all runs of the driver. In seconds."""

    workers: int
    """The most that ran at once."""
    there: float
    """The workers of each run of the driver, times its length."""
    charged: float
    """To trials: their steps, and what failed or was lost. It is the seconds of `run_cost`, with
    what running trials have trained since their last reports."""
    reported: bool = True
    """Whether a trial has reported: before, a worker's time is known to nobody."""

    @property
    def overhead(self) -> float:
        """The share that was charged to no trial: Ray and workers that start, and idle workers."""
        return max(0.0, 1.0 - self.charged / self.there) if self.there else 0.0


def worker_time(state: RunState) -> WorkerTime:
    """Return how the time of the workers was used, until the last event."""
    sessions = state.sessions
    now = sessions[-1].last if sessions else 0.0
    running = (state.trials[name] for name in state.running)
    return WorkerTime(
        workers=max((session.workers for session in sessions), default=0),
        there=sum(session.workers * (session.last - session.opened) for session in sessions),
        charged=run_cost(state).seconds
        + sum(state.unreported_seconds(trial, now) for trial in running),
        reported=any(trial.reports for trial in state.trials.values()),
    )


def trained_epochs(before: Report | None, report: Report) -> float:
    """Return the epochs trained between a report and the one before it."""
    same_run = before is not None and before.fraction == report.fraction
    gone = before.epoch if before is not None and same_run else 0.0
    return (report.epoch - gone) * report.fraction


def cost_table(state: RunState) -> dict[tuple[str, str], Cost]:
    """Return the cost by (stage, outcome); outcomes: useful, stopped, failed, open."""
    table: dict[tuple[str, str], Cost] = {}
    for trial in state.trials.values():
        cost = trial_cost(trial)
        if cost.trials:
            key = (trial.stage, _OUTCOME.get(trial.status, OPEN))
            table.setdefault(key, Cost()).add(cost)
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
        for stage, outcome, cost in [*rows, ("all", "", run_cost(state))]
    ]


def device_name(resources: Resources) -> str:
    """Return the unit of `Cost.device_hours`: `GPU`, or `CPU` where a trial asks for no GPU."""
    return "GPU" if resources.gpus else "CPU"


def spent_text(cost: Cost, resources: Resources) -> str:
    """Return `18 epochs, 0.08 CPU-hours`."""
    hours = f"{cost.device_hours(resources):.2f} {device_name(resources)}-hours"
    return f"{counted(cost.epochs, 'epoch')}, {hours}"


def overhead_text(used: WorkerTime) -> str:
    """Return `2 workers, of whose time 3.1 % was charged to no trial`."""
    if not used.workers:
        return "no worker has run yet"
    if not used.reported:
        return f"{counted(used.workers, 'worker')}; no epoch is reported yet"
    workers = counted(used.workers, "worker")
    return f"{workers}, of whose time {100 * used.overhead:.1f} % was charged to no trial"


def total_cost(costs: Iterable[Cost]) -> Cost:
    """Return the sum of `costs`."""
    total = Cost()
    for cost in costs:
        total.add(cost)
    return total


@dataclass
class Meter:
    """The running total: `run_cost`, kept up to date event by event."""

    spent: Cost = field(default_factory=Cost)
    reports: float = 0.0
    """How many; on a fraction of the training images, each counts as that fraction."""
    _known: dict[str, tuple[Cost, int]] = field(default_factory=dict)

    def apply(self, trial: Trial) -> None:
        """Take in what has become of a trial."""
        before, known = self._known.get(trial.id, (Cost(), 0))
        now = trial_cost(trial)
        self.spent.replace(before, now)
        self.reports += sum(report.fraction for report in trial.reports[known:])
        self._known[trial.id] = now, len(trial.reports)

    def interval(self, spec: SearchSpec) -> float:
        """Return how many epochs a report interval has; for one in iterations, as known so far.

        Of intervals of different lengths, it is the longest one.
        """
        if spec.reports.needed is not None:
            ends = [0.0, *spec.reports.needed, float(spec.epochs)]
            return max(end - start for start, end in pairwise(ends))
        if spec.report_every.unit == "epoch":
            return float(min(spec.report_every.count, spec.epochs))
        return self.spent.epochs / self.reports if self.reports else 0.0
