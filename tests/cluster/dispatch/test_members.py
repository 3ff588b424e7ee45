"""Workers that train several trials side by side, without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import RayActorError
from support.desk import Desk

from tid_tune.cluster.messages import (
    Changes,
    IntervalFailed,
    StepAnswer,
)
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status
from tid_tune.search.decision import WAIT
from tid_tune.searchfile.model import Resources


def test_a_worker_is_sent_as_many_trials_as_it_trains_side_by_side(packed: Desk) -> None:
    order = packed.pack_order("ray-a")
    assert [member.trial for member in order.members] == ["t0001", "t0002", "t0003"]
    assert order.packs
    assert not order.measure
    assert [m.trial for m in packed.pack_order("ray-b").members] == ["t0004", "t0005", "t0006"]
    assert packed.dispatcher.order("ray-c") is WAIT, "room is counted in workers"
    packed.dispatcher.started("ray-a", "10.0.0.7")
    nodes = [packed.trial(member).node for member in order.members]
    assert nodes == ["10.0.0.7"] * 3


def test_a_member_that_fails_leaves_the_others_where_they_are(packed: Desk) -> None:
    first, second, third = packed.pack_order("ray-a").members
    changes = packed.answers(
        "ray-a",
        {
            first.trial: packed.interval(first, 1),
            second.trial: IntervalFailed(cause=Cause.NAN, text="the loss is nan"),
            third.trial: packed.interval(third, 1),
        },
    )
    assert changes == Changes(leave=(second.trial,))
    assert packed.trial(second).status is Status.FAILED
    assert [packed.trial(order).status for order in (first, third)] == [Status.RUNNING] * 2
    # The rest go to their end, and then the worker has nothing left.
    for step in (2, 3):
        found = {o.trial: packed.interval(o, step) for o in (first, third)}
        changes = packed.answers("ray-a", dict(found))
    assert changes is None
    assert packed.trial(third).status is Status.COMPLETED


def test_a_trial_that_waits_at_the_same_epoch_takes_the_place_of_one_that_has_left(
    packed: Desk,
) -> None:
    lost = packed.pack_order("ray-a").members
    other = packed.pack_order("ray-b").members
    packed.answers("ray-a", {order.trial: packed.interval(order, 1) for order in lost})
    packed.dispatcher.lost("ray-a", RayActorError(error_msg="the node is gone"))
    answers: dict[str, StepAnswer] = {o.trial: packed.interval(o, 1) for o in other}
    answers[other[0].trial] = IntervalFailed(cause=Cause.CRASH, text="gone")
    packed.dispatcher.started("ray-b", "10.0.0.8")
    changes = packed.answers("ray-b", answers)
    assert changes is not None
    assert changes.leave == (other[0].trial,)
    (joined,) = map(packed.located, changes.join)
    assert joined.trial == lost[0].trial
    assert joined.checkpoint == lost[0].work_dir / "step_1.pth"
    assert packed.trial(joined).node == "10.0.0.8"


def test_memory_that_runs_out_in_a_pack_sends_the_trial_on_alone(packed: Desk) -> None:
    first, second, third = packed.pack_order("ray-a").members
    crowded = IntervalFailed(cause=Cause.CROWDED, text="out of GPU memory beside 2 others")
    answers: dict[str, StepAnswer] = {
        first.trial: packed.interval(first, 1),
        second.trial: crowded,
        third.trial: packed.interval(third, 1),
    }
    assert packed.answers("ray-a", answers) == Changes(leave=(second.trial,))
    assert packed.trial(second).status is Status.INTERRUPTED
    (again,) = packed.pack_order("ray-b").members
    assert again.trial == second.trial


def test_how_many_trials_fit_is_measured_by_the_first_that_has_a_teacher(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, capacity=lambda: 2, trials=6, resources=Resources(students="auto"))
    first = desk.pack_order("ray-a")
    assert (len(first.members), first.measure) == (1, True)
    (order,) = first.members
    desk.report("ray-a", order, 1, fits=3)
    desk.report("ray-a", order, 2, fits=3)
    assert capsys.readouterr().out.count("a worker can train 3 trials side by side") == 1
    second = desk.pack_order("ray-b")
    assert (len(second.members), second.measure) == (3, False)


def test_a_lost_worker_loses_all_its_trials(packed: Desk) -> None:
    members = packed.pack_order("ray-a").members
    packed.dispatcher.lost("ray-a", RayActorError(error_msg="the node is gone"))
    assert {packed.trial(order).cause for order in members} == {Cause.LOST}
    again = packed.pack_order("ray-b").members
    assert [order.trial for order in again] == [order.trial for order in members]
