"""Schedulers: which trials are stopped, suspended or continued at their reports."""

from __future__ import annotations

from tid_tune.search.schedulers.asha import Asha
from tid_tune.search.schedulers.base import Closing, Continuation, NoScheduler, Scheduler
from tid_tune.search.schedulers.hyperband import Hyperband
from tid_tune.search.schedulers.median import Median
from tid_tune.search.schedulers.pbt import Pbt
from tid_tune.searchfile.model import SearchSpec

__all__ = ["Closing", "Continuation", "Scheduler", "make_scheduler"]


def make_scheduler(spec: SearchSpec) -> Scheduler:
    """Return the scheduler a spec asks for.

    With several objectives that is none: a trial that is poor in one may be the best in another.
    """
    rules = spec.scheduler
    by_data = rules.fidelity == "data"
    if len(spec.objectives) > 1:
        return NoScheduler()
    match rules.type:
        case "asha":
            return Asha(spec.epochs, rules.grace_epochs, rules.reduction, by_data)
        case "hyperband":
            return Hyperband(spec.epochs, rules.grace_epochs, rules.reduction, by_data)
        case "median":
            return Median(rules.grace_epochs, rules.min_trials)
        case "pbt":
            return Pbt(spec.epochs, rules.interval_epochs, rules.quantile, spec.seed)
    return NoScheduler()
