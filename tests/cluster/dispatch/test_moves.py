"""Where a trial is, and how it goes on elsewhere; without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import RayActorError
from support.desk import Desk

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import Changes
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status
from tid_tune.results.run_folder import RunFolder


def test_a_lost_trial_is_ordered_again_from_its_last_checkpoint(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.report("ray-a", order, 1)
    desk.dispatcher.lost("ray-a", RayActorError(error_msg="the node is gone"))
    trial = desk.trial(order)
    assert (trial.status, trial.cause, trial.reason) == (
        Status.INTERRUPTED,
        Cause.LOST,
        "the node is gone",
    )
    again = desk.order("ray-b")
    assert (again.trial, again.segment) == (order.trial, 1)
    assert again.checkpoint == order.work_dir / "step_1.pth"
    assert desk.report("ray-b", again, 2)
    assert [report.step for report in trial.reports] == [1, 2]


def test_the_node_of_a_trial_is_recorded(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.dispatcher.started("ray-a", "10.0.0.7")
    assert desk.trial(order).node == "10.0.0.7"


def test_interrupting_covers_running_trials_and_the_one_looked_at_ahead(desk: Desk) -> None:
    running = desk.order("ray-a")
    desk.report("ray-a", running, 1)
    assert desk.dispatcher.has_work()
    desk.dispatcher.interrupt_all()
    interrupted = {trial.id: trial.status for trial in desk.search.state.trials.values()}
    assert interrupted == {"t0001": Status.INTERRUPTED, "t0002": Status.INTERRUPTED}
    assert desk.order("ray-b").checkpoint == running.work_dir / "step_1.pth"


@pytest.mark.parametrize(("node", "address"), [("5f", "10.0.0.7"), ("6c", "10.0.0.9")])
def test_trials_with_a_rank_on_a_node_that_is_announced_to_go_are_moved_with_their_report(
    node: str, address: str, tmp_path: Path
) -> None:
    ranks = {"5f": "10.0.0.7", "6b": "10.0.0.8", "6c": "10.0.0.9"}
    going: set[str] = set()
    desk = Desk(tmp_path, capacity=lambda: 2)
    run = RunFolder(tmp_path / "run")
    desk.dispatcher = Dispatcher(desk.spec, desk.search, run, tmp_path, lambda: 2, lambda: going)
    order, other = desk.order("ray-a"), desk.order("ray-b")
    desk.dispatcher.started("ray-a", "10.0.0.7", "5f")
    desk.dispatcher.started("ray-b", "10.0.0.8", "6a")
    assert desk.answers("ray-a", {order.trial: desk.interval(order, 1)}, ranks) == Changes()
    going.add(node)
    changes = desk.answers("ray-a", {order.trial: desk.interval(order, 2)}, ranks)
    assert changes == Changes(quit=True)
    trial = desk.trial(order)
    assert (trial.cause, trial.losses, trial.epoch) == (Cause.PREEMPTED, 0, 2)
    assert address in trial.reason
    desk.dispatcher.lost("ray-a", None)
    assert trial.losses == 0, "the worker quits; that is no loss"
    assert desk.report("ray-b", other, 1)
    again = desk.order("ray-c")
    assert (again.trial, again.checkpoint) == (order.trial, order.work_dir / "step_2.pth")
