"""A small search as events, and what MLflow has of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import (
    Closed,
    Ended,
    Event,
    Opened,
    Reported,
    Started,
    Suggested,
    to_line,
)
from tid_tune.ledger.records import Status
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.address import Address
from tid_tune.tracking.mlflow_sync import Mirror
from tid_tune.tracking.tags import TRIAL_TAG
from tid_tune.tracking.tracker import Copied, Tracker

MAP = "coco/bbox_mAP"
Params = dict[str, Any]


def suggest(trial: str, params: Params | None = None, label: str = "") -> Suggested:
    return Suggested(
        time=1.0,
        trial=trial,
        stage="search",
        label=label,
        params=params or {},
        edits=params or {},
        seed=3,
        origin="tpe",
        method="",
        epochs=2,
    )


def report(trial: str, step: int, value: float) -> Reported:
    return Reported(
        time=1.0 + step,
        trial=trial,
        step=step,
        epoch=float(step),
        metrics={MAP: value, "train/distill/key_raw": 0.5},
        seconds=2.0,
        images=8,
        checkpoint=None,
    )


def start(trial: str, step: int = 0) -> Started:
    return Started(time=1.0, trial=trial, segment=0, step=step)


def end(trial: str, status: Status, reason: str = "", cause: Cause | None = None) -> Ended:
    return Ended(time=9.0, trial=trial, status=status, reason=reason, cause=cause, epoch=1.0)


STORY: list[Event] = [
    Opened(spec={}, version=2, run_id="run", config_hash=None),
    suggest("t0001", {"optim_wrapper.optimizer.lr": 0.001}),
    start("t0001"),
    report("t0001", 1, 0.1),
    suggest("t0002", {"optim_wrapper.optimizer.lr": 0.002}),
    start("t0002"),
    report("t0001", 2, 0.3),
    end("t0001", Status.COMPLETED),
    report("t0002", 1, 0.05),
    end("t0002", Status.STOPPED, "rung 1: 0.05 is not in the best third"),
    suggest("t0003", {"optim_wrapper.optimizer.lr": 0.009}),
    start("t0003"),
    end("t0003", Status.FAILED, "the loss is not finite", Cause.NAN),
    Closed(time=10.0, reason="finished"),
]


def mirror(spec: SearchSpec, uri: str) -> Mirror:
    made = Mirror(spec, f"run-{spec.name}", Address(uri, spec.name))
    made.connect()
    return made


def copy_all(made: Mirror, events: Iterable[Event]) -> None:
    for event in events:
        made.apply(event)
    made.flush()


def children(spec: SearchSpec, uri: str) -> dict[str, Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(spec.name)
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags.get(TRIAL_TAG, "parent"): run for run in runs}


def trial_statuses(spec: SearchSpec, uri: str) -> list[str]:
    runs = children(spec, uri)
    return [runs[trial].info.status for trial in sorted(runs) if trial != "parent"]


def history(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    points = MlflowClient(uri).get_metric_history(run.info.run_id, metric)
    return [(p.step, p.value) for p in points]


def nobody(spec: SearchSpec) -> Address:
    """An address where no server answers."""
    return Address("http://127.0.0.1:9", spec.name)


def write(path: Path, events: list[Event]) -> None:
    with path.open("ab") as stream:
        stream.writelines(to_line(event) + b"\n" for event in events)


def track(
    spec: SearchSpec,
    ledger: Path,
    events: list[Event],
    uri: str,
    files: Iterable[str] = (),
) -> Copied:
    """Copy a whole search, as one command does."""
    write(ledger, events)
    tracker = Tracker(spec, "run", ledger, Address(uri, spec.name))
    tracker.start()
    tracker.notify(events[-1], None)
    return tracker.finish({"best": 0.5}, files)
