"""The trials as event files for TensorBoard: scalars by epoch, and its table of values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.errors import UsageError
from tid_tune.files import write_text
from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.existing import Existing
from tid_tune.results.ranking import gain_at, undistilled
from tid_tune.results.steps import steps_per_epoch
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.values import Value

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

EVENTS = "events.out.tfevents.0.tid_tune"
"""The event file of a trial; TensorBoard looks for the middle of the name."""
ABOUT = "tid_tune.json"
"""Says which search a folder is of."""
GAIN = "gain"
_LEFT_OUT = {Status.PENDING, Status.RUNNING, Status.DUPLICATE}


def write_events(
    state: RunState, spec: SearchSpec, folder: Path, existing: Existing = Existing.REFUSE
) -> int:
    """Write a folder a trial into `folder`, with one event file each.

    A step is an epoch; a thousandth of one where trials report within epochs. Times are those of
    the ledger. Trials that are running are left out.

    Returns:
        How many trials were written.

    Raises:
        UsageError: TensorBoard is not installed, or the folder is not empty, or of another search.
    """
    _require_tensorboard()
    _claim(folder, state, spec, existing)
    unit, baselines = steps_per_epoch(state), undistilled(state)
    written = 0
    _write(folder / EVENTS, _config_events(state, spec))
    for trial in state.trials.values():
        place = folder / trial.id / EVENTS
        kept = existing is Existing.EXTEND and place.exists() and trial.status.final
        if trial.status in _LEFT_OUT or kept:
            continue
        _write(place, _events(trial, spec, baselines, unit))
        written += 1
    return written


def _require_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ModuleNotFoundError:
        raise UsageError(
            "TensorBoard is not installed; `pip install tensorboard`, or tid-tune with its extra "
            "`tensorboard`"
        ) from None


def _claim(folder: Path, state: RunState, spec: SearchSpec, existing: Existing) -> None:
    """Note in a folder which search it is of.

    Raises:
        UsageError: there is something else in it.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for --tensorboard")
    about = folder / ABOUT
    if folder.is_dir() and any(folder.iterdir()):
        known = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
        if known.get("run_id") != state.run_id:
            what = f"the trials of {known['name']}" if known else "files of something else"
            raise UsageError(f"{folder} has {what}; name another folder")
        if existing is Existing.REFUSE:
            raise UsageError(
                f"{folder} has trials of this search; add --overwrite or --extend (which adds the "
                "trials that are not in it)"
            )
    folder.mkdir(exist_ok=True)
    write_text(about, json.dumps({"name": spec.name, "run_id": state.run_id}) + "\n")


def _write(path: Path, events: Iterable[Event]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    path.parent.mkdir(exist_ok=True)
    part = path.with_name("part")
    with part.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(file_version="brain.Event:2").SerializeToString())
        for event in events:
            writer.write(event.SerializeToString())
    part.replace(path)


def _config_events(state: RunState, spec: SearchSpec) -> Iterator[Event]:
    """Yield what the plugin has to know of the whole search."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2

    names = dict.fromkeys(name for trial in state.trials.values() for name in _values(trial))
    metrics = [summary_v2.Metric(name, display_name=name) for name in (*spec.objectives, GAIN)]
    begun = state.sessions[0].opened if state.sessions else 0.0
    summary = summary_v2.hparams_config_pb(
        [summary_v2.HParam(name) for name in names], metrics, time_created_secs=begun
    )
    yield Event(wall_time=begun, summary=summary)


def _events(trial: Trial, spec: SearchSpec, baselines: list[Trial], unit: int) -> Iterator[Event]:
    """Yield a trial: its values, its metrics at each report, how it ended."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2

    begun = trial.started or 0.0
    values = _values(trial)
    yield Event(wall_time=begun, summary=summary_v2.hparams_pb(values, trial.id, begun))
    for report in trial.reports:
        step = round(report.epoch * unit)
        shown = report.metrics | _gain(trial, report, spec, baselines)
        yield Event(wall_time=report.time, step=step, summary=_scalars(shown))
    ended = trial.ended or begun
    yield Event(wall_time=ended, summary=_ending(trial, ended))


def _ending(trial: Trial, ended: float) -> Summary:
    # TensorBoard's own function for this needs TensorFlow.
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    failed = trial.status is Status.FAILED
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=ended)
    known = metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(session_end_info=info)
    )
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=known, tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])


def _scalars(metrics: dict[str, float]) -> Summary:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(
        value=[Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
    )


def _gain(
    trial: Trial, report: Report, spec: SearchSpec, baselines: list[Trial]
) -> dict[str, float]:
    """Return the gain over no distillation at this epoch, where it is known."""
    gain = gain_at(report, trial.seed, baselines, spec)
    return {} if gain is None else {GAIN: gain}


def _values(trial: Trial) -> dict[str, bool | int | float | str]:
    """Return what the plugin shows as a trial's hyperparameters."""
    known = {name: _shown(value) for name, value in trial.params.items()}
    about = {"stage": trial.stage, "label": trial.label, "method": trial.method}
    return known | {name: value for name, value in about.items() if value} | {"seed": trial.seed}


def _shown(value: Value) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
