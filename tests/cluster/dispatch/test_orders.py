"""What a worker is sent, without Ray."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

from ray.exceptions import OutOfMemoryError
from support.desk import LR, Desk
from support.search_cases import OBJECTIVE, scheduler_of

from tid_tune.ledger.records import Status
from tid_tune.search.decision import FINISHED, WAIT
from tid_tune.searchfile.model import Failures


def test_an_order_holds_what_the_engine_assigned(desk: Desk, tmp_path: Path) -> None:
    order = desk.order("ray-a")
    trial = desk.trial(order)
    assert (order.edits, order.seed, order.epochs) == (trial.edits, trial.seed, 3)
    assert order.edits[LR] == trial.params[LR]
    assert (order.segment, order.fraction, order.checkpoint) == (0, 1.0, None)
    assert order.config == tmp_path / "config.py"
    assert order.work_dir == tmp_path / "run" / "trials" / order.trial
    assert order.root == tmp_path
    assert order.report_every == desk.spec.report_every
    assert order.costs == ()


def test_an_order_says_where_the_scheduler_compares_trials(tmp_path: Path) -> None:
    asha = scheduler_of("asha", grace_epochs=1, reduction=2)
    for kind, needed in ((asha, (1.0, 2.0)), (scheduler_of("none"), ())):
        desk = Desk(tmp_path / kind.type, capacity=lambda: 1, scheduler=kind)
        assert desk.order("ray-a").report_every.needed is None
        desk = Desk(
            tmp_path / f"{kind.type}-rungs",
            capacity=lambda: 1,
            scheduler=kind,
            evaluate_every="rungs",
        )
        assert desk.order("ray-a").report_every.needed == needed


def test_only_objectives_that_are_costs_are_measured_as_such(tmp_path: Path) -> None:
    objectives = {OBJECTIVE: "max", "gflops": "min"}
    desk = Desk(tmp_path, capacity=lambda: 1, objectives=objectives)
    assert desk.order("ray-a").costs == ("gflops",)


def test_the_first_trial_that_needs_the_teacher_measures_it_and_those_before_check_it(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, capacity=lambda: 4, baseline=True)
    orders = [desk.order(f"ray-{name}") for name in "abcd"]
    assert [desk.trial(order).label for order in orders[:2]] == ["none", "defaults"]
    assert [order.check_teacher for order in orders] == [True, False, False, False]
    assert [order.measure_teacher for order in orders] == [False, True, False, False]


def test_no_more_trials_run_than_there_is_room_for(tmp_path: Path) -> None:
    room = 1
    desk = Desk(tmp_path, capacity=lambda: room)
    first = desk.order("ray-a")
    assert desk.dispatcher.order("ray-b") is WAIT
    room = 2
    second = desk.order("ray-b")
    assert desk.dispatcher.order("ray-c") is WAIT
    assert first.trial != second.trial
    for step in (1, 2, 3):
        desk.report("ray-a", first, step)
    assert desk.order("ray-c").trial not in (first.trial, second.trial)


def test_the_trial_that_was_looked_at_ahead_is_the_first_one_ordered(desk: Desk) -> None:
    assert desk.dispatcher.has_work()
    assert [desk.order("ray-a").trial, desk.order("ray-b").trial] == ["t0001", "t0002"]


def test_a_worker_whose_trial_has_ended_gets_the_next_one_where_it_is(tmp_path: Path) -> None:
    room = [2]
    desk = Desk(tmp_path, capacity=lambda: room[0], trials=4)
    first, second = desk.order("ray-a"), desk.order("ray-b")
    desk.dispatcher.started("ray-a", "10.0.0.1", "a1")
    assert desk.again("ray-a") is None, "it has work"
    assert not desk.report("ray-a", first, 3)
    third = desk.again("ray-a")
    assert third is not None
    trial = desk.trial(third)
    assert (trial.id, trial.status, trial.node) == ("t0003", Status.RUNNING, "10.0.0.1")
    assert trial.active_since is not None, "it is paid for"
    assert desk.again("ray-a") is None, "once"
    room[0] = 1
    assert not desk.report("ray-b", second, 3)
    assert desk.again("ray-b") is None, "there is no room any more"
    assert not desk.report("ray-a", third, 3)
    last = desk.again("ray-a")
    assert last is not None
    desk.dispatcher.lost("ray-a", None)
    assert desk.trial(last).status is Status.INTERRUPTED
    assert desk.again("ray-a") is None


def test_after_the_last_trial_there_is_no_work(desk: Desk) -> None:
    for number in range(3):
        order = desk.order(f"ray-{number}")
        goes_on = [desk.report(f"ray-{number}", order, step) for step in (1, 2, 3)]
        assert goes_on == [True, True, False]
        assert desk.trial(order).status is Status.COMPLETED
    assert desk.dispatcher.order("ray-3") is FINISHED
    assert not desk.dispatcher.has_work()


def test_an_order_says_what_its_checkpoint_must_hold_and_how_it_is_trained(
    tmp_path: Path,
) -> None:
    failures = Failures(smaller_parts=True, stall_minutes=2)
    desk = Desk(tmp_path, capacity=lambda: 1, failures=failures)
    pack = desk.pack_order("ray-a")
    assert pack.stall_seconds == 120
    (first,) = pack.members
    work = desk.trial(first)
    desk.report("ray-a", first, 1, digest="5f5f")
    desk.dispatcher.lost("ray-a", OutOfMemoryError("Memory on the node"))
    assert (work.status, work.in_parts) == (Status.INTERRUPTED, True)
    again = desk.order("ray-b")
    assert (again.digest, again.parts) == ("5f5f", 2)


def test_tune_copies_and_pickles_its_searcher_without_the_search(desk: Desk) -> None:
    assert copy.deepcopy(desk.dispatcher) is desk.dispatcher
    assert len(pickle.dumps(desk.dispatcher)) < 200
