"""What a worker writes with a report, without Ray."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tid_tune.cluster.messages import (
    ORDER,
    WORKER,
    Answers,
    Changes,
    IntervalDone,
    IntervalFailed,
    PackOrder,
    StepAnswer,
)
from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.errors import ConfigError, TrialError
from tid_tune.searchfile.model import Interval


@pytest.mark.parametrize(
    ("epoch", "done", "fraction", "saves_weights", "saved"),
    [
        (1.0, False, 1.0, True, "all"),
        (2.0, True, 1.0, True, "weights"),
        (2.0, True, 1.0, False, "all"),
        # A hook has ended it: it may be at a rung, and go on.
        (1.0, True, 1.0, True, "all"),
        (2.0, True, 0.5, True, "all"),
    ],
)
def test_only_a_trial_that_nobody_continues_leaves_its_optimizer_out(
    epoch: float, done: bool, fraction: float, saves_weights: bool, saved: str, tmp_path: Path
) -> None:
    written: list[str] = []
    trial = SimpleNamespace(
        step=lambda: SimpleNamespace(step=1, epoch=epoch, metrics={}, images=1, done=done),
        effective=dict,
        save=lambda path: written.append("all"),
        close=lambda: None,
    )
    if saves_weights:
        trial.save_weights = lambda path: written.append("weights")

    class Mine(TrialTrainable):
        def build(self, order: WorkOrder) -> Any:
            return trial

    worker = Mine.__new__(Mine)
    order = WorkOrder(
        trial="t0001",
        segment=0,
        config=tmp_path / "config.py",
        edits={},
        seed=0,
        epochs=2,
        report_every=Interval(),
        work_dir=tmp_path / "t0001",
        root=Path.cwd(),
        fraction=fraction,
    )
    worker.setup({"order": PackOrder(members=(order,)).model_dump_json()})
    worker.step()
    assert written == [saved]


class Counting:
    """A trial of three epochs."""

    def __init__(self, order: WorkOrder, closed: list[str]) -> None:
        self.order, self.closed = order, closed
        self.epoch = 0

    def step(self) -> Any:
        self.epoch += 1
        if self.order.edits.get("fails") == self.epoch:
            raise TrialError("the loss is nan", kind="nan")
        return SimpleNamespace(
            step=self.epoch, epoch=float(self.epoch), metrics={}, images=1, done=self.epoch == 3
        )

    def effective(self) -> dict[str, object]:
        return dict(self.order.edits)

    def mode(self) -> dict[str, str]:
        return {"teacher": "bfloat16"}

    def fitting(self, *, cpus: float, gpus: float) -> int:
        return round(4 * gpus)

    def save(self, path: Path) -> None:
        path.write_text(str(self.epoch))

    def close(self) -> None:
        self.closed.append(self.order.trial)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker that trains any number of trials side by side, outside Ray."""
    closed: list[str] = []

    class Mine(TrialTrainable):
        trains_packs = True

        def build(self, order: WorkOrder) -> Any:
            if order.edits.get("fails") == 0:
                raise ConfigError("there is no such head")
            return Counting(order, closed)

    actor = SimpleNamespace(current_actor="handle")
    monkeypatch.setattr("ray.get_runtime_context", lambda: actor)
    made: Any = Mine.__new__(Mine)
    made.closed = closed
    return made


def order_of(tmp_path: Path, trial: str, **edits: object) -> WorkOrder:
    return WorkOrder(
        trial=trial,
        segment=0,
        config=tmp_path / "config.py",
        edits=edits,
        seed=0,
        epochs=3,
        report_every=Interval(),
        work_dir=tmp_path / trial,
        root=Path.cwd(),
    )


def begin(worker: Any, *members: WorkOrder, **options: Any) -> None:
    order = PackOrder(members=members, packs=True, **options)
    worker.setup({ORDER: order.model_dump_json()})


def answers_of(worker: Any, *trials: str) -> dict[str, StepAnswer]:
    result = worker.step()
    assert result[WORKER] == "handle"
    return Answers.read(result).of(trials)


def test_each_member_answers_for_itself_and_failures_leave_the_others(
    worker: Any, tmp_path: Path
) -> None:
    begin(
        worker,
        order_of(tmp_path, "t0001"),
        order_of(tmp_path, "t0002", fails=0),
        order_of(tmp_path, "t0003", fails=2),
    )
    first = answers_of(worker, "t0001", "t0002", "t0003")
    assert [type(answer) for answer in first.values()] == [
        IntervalDone,
        IntervalFailed,
        IntervalDone,
    ]
    done = first["t0003"]
    assert isinstance(done, IntervalDone)
    assert (done.effective, done.mode) == ({"fails": 2}, {"teacher": "bfloat16"})
    second = answers_of(worker, "t0001", "t0003")
    assert isinstance(second["t0003"], IntervalFailed)
    assert second["t0003"].cause == "nan"
    assert isinstance(second["t0001"], IntervalDone)
    assert second["t0001"].effective is None, "only the first report of a run has it"
    third = answers_of(worker, "t0001")["t0001"]
    assert isinstance(third, IntervalDone)
    assert third.done
    assert worker.closed == ["t0003", "t0001"]


def test_the_driver_takes_members_out_and_puts_others_in(worker: Any, tmp_path: Path) -> None:
    begin(worker, order_of(tmp_path, "t0001"), order_of(tmp_path, "t0002"))
    answers_of(worker, "t0001", "t0002")
    changes = Changes(leave=("t0001",), join=(order_of(tmp_path, "t0003"),))
    worker.change(changes.model_dump_json())
    assert worker.closed == ["t0001"]
    answers = answers_of(worker, "t0002", "t0003")
    assert [a.epoch for a in answers.values() if isinstance(a, IntervalDone)] == [2.0, 1.0]


def test_room_for_students_is_measured_where_the_order_asks(worker: Any, tmp_path: Path) -> None:
    begin(worker, order_of(tmp_path, "t0001"), measure=True, gpus=0.5)
    answer = answers_of(worker, "t0001")["t0001"]
    assert isinstance(answer, IntervalDone)
    assert answer.fits == 2
