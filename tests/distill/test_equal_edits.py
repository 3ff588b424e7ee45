"""Thresholds of TID between the same steps are one rule, and are not trained twice."""

from __future__ import annotations

import pytest
from support.search_cases import OBJECTIVE, make_spec, sampler_of, scheduler_of

from tid_tune.distill.equal_edits import PREFIX, effective_edits
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock
from tid_tune.space import Params, Uniform

WEAK, KEY = PREFIX + "weak_threshold", PREFIX + "key_threshold"


@pytest.mark.parametrize(
    ("config", "left", "right", "equal"),
    [
        ({}, {WEAK: 0.88}, {WEAK: 1.0}, True),
        ({}, {WEAK: 0.88}, {WEAK: 1.01}, False),
        ({}, {WEAK: 0.76}, {WEAK: 0.74}, False),
        ({}, {KEY: 2.3}, {KEY: 3.0}, True),
        ({}, {KEY: 2.25}, {KEY: 3.0}, False),
        ({}, {KEY: 5.0}, {KEY: 9.0}, True),
        ({"score_high": 2.5}, {KEY: 3.1}, {KEY: 3.7}, True),
        ({"score_high": 2.5}, {KEY: 3.1}, {KEY: 3.8}, False),
        ({"method": "fgd"}, {WEAK: 0.88}, {WEAK: 1.0}, False),
        ({}, {WEAK: 0.88, PREFIX + "method": "fgd"}, {WEAK: 1.0, PREFIX + "method": "fgd"}, False),
        ({"tasks": "regression"}, {KEY: 1.6}, {KEY: 2.0}, True),
        ({}, {WEAK: 0.88, "lr": 1}, {WEAK: 0.88, "lr": 2}, False),
        ({}, {WEAK: "high"}, {WEAK: 1.0}, False),
    ],
)
def test_thresholds_between_the_same_steps_have_the_same_effect(
    config: dict[str, object], left: Params, right: Params, equal: bool
) -> None:
    effective = effective_edits(config)
    assert (effective(left) == effective(right)) is equal


def test_a_search_of_a_threshold_trains_every_behavior_once() -> None:
    def value(work: Assignment, epoch: float) -> dict[str, float]:
        return {OBJECTIVE: work.params[WEAK]}

    spec = make_spec(
        space={WEAK: Uniform(low=0.3, high=3.0)},
        sampler=sampler_of("random"),
        scheduler=scheduler_of("none"),
        start_from=({WEAK: 0.9}, {WEAK: 1.0}),
        baseline=False,
        epochs=1,
        trials=40,
    )
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock), effective_edits({}))
    Simulator(search, value, clock).run()
    first, second, *_ = search.state.trials.values()
    assert (second.status, second.of) == (Status.DUPLICATE, first.id)
    assert "the same effective values" in second.reason
    trained = [t for t in search.state.trials.values() if t.status is Status.COMPLETED]
    assert len(trained) == 12, "the differences above 0.3 and up to 3, and those above"
