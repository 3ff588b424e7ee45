"""What a report, and the end of a run, change in the record of their trial."""

from __future__ import annotations

import sys
from dataclasses import replace

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Ended, Reported
from tid_tune.ledger.records import Position, Report, Status, Trial, reached


def take_report(trial: Trial, event: Reported) -> None:
    """Take in a report of a running trial."""
    trial.position = Position(event.step, event.epoch, event.checkpoint, event.digest)
    if event.repeated:
        trial.repeated_seconds += event.seconds
        _replace_checkpoint(trial, event)
        return
    trial.reports.append(
        Report(
            step=event.step,
            epoch=event.epoch,
            metrics={sys.intern(name): value for name, value in event.metrics.items()},
            seconds=event.seconds,
            images=event.images,
            checkpoint=event.checkpoint,
            segment=trial.segment,
            fraction=trial.fraction,
            time=event.time,
            digest=event.digest,
        )
    )
    trial.decision = event.decision
    trial.restart = None
    if event.checkpoint is not None:
        trial.damaged.discard(event.checkpoint)


def take_end(trial: Trial, event: Ended) -> None:
    """Take in the end of a trial's run."""
    trial.status, trial.reason, trial.cause = event.status, event.reason, event.cause
    trial.ended = event.time
    trial.of = trial.of if event.of is None else event.of
    trial.unreported_seconds += event.seconds
    trial.active_since = None
    if trial.status is not Status.INTERRUPTED:
        return
    trial.losses += trial.cause is Cause.LOST
    trial.crowded |= trial.cause is Cause.CROWDED
    trial.in_parts |= trial.cause is Cause.OOM
    if trial.cause is Cause.DAMAGED and trial.position.checkpoint is not None:
        trial.damaged.add(trial.position.checkpoint)


def _replace_checkpoint(trial: Trial, event: Reported) -> None:
    """Let a repeated report's checkpoint take the place of the first one's, which is damaged."""
    if trial.restart is not None or event.checkpoint is None:
        return  # another trial's training: it goes on from there until it reports anew
    for at in reversed(range(len(trial.reports))):
        report = trial.reports[at]
        if report.fraction != trial.fraction or not reached(report.epoch, event.epoch):
            return
        if reached(event.epoch, report.epoch):
            trial.reports[at] = replace(report, checkpoint=event.checkpoint, digest=event.digest)
            trial.damaged.discard(event.checkpoint)
            return
