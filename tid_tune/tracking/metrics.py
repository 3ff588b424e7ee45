"""The metrics of a report by their names in MLflow."""

from __future__ import annotations

import math

from tid_tune.ledger.events import Reported
from tid_tune.ledger.records import Report, Trial, reached
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.names import rung_name, short_names


class ReportMetrics:
    """Names the metrics of reports, and those that compare trials of equal length."""

    def __init__(self, spec: SearchSpec) -> None:
        self._epochs = spec.epochs
        self._short = short_names(spec.objectives)
        rungs = spec.scheduler.rungs(spec.epochs)
        self._rungs = None if rungs is None else (*rungs, float(spec.epochs))

    def of(self, trial: Trial, event: Reported) -> dict[str, float]:
        """Return the metrics of the last report of a trial, which `event` is."""
        # MLflow's charts have no use for NaN and infinities.
        values = {key: value for key, value in event.metrics.items() if math.isfinite(value)}
        return _of_data(trial, {**values, "cost/seconds": event.seconds})

    def at_rung(self, trial: Trial, event: Reported) -> dict[str, float]:
        """Return the objectives where trials of equal length compare; nothing between rungs.

        The latest mAP of a stopped run belongs to its rung: only equal lengths compare.
        """
        if not self._is_rung(trial, trial.reports[-1]):
            return {}
        values = {
            rung_name(short, event.epoch, self._epochs): event.metrics[name]
            for name, short in self._short.items()
            if math.isfinite(event.metrics.get(name, math.nan))
        }
        return _of_data(trial, values)

    def _is_rung(self, trial: Trial, report: Report) -> bool:
        """Return whether a report is the first at or behind a length at which trials compare."""
        if self._rungs is None:
            return True
        before = trial.reports[-2] if len(trial.reports) > 1 else None
        same = before is not None and before.fraction == report.fraction
        gone = before.epoch if before is not None and same else 0.0
        return any(reached(report.epoch, one) and not reached(gone, one) for one in self._rungs)


def _of_data(trial: Trial, values: dict[str, float]) -> dict[str, float]:
    """Name what was trained on a part of the data: it is no point of the same curve."""
    part = "" if trial.fraction == 1.0 else f"data_{trial.fraction:.3g}/"
    return {part + key: value for key, value in values.items()}
