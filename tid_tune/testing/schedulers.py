"""The tests that every scheduler must pass: inherit `SchedulerContract`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.costs import trial_cost
from tid_tune.search.decision import Assignment, Decision
from tid_tune.search.engine import Search
from tid_tune.search.schedulers import Scheduler, make_scheduler
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.searchfile.parts import SCHEDULERS, SchedulerOptions
from tid_tune.space import Uniform
from tid_tune.testing.options import check_options

OBJECTIVE = "score"
X = "x"


class SchedulerContract:
    """Set `scheduler`, and what else differs from the defaults here.

    The tests run whole searches on functions, with the real engine: quality `x`, which a trial
    approaches as its epochs pass.
    """

    scheduler: type[Scheduler[Any]]
    options: SchedulerOptions | None = None
    """None: the scheduler's defaults."""
    grace: float = 1
    """No trial may be stopped before this many epochs."""

    def spec(self, **changes: object) -> SearchSpec:
        """Return a search with this scheduler."""
        fields: dict[str, object] = {
            "name": "contract",
            "trial": Path("/trial.py"),
            "epochs": 9,
            "objectives": {OBJECTIVE: "max"},
            "space": {X: Uniform(low=0, high=1)},
            "sampler": {"type": "random"},
            "scheduler": self._options(),
            "trials": 20,
            "baseline": False,
        }
        return SearchSpec(**{**fields, **changes})

    def test_its_options_can_be_stated_recorded_and_completed(self) -> None:
        check_options(SCHEDULERS, self.scheduler, self._options())

    def test_the_engine_gets_this_scheduler(self) -> None:
        assert type(make_scheduler(self.spec())) is self.scheduler

    @pytest.mark.parametrize("workers", [1, 3, 40])
    def test_every_trial_ends_and_one_comes_to_the_full_length(self, workers: int) -> None:
        trials = _trials(simulate(self.spec(), _rising, workers=workers))
        assert len(trials) == 20
        assert all(t.status in (Status.COMPLETED, Status.STOPPED) for t in trials)
        assert any(t.full_length for t in trials)
        assert all(t.full_length == (t.status is Status.COMPLETED) for t in trials)

    def test_a_stop_has_a_reason(self) -> None:
        trials = _trials(simulate(self.spec(), _rising, workers=3))
        assert all(t.reason for t in trials if t.status is Status.STOPPED)

    def test_hundreds_of_trials_end(self) -> None:
        trials = _trials(simulate(self.spec(trials=300, epochs=4), _rising))
        assert len(trials) == 300
        assert all(t.status.final for t in trials)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_no_trial_is_stopped_before_the_grace_period(self, workers: int) -> None:
        for trial in _trials(simulate(self.spec(), _rising, workers=workers)):
            length = trial.epoch * (trial.last.fraction if trial.last is not None else 0.0)
            assert length >= self.grace - 1e-6

    @pytest.mark.parametrize("workers", [1, 4])
    def test_the_best_trial_is_not_stopped(self, workers: int) -> None:
        trials = _trials(simulate(self.spec(), _rising, workers=workers))
        assert max(trials, key=_quality).status is Status.COMPLETED

    def test_equal_values_end_the_search_too(self) -> None:
        trials = _trials(simulate(self.spec(), lambda work, epoch: {OBJECTIVE: 0.0}, workers=3))
        assert all(t.status.final for t in trials)

    def test_to_decide_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = _outcomes(simulate(self.spec(), _rising, workers=3))
        decide = self.scheduler.decide

        def often(one: Scheduler[Any], trial: Trial, epoch: float, value: float) -> Decision:
            for other in (value - 1, value + 1):
                decide(one, trial, epoch, other)
            first = decide(one, trial, epoch, value)
            assert decide(one, trial, epoch, value) == first
            return first

        monkeypatch.setattr(self.scheduler, "decide", often)
        assert _outcomes(simulate(self.spec(), _rising, workers=3)) == expected

    @pytest.mark.parametrize("every", [1, 3, 10])
    def test_a_search_that_is_resumed_decides_the_same(self, every: int) -> None:
        spec = self.spec(trials=8)
        expected = _outcomes(simulate(spec, _rising))
        ledger = Ledger.in_memory(clock=VirtualClock())
        running = True
        while running:
            simulator = Simulator(Search.open(spec, ledger), _rising, VirtualClock())
            running = all(simulator.step() for _ in range(every))
        assert _outcomes(simulator.search) == expected

    @pytest.mark.parametrize("workers", [1, 4])
    def test_failing_trials_hold_up_no_other(self, workers: int) -> None:
        def fragile(work: Assignment, epoch: float) -> dict[str, float]:
            # Not five: a search ends where the first five trials that end have failed.
            if work.trial in ("t0003", "t0006", "t0012") and epoch == 2:
                raise Failure("oom")
            return {OBJECTIVE: math.nan} if work.trial == "t0010" else _rising(work, epoch)

        ends = [t.status for t in _trials(simulate(self.spec(), fragile, workers=workers))]
        assert len(ends) == 20
        assert all(status.final for status in ends)
        assert {Status.COMPLETED, Status.FAILED} <= set(ends)

    def test_no_trial_costs_more_than_is_announced(self) -> None:
        costs = [trial_cost(trial).epochs for trial in _trials(simulate(self.spec(), _rising))]
        assert max(costs) == pytest.approx(make_scheduler(self.spec()).longest)

    def test_raising_the_number_of_trials_continues_the_search(self) -> None:
        ledger = Ledger.in_memory(clock=VirtualClock())
        simulate(self.spec(trials=8), _rising, ledger=ledger)
        trials = _trials(simulate(self.spec(trials=12), _rising, ledger=ledger))
        assert len(trials) == 12
        assert all(t.status.final for t in trials)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_trials_that_are_trained_in_packs_end_too(self, workers: int) -> None:
        # A value that each trial of a pack has for itself.
        space = {f"model.distillation.{X}": Uniform(low=0, high=1)}
        spec = self.spec(space=space, resources=Resources(students=4))
        search = simulate(spec, _rising, workers=workers)
        trials = _trials(search)
        assert len(trials) == 20
        assert all(t.status in (Status.COMPLETED, Status.STOPPED) for t in trials)
        assert max(trials, key=_quality).status is Status.COMPLETED
        assert max(len(pack.members) for pack in search.state.packs.values()) >= 4

    def _options(self) -> SchedulerOptions:
        return self.scheduler.Options.model_validate({}) if self.options is None else self.options


def _trials(search: Search) -> list[Trial]:
    return list(search.state.trials.values())


def _outcomes(search: Search) -> list[tuple[object, ...]]:
    """Return what became of each trial, and why."""
    return [
        (t.id, t.params, t.origin, t.status, t.reason, t.value(OBJECTIVE)) for t in _trials(search)
    ]


def _rising(work: Assignment, epoch: float) -> dict[str, float]:
    return {OBJECTIVE: _quality(work) * (1 - math.exp(-epoch / 3))}


def _quality(one: Trial | Assignment) -> float:
    """Return the value of the one parameter."""
    (x,) = one.params.values()
    return float(x)
