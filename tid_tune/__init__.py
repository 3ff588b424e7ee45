"""tid-tune: search the hyperparameters of Task Integration Distillation for object detectors.

The names below are the public interface for scripts. Each is imported when it is first used, so
`import tid_tune` is instant. All other modules may change from one version to the next.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tid_tune.api import resume, run
    from tid_tune.detectors.heads import HeadAdapter, register_head
    from tid_tune.distill.distiller import Distiller
    from tid_tune.distill.method import Method
    from tid_tune.distill.registry import register_method
    from tid_tune.errors import TidTuneError
    from tid_tune.results.run_folder import RunFolder
    from tid_tune.search.engine import Search
    from tid_tune.search.samplers import Sampler, register_sampler
    from tid_tune.search.schedulers import Scheduler, register_scheduler
    from tid_tune.search.simulate import simulate
    from tid_tune.searchfile import SearchSpec, load
    from tid_tune.space import register_distribution

__version__ = "0.1.0"
__all__ = [
    "Distiller",
    "HeadAdapter",
    "Method",
    "RunFolder",
    "Sampler",
    "Scheduler",
    "Search",
    "SearchSpec",
    "TidTuneError",
    "load",
    "register_distribution",
    "register_head",
    "register_method",
    "register_sampler",
    "register_scheduler",
    "resume",
    "run",
    "simulate",
]

_HOMES = {
    "Distiller": "tid_tune.distill.distiller",
    "HeadAdapter": "tid_tune.detectors.heads",
    "Method": "tid_tune.distill.method",
    "RunFolder": "tid_tune.results.run_folder",
    "Sampler": "tid_tune.search.samplers",
    "Scheduler": "tid_tune.search.schedulers",
    "Search": "tid_tune.search.engine",
    "SearchSpec": "tid_tune.searchfile",
    "TidTuneError": "tid_tune.errors",
    "load": "tid_tune.searchfile",
    "register_distribution": "tid_tune.space",
    "register_head": "tid_tune.detectors.heads",
    "register_method": "tid_tune.distill.registry",
    "register_sampler": "tid_tune.search.samplers",
    "register_scheduler": "tid_tune.search.schedulers",
    "resume": "tid_tune.api",
    "run": "tid_tune.api",
    "simulate": "tid_tune.search.simulate",
}
"""The module of each public name."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tid_tune' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
