"""What a confirmation reruns, and what it concludes."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, quality, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.search.stages.paired import margins
from tid_tune.search.stages.plan import confirm_stage
from tid_tune.search.stages.verdict import REAL_GAIN, UNCLEAR, WORSE, judge
from tid_tune.searchfile.model import Budget, Confirm


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
    search = confirmed(noisy(gain, noise), confirm=Confirm(top=1, seeds=4))
    verdict = judge(search.state, search.spec)
    against_none = verdict.candidates[0].comparisons[0]
    assert (against_none.baseline, against_none.verdict) == ("none", word)
    assert word in verdict.text


def test_a_comparison_is_made_from_the_pairs_of_all_candidates() -> None:
    verdict = judge_of(confirmed())
    none = verdict.baselines[0]
    assert none.name == "none"
    seeds = sorted(none.values)
    values = np.array([[group.values[seed] for seed in seeds] for group in verdict.candidates])
    theirs = np.array([none.values[seed] for seed in seeds])
    found = [group.comparisons[0].difference for group in verdict.candidates]
    assert [gap.mean for gap in found] == pytest.approx(list((values - theirs).mean(1)))
    assert [gap.half_width for gap in found] == pytest.approx(list(margins(values, theirs, 0.95)))


def noisy(gain: float, noise: float) -> Any:
    def objective(assignment: Assignment, epoch: float) -> Any:
        rng = np.random.default_rng([assignment.seed, len(assignment.label), len(assignment.stage)])
        base = 0.4 if assignment.label == "none" else 0.4 + gain
        return {OBJECTIVE: base + noise * float(rng.standard_normal())}

    return objective


def test_seeds_are_added_until_the_interval_is_narrow() -> None:
    wanted = Confirm(top=1, seeds=3, until=0.02, max_seeds=40)
    search = confirmed(noisy(0.05, 0.02), confirm=wanted)
    gap = judge_of(search).candidates[0].comparisons[0].difference
    assert gap.half_width <= 0.02
    assert 3 < gap.count < 40
    once = confirmed(noisy(0.05, 0.02), confirm=Confirm(top=1, seeds=3))
    assert judge_of(once).candidates[0].comparisons[0].difference.half_width > 0.02


def test_no_more_seeds_are_added_than_allowed_or_needed() -> None:
    most = confirmed(noisy(0.0, 0.05), confirm=Confirm(top=2, seeds=3, until=1e-4, max_seeds=5))
    assert len(most.state.confirmation.seeds) == 5
    assert all(len(group.values) == 5 for group in judge_of(most).candidates)
    least = confirmed(noisy(0.1, 1e-4), confirm=Confirm(top=2, seeds=3, until=0.1))
    assert len(least.state.confirmation.seeds) == 3


def test_a_search_that_added_seeds_resumes_with_them(tmp_path: Path) -> None:
    spec = make_spec(confirm=Confirm(top=1, seeds=2, until=1e-4, max_seeds=6))
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        with Ledger.open(path, clock=VirtualClock()) as ledger:
            search = simulate(spec, noisy(0.0, 0.05), ledger=ledger)
        reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
        assert len(reruns) == 3 * 6


def test_an_unclear_gain_comes_with_the_seeds_that_it_takes() -> None:
    text = judge_of(confirmed(noisy(0.03, 0.03), confirm=Confirm(top=1, seeds=3))).text
    assert UNCLEAR in text
    assert re.search(r"confirm\.seeds=\d+", text)


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
    assert confirm_stage(search.state, search.spec, 3).candidates == ("t0001", "t0003")


def test_without_a_confirmation_the_result_says_so() -> None:
    search = simulate(make_spec(), learning_curve)
    result = search.state.result
    assert result.confirmed is False
    winner = search.state.trials[str(result.winner)]
    assert winner.status is Status.COMPLETED
    value = winner.value(OBJECTIVE)
    assert value is not None
    assert math.isfinite(value)
