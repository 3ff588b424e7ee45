"""Asynchronous successive halving: where the rungs lie, and who goes on from one."""

from __future__ import annotations

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, report, start

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment, Continue, Pause, Stop
from tid_tune.search.engine import Search
from tid_tune.search.schedulers.asha import AshaOptions
from tid_tune.search.schedulers.rungs import rung_levels
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import SearchSpec


def halving(trials: int = 12, **options: object) -> SearchSpec:
    return make_spec(
        scheduler=AshaOptions.model_validate(options),
        sampler={"type": "random"},
        trials=trials,
        baseline=False,
    )


@pytest.fixture
def search() -> Search:
    """Rungs at 1 and 3 of 9 epochs."""
    return Search.open(halving(), Ledger.in_memory())


def test_rungs_lie_at_grace_times_powers_of_the_reduction() -> None:
    assert rung_levels(1, 3, 27) == [1, 3, 9]
    assert rung_levels(0.5, 2, 3) == [0.5, 1, 2]
    assert rung_levels(4, 3, 4) == []


def test_the_best_third_of_those_before_it_goes_on(search: Search) -> None:
    values = [0.5, 0.4, 0.3, 0.6, 0.45, 0.55, 0.1]
    decisions = [report(search, start(search), 1.0, value) for value in values]
    # Quotas of 1 to 7 arrivals: 1 1 1 1 1 2 2. The sixth is second best of six.
    expected = [True, False, False, True, False, True, False]
    assert [isinstance(decision, Continue) for decision in decisions] == expected


def test_trials_of_equal_value_go_on(search: Search) -> None:
    decisions = [report(search, start(search), 1.0, 0.0) for _ in range(6)]
    assert all(isinstance(decision, Continue) for decision in decisions)


def test_a_report_between_rungs_stops_no_trial(search: Search) -> None:
    report(search, start(search), 1.0, 0.9)
    work = start(search)
    assert isinstance(report(search, work, 0.5, 0.0), Continue)
    assert isinstance(report(search, work, 1.0, 0.0), Stop)


def test_a_report_that_skips_rungs_is_compared_at_the_last_one_and_counts_at_both(
    search: Search,
) -> None:
    report(search, start(search), 4.0, 0.5)
    at_last = report(search, start(search), 4.0, 0.4)
    assert isinstance(at_last, Stop)
    assert "rank 2 of 2 at epoch 3" in at_last.reason
    at_first = report(search, start(search), 1.0, 0.3)
    assert isinstance(at_first, Stop)
    assert "rank 3 of 3 at epoch 1" in at_first.reason


def test_with_several_objectives_no_trial_is_stopped() -> None:
    spec = halving().model_copy(update={"objectives": {OBJECTIVE: "max", "loss": "min"}})
    trials = simulate(spec, learning_curve).state.trials.values()
    assert all(trial.status is Status.COMPLETED for trial in trials)


def test_rungs_of_the_data_train_from_scratch_on_growing_fractions() -> None:
    search = Search.open(halving(trials=1, fidelity="data"), Ledger.in_memory())
    segments = 0
    while isinstance(work := search.next(), Assignment):
        assert (work.step, work.checkpoint, work.epochs) == (0, None, 9)
        for epoch in range(1, 10):
            decision = report(search, work, float(epoch), 0.1)
            assert isinstance(decision, Pause) == (epoch == 9 and segments < 2)
        search.complete(work.trial)
        segments += 1
    trial = search.state.trials["t0001"]
    assert trial.status is Status.COMPLETED
    assert len(trial.reports) == 27
    assert [report.fraction for report in trial.reports[::9]] == pytest.approx([1 / 9, 1 / 3, 1])


def test_reasons_name_the_part_of_the_data_and_no_epoch() -> None:
    search = simulate(halving(trials=9, fidelity="data"), learning_curve)
    reasons = {t.reason for t in search.state.trials.values() if t.status is Status.STOPPED}
    assert reasons
    assert all(" of the data; " in reason and "epoch" not in reason for reason in reasons)


def test_a_promoting_asha_holds_every_trial_until_it_is_among_the_best_third() -> None:
    search = Search.open(halving(rule="promote"), Ledger.in_memory())
    works = [start(search) for _ in range(3)]
    decisions = [report(search, w, 1.0, v) for w, v in zip(works, (0.3, 0.5, 0.4), strict=True)]
    assert all(isinstance(decision, Pause) for decision in decisions)
    again = start(search)
    assert (again.trial, again.checkpoint) == (works[1].trial, f"{works[1].trial}/1.pth")
    assert start(search).segment == 0
    assert isinstance(report(search, again, 3.0, 0.9), Pause)
    assert "epoch 3" in search.state.trials[again.trial].reason


def test_a_trial_that_waits_goes_on_when_more_have_come() -> None:
    search = Search.open(halving(rule="promote"), Ledger.in_memory())
    for value in (0.1, 0.2, 0.3):  # the third one does not wait: it is the best of three
        report(search, start(search), 1.0, value)
    for value in (0.05, 0.06, 0.07):
        work = start(search)
        assert work.segment == 0
        report(search, work, 1.0, value)
    assert start(search).trial == "t0002"  # the second best of six
    assert start(search).segment == 0


@pytest.mark.parametrize("name", ["asha", "promote", "hyperband", "median"])
def test_stopping_saves_epochs_and_finds_as_good_a_trial(name: str) -> None:
    def outcome(kind: str) -> tuple[int, float]:
        options = {"type": "asha", "rule": kind} if kind == "promote" else {"type": kind}
        spec = halving(trials=60).model_dump() | {"scheduler": options}
        trials = simulate(make_spec(**spec), learning_curve, workers=4).state.trials.values()
        best = max(t.value(OBJECTIVE) or 0.0 for t in trials if t.full_length)
        return sum(len(t.reports) for t in trials), best

    (all_epochs, best), (epochs, found) = outcome("none"), outcome(name)
    assert all_epochs == 60 * 9
    assert epochs < (300 if name != "median" else all_epochs)
    assert found == best
