"""Which points are tried: those to start from, those that rules allow, and all that there are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.search_cases import (
    learning_curve,
    make_spec,
)

from tid_tune.errors import SpecError
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.ranking import leaderboard
from tid_tune.search.engine import Search
from tid_tune.search.simulate import simulate
from tid_tune.space import Choice, Constraint


def test_a_finite_space_that_is_used_up_ends_the_search_with_the_reason() -> None:
    spec = make_spec(space={"select": Choice(values=("a", "b", "c"))}, trials=10, baseline=False)
    search = simulate(spec, learning_curve, workers=2)
    assert {t.params["select"] for t in search.state.trials.values()} == {"a", "b", "c"}
    assert len(search.state.trials) == 3
    assert search.state.closed == "every point of the space has been tried (3 trials)"


def test_a_starting_point_given_twice_is_answered_from_the_first_and_costs_no_trial() -> None:
    point = {"weight": 1, "threshold": 0.5, "select": "threshold"}
    spec = make_spec(
        start_from=(point, {**point, "weight": 1.0}, {"weight": 2.0}), trials=4, baseline=False
    )
    search = simulate(spec, learning_curve)
    first, second, third, *rest = search.state.trials.values()
    assert first.params == {"weight": 1.0, "threshold": 0.5, "select": "threshold"}
    assert (second.status, second.of) == (Status.DUPLICATE, first.id)
    assert third.params["weight"] == 2.0
    assert len(rest) == 2
    assert second.id not in [row.trial for row in leaderboard(search.state, spec)]


def test_an_empty_starting_point_given_twice_draws_two_points() -> None:
    search = simulate(make_spec(start_from=({}, {}), trials=2, baseline=False), learning_curve)
    first, second = search.state.trials.values()
    assert first.params != second.params
    assert [first.origin, second.origin] == ["start_from {}", "start_from {} #2"]


@pytest.mark.parametrize(
    ("point", "rules", "message"),
    [
        (
            {"threshold": 0.05},
            ["threshold > weight"],
            "start_from: {'threshold': 0.05} breaks",
        ),
        ({}, ["threshold > weight", "weight > threshold"], "require: none of 20000 random points"),
    ],
)
def test_rules_that_no_point_can_satisfy_are_told_before_anything_is_trained(
    point: Any, rules: Any, message: Any
) -> None:
    parts = [rule.split() for rule in rules]
    require = tuple(
        Constraint(left=left, op=op, right=right if right.isalpha() else float(right))
        for left, op, right in parts
    )
    ledger = Ledger.in_memory()
    with pytest.raises(SpecError, match=re.escape(message)):
        Search.open(make_spec(start_from=(point,), require=require), ledger)
    assert not list(ledger.events())


def test_rules_that_leave_a_thousandth_of_the_space_are_searched() -> None:
    rule = Constraint(left="threshold", op="<", right=0.0005)
    search = simulate(make_spec(require=(rule,), trials=8), learning_curve)
    found = [t.params["threshold"] for t in search.state.trials.values() if t.stage == "search"]
    assert len(found) == 8
    assert max(found) < 0.0005
