"""All that a search has learned, each part computed when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tid_tune.insight.ablation import Path, path_of
from tid_tune.insight.arms import Arm, arms_of
from tid_tune.insight.chance import chances
from tid_tune.insight.correlation import RankCorrelation, rank_correlations
from tid_tune.insight.defaults import Defaults, defaults_of
from tid_tune.insight.importance import ImportanceTable, importance_table
from tid_tune.insight.shares import Pair, Share, pairs, shares
from tid_tune.insight.surrogate import LEAST, Surrogate, fit_surrogate
from tid_tune.insight.topk import Plans, top_k
from tid_tune.ledger.records import Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import winning_trial
from tid_tune.search.samplers.gp.scale import Scale
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import counted


@dataclass(frozen=True)
class ArmInsight:
    """What the searched trials of one method say."""

    arm: Arm
    defaults: Defaults

    @cached_property
    def importance(self) -> ImportanceTable:
        """The parameters by PED-ANOVA."""
        return importance_table(self.arm)

    @cached_property
    def model(self) -> Surrogate | str:
        """The model of the results, or why there is none."""
        return fit_surrogate(self.arm, self.defaults)

    @cached_property
    def told(self) -> Surrogate | str:
        """The model where it has seen enough to tell which parameters matter, or a reason."""
        model = self.model
        if isinstance(model, str) or len(self.arm.trials) >= LEAST:
            return model
        return f"{counted(len(self.arm.trials), 'trial')} cannot say; it takes {LEAST} or more"

    @cached_property
    def shares(self) -> list[Share]:
        """The parameters by their shares of the model's variance; empty where it cannot tell."""
        return [] if isinstance(self.told, str) else shares(self.told)

    @cached_property
    def chances(self) -> dict[str, float]:
        """The probability of each parameter to stand out as much by chance; empty as `shares`."""
        if isinstance(self.told, str):
            return {}
        results = self.told.results
        points = [one.params for one in results.observations]
        return chances(self.arm.searched, points, Scale.of(results.values).mapped(results.values))

    @cached_property
    def pairs(self) -> list[Pair]:
        """The pairs among the parameters of the largest shares; empty as `shares`."""
        names = [share.name for share in self.shares]
        return [] if isinstance(self.told, str) else pairs(self.told, names)

    @cached_property
    def correlations(self) -> list[RankCorrelation]:
        """How each length ranks trials, beside each longer one."""
        return rank_correlations(self.arm.curves)

    @cached_property
    def plans(self) -> Plans | None:
        """What training all for a while, then the best to the end, would have cost."""
        return None if self.arm.copies else top_k(self.arm.curves, float(self.arm.spec.epochs))


class Insight:
    """What a search has learned.

    Args:
        state: of the search.
        spec: of it.
    """

    def __init__(self, state: RunState, spec: SearchSpec) -> None:
        self.state, self.spec = state, spec

    @cached_property
    def arms(self) -> list[ArmInsight]:
        """One for each method that is searched."""
        return [
            ArmInsight(arm, defaults_of(self.state, self.spec, arm.method, arm.searched))
            for arm in arms_of(self.state, self.spec)
        ]

    @cached_property
    def best(self) -> Trial | None:
        """The trial that was confirmed as the best, or the best one of full length so far."""
        return winning_trial(self.state, self.spec)

    @cached_property
    def winning(self) -> ArmInsight:
        """The method of the best trial; the first one where there is no such trial."""
        best = self.best
        method = self.arms[0].arm.method if best is None else best.method
        return next((one for one in self.arms if one.arm.method == method), self.arms[0])

    @cached_property
    def path(self) -> Path | str:
        """The path from the defaults to the best trial, or why there is none."""
        if self.best is None:
            return "no searched trial came to its full length"
        one = self.winning
        return path_of(one.model, one.arm, one.defaults, self.best)
