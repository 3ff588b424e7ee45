"""The search engine, with functions in the place of trainings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.search_cases import (
    OBJECTIVE,
    SPACE,
    learning_curve,
    make_spec,
    sampler_of,
    scheduler_of,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.ranking import best_trial, leaderboard
from tid_tune.search.decision import FINISHED, WAIT, Assignment, Continue, Fail, Stop, Suspend
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, simulate
from tid_tune.searchfile.model import Resources
from tid_tune.space import Fixed

PLAIN = {"scheduler": scheduler_of("none"), "sampler": sampler_of("random")}


def one_trial(**changes: Any) -> Any:
    search = Search.open(make_spec(baseline=False, **{**PLAIN, **changes}), Ledger.in_memory())
    return search, search.next()


def send(
    search: Search, work: Assignment, step: int, value: float, checkpoint: Any = "c.pth"
) -> Any:
    return search.report(work.trial, step, float(step), {OBJECTIVE: value}, 2.0, 8, checkpoint)


def test_a_search_runs_the_baseline_first_and_then_its_trials() -> None:
    search = simulate(make_spec(**PLAIN), learning_curve)
    trials = list(search.state.trials.values())
    assert [t.label for t in trials[:2]] == ["none", "defaults"]
    assert trials[0].edits == {"model.distillation.method": "none"}
    assert trials[1].edits == {}
    assert [t.stage for t in trials[2:]] == ["search"] * 12
    assert all(t.status is Status.COMPLETED and len(t.reports) == 9 for t in trials)
    assert search.next() is FINISHED


def test_fixed_parameters_reach_every_trial_the_baseline_included() -> None:
    spec = make_spec(space={**SPACE, "optim_wrapper.lr": Fixed(value=0.02)}, trials=2)
    search = simulate(spec, learning_curve)
    assert all(t.edits["optim_wrapper.lr"] == 0.02 for t in search.state.trials.values())


def test_stopped_trials_are_listed_behind_those_of_full_length() -> None:
    spec = make_spec(trials=20)
    search = simulate(spec, learning_curve, workers=3)
    rows = leaderboard(search.state, spec)
    ranks = [row.rank for row in rows]
    full = [rank for rank in ranks if rank is not None]
    assert full == list(range(1, len(full) + 1))
    assert ranks == full + [None] * (len(ranks) - len(full))
    values = [row.values[OBJECTIVE] for row in rows[: len(full)]]
    assert values == sorted(values, reverse=True)
    lengths = [row.epoch for row in rows[len(full) :]]
    assert lengths == sorted(lengths, reverse=True)
    none = search.state.trials["t0001"]
    for row in rows:
        reference = none.value_at(OBJECTIVE, row.epoch)
        assert reference is not None
        assert row.gain == row.values[OBJECTIVE] - reference
    best = best_trial(search.state, spec)
    assert best.id == next(row.trial for row in rows if row.stage == "search")


def test_an_objective_to_be_minimized_ranks_and_searches_the_other_way_round() -> None:
    spec = make_spec(objectives={"loss": "min"}, trials=20, epochs=3)

    def losses(assignment: Assignment, epoch: float) -> Any:
        return {"loss": 1 - learning_curve(assignment, epoch)[OBJECTIVE]}

    search = simulate(spec, losses)
    rows = leaderboard(search.state, spec)
    values = [row.values["loss"] for row in rows if row.rank]
    assert values == sorted(values)
    assert rows[0].gain is not None
    assert rows[0].gain > 0
    assert search.state.trials[rows[0].trial].status is Status.COMPLETED


def test_next_waits_while_the_last_trials_run() -> None:
    search, work = one_trial(trials=1)
    assert isinstance(work, Assignment)
    assert search.next() is WAIT
    search.fail(work.trial, "user", "no such file")
    assert search.next() is FINISHED
    assert search.state.closed == "all trials are done"


def test_no_more_trials_run_at_once_than_the_spec_allows() -> None:
    search, _ = one_trial(resources=Resources(concurrent=2))
    assert isinstance(search.next(), Assignment)
    assert search.next() is WAIT


def test_an_interrupted_trial_continues_from_its_last_checkpoint_before_anything_new(
    tmp_path: Path,
) -> None:
    spec = make_spec(baseline=False, **PLAIN)
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        first = search.next()
        assert isinstance(first, Assignment)
        send(search, first, 1, 0.1, "one.pth")
        send(search, first, 2, 0.2, "two.pth")
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        again = search.next()
    assert (again.trial, again.checkpoint, again.step) == (first.trial, "two.pth", 2)
    assert (again.params, again.segment) == (first.params, 1)
    assert any("t0001 continues at epoch 2 of 9" in note for note in search.notes)


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_an_objective_that_is_no_number_fails_the_trial(value: float) -> None:
    search, work = one_trial()
    metrics = {"loss": 1.0} if value is None else {OBJECTIVE: value, "loss": 1.0}
    assert isinstance(search.report(work.trial, 1, 1.0, metrics, 1.0, 1, None), Fail)
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.cause) == (Status.FAILED, "nan")
    assert OBJECTIVE in trial.reason
    assert ("reported: loss" in trial.reason) == (value is None)
    search.complete(work.trial)
    assert trial.status is Status.FAILED


def test_a_trial_that_ends_without_a_report_has_failed() -> None:
    search, work = one_trial()
    search.complete(work.trial)
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.cause) == (Status.FAILED, "user")


def test_a_trial_that_ends_before_its_full_length_is_not_ranked_with_the_others() -> None:
    search, work = one_trial()
    send(search, work, 3, 0.9)
    search.complete(work.trial)
    assert search.state.trials[work.trial].status is Status.STOPPED
    assert best_trial(search.state, search.spec) is None


def test_a_late_report_of_a_trial_that_has_ended_is_answered_with_stop_and_not_recorded() -> None:
    search, work = one_trial()
    search.fail(work.trial, "oom", "out of memory")
    assert isinstance(send(search, work, 1, 0.5), Stop)
    assert search.state.trials[work.trial].reports == []


def test_only_lost_trials_are_tried_again_and_only_so_often() -> None:
    search, work = one_trial(trials=1)
    send(search, work, 1, 0.5, "one.pth")
    for _ in range(3):
        search.fail(work.trial, "lost", "node died")
        again = search.next()
        assert (again.trial, again.step) == (work.trial, 1)
    search.fail(work.trial, "lost", "node died")
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.cause) == (Status.FAILED, "lost")
    assert search.next() is FINISHED


@pytest.mark.parametrize("kind", ["user", "nan", "oom", "crash"])
def test_other_failures_count_as_trials_and_are_not_tried_again(kind: Any) -> None:
    def sometimes(assignment: Assignment, epoch: float) -> Any:
        if assignment.trial in ("t0002", "t0004"):
            raise Failure(kind, "no")
        return learning_curve(assignment, epoch)

    search = simulate(make_spec(baseline=False, trials=6, **PLAIN), sometimes)
    trials = search.state.trials.values()
    assert len(trials) == 6
    assert [t.id for t in trials if t.status is Status.FAILED] == ["t0002", "t0004"]


def test_a_search_whose_first_five_trials_all_fail_is_stopped_with_the_reason(
    tmp_path: Path,
) -> None:
    def broken(assignment: Assignment, epoch: float) -> dict[str, float]:
        raise Failure("user", "no such file: teacher.pth")

    spec, path = make_spec(trials=30, **PLAIN), tmp_path / "ledger.jsonl"
    from tid_tune.search.simulate import VirtualClock

    with Ledger.open(path, clock=VirtualClock()) as ledger:
        search = simulate(spec, broken, workers=2, ledger=ledger)
    assert len(search.state.trials) <= 6
    assert search.state.closed is not None
    assert "the first 5 trials all failed" in search.state.closed
    assert "teacher.pth" in search.state.closed
    with Ledger.open(path, clock=VirtualClock()) as ledger:
        repaired = simulate(spec, learning_curve, ledger=ledger)
    assert sum(t.stage == "search" for t in repaired.state.trials.values()) == 30


def test_running_trials_are_held_when_the_search_is_stopped_for_its_failures() -> None:
    search = Search.open(make_spec(baseline=False, trials=30, **PLAIN), Ledger.in_memory())
    work = [one for _ in range(6) if isinstance(one := search.next(), Assignment)]
    for assignment in work[:5]:
        search.fail(assignment.trial, "user", "bad")
    assert search.next() is WAIT
    assert isinstance(send(search, work[5], 1, 0.5), Suspend)
    assert search.next() is FINISHED


def test_where_a_trial_runs_is_recorded() -> None:
    search, work = one_trial()
    search.placed(work.trial, node="10.0.0.7")
    assert search.state.trials[work.trial].node == "10.0.0.7"
    assert isinstance(send(search, work, 1, 0.5), Continue)


def test_numbers_of_numpy_are_recorded_as_those_of_python() -> None:
    search, work = one_trial()
    search.report(
        work.trial, np.int64(1), np.float32(1), {OBJECTIVE: np.int64(2)}, 1.0, np.int64(8)
    )
    (report,) = search.state.trials[work.trial].reports
    assert (report.step, report.epoch, report.images) == (1, 1.0, 8)
    assert report.metrics == {OBJECTIVE: 2.0}


def test_a_failure_of_an_unknown_kind_with_an_odd_message_is_recorded() -> None:
    search, work = one_trial()
    search.fail(work.trial, "timeout", "no file \udcff")
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.cause) == (Status.FAILED, Cause.CRASH)
    assert trial.reason == r"no file \udcff"
