"""Baselines and search trials as an Optuna study, for its dashboard."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tid_tune.errors import UsageError
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.course import reference_levels
from tid_tune.results.existing import Existing
from tid_tune.results.ranking import gain_over_baseline, undistilled, winning_trial
from tid_tune.results.steps import steps_per_epoch
from tid_tune.searchfile.model import SearchSpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

_LEFT_OUT = {Status.PENDING, Status.RUNNING, Status.DUPLICATE}


def write_optuna(
    state: RunState, spec: SearchSpec, path: Path, existing: Existing = Existing.REFUSE
) -> int:
    """Write baselines and search trials as an Optuna study into a sqlite file at `path`.

    The study is named like the search. Stopped trials are PRUNED with their value at the rung,
    failed ones FAIL, running ones are left out; lists and dicts among the values become JSON text.
    A step is an epoch; a thousandth of one where trials report within epochs. Baselines are PRUNED
    too: Optuna takes the best trial and the importances from complete trials, and baselines are
    neither searched nor have the searched values. Reruns of the confirmation are left out; their
    mean is an attribute of their trial.

    Returns:
        How many trials were written.

    Raises:
        UsageError: the file exists, or is not one that can be extended.
        OSError: it cannot be written.
    """
    from tid_tune.space.optuna_forms import quiet_optuna

    if path.exists() and existing is Existing.REFUSE:
        raise UsageError(
            f"{path} exists; name another file, or add --overwrite or --extend (which adds the "
            "trials that are not in it)"
        )
    with quiet_optuna():
        if path.exists() and existing is Existing.EXTEND:
            study = _opened(path, state, spec)
            known = _known(study, state, path)
            try:
                return _add(study, state, spec, known)
            except ValueError as error:  # choices of a space that has changed
                raise UsageError(
                    f"{path}: the search space has changed since ({error}); write the file again "
                    "with --overwrite"
                ) from error
        # Beside it first: an export that fails leaves the earlier one as it was.
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        try:
            part.touch()  # sqlite would not say why it cannot
            written = _add(_created(part, state, spec), state, spec, known=frozenset())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return written


def _created(path: Path, state: RunState, spec: SearchSpec) -> Study:
    import optuna
    from optuna.study import StudyDirection

    study = optuna.create_study(
        storage=_storage(path),
        study_name=spec.name,
        directions=[
            StudyDirection.MAXIMIZE if direction == "max" else StudyDirection.MINIMIZE
            for direction in spec.objectives.values()
        ],
    )
    study.set_metric_names(list(spec.objectives))
    return study


def _opened(path: Path, state: RunState, spec: SearchSpec) -> Study:
    """Return the study of this search in a file.

    Raises:
        UsageError: the file has none, or one of another search.
    """
    import optuna

    try:
        study = optuna.load_study(study_name=spec.name, storage=_storage(path))
    except KeyError:
        raise UsageError(f"{path} has no study {spec.name}; --overwrite replaces it") from None
    except Exception as error:  # of sqlite, SQLAlchemy or Optuna: the file is none of theirs
        raise UsageError(f"{path} is no file of Optuna ({error}); name another one") from error
    if study.user_attrs.get("run_id") != state.run_id:
        raise UsageError(
            f"{path} has the trials of another search that is called {spec.name} too; name another "
            "file, or replace it with --overwrite"
        )
    return study


def _known(study: Study, state: RunState, path: Path) -> frozenset[str]:
    """Return the trials that a study has.

    Raises:
        UsageError: one of them has gone on since; Optuna cannot change a trial that has ended.
    """
    known = set()
    for frozen in study.get_trials(deepcopy=False):
        was, trial = frozen.user_attrs, state.trials[frozen.user_attrs["trial"]]
        if (trial.status, trial.epoch) != (was["status"], was["epoch"]):
            raise UsageError(
                f"{path}: {trial.id} was {was['status']} when it was written, and has gone on "
                "since; write the file again with --overwrite"
            )
        known.add(trial.id)
    return frozenset(known)


def _add(study: Study, state: RunState, spec: SearchSpec, known: frozenset[str]) -> int:
    """Add the trials that are not known, and set what is said of the whole search."""
    space = {
        # Values of trials from an earlier space fit, too.
        name: dist.to_optuna([t.params[name] for t in state.trials.values() if name in t.params])
        for name, dist in spec.space.items()
    }
    form = _Form(spec, space, steps_per_epoch(state), undistilled(state), _confirmed(state, spec))
    chosen = [
        trial
        for trial in state.trials.values()
        if trial.stage != "confirm" and trial.status not in _LEFT_OUT and trial.id not in known
    ]
    study.add_trials([form.frozen(trial) for trial in chosen])
    for name, value in {**_facts(state, spec), "run_id": state.run_id}.items():
        study.set_user_attr(name, value)
    return len(chosen)


def _facts(state: RunState, spec: SearchSpec) -> dict[str, Any]:
    """Return what the dashboard shows of the whole study."""
    best, result = winning_trial(state, spec), state.result
    levels = {f"level {name}": value for name, value in reference_levels(state, spec).items()}
    facts: dict[str, Any] = {} if best is None else {"best trial": best.id}
    if result is not None and result.text:
        facts["confirmation"] = result.text
    return facts | levels | {"sampler": spec.sampler.type, "scheduler": spec.scheduler.type}


def _confirmed(state: RunState, spec: SearchSpec) -> dict[str, list[float]]:
    """Return the values over new seeds of each candidate and baseline."""
    found: dict[str, list[float]] = {}
    for trial in state.trials.values():
        value = trial.value(spec.first_objective)
        if trial.stage == "confirm" and trial.status is Status.COMPLETED and value is not None:
            found.setdefault(trial.label, []).append(value)
    return found


def _storage(path: Path) -> RDBStorage:
    """Return a storage that does not sync each row: an export can be made again."""
    from optuna.storages import RDBStorage

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, check_same_thread=False)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        return connection

    return RDBStorage(f"sqlite:///{path}", engine_kwargs={"creator": connect})


@dataclass(frozen=True)
class _Form:
    """Turns trials into Optuna's.

    Args:
        space: the distributions, which hold every value that was tried.
        unit: steps of an epoch.
        undistilled: the trainings that gains are measured against.
        confirmed: values over new seeds, by the trial's id or the baseline's label.
    """

    spec: SearchSpec
    space: Mapping[str, BaseDistribution]
    unit: int
    undistilled: list[Trial]
    confirmed: Mapping[str, list[float]]

    def frozen(self, trial: Trial) -> FrozenTrial:
        """Return a trial as Optuna stores it."""
        from optuna.trial import create_trial

        state, values = _outcome(trial, self.spec)
        params, distributions = self._params(trial)
        frozen = create_trial(
            state=state,
            values=values,
            params=params,
            distributions=distributions,
            intermediate_values=self._course(trial),
            user_attrs=self._attributes(trial),
        )
        started, ended = trial.started, trial.ended
        frozen.datetime_start = None if started is None else datetime.fromtimestamp(started)
        if ended is not None and state.is_finished():
            frozen.datetime_complete = datetime.fromtimestamp(ended)
        return frozen

    def _params(self, trial: Trial) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Return the values; the method is one of them where several are compared."""
        from optuna.distributions import CategoricalDistribution

        from tid_tune.space.optuna_forms import storable

        if trial.stage == "baseline":
            return {}, {}
        params = {n: storable(v) for n, v in trial.params.items() if n in self.space}
        distributions = {name: self.space[name] for name in params}
        methods = self.spec.method
        if len(methods) > 1 and trial.method in methods:
            params["method"] = trial.method
            distributions["method"] = CategoricalDistribution(methods)
        return params, distributions

    def _course(self, trial: Trial) -> dict[int, float]:
        """Return the first objective by step; Optuna has room for one objective only."""
        first = self.spec.first_objective
        if len(self.spec.objectives) > 1:
            return {}
        return {
            round(report.epoch * self.unit): report.metrics[first]
            for report in trial.reports
            if first in report.metrics
        }

    def _attributes(self, trial: Trial) -> dict[str, Any]:
        last, baseline = trial.last, trial.stage == "baseline"
        found: dict[str, Any] = {
            "trial": trial.id,
            "tag": f"baseline: {trial.label}" if baseline else trial.stage,
            "stage": trial.stage,
            "label": trial.label,
            "method": trial.method,
            "origin": trial.origin,
            "status": trial.status.value,
            "reason": trial.reason[:2000],
            "seed": trial.seed,
            "epoch": trial.epoch,
            "node": trial.node,
            "gain": gain_over_baseline(trial, self.undistilled, self.spec),
            "checkpoint": None if last is None else last.checkpoint,
        }
        again = self.confirmed.get(trial.label if baseline else trial.id)
        if again is not None:
            found |= {"confirmed mean": fmean(again), "confirmed seeds": len(again)}
        return {name: value for name, value in found.items() if value not in (None, "")}


def _outcome(trial: Trial, spec: SearchSpec) -> tuple[TrialState, list[float] | None]:
    from optuna.trial import TrialState

    if trial.status is Status.FAILED or trial.last is None:
        return TrialState.FAIL, None
    values = [trial.last.metrics[name] for name in spec.objectives]
    searched = trial.stage == "search" and trial.status is Status.COMPLETED
    return (TrialState.COMPLETE if searched else TrialState.PRUNED), values
