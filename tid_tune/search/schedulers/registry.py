"""The schedulers by name, and how a search gets the one its spec asks for."""

from __future__ import annotations

from typing import Any, TypeVar

from tid_tune.errors import SpecError
from tid_tune.search.schedulers.base import Scheduler
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import SCHEDULERS, part_name

S = TypeVar("S", bound=type[Scheduler[Any]])


def register_scheduler(scheduler: S) -> S:
    """Make a scheduler available under the `type` of its options. A class decorator.

    Raises:
        UsageError: another scheduler has this type.
    """
    SCHEDULERS.register(part_name(scheduler), scheduler)
    return scheduler


def scheduler_class(name: str) -> type[Scheduler[Any]]:
    """Return the scheduler of a type.

    Raises:
        UsageError: there is none.
    """
    part = SCHEDULERS.get(name)
    assert issubclass(part, Scheduler), f"{part} was not registered by register_scheduler"
    return part


def make_scheduler(spec: SearchSpec) -> Scheduler[Any]:
    """Return the scheduler that a spec asks for.

    With several objectives no trial is stopped: one that is poor in one objective may be the best
    in another.

    Raises:
        SpecError: the scheduler refuses the spec.
        UsageError: the scheduler is not installed.
    """
    scheduler, options = scheduler_class(spec.scheduler.type), spec.scheduler
    if len(spec.objectives) > 1:
        scheduler = scheduler_class("none")
        options = scheduler.Options.model_validate({})
    for refusal in scheduler.refusals(spec):
        raise SpecError(str(refusal))
    made = scheduler(options, spec.epochs, spec.seed)
    made.packs = spec.resources.packs
    return made
