"""A search on nodes that join, leave and are slow: it ends with the budget, and nothing is lost."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest
from support.search_cases import learning_curve, make_spec, sampler_of, scheduler_of

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Ended, Placed, Reported
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.search.simulated_nodes import Node
from tid_tune.searchfile.model import Budget

PLAIN = {"scheduler": scheduler_of("none"), "sampler": sampler_of("random"), "baseline": False}


def nodes(count: int, seed: int = 0) -> list[Node]:
    """As many at a time, whose places are taken by others; every fifth one is slow."""
    rng, found = np.random.default_rng(seed), []
    for place in range(count):
        joins = 0.0 if place % 4 else float(rng.exponential(600))
        for again in range(4):
            leaves = joins + float(rng.exponential(3000))
            found.append(
                Node(
                    f"n{place}.{again}",
                    pace=3.0 if place % 5 == 0 else 1.0,
                    joins=joins,
                    leaves=leaves,
                    notice=120.0 if place % 2 else 0.0,
                    starting=20.0,
                )
            )
            joins = leaves + 60.0
        found.append(Node(f"n{place}.last", joins=joins))
    return found


def test_a_search_on_200_nodes_that_come_and_go_ends_with_its_budget_and_loses_nothing() -> None:
    spec = make_spec(sampler=sampler_of("random"), trials=10**6, budget=Budget(epochs=4000))
    clock = VirtualClock()
    ledger = Ledger.in_memory(clock=clock)
    search = Search.open(spec, ledger)
    Simulator(search, learning_curve, clock, nodes=nodes(200)).run()
    state = search.state
    assert state.closed is not None
    assert state.closed.startswith("budget: 4000 of 4000 epochs")
    assert len(state.trials) > 1500
    for trial in state.trials.values():
        assert trial.status in (Status.COMPLETED, Status.STOPPED, Status.INTERRUPTED)
        epochs = [report.epoch for report in trial.reports]
        assert epochs == [float(1 + at) for at in range(len(epochs))], "none is missing"
    events = list(ledger.events())
    assert not any(isinstance(event, Reported) and event.repeated for event in events)
    ends = Counter(event.cause for event in events if isinstance(event, Ended))
    assert min(ends[Cause.LOST], ends[Cause.PREEMPTED]) > 20
    assert len({event.node for event in events if isinstance(event, Placed)}) > 230
    assert RunState.fold(events) == state


def test_a_trial_of_a_lost_node_goes_on_elsewhere_from_its_last_checkpoint() -> None:
    spec = make_spec(trials=1, epochs=5, **PLAIN)
    there = [Node("a", leaves=150.0), Node("b", joins=200.0)]
    trial = simulate(spec, learning_curve, nodes=there).state.trials["t0001"]
    assert [(r.epoch, r.segment, r.time) for r in trial.reports] == [
        (1.0, 0, 60.0),
        (2.0, 0, 120.0),
        (3.0, 1, 260.0),
        (4.0, 1, 320.0),
        (5.0, 1, 380.0),
    ]
    assert (trial.node, trial.losses, trial.unreported_seconds) == ("b", 1, 30.0)


def test_a_trial_leaves_a_node_that_is_announced_to_go_at_its_next_report() -> None:
    spec = make_spec(trials=2, epochs=3, **PLAIN)
    there = [Node("a", leaves=130.0, notice=100.0), Node("b")]
    state = simulate(spec, learning_curve, nodes=there).state
    trial = state.trials["t0001"]
    assert [(r.epoch, r.segment) for r in trial.reports] == [(1.0, 0), (2.0, 1), (3.0, 1)]
    assert (trial.node, trial.losses, trial.unreported_seconds) == ("b", 0, 0.0)
    assert state.trials["t0002"].segment == 0


def test_what_a_node_that_goes_too_soon_was_training_is_trained_again() -> None:
    spec = make_spec(trials=1, epochs=2, **PLAIN)
    there = [Node("a", leaves=50.0, notice=20.0), Node("b", joins=70.0)]
    trial = simulate(spec, learning_curve, nodes=there).state.trials["t0001"]
    assert [(r.epoch, r.segment) for r in trial.reports] == [(1.0, 1), (2.0, 1)]
    assert (trial.losses, trial.unreported_seconds) == (0, 50.0)


def test_a_slow_node_is_charged_for_longer_and_the_start_of_a_worker_is_not_charged() -> None:
    spec = make_spec(trials=2, epochs=2, **PLAIN)
    search = simulate(spec, learning_curve, nodes=[Node("slow", pace=2.0, starting=30.0)])
    assert [t.reports[0].time for t in search.state.trials.values()] == [150.0, 390.0]
    assert search.spent.seconds == 2 * 2 * 120.0


def test_a_search_whose_nodes_have_all_left_says_so() -> None:
    spec = make_spec(trials=1, epochs=5, **PLAIN)
    with pytest.raises(RuntimeError, match="every node has left"):
        simulate(spec, learning_curve, nodes=[Node("a", leaves=150.0)])


def lines_of(action: Callable[[], Any]) -> int:
    """How many lines of Python an action runs: work, whatever the machine does beside it."""
    count, before = 0, sys.gettrace()

    def trace(frame: FrameType, what: str, argument: object) -> Any:
        nonlocal count
        count += what == "line"
        return trace

    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("rule", ["stop", "promote"])
def test_the_work_for_a_report_does_not_grow_with_the_trials(rule: str) -> None:
    spec = make_spec(
        sampler=sampler_of("random"),
        scheduler=scheduler_of("asha", rule=rule),
        trials=10**6,
        budget=Budget(epochs=10**6),
        resources={"concurrent": 30},
    )
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    there = [Node(f"n{n}", leaves=5000.0 * n or 1e9) for n in range(1, 25)] + [Node("rest", 10)]
    run = Simulator(search, learning_curve, clock, nodes=there)

    def steps(count: int) -> None:
        for _ in range(count):
            run.step()

    steps(200)
    early = lines_of(lambda: steps(200))
    steps(2500)
    late = lines_of(lambda: steps(200))
    assert len(search.state.trials) > 800
    assert late < 1.3 * early
