"""How the runs of trials end, and what the trials are then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tid_tune.errors import printable
from tid_tune.ledger.decisions import Cause, Continue, Decision, Fail, Pause, Stop, Suspend
from tid_tune.ledger.records import Status, Trial, missing_objectives
from tid_tune.search.journal import Journal
from tid_tune.searchfile.model import Failures

MESSAGE_LENGTH = 4000


class Endings:
    """Records the ends of runs. What is said of a trial that does not run is ignored.

    Args:
        journal: where they are recorded.
        objectives: that every report must have.
        failures: which failures are tried again.
    """

    def __init__(self, journal: Journal, objectives: Iterable[str], failures: Failures) -> None:
        self._journal = journal
        self._objectives = tuple(objectives)
        self._failures = failures

    def complete(self, trial: Trial) -> None:
        """Record that a trial has finished."""
        if trial.status is not Status.RUNNING:
            return
        if trial.last is None:
            reason = f"it ended without reporting {', '.join(self._objectives)}"
            self._journal.end(trial, Status.FAILED, reason, Cause.USER)
        elif not trial.full_length:
            reason = f"it ended by itself at epoch {trial.epoch:g} of {trial.epochs}"
            self._journal.end(trial, Status.STOPPED, reason)
        else:
            self._journal.end(trial, Status.COMPLETED)

    def fail(self, trial: Trial, cause: Cause, message: str) -> None:
        """Record that a trial failed, or that it is tried again."""
        if trial.status is not Status.RUNNING:
            return
        if cause is Cause.CROWDED and (trial.crowded or not trial.pack):
            cause = Cause.OOM  # It had the worker to itself.
        status = Status.INTERRUPTED if self._is_tried_again(trial, cause) else Status.FAILED
        text = printable(message[:MESSAGE_LENGTH])
        self._journal.end(trial, status, text, cause)

    def _is_tried_again(self, trial: Trial, cause: Cause) -> bool:
        match cause:
            case Cause.CROWDED | Cause.PREEMPTED | Cause.STORAGE:
                return True
            case Cause.DAMAGED:
                return trial.position.checkpoint is not None
            case Cause.LOST:
                return trial.losses < self._failures.retries
            case Cause.OOM:
                return self._failures.smaller_parts and not trial.in_parts
        return False

    def interrupt(self, trial: Trial) -> None:
        """Record that a run is ended from outside."""
        if trial.status is Status.RUNNING:
            reason = "the search was interrupted"
            self._journal.end(trial, Status.INTERRUPTED, reason, Cause.SIGNAL)

    def carry_out(self, decision: Decision, trial: Trial) -> None:
        """End a run, unless the decision on its last report is to continue."""
        match decision:
            case Fail():
                self._journal.end(trial, Status.FAILED, decision.reason, decision.cause)
            case Stop():
                self._journal.end(trial, Status.STOPPED, decision.reason)
            case Pause():
                self._journal.end(trial, Status.PAUSED, decision.reason)
            case Suspend():
                self._journal.end(trial, Status.INTERRUPTED, decision.reason, decision.cause)

    def finish_decided(self) -> None:
        """End the trials whose outcome was recorded before the driver could record their end."""
        state = self._journal.state
        for _, name in list(state.waiting):
            trial = state.trials[name]
            if trial.cause is not Cause.DRIVER or trial.last is None:
                continue
            if isinstance(trial.decision, Continue) and trial.full_length:
                self._journal.end(trial, Status.COMPLETED)
            elif missing_objectives(trial.last.metrics, self._objectives):
                # In ledgers of version 1 such a failure is recorded as a stop.
                self.carry_out(Fail(trial.decision.reason), trial)
            else:
                self.carry_out(trial.decision, trial)


def missing_message(name: str, metrics: Mapping[str, float], epoch: float) -> str:
    """Return why a report without a finite value of an objective is a failure."""
    if name in metrics:
        return f"objective {name} is {metrics[name]} at epoch {epoch:g}"
    known = ", ".join(sorted(metrics)) or "nothing"
    return f"objective {name} was not reported at epoch {epoch:g}; reported: {known}"
