"""What each trial of a pack is charged, and how packs keep a budget."""

from __future__ import annotations

from typing import Any

import pytest
from support.packs import (
    names,
    opened,
    packed,
    take,
)
from support.search_cases import (
    learning_curve,
    report,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.costs import run_cost, trial_cost
from tid_tune.search.decision import Suspend
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.searchfile.model import Budget, Confirm


@pytest.mark.parametrize("epochs", [7, 20, 29, 30, 41])
def test_a_budget_is_not_exceeded_by_a_pack(epochs: int) -> None:
    def spent(students: int) -> float:
        spec = packed(students, trials=20, epochs=5, budget=Budget(epochs=epochs))
        return run_cost(simulate(spec, learning_curve).state).epochs

    assert spent(4) <= epochs
    assert spent(4) >= epochs - 4


def test_a_confirmation_of_packs_keeps_within_the_budget() -> None:
    spec = packed(trials=20, epochs=5, budget=Budget(epochs=60), confirm=Confirm(top=2, seeds=3))
    search = simulate(spec, learning_curve)
    reruns = [trial for trial in search.state.trials.values() if trial.stage == "confirm"]
    assert run_cost(search.state).epochs <= 60
    assert reruns
    assert all(trial.status is Status.COMPLETED for trial in reruns)


def test_members_that_are_over_budget_are_held() -> None:
    search = opened(trials=4, epochs=5, budget=Budget(epochs=6))
    pack = take(search)
    decisions = [report(search, member, 1.0, 0.5) for member in pack.members]
    assert [isinstance(decision, Suspend) for decision in decisions] == [False, False, True, True]


def test_the_time_of_a_lost_worker_is_shared_by_its_pack() -> None:
    clock = VirtualClock()
    search = Search.open(packed(trials=4), Ledger.in_memory(clock=clock))
    pack = take(search)
    clock.now = 5.0
    for name in names(pack):
        search.placed(name, "node")
    clock.now = 15.0
    search.fail("t0001", Cause.NAN, "loss is nan")
    clock.now = 24.0
    for name in names(pack)[1:]:
        search.fail(name, Cause.LOST, "the node died")
        clock.now += 0.25
    charged = [trial.unreported_seconds for trial in search.state.trials.values()]
    assert charged[0] == pytest.approx(2.5)
    assert charged[1] == pytest.approx(2.5 + 3.0)
    assert sum(charged) == pytest.approx(19.5)


def test_what_packs_cost_is_the_time_that_their_workers_were_held() -> None:
    def fragile(work: Any, epoch: float) -> dict[str, float]:
        if work.trial in ("t0003", "t0009") and epoch == 2:
            raise Failure("crash")
        return learning_curve(work, epoch)

    spec = packed(trials=12)
    clock = VirtualClock()
    ledger = Ledger.in_memory(clock=clock)
    search = simulate(spec, fragile, ledger=ledger, common=0.5)
    assert run_cost(search.state).seconds == pytest.approx(clock.now)
    alone = simulate(packed(1, trials=12), fragile)
    assert run_cost(search.state).seconds < 0.7 * run_cost(alone.state).seconds
    whole = [trial_cost(t).epochs for t in search.state.trials.values()]
    assert whole == [trial_cost(t).epochs for t in alone.state.trials.values()]


def test_a_limit_on_the_time_is_kept_by_packs() -> None:
    def ended(students: int) -> float:
        clock = VirtualClock()
        spec = packed(students, trials=40, epochs=5, budget=Budget(wall_hours=0.99))
        ledger = Ledger.in_memory(clock=clock)
        search = simulate(spec, learning_curve, ledger=ledger, common=0.5)
        assert "wall_hours" in (search.state.closed or "")
        return clock.now

    # An interval of four takes 150 s. In the last one, fewer run, and an epoch of theirs takes a
    # little longer than one took so far.
    limit = 0.99 * 3600
    assert limit - 2 * 150 <= ended(4) <= limit + 15
    assert ended(1) <= limit
