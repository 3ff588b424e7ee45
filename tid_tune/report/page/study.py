"""What the sections of a report page are made from."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from tid_tune.errors import ConfigError
from tid_tune.files import end_of
from tid_tune.insight.insight import Insight
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import ALL_DONE, RunState
from tid_tune.report.charts.palette import SERIES, series
from tid_tune.report.leaderboard import short_names
from tid_tune.results.course import reference_levels
from tid_tune.results.ranking import Row, leaderboard, winning_row, winning_trial
from tid_tune.results.run_folder import TRIALS, RunFolder, ended_standing
from tid_tune.search.stages.plan import DEFAULTS, NONE
from tid_tune.search.stages.verdict import Verdict, judge
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.places import parent, pasted, shown
from tid_tune.trial.report import LOG_FILE

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config
    from tid_tune.report.views.evaluated import Evaluated

T = TypeVar("T")
MOST_POINTS = 2000
"""Of one kind in a chart: more make a page slow, and cannot be told apart."""


@dataclass(frozen=True)
class Study:
    """A search as far as it has come: the run folder, its spec, its state."""

    run: RunFolder
    spec: SearchSpec
    state: RunState
    standing: str
    """Whether it runs, is finished, was interrupted or has failed, with the reason."""

    @classmethod
    def of(cls, run: RunFolder) -> Study:
        """Return the study of a run folder, as its ledger is now."""
        return cls(run, run.spec, run.state, run.standing())

    @classmethod
    def ended(cls, run: RunFolder, spec: SearchSpec, state: RunState) -> Study:
        """Return the study of a search whose driver is about to end."""
        return cls(run, spec, state, ended_standing(state))

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
    def insight(self) -> Insight:
        """What the search has learned."""
        return Insight(self.state, self.spec)

    @cached_property
    def names(self) -> dict[str, str]:
        """What each parameter of the space is called, by its path."""
        return short_names(list(self.spec.space))

    @cached_property
    def method_roles(self) -> dict[str, str]:
        """The role of each compared method, and of its defaults."""
        others = [method for method in self.spec.method if method != NONE]
        free = [role for role in map(series, range(SERIES)) if role != "series2"]  # that of NONE
        roles = {method: free[at % len(free)] for at, method in enumerate(others)}
        return {NONE: "none"} | roles | {f"{m} {DEFAULTS}": role for m, role in roles.items()}

    @cached_property
    def verdict(self) -> Verdict | None:
        """Of the confirmation; None without one."""
        return judge(self.state, self.spec)

    @cached_property
    def config(self) -> Config | None:
        """The trial config of the search as it is now; None where it cannot be read."""
        from tid_tune.openmmlab.configs import load_config

        try:
            return load_config(self.spec.trial, imports=False)
        except ConfigError:
            return None

    def configured(self, path: str) -> tuple[bool, Any]:
        """Return whether the config has a value at a dotted path, and that value."""
        from tid_tune.openmmlab.configs import get_value

        if self.config is None:
            return False, None
        try:
            return True, get_value(self.config, path)
        except ConfigError:
            return False, None

    def log_name(self, trial: Trial) -> str:
        """Return the name of a trial's log in the run folder."""
        return f"{TRIALS}/{trial.id}/{LOG_FILE}"

    def log_tail(self, trial: Trial, lines: int, most: int) -> str:
        """Return the last lines of a trial's log, of its last `most` bytes; empty without one."""
        name = self.log_name(trial)
        if not self.run.files.fetch(name):
            return ""
        return "\n".join(end_of(self.run.path / name, most).splitlines()[-lines:])

    @cached_property
    def models(self) -> list[Evaluated]:
        """Baseline, best and teacher on validation images, as far as they have been evaluated."""
        from tid_tune.report.views.run_models import read_run_models

        return read_run_models(self.run, self.winner)

    @property
    def confirming(self) -> str:
        """The command that runs the search again with a confirmation, which resumes it."""
        source = self.spec.source
        runs = parent(self.run.place)
        command = f"tid-tune run {'SPACE.yaml' if source is None else pasted(source)}"
        where = "" if shown(runs) == "runs" else f" --runs {pasted(runs)}"
        texts = [*self.spec.overrides, "confirm.seeds=3"]
        return command + where + "".join(f" --set {shlex.quote(text)}" for text in texts)

    @property
    def ended_early(self) -> bool:
        """Whether the search is over before all its trials were done."""
        return self.state.closed not in (None, ALL_DONE)

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
