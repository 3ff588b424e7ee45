"""Copies the ledger to MLflow: one parent run per search, one child run per trial.

The ledger is written by the search, whatever MLflow does. A `Mirror` reads it from its own offset
and brings MLflow up to date; how far each child has come is kept on the MLflow side as a tag, so
that copying again after a crash, a resume or a dead server adds what is missing and nothing twice.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Container, Iterable, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from ruamel.yaml import YAML

from tid_tune.ledger.events import (
    Changed,
    Closed,
    Ended,
    Event,
    Reported,
    ResultDecided,
    Started,
    Suggested,
)
from tid_tune.ledger.records import Status
from tid_tune.searchfile.model import SearchSpec

RUN_TAG = "tid_tune.run"
TRIAL_TAG = "tid_tune.trial"
REPORTS_TAG = "tid_tune.reports"
ORIGIN_TAG = "tid_tune.origin"
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
PARAM_LENGTH = 6000
"""MLflow's limit on the length of a parameter's value."""


class Mirror:
    """Applies ledger events to one MLflow experiment. Not thread-safe; errors are MLflow's."""

    def __init__(self, spec: SearchSpec, run_id: str, uri: str) -> None:
        self._spec = spec
        self._run_id = run_id
        self._client = MlflowClient(tracking_uri=uri)
        self._children: dict[str, str] = {}
        # How many reports of a child are in MLflow, and how many this mirror has read of it.
        # No step or epoch: a trial that gets more data, or other weights, starts these again.
        self._copied: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._fractions: dict[str, float] = {}
        self._ended: set[str] = set()
        self._paused: set[str] = set()
        self._parent = ""
        self._failed = False
        self._fixed = {name for name, dist in spec.space.items() if dist.is_fixed}
        self.experiment_id = ""

    def connect(self) -> None:
        """Find or make the experiment and the parent run, and learn how far each child is."""
        name = self._spec.tracking.experiment or self._spec.name
        found = self._client.get_experiment_by_name(name)
        self.experiment_id = found.experiment_id if found else self._client.create_experiment(name)
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
            self._client.log_text(self._parent, _plain_yaml(self._spec), "spec.yaml")
        else:
            self._client.update_run(self._parent, status="RUNNING")

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
        """Bring MLflow up to date with one event; events already there are skipped."""
        match event:
            case Suggested():
                self._suggest(event)
            case Changed():
                self._change(event)
            case Started():
                self._reopen(event)
            case Reported():
                self._report(event)
            case Ended():
                self._end(event)
            case ResultDecided():
                self._failed = event.winner is None
            case Closed():
                self._close_parent()

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
            ORIGIN_TAG: event.origin[:PARAM_LENGTH],
        }
        run = self._client.create_run(
            self.experiment_id,
            start_time=_milliseconds(event),
            run_name=child_name(event, self._fixed),
            tags=tags,
        )
        self._children[trial] = run.info.run_id
        self._copied[trial] = 0
        params = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in event.params.items()]
        if params:
            self._client.log_batch(run.info.run_id, params=params)

    def _change(self, event: Changed) -> None:
        """Record other values or data of a trial as tags, since MLflow's params are final."""
        self._fractions[event.trial] = event.fraction
        if not self._is_new(event.trial):
            return
        run = self._children[event.trial]
        values = {f"now.{key}": str(value)[:PARAM_LENGTH] for key, value in event.params.items()}
        tags = {ORIGIN_TAG: event.origin[:PARAM_LENGTH], **values}
        self._client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])

    def _is_new(self, trial: str) -> bool:
        """Whether what follows in the ledger is not in MLflow yet."""
        return self._seen[trial] >= self._copied[trial]

    def _reopen(self, event: Started) -> None:
        """Continue a trial that was paused or interrupted in the run it had."""
        trial = event.trial
        interrupted = trial in self._ended and self._is_new(trial)
        if trial in self._paused or interrupted:
            self._client.update_run(self._children[trial], status="RUNNING")
            self._paused.discard(trial)
            self._ended.discard(trial)

    def _report(self, event: Reported) -> None:
        trial = event.trial
        if event.repeated:
            return
        self._seen[trial] += 1
        if self._seen[trial] <= self._copied[trial]:
            return
        at, epoch = _milliseconds(event), round(event.epoch)
        # MLflow's charts have no use for NaN and infinities.
        values = {key: value for key, value in event.metrics.items() if math.isfinite(value)}
        # The latest mAP of a stopped run belongs to its rung: only equal lengths compare.
        rungs = {f"rungs/{k}_{event.epoch:g}": values[k] for k in self._objectives(values)}
        values |= {**rungs, "seconds": event.seconds}
        fraction = self._fractions[trial]
        # An epoch of a part of the data is no point of the same curve.
        part = "" if fraction == 1.0 else f"data_{fraction:.3g}/"
        metrics = [Metric(part + key, value, at, epoch) for key, value in values.items()]
        tags = [RunTag(REPORTS_TAG, str(self._seen[trial]))]
        self._client.log_batch(self._children[trial], metrics=metrics, tags=tags)
        self._copied[trial] = self._seen[trial]

    def _objectives(self, values: Mapping[str, float]) -> list[str]:
        return [key for key in self._spec.objectives if key in values]

    def _end(self, event: Ended) -> None:
        trial, status = event.trial, STATUS[event.status]
        if trial in self._ended:
            return
        run = self._children[trial]
        if event.reason:
            self._client.set_tag(run, "tid_tune.reason", event.reason[:PARAM_LENGTH])
        if event.status is Status.PAUSED:
            self._client.update_run(run, status=status)
            self._paused.add(trial)
            return
        self._client.set_terminated(run, status=status, end_time=_milliseconds(event))
        self._ended.add(trial)

    def _close_parent(self) -> None:
        self._client.set_terminated(self._parent, "FAILED" if self._failed else "FINISHED")

    def log_result(self, metrics: Mapping[str, float], artifacts: Iterable[str]) -> None:
        """Write the search's own figures, files and folders to the parent run."""
        at = int(time.time() * 1000)
        values = [Metric(key, value, at, 0) for key, value in metrics.items()]
        self._client.log_batch(self._parent, metrics=values)
        for path in map(Path, artifacts):
            if path.is_dir():
                self._client.log_artifacts(self._parent, str(path), artifact_path=path.name)
            else:
                self._client.log_artifact(self._parent, str(path))


def child_name(event: Suggested, fixed: Container[str] = ()) -> str:
    """Return `t0007 key_weight=0.31 lr=0.002`: the trial, and its values except `fixed` ones."""
    if event.stage == "confirm":
        return f"{event.trial} confirm {event.label} seed {event.seed}"
    if event.stage == "baseline":
        return f"{event.trial} {event.label}"
    params = {key: value for key, value in event.params.items() if key not in fixed}
    values = [f"{key.rsplit('.', 1)[-1]}={_short(v)}" for key, v in params.items()]
    # The label of a search trial is its method, where several are compared.
    return " ".join([event.trial, *filter(None, [event.label]), *values])[:250]


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _milliseconds(event: Event) -> int:
    return int(event.time * 1000)


def _plain_yaml(spec: SearchSpec) -> str:
    stream = io.StringIO()
    YAML(typ="safe").dump(spec.model_dump(mode="json", exclude_none=True), stream)
    return stream.getvalue()
