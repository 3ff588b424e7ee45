from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support.search_cases import OBJECTIVE, learning_curve, make_spec, quality, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.search.stages.plan import confirm_stage
from tid_tune.search.stages.statistics import difference, estimate, pooled_spread
from tid_tune.search.stages.verdict import REAL_GAIN, UNCLEAR, WORSE, judge
from tid_tune.searchfile.model import Budget, Confirm

VALUES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=6)


@given(VALUES.filter(lambda values: len(set(values)) > 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_interval_of_a_mean_is_scipys(values: Any, level: Any) -> None:
    found = estimate(values, level)
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


@given(
    VALUES.filter(lambda values: np.std(values) > 1e-4),
    VALUES.filter(lambda values: np.std(values) > 1e-4),
)
def test_the_interval_of_a_difference_of_two_groups_is_scipys(a: Any, b: Any) -> None:
    found = difference(a, b, pooled_spread([a, b]))
    reference = stats.ttest_ind(a, b, equal_var=True).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))


def test_one_value_has_a_mean_and_no_interval() -> None:
    assert dataclasses.astuple(estimate([0.5])) == (0.5, None, None, 1)
    assert difference([0.5], [0.1], pooled_spread([[0.5], [0.1]])).low is None
    with pytest.raises(ValueError, match="no values"):
        estimate([])


def test_values_without_spread_differ_exactly() -> None:
    a, b = [0.5, 0.5], [0.25, 0.25]
    found = difference(a, b, pooled_spread([a, b]))
    assert dataclasses.astuple(found) == (0.25, 0.25, 0.25, 2)


@given(st.lists(VALUES, min_size=2, max_size=5))
def test_the_spread_is_the_mean_square_within_groups(groups: Any) -> None:
    means = [value for values in groups for value in [np.mean(values)] * len(values)]
    residuals = np.concatenate(groups) - means
    found = pooled_spread(groups)
    assert found.freedom == len(residuals) - len(groups)
    assert found.variance == pytest.approx(np.sum(residuals**2) / found.freedom)


