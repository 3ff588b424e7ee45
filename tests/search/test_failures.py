"""Which failures are tried again, from where, and how often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import OBJECTIVE, make_spec, sampler_of, scheduler_of

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Position, Status
from tid_tune.ledger.state import RunState
from tid_tune.search.decision import FINISHED, Assignment
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.searchfile.model import Failures, SearchSpec

PLAIN = {"scheduler": scheduler_of("none"), "sampler": sampler_of("random"), "baseline": False}


def begun(**changes: Any) -> tuple[Search, Assignment]:
    search = Search.open(make_spec(**{**PLAIN, **changes}), Ledger.in_memory())
    work = search.next()
    assert isinstance(work, Assignment)
    return search, work


def send(search: Search, work: Assignment, epoch: int) -> None:
    name = f"{work.trial}/{epoch}.pth"
    search.report(
        work.trial, epoch, float(epoch), {OBJECTIVE: 0.1 * epoch}, 2.0, 8, name, f"sum{epoch}"
    )


def again(search: Search, work: Assignment) -> Assignment:
    found = search.next()
    assert isinstance(found, Assignment)
    assert found.trial == work.trial
    return found


def test_from_a_damaged_checkpoint_the_one_before_is_used_and_no_report_is_lost() -> None:
    search, work = begun()
    retention = Retention(search)
    for epoch in (1, 2, 3):
        send(search, work, epoch)
    search.fail(work.trial, Cause.LOST, "killed")
    retention.drain()
    work = again(search, work)
    assert (work.checkpoint, work.digest, work.step) == (f"{work.trial}/3.pth", "sum3", 3)
    search.fail(work.trial, Cause.DAMAGED, "its checksum is another")
    assert retention.drain() == [f"{work.trial}/3.pth"]
    work = again(search, work)
    assert (work.checkpoint, work.digest, work.step) == (f"{work.trial}/2.pth", "sum2", 2)
    send(search, work, 3)
    trial = search.state.trials[work.trial]
    assert [report.epoch for report in trial.reports] == [1, 2, 3]
    assert (trial.repeated_seconds, trial.losses) == (2.0, 1)
    assert retention.kept() == {f"{work.trial}/2.pth", f"{work.trial}/3.pth"}
    search.interrupt(work.trial)
    assert again(search, work).checkpoint == f"{work.trial}/3.pth", "it has been written anew"


def test_where_all_checkpoints_are_damaged_a_trial_begins_anew() -> None:
    search, work = begun()
    for epoch in (1, 2):
        send(search, work, epoch)
    search.interrupt(work.trial)
    for expected in (f"{work.trial}/2.pth", f"{work.trial}/1.pth", None):
        work = again(search, work)
        assert work.checkpoint == expected
        search.fail(work.trial, Cause.DAMAGED, "torn")
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.cause) == (Status.FAILED, Cause.DAMAGED), "there was none"


def test_a_ledger_is_read_back_with_what_is_damaged(tmp_path: Path) -> None:
    spec = make_spec(**PLAIN)
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        work = search.next()
        assert isinstance(work, Assignment)
        for epoch in (1, 2):
            send(search, work, epoch)
        search.interrupt(work.trial)
        work = again(search, work)
        search.fail(work.trial, Cause.DAMAGED, "torn")
        work = again(search, work)
        search.fail(work.trial, Cause.PREEMPTED, "the node goes away")
    state = RunState.read(tmp_path / "ledger.jsonl")
    assert state.trials == search.state.trials
    first = Position(1, 1.0, f"{work.trial}/1.pth", "sum1")
    assert state.trials[work.trial].resume_point() == first


@pytest.mark.parametrize("cause", [Cause.PREEMPTED, Cause.STORAGE])
def test_what_is_not_the_trials_fault_does_not_count(cause: Cause) -> None:
    search, work = begun(failures=Failures(retries=0))
    send(search, work, 1)
    for _ in range(5):
        search.fail(work.trial, cause, "not its fault")
        trial = search.state.trials[work.trial]
        assert (trial.status, trial.losses) == (Status.INTERRUPTED, 0)
        if cause is Cause.STORAGE:
            return  # the search ends; see below
        work = again(search, work)
        assert work.step == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_lost_worker_is_replaced_as_often_as_the_search_says(retries: int) -> None:
    search, work = begun(failures=Failures(retries=retries))
    for _ in range(retries):
        search.fail(work.trial, Cause.LOST, "killed")
        work = again(search, work)
    search.fail(work.trial, Cause.LOST, "killed")
    assert search.state.trials[work.trial].status is Status.FAILED


def test_memory_is_tried_once_more_in_parts_where_the_search_says_so() -> None:
    search, work = begun()
    search.fail(work.trial, Cause.OOM, "the memory was full")
    assert search.state.trials[work.trial].status is Status.FAILED
    search, work = begun(failures=Failures(smaller_parts=True))
    search.fail(work.trial, Cause.OOM, "the memory was full")
    trial = search.state.trials[work.trial]
    assert (trial.status, trial.in_parts, trial.alone) == (Status.INTERRUPTED, True, True)
    work = again(search, work)
    search.fail(work.trial, Cause.OOM, "the memory was full")
    assert (trial.status, trial.cause) == (Status.FAILED, Cause.OOM)


def test_without_room_for_a_checkpoint_the_search_ends_and_goes_on_with_room(
    tmp_path: Path,
) -> None:
    spec: SearchSpec = make_spec(**PLAIN)
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        first, other = search.next(), search.next()
        assert isinstance(first, Assignment)
        assert isinstance(other, Assignment)
        send(search, first, 1)
        search.fail(first.trial, Cause.STORAGE, "No space left on device")
        send(search, other, 1)
        assert search.state.trials[other.trial].status is Status.INTERRUPTED
        assert search.next() is FINISHED
        assert "No space left on device" in (search.state.closed or "")
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        assert search.state.no_room == ""
        assert [again(search, work).step for work in (first, other)] == [1, 1]
