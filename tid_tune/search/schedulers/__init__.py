"""Schedulers: which trials are stopped, paused or continued at their reports. A module for each.

A scheduler is a class derived from `Scheduler` that `@register_scheduler` makes available under the
`type` of its options, which are a pydantic model declared next to it. Nothing else names it: the
search space, its checks and its JSON Schema ask the registry. Another package adds one by an entry
point of the group `tid_tune.schedulers` that names its module; `tid_tune.testing.schedulers` has
the tests that every scheduler must pass.

All modules are imported to find the schedulers, so they import nothing heavy.

From outside, import what is in `__all__`. `rungs` has the lengths at which trials are compared,
`perturb` the new values of a trial that continues from the weights of another.
"""

from tid_tune.search.schedulers.base import Closing, Continuation, Scheduler
from tid_tune.search.schedulers.registry import make_scheduler, register_scheduler, scheduler_class
from tid_tune.searchfile.parts import SchedulerOptions

__all__ = [
    "Closing",
    "Continuation",
    "Scheduler",
    "SchedulerOptions",
    "make_scheduler",
    "register_scheduler",
    "scheduler_class",
]
