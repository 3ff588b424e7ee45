"""A dispatcher with its engine, without Ray: what a worker is sent, and what its answer does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.search_cases import OBJECTIVE, make_spec, scheduler_of
from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import (
    ANSWER,
    ORDER,
    Answers,
    Changes,
    IntervalDone,
    PackOrder,
    StepAnswer,
    WorkOrder,
)
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Trial
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
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

    def answers(
        self, ray_id: str, answers: dict[str, StepAnswer], nodes: dict[str, str] | None = None
    ) -> Changes | None:
        texts = {trial: answer.model_dump_json() for trial, answer in answers.items()}
        sent = Answers(answers=texts, nodes=nodes or {})
        return self.dispatcher.result(ray_id, {ANSWER: sent.model_dump_json()})

    def trial(self, order: WorkOrder) -> Trial:
        return self.search.state.trials[order.trial]
