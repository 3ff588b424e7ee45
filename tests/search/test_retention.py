from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.ranking import ranked_full_length
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.simulate import Simulator, VirtualClock
from tid_tune.searchfile.model import Budget, Confirm
from tid_tune.searchfile.outputs import Keep


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "pbt", "none"])
@pytest.mark.parametrize("workers", [1, 3])
def test_no_trial_ever_needs_a_checkpoint_that_was_released(scheduler: str, workers: int) -> None:
    spec = make_spec(
        scheduler=scheduler_of(scheduler),
        trials=14,
        confirm=Confirm(top=2, seeds=2),
        epochs=6,
        keep=Keep(best=2),
    )
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    retention, files, released = Retention(search), set[str](), set[str]()

    def training(assignment: Assignment, epoch: float) -> Any:
        begins = epoch == assignment.step + 1 and assignment.checkpoint is not None
        assert not begins or assignment.checkpoint in files
        files.add(f"{assignment.trial}/s{assignment.segment}/{int(epoch)}")
        return learning_curve(assignment, epoch)

    run, largest = Simulator(search, training, clock, workers), 0
    while run.step():
        gone = retention.drain()
        assert not released & set(gone)
        released.update(gone)
        files.difference_update(gone)
        largest = max(largest, len(files))
    assert files == retention.kept()
    best = ranked_full_length(search.state, spec)[:2]
    assert {t.last.checkpoint for t in best} <= files
    for trial in search.state.trials.values():
        mine = [name for name in files if name.startswith(f"{trial.id}/")]
        assert len(mine) <= 1
        if trial.stage != "search":
            assert mine == [trial.last.checkpoint]
    total = sum(len(t.reports) for t in search.state.trials.values())
    assert largest < total / 2


@pytest.mark.parametrize("epochs", [20, 1000])
@pytest.mark.parametrize("before", ["pbt", "asha", "none"])
def test_trials_that_join_later_copy_no_checkpoint_that_is_gone(
    before: Any, epochs: int, tmp_path: Path
) -> None:
    path, clock, files = tmp_path / "ledger.jsonl", VirtualClock(), set()

    def training(assignment: Assignment, epoch: float) -> Any:
        begins = epoch == assignment.step + 1 and assignment.checkpoint is not None
        assert not begins or assignment.checkpoint in files
        files.add(f"{assignment.trial}/s{assignment.segment}/{int(epoch)}")
        return learning_curve(assignment, epoch)

    rules = {"scheduler": scheduler_of(before), "budget": Budget(epochs=epochs)}
    spec = make_spec(trials=4, baseline=False, **rules)
    longer = {"trials": 12, "scheduler": scheduler_of("pbt"), "budget": Budget()}
    for changed in (spec, spec.model_copy(update=longer)):
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            search = Search.open(changed, ledger)
            retention, run = Retention(search), Simulator(search, training, clock, workers=2)
            while run.step():
                files.difference_update(retention.drain())
    trials = search.state.trials.values()
    assert len(trials) == 12
    assert all(t.status.final for t in trials)
    assert any(t.origin.startswith("exploit") for t in trials)


def test_after_a_resume_the_same_checkpoints_are_kept(tmp_path: Path) -> None:
    path, clock, spec = tmp_path / "ledger.jsonl", VirtualClock(), make_spec(trials=8)
    with Ledger.open(path, clock=clock) as ledger:
        search = Search.open(spec, ledger)
        retention = Retention(search)
        run = Simulator(search, learning_curve, clock, workers=2)
        for _ in range(60):
            run.step()
        retention.drain()
        kept = retention.kept()
    with Ledger.open(path, clock=clock) as ledger:
        again = Retention(Search.open(spec, ledger))
        again.drain()
        assert again.kept() == kept


def test_an_interrupted_trial_keeps_what_it_continues_from() -> None:
    search = Search.open(make_spec(baseline=False), Ledger.in_memory())
    retention = Retention(search)
    work = search.next()
    for step in (1, 2, 3):
        search.report(work.trial, step, step, {OBJECTIVE: 0.1}, 1.0, 1, f"{step}.pth")
    search.interrupt(work.trial)
    assert retention.drain() == ["1.pth"]
    assert retention.kept() == {"2.pth", "3.pth"}, "the earlier one serves if the last is damaged"


@pytest.mark.parametrize("keep", [Keep(best=1, baselines=False, reruns=False), Keep(best=5)])
def test_keep_says_which_ended_trials_keep_their_weights(keep: Keep) -> None:
    spec = make_spec(trials=10, confirm=Confirm(top=2, seeds=2), epochs=3, keep=keep)
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    retention, run = Retention(search), Simulator(search, learning_curve, clock, workers=2)
    while run.step():
        retention.drain()
    assert search.state.confirmation is not None
    kept = retention.kept()
    holders = {t.id for t in search.state.trials.values() if t.last and t.last.checkpoint in kept}
    best = {t.id for t in ranked_full_length(search.state, spec)[: keep.best]}
    wanted = best | set(search.state.confirmation.candidates)
    for trial in search.state.trials.values():
        if trial.status is Status.COMPLETED and trial.stage == "baseline" and keep.baselines:
            wanted.add(trial.id)
        if trial.status is Status.COMPLETED and trial.stage == "confirm" and keep.reruns:
            wanted.add(trial.id)
    assert holders == wanted


@pytest.mark.parametrize("scheduler", ["asha", "hyperband", "pbt", "median", "none"])
def test_nobody_goes_on_from_a_checkpoint_of_full_length(scheduler: str) -> None:
    """Those have no optimizer."""
    spec = make_spec(
        scheduler=scheduler_of(scheduler), trials=14, confirm=Confirm(top=2, seeds=2), epochs=6
    )
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    run, weights_only = Simulator(search, learning_curve, clock, workers=3), set[str]()
    while run.step():
        for trial in search.state.trials.values():
            for report in trial.reports:
                if report.fraction == 1.0 and report.epoch >= trial.epochs and report.checkpoint:
                    weights_only.add(report.checkpoint)
            checkpoint = trial.resume_point().checkpoint
            assert trial.status.final or checkpoint not in weights_only
    assert weights_only


def test_for_want_of_room_reruns_go_first_then_baselines_then_the_worst_trials() -> None:
    spec = make_spec(trials=10, confirm=Confirm(top=2, seeds=2), epochs=3, keep=Keep(best=5))
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    retention, run = Retention(search), Simulator(search, learning_curve, clock, workers=2)
    while run.step():
        retention.drain()
    kept, given = retention.kept(), list[str]()
    while (checkpoint := retention.give_up()) is not None:
        given.append(checkpoint)
    trials = {t.last.checkpoint: t for t in search.state.trials.values() if t.last}
    stages = [trials[checkpoint].stage for checkpoint in given]
    assert set(stages[:-5]) == {"confirm"}
    assert stages[-5:] == ["baseline"] * 2 + ["search"] * 3
    values = [trials[checkpoint].value(OBJECTIVE) or 0.0 for checkpoint in given[-3:]]
    assert values == sorted(values)
    assert search.state.confirmation is not None
    left = {trials[checkpoint].id for checkpoint in retention.kept()}
    assert left == set(search.state.confirmation.candidates)
    assert retention.kept() == kept - set(given)


def test_what_trials_that_go_on_need_is_never_given_up() -> None:
    search = Search.open(make_spec(baseline=False), Ledger.in_memory())
    retention = Retention(search)
    work = search.next()
    search.report(work.trial, 1, 1, {OBJECTIVE: 0.1}, 1.0, 1, "1.pth")
    assert retention.give_up() is None
    assert retention.kept() == {"1.pth"}
