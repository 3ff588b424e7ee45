"""What the sections of a report page are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.course import reference_levels
from tid_tune.results.ranking import Row, leaderboard, winning_row, winning_trial
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.stages.verdict import Verdict, judge
from tid_tune.searchfile.model import SearchSpec

T = TypeVar("T")
MOST_POINTS = 2000
"""Of one kind in a chart: more make a page slow, and cannot be told apart."""


@dataclass(frozen=True)
class Study:
    """A search as far as it has come: the run folder, its spec, its state."""

    run: RunFolder
    spec: SearchSpec
    state: RunState

    @classmethod
    def of(cls, run: RunFolder) -> Study:
        """Return the study of a run folder, as its ledger is now."""
        return cls(run, run.spec, run.state)

    @property
    def objective(self) -> str:
        """The first objective."""
        return self.spec.first_objective

    @cached_property
    def rows(self) -> list[Row]:
        """The leaderboard."""
        return leaderboard(self.state, self.spec)

    @cached_property
    def winner(self) -> Trial | None:
        """The confirmed best trial, or the best of full length so far."""
        return winning_trial(self.state, self.spec)

    @cached_property
    def best(self) -> Row | None:
        """The leaderboard's row of the winner."""
        return winning_row(self.rows, self.state, self.spec)

    @cached_property
    def levels(self) -> dict[str, float]:
        """The values of the full-length baselines and of the teacher, by their label."""
        return reference_levels(self.state, self.spec)

    @cached_property
    def verdict(self) -> Verdict | None:
        """Of the confirmation; None without one."""
        return judge(self.state, self.spec)

    @cached_property
    def standing(self) -> str:
        """Whether it runs, is finished, was interrupted or has failed, with the reason."""
        return self.run.standing()

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens unless the search is run again."""
        return self.state.closed is not None


def thinned(items: Sequence[T], most: int = MOST_POINTS) -> list[T]:
    """Return at most `most` of the items, at equal distances, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(at * step)] for at in range(most)]
