"""The runs of trials in MLflow: one for each, with its values, its reports and how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlflow.entities import Run

from tid_tune.ledger.events import (
    Changed,
    Ended,
    Event,
    Placed,
    Proved,
    Reported,
    Started,
    Suggested,
)
from tid_tune.ledger.records import Status, Trial
from tid_tune.space.distributions.numeric import Numeric
from tid_tune.space.space import METHOD_PATH
from tid_tune.tracking.context import Context
from tid_tune.tracking.metrics import ReportMetrics
from tid_tune.tracking.names import LOG10, param_names, plain, trial_name
from tid_tune.tracking.tags import (
    CAUSE_TAG,
    METHOD_TAG,
    MODE_TAG,
    NODE_TAG,
    NOTE_TAG,
    ORIGIN_TAG,
    OUTCOME_TAG,
    PACK_TAG,
    PARENT_TAG,
    REASON_TAG,
    RUN_TAG,
    SEED_TAG,
    STAGE_TAG,
    TRIAL_TAG,
)
from tid_tune.tracking.writer import VALUE_LENGTH

REPORTS = "cost/reports"
"""How many reports of a trial are in MLflow. A metric, since a tag doubles the cost of a call."""
NO_STEP = 0
"""The step of a metric with one point: MLflow draws a bar for each run then, not a line."""
STATUS = {
    # Stopped early is what a search is for: MLflow shows KILLED as it shows FAILED.
    Status.COMPLETED: "FINISHED",
    Status.STOPPED: "FINISHED",
    Status.DUPLICATE: "FINISHED",
    Status.INTERRUPTED: "KILLED",
    Status.PAUSED: "SCHEDULED",
    Status.FAILED: "FAILED",
}
OPEN = ("RUNNING", "SCHEDULED")
RENAME_SECONDS = 30.0
"""The name of a running trial is not written more often: a call for each report would cost most."""


@dataclass
class _Child:
    """The run of a trial."""

    run: str = ""
    """Its id; empty while it is not in MLflow yet."""
    started: int = 0
    copied: int = 0
    """Reports in MLflow. No step or epoch: more data, or other weights, start these again."""
    seen: int = 0
    """Reports that this mirror has read."""
    ended: bool = False
    paused: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    """Of a run that is not in MLflow yet, like `params`."""
    params: dict[str, object] = field(default_factory=dict)
    named: float = -math.inf
    """When its name was written last, on a clock of its own."""

    @property
    def is_new(self) -> bool:
        """Whether what follows in the ledger is not in MLflow yet."""
        return self.seen >= self.copied


class TrialRuns:
    """Writes the runs of trials."""

    def __init__(self, context: Context) -> None:
        self._spec, self._run_id = context.spec, context.run_id
        self._standing, self._subject = context.standing, context.subject
        self._client, self._writer = context.client, context.writer
        self._files = context.files
        self._children: dict[str, _Child] = {}
        self._unborn: dict[str, _Child] = {}
        self._unnamed: dict[str, Trial] = {}
        self._metrics = ReportMetrics(self._spec)
        self._params = param_names([*self._spec.space, METHOD_PATH])
        self._logged = {
            name for name, d in self._spec.space.items() if isinstance(d, Numeric) and d.is_log
        }
        self.parent = self.experiment = ""

    def find(self, run: Run) -> None:
        """Learn how far a run in MLflow is."""
        child = self._children[run.data.tags[TRIAL_TAG]] = _Child(run.info.run_id)
        # MLflow keeps a point that is written again once: runs of earlier versions have no count,
        # and get everything again, by the present names.
        if REPORTS in run.data.metrics or OUTCOME_TAG in run.data.tags:
            child.copied = int(run.data.metrics.get(REPORTS, 0))
            child.ended = run.info.status not in OPEN

    def id_of(self, trial: Trial) -> str:
        """Return the id of a trial's run; empty while it has none."""
        child = self._children.get(trial.id)
        return "" if child is None else child.run

    def apply(self, event: Event, trial: Trial) -> None:
        """Take in an event of a trial."""
        if isinstance(event, Suggested):
            self._suggest(event)
            return
        child = self._children[trial.id]
        match event:
            case Changed() if child.is_new:
                # MLflow's params are final.
                names = self._params
                now = {f"now.{names.get(k, k)}": str(v) for k, v in event.params.items()}
                self._tag(child, {ORIGIN_TAG: event.origin, **now})
            case Started():
                self._start(child, event)
            case Placed() if child.is_new and event.node:
                self._tag(child, {NODE_TAG: event.node})
            case Proved() if child.is_new:
                self._prove(child, trial)
            case Reported() if not event.repeated:
                self._report(child, trial, event)
            case Ended():
                self._end(child, trial, event)

    def _suggest(self, event: Suggested) -> None:
        child = self._children.setdefault(event.trial, _Child())
        if child.copied or child.ended:
            return
        child.started = milliseconds(event)
        tags = {
            RUN_TAG: self._run_id,
            TRIAL_TAG: event.trial,
            STAGE_TAG: event.stage,
            METHOD_TAG: event.method or str(event.edits.get(METHOD_PATH, "")),
            SEED_TAG: str(event.seed),
            ORIGIN_TAG: event.origin[:VALUE_LENGTH],
            OUTCOME_TAG: "running",
        }
        self._tag(child, {name: value for name, value in tags.items() if value})
        own = self._subject.own_values(event.edits.get(METHOD_PATH))
        # Those of a baseline are known when it is built, and a parameter in MLflow is final.
        self._param(child, {**own, **event.params} if event.stage == "search" else event.params)
        if not child.run:
            self._unborn[event.trial] = child

    def _start(self, child: _Child, event: Started) -> None:
        """Continue a trial that was paused or interrupted in the run it had."""
        if child.paused or (child.ended and child.is_new):
            self._writer.tags(child.run, {OUTCOME_TAG: "running"})
            self._writer.state(child.run, "RUNNING")
            child.paused = child.ended = False
        if event.pack and child.is_new:
            self._tag(child, {PACK_TAG: event.pack})

    def _prove(self, child: _Child, trial: Trial) -> None:
        """Record what changes the numbers of a trial beside its values, and a baseline's values."""
        if trial.mode:
            self._tag(child, {f"{MODE_TAG}.{name}": mode for name, mode in trial.mode.items()})
        if trial.stage != "search":
            own = self._subject.own_values(trial.edits.get(METHOD_PATH))
            self._param(child, {**own, **(trial.effective or {}), **trial.params})

    def _report(self, child: _Child, trial: Trial, event: Reported) -> None:
        child.seen += 1
        values, rungs = self._metrics.of(trial, event), self._metrics.at_rung(trial, event)
        is_new, at = child.seen > child.copied, milliseconds(event)
        if not is_new:
            self._writer.know({**values, **rungs})
        else:
            run = self._run(child, trial)
            self._writer.metrics(run, values, at, round(event.epoch))
            self._writer.metrics(run, rungs, at, NO_STEP)
            self._writer.metrics(run, {REPORTS: child.seen}, at, child.seen)
            child.copied = child.seen
            self._unnamed[trial.id] = trial
        for gain in self._standing.gains(trial):
            # Of other trials, gains are written again after a crash: MLflow keeps each point once.
            other = self._children[gain.trial.id]
            if math.isfinite(gain.value) and (is_new or other is not child) and other.run:
                step, time_of = round(gain.report.epoch), int(gain.report.time * 1000)
                self._writer.metrics(other.run, {"gain": gain.value}, time_of, step)
                self._unnamed[gain.trial.id] = gain.trial

    def _end(self, child: _Child, trial: Trial, event: Ended) -> None:
        if child.ended:
            return
        run, cause = self._run(child, trial), "" if event.cause is None else event.cause.value
        tags = {OUTCOME_TAG: event.status.value, REASON_TAG: event.reason, CAUSE_TAG: cause}
        if event.reason:  # lists of tags cut it
            tags[NOTE_TAG] = f"**{event.status.value}**: {plain(event.reason)}"
        self._writer.tags(run, {name: value for name, value in tags.items() if value})
        if trial.reports and event.status.final:
            self._files.data(run)
        # A stopped trial has no files: most are, and each file is a call.
        if trial.full_length or event.status is Status.FAILED:
            self._files.of_trial(run, trial)
        goes_on = event.status is Status.PAUSED
        self._writer.state(
            run,
            STATUS[event.status],
            name=self._name(trial),
            at=None if goes_on else milliseconds(event),
        )
        child.paused, child.ended = goes_on, not goes_on
        self._unnamed.pop(trial.id, None)

    def flush(self, *, last: bool = False) -> None:
        """Make the runs of new trials, and write the names that have changed.

        Args:
            last: write also those that were written a moment ago: nothing comes after this.
        """
        for name, child in list(self._unborn.items()):
            self._run(child, self._standing.state.trials[name])
        now = time.monotonic()
        for name, trial in list(self._unnamed.items()):
            child = self._children[name]
            if last or now - child.named >= RENAME_SECONDS:
                child.named = now
                del self._unnamed[name]
                status = STATUS.get(trial.status, "RUNNING")
                self._writer.state(child.run, status, name=self._name(trial))

    def _run(self, child: _Child, trial: Trial) -> str:
        """Return the id of a trial's run, which is made if it is not there."""
        if not child.run:
            made = self._client.create_run(
                self.experiment,
                start_time=child.started or None,
                run_name=self._name(trial),
                tags=child.tags | {PARENT_TAG: self.parent},
            )
            child.run, child.named = made.info.run_id, time.monotonic()
            self._writer.params(child.run, child.params)
            self._unborn.pop(trial.id, None)
        return child.run

    def _name(self, trial: Trial) -> str:
        return trial_name(trial, self._spec, self._standing.gain(trial))

    def _tag(self, child: _Child, tags: Mapping[str, str]) -> None:
        if child.run:
            self._writer.tags(child.run, tags)
        else:
            child.tags |= tags

    def _param(self, child: _Child, params: Mapping[str, object]) -> None:
        """Log values, and the decimal logarithms of those that are searched on a log scale."""
        values = {self._params.get(path, path): value for path, value in params.items()}
        logs = {
            f"{LOG10}{self._params[path]}": f"{math.log10(value):.6g}"
            for path, value in params.items()
            if path in self._logged and isinstance(value, int | float) and value > 0
        }
        if child.run:
            self._writer.params(child.run, {**values, **logs})
        else:
            child.params |= {**values, **logs}


def milliseconds(event: Event) -> int:
    """Return the time of an event as MLflow takes it."""
    return int(event.time * 1000)
