"""Schedulers: which trials are stopped, suspended or continued at their reports."""

from __future__ import annotations

from tid_tune.search.schedulers.asha import Asha
from tid_tune.search.schedulers.base import Closing, Continuation, NoScheduler, Scheduler
from tid_tune.spec.model import SearchSpec

__all__ = ["Closing", "Continuation", "Scheduler", "make_scheduler"]


def make_scheduler(spec: SearchSpec) -> Scheduler:
    """Return the scheduler a spec asks for."""
    rules = spec.scheduler
    if rules.type == "asha":
        return Asha(spec.epochs, grace=rules.grace_epochs, reduction=rules.reduction)
    return NoScheduler(spec.epochs)
