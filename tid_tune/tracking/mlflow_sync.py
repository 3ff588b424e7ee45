"""Copies the ledger to MLflow: one parent run per search, one child run per trial.

The ledger is written by the search, whatever MLflow does. A `Mirror` reads it from its own offset
and brings MLflow up to date; how far each child has come is kept on the MLflow side as a tag, so
that copying again after a crash, a resume or a dead server adds what is missing and nothing twice.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from tid_tune.ledger.events import (
    Changed,
    Closed,
    Ended,
    Event,
    Opened,
    Proved,
    Reported,
    ResultDecided,
    Started,
    Suggested,
)
from tid_tune.ledger.records import Status, joined_mode
from tid_tune.passwords import without_secrets
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.address import Address
from tid_tune.tracking.failures import RefusedError
from tid_tune.tracking.names import child_name
from tid_tune.tracking.writer import VALUE_LENGTH, Writer

RUN_TAG = "tid_tune.run"
TRIAL_TAG = "tid_tune.trial"
REPORTS_TAG = "tid_tune.reports"
ORIGIN_TAG = "tid_tune.origin"
REASON_TAG = "tid_tune.reason"
PACK_TAG = "tid_tune.pack"
MODE_TAG = "tid_tune.mode"
"""A tag for each part of a trial's mode: `tid_tune.mode.teacher`."""
PARENT_TAG = "mlflow.parentRunId"
STATUS = {
    Status.COMPLETED: "FINISHED",
    Status.STOPPED: "KILLED",
    Status.INTERRUPTED: "KILLED",
    Status.PAUSED: "SCHEDULED",
    Status.DUPLICATE: "FINISHED",
    Status.FAILED: "FAILED",
}
OPEN = ("RUNNING", "SCHEDULED")


