"""The search trials as an Optuna study, for its dashboard."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.errors import UsageError
from tid_tune.ledger.records import ROUNDING, Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.searchfile.model import SearchSpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState

_LEFT_OUT = {Status.PENDING, Status.RUNNING, Status.DUPLICATE}


def write_optuna(state: RunState, spec: SearchSpec, path: Path) -> None:
    """Write the search trials as an Optuna study into a new sqlite file at `path`.

    The study is named like the search. Stopped trials are PRUNED with their value at the rung,
    failed ones FAIL, running ones are left out; lists and dicts among the values become JSON text.
    A step is an epoch; a thousandth of one where trials report within epochs.

    Raises:
        UsageError: the file exists.
    """
    import optuna
    from optuna.study import StudyDirection

    from tid_tune.space.optuna_forms import quiet_optuna

    if path.exists():
        raise UsageError(f"{path} exists; name another file or delete it")
    space = {
        # Values of trials from an earlier space fit, too.
        name: dist.to_optuna([t.params[name] for t in state.trials.values() if name in t.params])
        for name, dist in spec.space.items()
    }
    unit = _steps_per_epoch(state)
    with quiet_optuna():
        study = optuna.create_study(
            storage=_storage(path),
            study_name=spec.name,
            directions=[
                StudyDirection.MAXIMIZE if direction == "max" else StudyDirection.MINIMIZE
                for direction in spec.objectives.values()
            ],
        )
        study.add_trials(
            [
                _frozen(trial, spec, space, unit)
                for trial in state.trials.values()
                if trial.stage == "search" and trial.status not in _LEFT_OUT
            ]
        )


def _storage(path: Path) -> RDBStorage:
    """Return a storage that does not sync each row: an export can be made again."""
    from optuna.storages import RDBStorage

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, check_same_thread=False)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        return connection

    return RDBStorage(f"sqlite:///{path}", engine_kwargs={"creator": connect})


def _steps_per_epoch(state: RunState) -> int:
    """Return what epochs are multiplied by: Optuna compares trials at steps, which are integers."""
    epochs = [report.epoch for trial in state.trials.values() for report in trial.reports]
    return 1 if all(abs(epoch - round(epoch)) < ROUNDING for epoch in epochs) else 1000


def _frozen(
    trial: Trial, spec: SearchSpec, space: Mapping[str, BaseDistribution], unit: int
) -> FrozenTrial:
    from optuna.trial import create_trial

    from tid_tune.space.optuna_forms import storable

    state, values = _outcome(trial, spec)
    first = spec.first_objective
    params = {n: storable(v) for n, v in trial.params.items() if n in space}
    frozen = create_trial(
        state=state,
        values=values,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values=(
            {
                round(report.epoch * unit): report.metrics[first]
                for report in trial.reports
                if first in report.metrics
            }
            if len(spec.objectives) == 1
            else {}
        ),
        user_attrs={
            "trial": trial.id,
            "method": trial.method,
            "origin": trial.origin,
            "status": trial.status.value,
            "reason": trial.reason[:2000],
        },
    )
    started, ended = trial.started, trial.ended
    frozen.datetime_start = None if started is None else datetime.fromtimestamp(started)
    if ended is not None and state.is_finished():
        frozen.datetime_complete = datetime.fromtimestamp(ended)
    return frozen


def _outcome(trial: Trial, spec: SearchSpec) -> tuple[TrialState, list[float] | None]:
    from optuna.trial import TrialState

    if trial.status is Status.COMPLETED and trial.last is not None:
        return TrialState.COMPLETE, [trial.last.metrics[name] for name in spec.objectives]
    if trial.status in (Status.STOPPED, Status.PAUSED, Status.INTERRUPTED):
        last = trial.last
        values = None if last is None else [last.metrics[name] for name in spec.objectives]
        return TrialState.PRUNED, values
    return TrialState.FAIL, None