def test_intervals_hold_what_they_promise() -> None:
    """Over many draws with no true difference, about 5 % of the intervals miss 0."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(2000):
        groups = rng.normal(0.4, 0.02, (4, 3)).tolist()
        found = difference(groups[0], groups[1], pooled_spread(groups))
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= 0 <= found.high
    assert missed / 2000 == pytest.approx(0.05, abs=0.015)


def confirmed(objective: Any = learning_curve, workers: int = 3, **changes: Any) -> Any:
    spec = make_spec(**{"trials": 12, "confirm": Confirm(top=2, seeds=3), **changes})
    return simulate(spec, objective, workers=workers)


def test_candidates_and_baselines_are_rerun_with_the_same_new_seeds() -> None:
    search = confirmed()
    reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
    labels = {t.label for t in reruns}
    assert {"none", "defaults"} < labels
    assert len(labels) == 4
    for label in labels:
        assert sorted(t.seed for t in reruns if t.label == label) == [1, 2, 3]
    assert all(t.seed == 0 for t in search.state.trials.values() if t.stage != "confirm")
    for rerun in reruns:
        if rerun.label in search.state.trials:
            assert rerun.params == search.state.trials[rerun.label].params
    assert all(len(t.reports) == 9 for t in reruns)


def test_the_confirmation_begins_when_everything_else_has_ended() -> None:
    search = confirmed(workers=5)
    trials = search.state.trials.values()
    begins = min(t.started for t in trials if t.stage == "confirm")
    assert begins >= max(t.ended for t in trials if t.stage != "confirm")


def test_a_lucky_seed_does_not_win() -> None:
    def lucky(assignment: Assignment, epoch: float) -> Any:
        value = quality(assignment.params)
        if assignment.stage == "search" and assignment.trial == "t0003":
            value = 0.9
        return {OBJECTIVE: value + 0.001 * assignment.seed}

    search = confirmed(lucky, scheduler=scheduler_of("none"))
    plan = search.state.confirmation.candidates
    assert plan[0] == "t0003"
    verdict = judge(search.state, search.spec)
    assert verdict.winner == plan[1]
    assert search.state.result.winner == plan[1]
    assert search.state.result.confirmed is True


@pytest.mark.parametrize(
    ("gain", "noise", "word"),
    [(0.1, 0.002, REAL_GAIN), (0.0005, 0.02, UNCLEAR), (-0.1, 0.002, WORSE)],
)
def test_the_verdict_says_whether_the_gain_is_more_than_noise(
    gain: Any, noise: Any, word: Any
) -> None:
    def noisy(assignment: Assignment, epoch: float) -> Any:
        rng = np.random.default_rng([assignment.seed, len(assignment.label), len(assignment.stage)])
        base = 0.4 if assignment.label == "none" else 0.4 + gain
        return {OBJECTIVE: base + noise * float(rng.standard_normal())}

    search = confirmed(noisy, confirm=Confirm(top=1, seeds=4))
    verdict = judge(search.state, search.spec)
    against_none = verdict.candidates[0].comparisons[0]
    assert (against_none.baseline, against_none.verdict) == ("none", word)
    assert word in verdict.text


def test_the_level_of_the_comparison_pays_for_choosing_among_candidates() -> None:
    search = confirmed()
    verdict = judge(search.state, search.spec)
    assert verdict.level == pytest.approx(0.975)
    best, none = verdict.candidates[0], verdict.baselines[0]
    groups = [list(g.values.values()) for g in (*verdict.candidates, *verdict.baselines)]
    reference = difference(
        list(best.values.values()), list(none.values.values()), pooled_spread(groups), 0.975
    )
    found = best.comparisons[0].difference
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert len(groups) == 4


def test_less_is_more_where_the_objective_is_minimized() -> None:
    def losses(assignment: Assignment, epoch: float) -> Any:
        return {"loss": 1 - learning_curve(assignment, epoch)[OBJECTIVE]}

    search = confirmed(losses, objectives={"loss": "min"})
    verdict = judge(search.state, search.spec)
    means = [group.estimate.mean for group in verdict.candidates]
    assert means == sorted(means)
    assert verdict.candidates[0].comparisons[0].verdict == REAL_GAIN
    assert verdict.candidates[0].comparisons[0].difference.mean > 0


def test_one_seed_allows_no_verdict() -> None:
    verdict = judge_of(confirmed(confirm=Confirm(top=1, seeds=1)))
    assert verdict.candidates[0].comparisons[0].verdict == UNCLEAR
    assert "one seed shows no spread" in verdict.text


def judge_of(search: Search) -> Any:
    return judge(search.state, search.spec)


def test_a_candidate_that_fails_with_other_seeds_does_not_win() -> None:
    def fragile(assignment: Assignment, epoch: float) -> Any:
        value = quality(assignment.params)
        if assignment.trial == "t0004":
            value = 0.7
        if assignment.stage == "confirm" and assignment.label == "t0004":
            if assignment.seed == 2:
                raise Failure("nan", "diverged")
            value = 0.7
        return {OBJECTIVE: value}

    search = confirmed(fragile, scheduler=scheduler_of("none"))
    verdict = judge_of(search)
    assert verdict.winner != "t0004"
    weak = next(g for g in verdict.candidates if g.name == "t0004")
    assert (weak.failures, len(weak.values)) == (1, 2)


def test_without_a_completed_trial_nothing_is_confirmed() -> None:
    def bad(assignment: Assignment, epoch: float) -> Any:
        if assignment.stage == "search":
            raise Failure("nan", "diverged")
        return learning_curve(assignment, epoch)

    search = confirmed(bad, trials=4)
    assert not [t for t in search.state.trials.values() if t.stage == "confirm"]
    assert judge_of(search).winner is None
    assert "there was none" in search.state.result.text


def test_a_confirmation_cut_short_by_the_budget_still_compares_equals() -> None:
    # 10 trials of 9 epochs fit; the reserve keeps half of them for 12 reruns that are wanted.
    search = confirmed(budget=Budget(epochs=90), trials=50, workers=1)
    reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
    assert all(t.status is Status.COMPLETED for t in reruns)
    assert len(reruns) == 5
    counts = {name: len(group) for name, group in groups(reruns).items()}
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("reruns", [4, 5])
def test_a_lucky_trial_does_not_win_because_it_was_rerun_once_more(reruns: Any) -> None:
    def lucky(assignment: Assignment, epoch: float) -> Any:
        if (assignment.stage, assignment.trial) == ("search", "t0001"):
            return {OBJECTIVE: 0.9}
        return {OBJECTIVE: quality(assignment.params)}

    rules = {"trials": 4, "baseline": False, "scheduler": scheduler_of("none")}
    search = confirmed(lucky, workers=1, budget=Budget(epochs=9 * (4 + reruns)), **rules)
    first, second = search.state.confirmation.candidates
    assert first == "t0001"
    values = [quality(search.state.trials[name].params) for name in (first, second)]
    assert values[0] < values[1]
    assert sum(t.stage == "confirm" for t in search.state.trials.values()) == reruns
    assert judge_of(search).winner == second


def groups(reruns: list[Trial]) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {}
    for trial in reruns:
        found.setdefault(trial.label, []).append(trial)
    return found


def test_more_seeds_on_a_resume_add_to_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for seeds in (2, 4):
        spec = make_spec(confirm=Confirm(top=1, seeds=seeds))
        with Ledger.open(path, clock=VirtualClock()) as ledger:
            search = simulate(spec, learning_curve, ledger=ledger)
        reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
        assert len(reruns) == 3 * seeds
        assert all(len(t.reports) == 9 for t in reruns)


def test_a_candidate_confirmed_before_stays_a_candidate_when_better_ones_come(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.jsonl"
    chosen = []
    for trials in (4, 30):
        spec = make_spec(confirm=Confirm(top=1, seeds=2), trials=trials)
        with Ledger.open(path, clock=VirtualClock()) as ledger:
            search = simulate(spec, learning_curve, ledger=ledger)
        chosen.append(search.state.confirmation.candidates)
    assert len(chosen[0]) == 1
    assert chosen[0][0] in chosen[1]
    assert len(chosen[1]) == 2


def test_equal_configurations_take_only_one_place_among_the_candidates() -> None:
    search = Search.open(
        make_spec(confirm=Confirm(top=2), baseline=False, scheduler=scheduler_of("none")),
        Ledger.in_memory(),
    )
    for value in (0.5, 0.4, 0.3):
        work = search.next()
        search.report(work.trial, 9, 9.0, {OBJECTIVE: value}, 1.0, 1, None)
        search.complete(work.trial)
    trials = list(search.state.trials.values())
    trials[1].edits = trials[0].edits
    assert confirm_stage(search.state, search.spec).candidates == ("t0001", "t0003")


def test_without_a_confirmation_the_result_says_so() -> None:
    search = simulate(make_spec(), learning_curve)
    result = search.state.result
    assert result.confirmed is False
    winner = search.state.trials[str(result.winner)]
    assert winner.status is Status.COMPLETED
    value = winner.value(OBJECTIVE)
    assert value is not None
    assert math.isfinite(value)
