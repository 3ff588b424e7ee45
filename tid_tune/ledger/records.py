"""The typed trial records that the ledger's events fold into."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tid_tune.ledger.decisions import CONTINUE, Cause, Decision


class Status(enum.StrEnum):
    """Where a trial stands."""

    PENDING = "pending"
    """Suggested, not started."""
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Its run ended from outside (driver killed, node lost, budget spent); goes on when it can."""
    PAUSED = "paused"
    """Waits at a rung until the scheduler continues or closes it."""
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    """Same values and seed as an earlier trial; that one's result is the answer."""

    @property
    def final(self) -> bool:
        """Whether nothing more can happen to the trial."""
        return self in _FINAL

    @property
    def words(self) -> str:
        """What a person reads: a search may be stopped, too."""
        return "stopped early" if self is Status.STOPPED else self.value


_FINAL = {Status.COMPLETED, Status.STOPPED, Status.FAILED, Status.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Report:
    """One report interval of a trial. `epoch` and `step` count from the start of the training."""

    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    images: int
    checkpoint: str | None
    segment: int
    fraction: float = 1.0
    """Of the training images."""
    time: float = 0.0
    digest: str = ""
    """Of the checkpoint's content; empty in earlier ledgers."""

    @property
    def position(self) -> Position:
        """Where a trial stands with this report."""
        return Position(self.step, self.epoch, self.checkpoint, self.digest)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a training: counted from its start, on the data that it is trained on."""

    step: int = 0
    epoch: float | None = 0.0
    """None: unknown, in ledgers of earlier versions."""
    checkpoint: str | None = None
    """Where to go on from; None: from scratch, or nothing was saved here."""
    digest: str = ""
    """Of the checkpoint's content; empty: unknown."""


MAX_SHARED_LOSSES = 2
"""A trial that has lost its worker so often is trained alone: it may be the cause of it."""


@dataclass
class Trial:
    """All that is known of one trial. Built by `RunState` only; read it, do not write it."""

    id: str
    number: int
    stage: str
    label: str
    params: dict[str, Any]
    edits: dict[str, Any]
    seed: int
    epochs: int
    origin: str
    method: str = ""
    """The compared method it belongs to; empty without a comparison."""
    fraction: float = 1.0
    """Of the training images, in the current segment."""
    of: str | None = None
    """confirm: the candidate it reruns; duplicate: the trial it equals; transfer: the source."""
    status: Status = Status.PENDING
    reason: str = ""
    cause: Cause | None = None
    """Of a failure or an interruption."""
    segment: int = -1
    node: str = ""
    reports: list[Report] = field(default_factory=list)
    decision: Decision = CONTINUE
    """On the last report of this run."""
    effective: dict[str, Any] | None = None
    """The values read back from the live objects when the trial was built last."""
    mode: dict[str, str] = field(default_factory=dict)
    """What changed its numbers beside the config, over all runs of this training; see `Proved`."""
    mode_before: dict[str, str] | None = None
    """The mode of the runs that the present one goes on from; None: it began from scratch."""
    restart: Position | None = None
    """Where to go on from, if that is a place in another trial's training."""
    damaged: set[str] = field(default_factory=set)
    """Checkpoints that turned out to be missing or damaged, and were not written again."""
    position: Position = Position()
    """Where it stands while it runs: at its start, then at its last report, repeated or not."""
    pack: str = ""
    """The pack that it was started in last; empty if it was started by itself."""
    crowded: bool = False
    """Whether it was out of memory beside the others of a pack."""
    in_parts: bool = False
    """Whether it was out of memory, and is trained in smaller parts of a batch since."""
    losses: int = 0
    """How often its node or process was lost."""
    repeated_seconds: float = 0.0
    """Spent on reports that were already there."""
    unreported_seconds: float = 0.0
    """Between a placing or report and an end of its run: what failed, was lost or interrupted."""
    active_since: float | None = None
    """While a worker has it: the time of its last report in this segment, or of its placing."""
    charged: float = 0.0
    """The reading of its pack's time at `active_since`."""
    started: float | None = None
    ended: float | None = None

    @property
    def alone(self) -> bool:
        """Whether it may not be trained beside others any more."""
        return self.crowded or self.in_parts or self.losses >= MAX_SHARED_LOSSES

    @property
    def identity(self) -> tuple[str, str, int]:
        """What makes a planned trial the same one after a resume."""
        return self.stage, self.label, self.seed

    @property
    def last(self) -> Report | None:
        """The latest report."""
        return self.reports[-1] if self.reports else None

    @property
    def epoch(self) -> float:
        """How far it has come, in epochs; on a fraction of the data, in epochs of that."""
        return self.reports[-1].epoch if self.reports else 0.0

    @property
    def last_here(self) -> Report | None:
        """The latest report on the part of the data that it is trained on now."""
        last = self.last
        return last if last is not None and last.fraction == self.fraction else None

    @property
    def epoch_here(self) -> float:
        """The epochs trained on the part of the data that it is trained on now."""
        last = self.last_here
        return 0.0 if last is None else last.epoch

    def has_reported(self, epoch: float) -> bool:
        """Return whether it has come as far as `epoch` before, on the data it is trained on now.

        Epochs, not iterations: an epoch's length follows the batch size, which may have changed.
        """
        last = self.last_here
        return last is not None and reached(last.epoch, epoch)

    @property
    def full_length(self) -> bool:
        """Whether it reported at its full length on all training images."""
        last = self.last
        return last is not None and last.fraction == 1.0 and reached(last.epoch, self.epochs)

    def resume_point(self) -> Position:
        """Return where to go on from."""
        return next(self.resume_points(), Position())

    def resume_points(self) -> Iterator[Position]:
        """Yield the places to go on from, the best one first: the next one serves if it is damaged.

        The last resort, to start from scratch, is not among them.
        """
        if self.restart is not None and self.restart.checkpoint not in self.damaged:
            yield self.restart
        for report in reversed(self.reports):
            if report.fraction != self.fraction:
                break
            if report.checkpoint is not None and report.checkpoint not in self.damaged:
                yield report.position

    def value(self, objective: str) -> float | None:
        """Return the objective at the last report, or None without a report."""
        last = self.last
        return None if last is None else last.metrics.get(objective)

    def report_at(self, epoch: float) -> Report | None:
        """Return the first report on all data at or behind `epoch`."""
        for report in self.reports:
            if report.fraction == 1.0 and reached(report.epoch, epoch):
                return report
        return None

    def value_at(self, objective: str, epoch: float) -> float | None:
        """Return the objective of `report_at(epoch)`."""
        report = self.report_at(epoch)
        return None if report is None else report.metrics.get(objective)


ROUNDING = 1e-6
"""Epochs that differ by no more than this are equal: they are quotients of iteration counts."""


def reached(epoch: float, level: float) -> bool:
    """Whether `epoch` is at or behind `level`, rounding errors aside."""
    return epoch >= level - ROUNDING


def missing_objectives(metrics: dict[str, float], objectives: Iterable[str]) -> list[str]:
    """Return the objectives that are absent from `metrics` or not finite there."""
    return [name for name in objectives if not math.isfinite(metrics.get(name, math.nan))]


DEFAULT_MODE = "default"
"""A part of a trial's mode that one of its runs did not have."""


def joined_mode(before: dict[str, str] | None, now: dict[str, str]) -> dict[str, str]:
    """Return the mode of a training whose runs had other modes: `float16 then default`.

    Args:
        before: of the runs so far; None: there was none.
        now: of the present run.
    """
    if before is None or before == now:
        return now
    joined = {}
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name, DEFAULT_MODE), now.get(name, DEFAULT_MODE)
        joined[name] = old if old.split(" then ")[-1] == new else f"{old} then {new}"
    return joined
