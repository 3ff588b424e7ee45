"""What a worker's answer does, without Ray."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import RayActorError
from support.desk import LR, Desk
from support.search_cases import OBJECTIVE, scheduler_of

from tid_tune.cluster.messages import (
    ANSWER,
    IntervalFailed,
)
from tid_tune.errors import TidTuneError
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status
from tid_tune.search.engine import Search


def test_an_interval_is_recorded_as_the_worker_reported_it(desk: Desk) -> None:
    order = desk.order("ray-a")
    metrics = {OBJECTIVE: 0.25, "train/loss": math.nan, "lr": math.inf}
    desk.report("ray-a", order, 1, metrics=metrics, effective={LR: 0.125})
    trial = desk.trial(order)
    (report,) = trial.reports
    assert (report.step, report.epoch, report.images, report.seconds) == (1, 1.0, 8, 2.0)
    assert report.metrics == pytest.approx(metrics, nan_ok=True)
    assert report.checkpoint == f"trials/{order.trial}/step_1.pth", "the folder may be moved"
    assert trial.effective == {LR: 0.125}


def test_the_mode_of_a_trial_is_recorded(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.report("ray-a", order, 1, effective={LR: 0.1}, mode={"teacher": "bfloat16"})
    assert desk.trial(order).mode == {"teacher": "bfloat16"}


def test_a_trial_that_the_scheduler_stops_ends_and_leaves_its_room(tmp_path: Path) -> None:
    desk = Desk(tmp_path, capacity=lambda: 2, scheduler=scheduler_of(reduction=2, grace_epochs=1))
    better, worse = desk.order("ray-a"), desk.order("ray-b")
    assert desk.report("ray-a", better, 1, metrics={OBJECTIVE: 0.6})
    assert not desk.report("ray-b", worse, 1, metrics={OBJECTIVE: 0.1})
    assert desk.trial(worse).status is Status.STOPPED
    assert desk.order("ray-c").trial == "t0003"


def test_a_paused_trial_resumes_from_its_checkpoint_as_another_trial_of_tune(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, capacity=lambda: 1, trials=1, scheduler=scheduler_of(fidelity="data"))
    part = desk.order("ray-a")
    assert part.fraction < 1
    assert [desk.report("ray-a", part, step) for step in (1, 2, 3)][-1] is False
    assert not desk.trial(part).status.final
    more = desk.order("ray-b")
    assert (more.trial, more.segment) == (part.trial, 1)
    assert more.fraction > part.fraction


@pytest.mark.parametrize("cause", [Cause.USER, Cause.NAN, Cause.OOM, Cause.CRASH])
def test_a_failure_ends_its_trial_alone_with_cause_and_text(desk: Desk, cause: Cause) -> None:
    failing, other = desk.order("ray-a"), desk.order("ray-b")
    assert not desk.answer("ray-a", failing, IntervalFailed(cause=cause, text="KeyError: 'x'"))
    trial = desk.trial(failing)
    assert (trial.status, trial.cause) == (Status.FAILED, cause)
    assert "KeyError: 'x'" in trial.reason
    assert desk.report("ray-b", other, 1)
    assert desk.order("ray-c").trial == "t0003"


def test_an_answer_of_a_trial_that_is_over_changes_nothing(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.answer("ray-a", order, IntervalFailed(cause=Cause.CRASH, text="gone"))
    recorded = len(list(desk.ledger.events()))
    assert not desk.report("ray-a", order, 1)
    desk.dispatcher.lost("ray-a", RayActorError(error_msg="the node is gone"))
    desk.dispatcher.started("ray-a", "10.0.0.1")
    assert len(list(desk.ledger.events())) == recorded


@pytest.mark.parametrize(
    "result",
    [
        {},
        {ANSWER: '{"answers":{}}'},
        {ANSWER: '{"answers":{"t0001":"{\\"type\\":\\"interval\\"}"}}'},
    ],
    ids=["none", "of nobody", "incomplete"],
)
def test_an_answer_of_another_version_fails_its_trial_and_not_the_search(
    desk: Desk, result: dict[str, Any]
) -> None:
    failing, other = desk.order("ray-a"), desk.order("ray-b")
    assert desk.dispatcher.result("ray-a", result) is None
    trial = desk.trial(failing)
    assert (trial.status, trial.cause) == (Status.FAILED, Cause.USER)
    assert "same version" in trial.reason
    assert desk.report("ray-b", other, 1)


def test_a_checkpoint_that_nobody_needs_is_deleted_while_its_trial_runs(desk: Desk) -> None:
    order = desk.order("ray-a")
    for step in (1, 2):
        desk.report("ray-a", order, step)
    kept = sorted(path.name for path in order.work_dir.iterdir())
    assert kept == ["step_1.pth", "step_2.pth"], "the earlier one serves if the last is damaged"
    other = desk.order("ray-b")
    for step in (1, 2, 3):
        desk.report("ray-b", other, step)
    assert [path.name for path in other.work_dir.iterdir()] == ["step_3.pth"]


def test_old_checkpoints_are_deleted_before_a_trial_writes_new_ones_of_the_same_name(
    tmp_path: Path,
) -> None:
    """A resumed driver: the trial begins anew on more data, and its names begin anew too."""
    desk = Desk(tmp_path, capacity=lambda: 1, trials=1, scheduler=scheduler_of(fidelity="data"))
    part = desk.order("ray-a")
    for step in (1, 2, 3):
        desk.report("ray-a", part, step)
    assert desk.order("ray-b").checkpoint is None
    for step in (1, 2, 3):
        (part.work_dir / f"step_{step}.pth").touch()
    desk.search = Search.open(desk.spec, desk.ledger)
    desk.dispatch()
    assert [path.name for path in part.work_dir.iterdir()] == ["step_3.pth"]


def test_files_that_a_killed_driver_has_not_recorded_are_deleted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, capacity=lambda: 1)
    order = desk.order("one")
    work_dir = order.work_dir
    work_dir.mkdir(parents=True)
    names = ("epoch_1_step_4.pth", "epoch_2_step_8.pth", ".epoch_2_step_8.1a2b.partial.pth")
    for name in (*names, "trial.log", "mine.pth"):
        (work_dir / name).touch()
    checkpoint = f"trials/{order.trial}/{names[0]}"
    desk.search.report(order.trial, 4, 1.0, {OBJECTIVE: 0.1}, 1.0, 8, checkpoint)
    desk.search.interrupt(order.trial)
    desk.dispatch()
    assert {path.name for path in work_dir.iterdir()} == {names[0], "trial.log", "mine.pth"}


def test_a_ledger_that_cannot_be_written_is_remembered(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.ledger.close()
    broken = TidTuneError("cannot record the search (No space left on device)")
    desk.search.ledger.append = lambda event: (_ for _ in ()).throw(broken)  # type: ignore[method-assign]
    with pytest.raises(TidTuneError, match="No space"):
        desk.report("ray-a", order, 1)
    assert desk.dispatcher.broken is broken
    desk.dispatcher.interrupt_all()  # does not try again
