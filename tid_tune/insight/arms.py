"""The searched trials of each method, of which everything else is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tid_tune.insight.lengths import Curves, curves_of
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.search.schedulers.registry import scheduler_class
from tid_tune.search.stages.plan import methods
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Space
from tid_tune.space.space import method_edits

COPIED = (
    "the trials went on from each other's weights with other values, so that no result is of one "
    "set of values alone"
)
"""Why an arm that `copies` tells nothing of single values."""


@dataclass(frozen=True)
class Arm:
    """The searched trials of one method, of those that reported something.

    `method` is empty where no methods are compared.
    """

    method: str
    space: Space
    trials: tuple[Trial, ...]
    spec: SearchSpec

    @cached_property
    def curves(self) -> Curves:
        """The values of the trials at equal lengths."""
        return curves_of(self.trials, self.spec)

    @cached_property
    def inside(self) -> tuple[Trial, ...]:
        """The trials whose values are points of the space as it is now."""
        return tuple(trial for trial in self.trials if self.space.contains(trial.params))

    @cached_property
    def searched(self) -> dict[str, Distribution]:
        """The parameters of this method that have more than one value."""
        return {
            name: dist
            for name, dist in self.space.searched.items()
            if dist.size != 1 and any(name in trial.params for trial in self.trials)
        }

    @property
    def copies(self) -> bool:
        """Whether trials went on from each other's weights, with other values."""
        alone = len(self.spec.objectives) == 1  # with several, no scheduler is at work
        return alone and scheduler_class(self.spec.scheduler.type).copies_trials


def arms_of(state: RunState, spec: SearchSpec) -> list[Arm]:
    """Return an arm for each method that is searched."""
    return [
        Arm(method, Space(spec.space, spec.require, method_edits(method)), tuple(trials), spec)
        for method in methods(spec)
        for trials in [list(_searched(state, method))]
    ]


def _searched(state: RunState, method: str) -> Iterator[Trial]:
    for trial in state.trials.values():
        mine = trial.stage == "search" and trial.method == method
        if mine and trial.status is not Status.DUPLICATE and trial.reports:
            yield trial
