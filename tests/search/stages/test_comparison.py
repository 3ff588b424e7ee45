"""Several distillation methods under equal budget."""

from __future__ import annotations

from typing import Any

from support.search_cases import OBJECTIVE, SPACE, learning_curve, make_spec, scheduler_of

from tid_tune.ledger.records import Status, Trial
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import simulate
from tid_tune.search.stages.verdict import judge
from tid_tune.searchfile.model import Budget, Confirm
from tid_tune.space import Uniform

METHOD = "model.distillation.method"


def by_method(search: Search, stage: str = "search") -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for trial in search.state.trials.values():
        if trial.stage == stage:
            found.setdefault(trial.method, []).append(trial)
    return found


def test_each_method_gets_the_same_number_of_trials_and_its_own_baseline() -> None:
    search = simulate(make_spec(method=("tid", "fgd", "pkd"), trials=24), learning_curve, workers=3)
    found = by_method(search)
    assert {method: len(trials) for method, trials in found.items()} == {
        "tid": 8,
        "fgd": 8,
        "pkd": 8,
    }
    for method, trials in found.items():
        assert all(t.edits[METHOD] == method and t.label == method for t in trials)
        assert all(METHOD not in t.params for t in trials)
    labels = [t.label for t in search.state.trials.values() if t.stage == "baseline"]
    assert labels == ["none", "tid defaults", "fgd defaults", "pkd defaults"]


def test_a_budget_that_ends_the_comparison_early_has_been_shared_equally() -> None:
    spec = make_spec(method=("tid", "fgd"), trials=100, budget=Budget(epochs=120))
    found = by_method(simulate(spec, learning_curve, workers=2))
    counts = [len(trials) for trials in found.values()]
    assert max(counts) - min(counts) <= 1


def test_a_method_is_stopped_by_its_own_rungs_only() -> None:
    def unequal(assignment: Assignment, epoch: float) -> Any:
        bonus = 0.5 if assignment.edits.get(METHOD) == "fgd" else 0.0
        return {OBJECTIVE: learning_curve(assignment, epoch)[OBJECTIVE] + bonus}

    spec = make_spec(method=("tid", "fgd"), trials=40, scheduler=scheduler_of("asha"))
    found = by_method(simulate(spec, unequal, workers=2))
    completed = {
        method: sum(t.status is Status.COMPLETED for t in trials)
        for method, trials in found.items()
    }
    assert completed["tid"] > 3
    assert completed["fgd"] > 3


def test_a_condition_on_the_method_holds_for_its_arm() -> None:
    space = {**SPACE, "key_weight": Uniform(low=0, high=1, when={METHOD: ("tid",)})}
    found = by_method(simulate(make_spec(method=("tid", "fgd"), space=space), learning_curve))
    assert all("key_weight" in t.params for t in found["tid"])
    assert not any("key_weight" in t.params for t in found["fgd"])


def test_the_best_of_each_method_are_confirmed() -> None:
    spec = make_spec(method=("tid", "fgd"), confirm=Confirm(top=1, seeds=2))
    search = simulate(spec, learning_curve, workers=4)
    reruns = by_method(search, "confirm")
    candidates = {t.of for t in reruns["tid"] if t.of.startswith("t0")}
    assert len(candidates) == 1
    assert {t.edits[METHOD] for t in reruns["fgd"]} == {"fgd"}
    verdict = judge(search.state, search.spec)
    assert len(verdict.candidates) == 2
    assert {c.baseline for c in verdict.candidates[0].comparisons} == {
        "none",
        "tid defaults",
        "fgd defaults",
    }


def test_no_distillation_may_be_one_of_the_methods_and_is_not_its_own_baseline_twice() -> None:
    spec = make_spec(method=("tid", "none"), trials=4, confirm=Confirm(top=1, seeds=1))
    search = simulate(spec, learning_curve)
    trained = [t.label for t in search.state.trials.values() if t.stage == "baseline" and t.reports]
    assert trained == ["none", "tid defaults"]
    reruns = {t.label for t in search.state.trials.values() if t.stage == "confirm"}
    assert "none defaults" not in reruns
    assert {method: len(trials) for method, trials in by_method(search).items()} == {
        "tid": 2,
        "none": 2,
    }


def test_one_method_is_set_in_every_trial_and_is_no_comparison() -> None:
    search = simulate(make_spec(method=("fgd",), trials=3), learning_curve)
    trials = list(search.state.trials.values())
    assert [t.label for t in trials[:2]] == ["none", "defaults"]
    assert all(t.edits[METHOD] == "fgd" for t in trials[1:])
    assert all(t.label == "" for t in trials[2:])
