"""Where the time of a step with TID goes, for trial_step.py --profile."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from step_arms import distiller
from step_workloads import Workload

from tid_tune.openmmlab.building import build_loader
from tid_tune.openmmlab.configs import load_config

PRECISIONS = {"tid": "float32", "tid_bf16": "bfloat16"}
PARTS = (
    "data",
    "student forward",
    "student loss",
    "teacher forward",
    "DIEM and areas",
    "loss terms",
    "other",
    "backward",
    "optimizer",
)


class Clock:
    """Adds up the time of parts; while a part inside another runs, the outer one stands still."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._open: list[str] = []
        self._since = 0.0
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._book()
        self._open.append(name)
        yield
        self._book()
        self._open.pop()

    def wrap(self, owner: Any, method: str, name: str) -> None:
        """Time a method of an object as a part."""
        plain: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return plain(*args, **kwargs)

        object.__setattr__(owner, method, timed)

    def _book(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize()
        now = time.process_time() if self._device == "cpu" else time.perf_counter()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now


def profile(work: Workload, rounds: int, arm: str) -> dict[str, Any]:
    """Return the median milliseconds of every part of a step, and its share of the step."""
    model: Any = distiller(work, "tid", PRECISIONS[arm]).to(work.device).train()
    optimizer = work.optimizer(model)
    first = work.make_batch()
    found: list[dict[str, float]] = []
    clock = watched(model, work.device)
    data = loader(work)
    for _ in range(rounds + 1):
        clock.spent.clear()
        if data is not None:
            with clock.part("data"):
                model.data_preprocessor(next(data), True)
        batch = first.again()
        optimizer.zero_grad(set_to_none=True)
        with clock.part("other"):
            losses = model.loss(batch.images, batch.samples)
            total = model.parse_losses(losses)[0]
        with clock.part("backward"):
            total.backward()
        with clock.part("optimizer"):
            optimizer.step()
        found.append(dict(clock.spent))
    medians = {
        part: 1000 * statistics.median(one[part] for one in found[1:])
        for part in PARTS
        if part in found[-1]
    }
    whole = sum(medians.values())
    return {
        "arm": arm,
        "batch": work.batch,
        "image": list(work.size),
        "rounds": rounds,
        "milliseconds": {part: round(value, 2) for part, value in medians.items()},
        "share": {part: round(value / whole, 3) for part, value in medians.items()},
    }


def watched(model: Any, device: str) -> Clock:
    """Time the parts of a Distiller's loss."""
    clock = Clock(device)
    clock.wrap(model.student, "extract_feat", "student forward")
    clock.wrap(model.student.bbox_head, "forward", "student forward")
    clock.wrap(model.student.bbox_head, "loss_by_feat", "student loss")
    clock.wrap(model.teacher, "extract_feat", "teacher forward")
    clock.wrap(model.teacher.bbox_head, "forward", "teacher forward")
    clock.wrap(model.method, "forward", "loss terms")
    clock.wrap(model.method, "assess", "DIEM and areas")
    return clock


def loader(work: Workload) -> Iterator[Any] | None:
    """Return the config's training images, if they are here."""
    config = load_config(work.config)
    if not Path(config.train_dataloader.dataset.get("data_root", ""), "annotations").is_dir():
        return None
    return forever(build_loader(config.train_dataloader.to_dict()))


def forever(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches
