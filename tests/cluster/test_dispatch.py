"""Between the engine and Tune, without Ray: what a worker is sent, and what its answer does."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError, RayActorError
from support.search_cases import OBJECTIVE, make_spec, scheduler_of

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import (
    ANSWER,
    ORDER,
    Answers,
    Changes,
    IntervalDone,
    IntervalFailed,
    PackOrder,
    StepAnswer,
    WorkOrder,
)
from tid_tune.errors import TidTuneError
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import FINISHED, WAIT
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import Failures, Resources
from tid_tune.space import Uniform

LR = "optim_wrapper.optimizer.lr"


class Desk:
    """A dispatcher with its engine, and workers that answer as they are asked to."""

    def __init__(self, folder: Path, *, capacity: Callable[[], int], **changes: Any) -> None:
        fields: dict[str, Any] = {
            "trial": folder / "config.py",
            "epochs": 3,
            "trials": 3,
            "baseline": False,
            "confirm": None,
            "space": {LR: Uniform(low=0, high=1)},
            "scheduler": scheduler_of("none"),
        }
        self.folder = folder
        self.spec = make_spec(**{**fields, **changes})
        self.ledger = Ledger.in_memory()
        self.search = Search.open(self.spec, self.ledger)
        self.dispatcher = self.dispatch(capacity)

    def dispatch(self, capacity: Callable[[], int] = lambda: 1) -> Dispatcher:
        run = RunFolder(self.folder / "run")
        return Dispatcher(self.spec, self.search, run, self.folder, capacity)

    def pack_order(self, ray_id: str) -> PackOrder:
        """What a worker is sent, as it reads it."""
        answer = self.dispatcher.order(ray_id)
        assert isinstance(answer, dict), answer
        return self.read(answer[ORDER])

    def read(self, order: str) -> PackOrder:
        sent = PackOrder.model_validate_json(order)
        return sent.model_copy(update={"members": tuple(map(self.located, sent.members))})

    def again(self, ray_id: str) -> WorkOrder | None:
        """What a worker of one trial is sent that has nothing left to train."""
        order = self.dispatcher.again(ray_id)
        return None if order is None else self.read(order).members[0]

    def located(self, order: WorkOrder) -> WorkOrder:
        """An order with the paths of this machine."""
        run = Path(order.run)
        assert run == self.folder / "run"
        place = order.checkpoint and run / order.checkpoint
        return order.model_copy(update={"work_dir": run / order.work_dir, "checkpoint": place})

    def order(self, ray_id: str) -> WorkOrder:
        """What a worker of one trial is sent."""
        (order,) = self.pack_order(ray_id).members
        return order

    def report(self, ray_id: str, order: WorkOrder, step: int, **changes: Any) -> bool:
        """Whether the trial goes on after an interval whose checkpoint is written."""
        return self.answer(ray_id, order, self.interval(order, step, **changes))

    def interval(self, order: WorkOrder, step: int, **changes: Any) -> IntervalDone:
        """An interval whose checkpoint is written."""
        order.work_dir.mkdir(parents=True, exist_ok=True)
        checkpoint = order.work_dir / f"step_{step}.pth"
        checkpoint.touch()
        fields: dict[str, Any] = {
            "step": step,
            "epoch": step,
            "metrics": {OBJECTIVE: 0.5},
            "images": 8,
            "seconds": 2.0,
            "checkpoint": str(checkpoint.relative_to(self.folder / "run")),
            "done": step >= order.epochs,
        }
        return IntervalDone(**{**fields, **changes})

    def answer(self, ray_id: str, order: WorkOrder, answer: StepAnswer) -> bool:
        return self.answers(ray_id, {order.trial: answer}) is not None

    def answers(self, ray_id: str, answers: dict[str, StepAnswer]) -> Changes | None:
        texts = {trial: answer.model_dump_json() for trial, answer in answers.items()}
        return self.dispatcher.result(ray_id, {ANSWER: Answers(answers=texts).model_dump_json()})

    def trial(self, order: WorkOrder) -> Trial:
        return self.search.state.trials[order.trial]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Three trials, two at a time, none of which is stopped."""
    return Desk(tmp_path, capacity=lambda: 2)


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


def test_after_the_last_trial_there_is_no_work(desk: Desk) -> None:
    for number in range(3):
        order = desk.order(f"ray-{number}")
        goes_on = [desk.report(f"ray-{number}", order, step) for step in (1, 2, 3)]
        assert goes_on == [True, True, False]
        assert desk.trial(order).status is Status.COMPLETED
    assert desk.dispatcher.order("ray-3") is FINISHED
    assert not desk.dispatcher.has_work()


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


def test_tune_copies_and_pickles_its_searcher_without_the_search(desk: Desk) -> None:
    assert copy.deepcopy(desk.dispatcher) is desk.dispatcher
    assert len(pickle.dumps(desk.dispatcher)) < 200


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


@pytest.fixture
def packed(tmp_path: Path) -> Desk:
    """Six trials of three epochs, three to a worker, none of which is stopped."""
    return Desk(tmp_path, capacity=lambda: 2, trials=6, resources=Resources(students=3))


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


def test_how_many_trials_fit_is_measured_by_the_first_that_has_a_teacher(tmp_path: Path) -> None:
    desk = Desk(tmp_path, capacity=lambda: 2, trials=6, resources=Resources(students="auto"))
    first = desk.pack_order("ray-a")
    assert (len(first.members), first.measure) == (1, True)
    (order,) = first.members
    desk.report("ray-a", order, 1, fits=3)
    second = desk.pack_order("ray-b")
    assert (len(second.members), second.measure) == (3, False)


def test_a_lost_worker_loses_all_its_trials(packed: Desk) -> None:
    members = packed.pack_order("ray-a").members
    packed.dispatcher.lost("ray-a", RayActorError(error_msg="the node is gone"))
    assert {packed.trial(order).cause for order in members} == {Cause.LOST}
    again = packed.pack_order("ray-b").members
    assert [order.trial for order in again] == [order.trial for order in members]


def test_the_mode_of_a_trial_is_recorded(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.report("ray-a", order, 1, effective={LR: 0.1}, mode={"teacher": "bfloat16"})
    assert desk.trial(order).mode == {"teacher": "bfloat16"}


def test_trials_on_a_node_that_is_announced_to_go_are_moved_with_their_report(
    tmp_path: Path,
) -> None:
    going: set[str] = set()
    desk = Desk(tmp_path, capacity=lambda: 2)
    run = RunFolder(tmp_path / "run")
    desk.dispatcher = Dispatcher(desk.spec, desk.search, run, tmp_path, lambda: 2, lambda: going)
    order, other = desk.order("ray-a"), desk.order("ray-b")
    desk.dispatcher.started("ray-a", "10.0.0.7", "5f")
    desk.dispatcher.started("ray-b", "10.0.0.8", "6a")
    assert desk.report("ray-a", order, 1)
    going.add("5f")
    changes = desk.answers("ray-a", {order.trial: desk.interval(order, 2)})
    assert changes == Changes(quit=True)
    trial = desk.trial(order)
    assert (trial.cause, trial.losses, trial.epoch) == (Cause.PREEMPTED, 0, 2)
    assert "10.0.0.7" in trial.reason
    desk.dispatcher.lost("ray-a", None)
    assert trial.losses == 0, "the worker quits; that is no loss"
    assert desk.report("ray-b", other, 1)
    again = desk.order("ray-c")
    assert (again.trial, again.checkpoint) == (order.trial, order.work_dir / "step_2.pth")


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


def test_a_ledger_that_cannot_be_written_is_remembered(desk: Desk) -> None:
    order = desk.order("ray-a")
    desk.ledger.close()
    broken = TidTuneError("cannot record the search (No space left on device)")
    desk.search.ledger.append = lambda event: (_ for _ in ()).throw(broken)  # type: ignore[method-assign]
    with pytest.raises(TidTuneError, match="No space"):
        desk.report("ray-a", order, 1)
    assert desk.dispatcher.broken is broken
    desk.dispatcher.interrupt_all()  # does not try again
