"""The sentences that open a report say no more than is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.search_cases import (
    OBJECTIVE,
    learning_curve,
    make_spec,
    sampler_of,
    scheduler_of,
)

from tid_tune.insight.insight import Insight
from tid_tune.insight.sentences import Findings, Sentences, sentences
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, simulate
from tid_tune.search.stages.verdict import judge
from tid_tune.searchfile.model import Confirm

NAMES = {"weight": "W", "threshold": "T", "select": "S", "quantile": "Q"}
Metrics = Callable[[Assignment, float], dict[str, float]]


def said(objective: Metrics = learning_curve, **changes: Any) -> tuple[Sentences, Search]:
    """The sentences on a simulated search."""
    fields = {"sampler": sampler_of("random"), "scheduler": scheduler_of("none"), "epochs": 3}
    search = simulate(make_spec(**{**fields, **changes}), objective)
    insight = Insight(search.state, search.spec)
    return sentences(insight, judge(search.state, search.spec), NAMES), search


def test_few_trials_cannot_say() -> None:
    found, _ = said(trials=7)
    assert "not known: 7 trials cannot say" in found.mattered
    assert "nothing can be ruled out" in found.did_not
    assert "%" not in found.mattered


def test_what_mattered_and_what_did_not_are_named_with_their_shares() -> None:
    found, search = said(trials=60)
    assert found.mattered.startswith("What mattered: W (7")
    assert "60 results" in found.mattered
    one = Insight(search.state, search.spec).winning
    groups = Findings.of(one)
    names = {*groups.mattered, *groups.did_not, *groups.undecided}
    assert names == {"weight", "threshold", "select", "quantile"}
    assert sum(map(len, (groups.mattered, groups.did_not, groups.undecided))) == 4
    for name in groups.did_not:
        assert NAMES[name] in found.did_not
    for name in groups.undecided:
        assert NAMES[name] in found.noise


def test_where_nothing_matters_nothing_is_said_to() -> None:
    def steady(assignment: Assignment, epoch: float) -> dict[str, float]:
        return {OBJECTIVE: (int(assignment.trial[1:]) * 7919 % 1000) / 1000}

    found, _ = said(steady, trials=24)
    assert "cannot be told from chance" in found.mattered
    assert "What mattered:" not in found.mattered
    assert found.mattered.startswith("The best trial, ")
    assert "no parameter's share is surely below 5 %" in found.did_not


def test_without_a_confirmation_luck_is_not_ruled_out() -> None:
    found, _ = said(trials=7)
    assert "How much of the gain is luck is not known" in found.noise
    assert "confirm.seeds" in found.noise


def test_what_the_best_trial_gained_comes_first_where_nothing_else_is_known() -> None:
    found, search = said(trials=7)
    trials = search.state.trials.values()
    values = {t.label: t.value(OBJECTIVE) or 0.0 for t in trials if t.stage == "baseline"}
    best = max((t for t in trials if t.stage == "search"), key=lambda t: t.value(OBJECTIVE) or 0.0)
    gains = [(best.value(OBJECTIVE) or 0.0) - values[label] for label in ("none", "defaults")]
    assert found.mattered.startswith(
        f"The best trial, {best.id}, gained {gains[0]:+.3f} over no distillation and "
        f"{gains[1]:+.3f} over the defaults in {OBJECTIVE}, with one seed"
    )
    assert not said(trials=60)[0].mattered.startswith("The best trial")


@pytest.mark.parametrize(
    ("level", "first", "last"),
    [
        (0.1, "The gain of {0} over no distillation, +0.", "is not noise."),
        (0.567, "The gain of {0} over no distillation, ", "is within noise."),
        (0.7, "{0} is worse than no distillation: -0.", "which is not noise."),
    ],
)
def test_a_confirmed_gain_is_called_what_the_verdict_calls_it(
    level: float, first: str, last: str
) -> None:
    def metrics(assignment: Assignment, epoch: float) -> dict[str, float]:
        found = learning_curve(assignment, 99.0)
        if assignment.edits.get("model.distillation.method") == "none":
            found[OBJECTIVE] += level - 0.4
        return found

    found, search = said(metrics, trials=7, confirm=Confirm(top=1, seeds=3))
    winner = search.state.result
    assert winner is not None
    assert found.noise.startswith(first.format(winner.winner))
    assert f"over 3 seeds, {last}" in found.noise.split(" The gain of", 1)[0]
    assert "luck" not in found.noise


def test_of_several_objectives_the_first_one_is_named() -> None:
    def two(assignment: Assignment, epoch: float) -> dict[str, float]:
        return {**learning_curve(assignment, epoch), "latency": 5.0}

    found, _ = said(two, trials=30, objectives={OBJECTIVE: "max", "latency": "min"})
    assert found.mattered.startswith(f"For {OBJECTIVE} alone, what mattered: W")


def test_of_several_methods_the_best_one_is_named() -> None:
    found, search = said(trials=24, method=("tid", "mimic"))
    winner = search.state.result
    assert winner is not None
    assert winner.winner is not None
    method = search.state.trials[winner.winner].method
    assert found.mattered.startswith(f"With the method {method}, what mattered")


def test_a_search_that_failed_has_learned_nothing() -> None:
    def broken(assignment: Assignment, epoch: float) -> dict[str, float]:
        raise Failure("user", "no such file")

    found, _ = said(broken, trials=3)
    assert "3 of 3 trials failed" in found.mattered
    assert "not known what matters" in found.mattered
    assert "no gain to judge" in found.noise


def test_a_search_that_runs_speaks_of_so_far() -> None:
    _, search = said(trials=30)
    search.state.closed = None
    found = sentences(Insight(search.state, search.spec), None, NAMES)
    assert found.mattered.startswith("So far, what mattered: W")


def test_copied_weights_are_the_reason_for_knowing_nothing() -> None:
    found, _ = said(trials=12, scheduler=scheduler_of("pbt"))
    assert "went on from each other's weights" in found.mattered