class Mirror:
    """Applies ledger events to one MLflow experiment. Not thread-safe; errors are MLflow's.

    Attributes:
        writer: knows what was left out, and which names were replaced.
    """

    def __init__(self, spec: SearchSpec, run_id: str, address: Address) -> None:
        self._spec = spec
        self._run_id = run_id
        self._address = address
        self._client = MlflowClient(tracking_uri=address.uri)
        self.writer = Writer(self._client)
        self._children: dict[str, str] = {}
        # How many reports of a child are in MLflow, and how many this mirror has read of it.
        # No step or epoch: a trial that gets more data, or other weights, starts these again.
        self._copied: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._fractions: dict[str, float] = {}
        self._ended: set[str] = set()
        self._paused: set[str] = set()
        self._modes: dict[str, dict[str, str]] = {}
        # The modes of the runs that the present one of a child goes on from.
        self._before: dict[str, dict[str, str] | None] = {}
        self._parent = ""
        self._parent_status, self._failed = "KILLED", False
        self._fixed = {name for name, dist in spec.space.items() if dist.is_fixed}
        self.experiment_id = ""

    def connect(self) -> None:
        """Find or make the experiment and the parent run, and learn how far each child is.

        Raises:
            RefusedError: the experiment is deleted.
        """
        self.experiment_id = self._experiment()
        for run in self._runs():
            trial = run.data.tags.get(TRIAL_TAG)
            if trial is None:
                self._parent = run.info.run_id
                continue
            self._children[trial] = run.info.run_id
            # MLflow keeps a point that is written again once: runs of earlier versions have no tag.
            self._copied[trial] = int(run.data.tags.get(REPORTS_TAG, 0))
            if run.info.status not in OPEN:
                self._ended.add(trial)
        if not self._parent:
            self._parent = self._client.create_run(
                self.experiment_id, run_name=self._spec.name, tags={RUN_TAG: self._run_id}
            ).info.run_id
            parent, text = self._parent, without_secrets(_plain_yaml(self._spec))
            self.writer.files(
                parent, "spec.yaml", lambda: self._client.log_text(parent, text, "spec.yaml")
            )

    def _experiment(self) -> str:
        address = self._address
        number, name = address.experiment_id, address.experiment
        client = self._client
        by_name = client.get_experiment_by_name(name) if number is None else None
        found = by_name if number is None else client.get_experiment(number)
        if found is None:
            return str(self._client.create_experiment(address.experiment))
        if found.lifecycle_stage != "active":
            raise RefusedError(
                f"the experiment {found.name!r} is deleted. Restore it with `mlflow experiments "
                f"restore --experiment-id {found.experiment_id}`, or name another one in "
                "tracking.experiment"
            )
        return str(found.experiment_id)

    def _runs(self) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.`{RUN_TAG}` = '{self._run_id}'",
                max_results=1000,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def apply(self, event: Event) -> None:
        """Take in one event, which is in MLflow after `flush`; those already there are skipped."""
        match event:
            case Opened():
                self._parent_status, self._failed = "KILLED", False
                self.writer.status(self._parent, "RUNNING")
            case Suggested():
                self._suggest(event)
            case Changed():
                self._change(event)
            case Started():
                self._reopen(event)
            case Proved():
                self._prove(event)
            case Reported():
                self._report(event)
            case Ended():
                self._end(event)
            case ResultDecided():
                self._failed = event.winner is None
            case Closed():
                self._parent_status = "FAILED" if self._failed else "FINISHED"
                self.writer.end(self._parent, self._parent_status)

    def _suggest(self, event: Suggested) -> None:
        trial = event.trial
        self._fractions[trial], self._seen[trial] = event.fraction, 0
        if trial in self._children:
            return
        tags = {
            RUN_TAG: self._run_id,
            TRIAL_TAG: trial,
            PARENT_TAG: self._parent,
            "tid_tune.stage": event.stage,
            "tid_tune.seed": str(event.seed),
            ORIGIN_TAG: event.origin[:VALUE_LENGTH],
        }
        run = self._client.create_run(
            self.experiment_id,
            start_time=_milliseconds(event),
            run_name=child_name(event, self._fixed),
            tags=tags,
        )
        self._children[trial] = run.info.run_id
        self._copied[trial] = 0
        self.writer.params(run.info.run_id, event.params)

    def _change(self, event: Changed) -> None:
        """Record other values or data of a trial as tags, since MLflow's params are final."""
        self._fractions[event.trial] = event.fraction
        if not self._is_new(event.trial):
            return
        now = {f"now.{key}": value for key, value in event.params.items()}
        self.writer.tags(self._children[event.trial], {ORIGIN_TAG: event.origin, **now})

    def _is_new(self, trial: str) -> bool:
        """Whether what follows in the ledger is not in MLflow yet."""
        return self._seen[trial] >= self._copied[trial]

    def _reopen(self, event: Started) -> None:
        """Continue a trial that was paused or interrupted in the run it had."""
        trial = event.trial
        self._before[trial] = self._modes.get(trial, {}) if event.checkpoint else None
        interrupted = trial in self._ended and self._is_new(trial)
        if trial in self._paused or interrupted:
            self.writer.status(self._children[trial], "RUNNING")
            self._paused.discard(trial)
            self._ended.discard(trial)
        if event.pack and self._is_new(trial):
            self.writer.tags(self._children[trial], {PACK_TAG: event.pack})

    def _prove(self, event: Proved) -> None:
        """Record what changes the numbers of a trial beside its values."""
        mode = joined_mode(self._before.get(event.trial), event.mode)
        self._modes[event.trial] = mode
        if mode and self._is_new(event.trial):
            tags = {f"{MODE_TAG}.{name}": value for name, value in mode.items()}
            self.writer.tags(self._children[event.trial], tags)

    def _report(self, event: Reported) -> None:
        trial = event.trial
        if event.repeated:
            return
        self._seen[trial] += 1
        values = self._values(event)
        if self._seen[trial] <= self._copied[trial]:
            self.writer.know(values)
            return
        run = self._children[trial]
        self.writer.metrics(run, values, _milliseconds(event), round(event.epoch))
        self.writer.tags(run, {REPORTS_TAG: self._seen[trial]})
        self._copied[trial] = self._seen[trial]

    def _values(self, event: Reported) -> dict[str, float]:
        """Return the metrics of a report by their names in MLflow."""
        # MLflow's charts have no use for NaN and infinities.
        values = {key: value for key, value in event.metrics.items() if math.isfinite(value)}
        # The latest mAP of a stopped run belongs to its rung: only equal lengths compare.
        rungs = {f"rungs/{k}_{event.epoch:g}": values[k] for k in self._objectives(values)}
        values |= {**rungs, "seconds": event.seconds}
        fraction = self._fractions[event.trial]
        # An epoch of a part of the data is no point of the same curve.
        part = "" if fraction == 1.0 else f"data_{fraction:.3g}/"
        return {part + key: value for key, value in values.items()}

    def _objectives(self, values: Mapping[str, float]) -> list[str]:
        return [key for key in self._spec.objectives if key in values]

    def _end(self, event: Ended) -> None:
        trial, status = event.trial, STATUS[event.status]
        if trial in self._ended:
            return
        run = self._children[trial]
        if event.reason:
            self.writer.tags(run, {REASON_TAG: event.reason})
        if event.status is Status.PAUSED:
            self.writer.status(run, status)
            self._paused.add(trial)
            return
        self.writer.end(run, status, _milliseconds(event))
        self._ended.add(trial)

    def flush(self) -> None:
        """Bring MLflow up to date with the events so far."""
        self.writer.flush()

    def interrupt(self) -> None:
        """Mark the parent run as one that is not running, unless the search is over."""
        self.writer.end(self._parent, self._parent_status)

    def log_result(self, metrics: Mapping[str, float], artifacts: Iterable[str]) -> None:
        """Write the search's own figures, files and folders to the parent run, and its status.

        A search that was interrupted is KILLED until it goes on.
        """
        finite = {key: value for key, value in metrics.items() if math.isfinite(value)}
        self.writer.metrics(self._parent, finite, int(time.time() * 1000), 0)
        for path in map(Path, artifacts):
            self.writer.files(self._parent, path.name, partial(self._log_path, path))
        self.writer.end(self._parent, self._parent_status)

    def _log_path(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self._parent, str(path), artifact_path=path.name)
        else:
            self._client.log_artifact(self._parent, str(path))


def _milliseconds(event: Event) -> int:
    return int(event.time * 1000)


def _plain_yaml(spec: SearchSpec) -> str:
    stream = io.StringIO()
    YAML(typ="safe").dump(spec.model_dump(mode="json", exclude_none=True), stream)
    return stream.getvalue()
