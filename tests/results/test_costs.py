"""What is charged, and that every place that shows a cost shows the same one."""

from __future__ import annotations

import pytest
from support.search_cases import make_spec, report, sampler_of, scheduler_of, start

from tid_tune.ledger.file import Ledger
from tid_tune.results.costs import trial_cost
from tid_tune.search.engine import Search
from tid_tune.search.simulate import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def search(clock: VirtualClock) -> Search:
    spec = make_spec(
        baseline=False, scheduler=scheduler_of("none"), sampler=sampler_of("random"), trials=3
    )
    return Search.open(spec, Ledger.in_memory(clock=clock))


def test_waiting_for_ray_or_for_a_worker_costs_nothing(search: Search, clock: VirtualClock) -> None:
    work = start(search)
    clock.now += 3600
    search.interrupt(work.trial)
    assert search.spent.seconds == 0
    assert trial_cost(search.state.trials[work.trial]).seconds == 0


def test_a_worker_is_paid_for_from_when_it_takes_the_trial(
    search: Search, clock: VirtualClock
) -> None:
    work = start(search)
    clock.now += 3600
    search.placed(work.trial, node="a")
    clock.now += 50
    search.fail(work.trial, "oom", "out of memory")
    assert search.spent.seconds == 50


def test_a_continued_trial_is_not_paid_for_while_it_waits_again(
    search: Search, clock: VirtualClock
) -> None:
    work = start(search)
    search.placed(work.trial, node="a")
    clock.now += 1
    report(search, work, 1.0, 0.5)
    clock.now += 7
    search.fail(work.trial, "lost", "node gone")
    again = start(search)
    assert again.trial == work.trial
    clock.now += 3600
    search.interrupt(again.trial)
    assert search.spent.seconds == 1 + 7
