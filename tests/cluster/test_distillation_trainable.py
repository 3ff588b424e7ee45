"""The trainable of the shipped search spaces, without a Ray that runs it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from tid_tune.cluster.messages import WorkOrder
from tid_tune.trial import trial
from trainables.distillation import DistillationTrainable


def test_a_trial_uses_the_cores_of_its_worker_also_if_torch_was_imported_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[int] = []
    order: Any = SimpleNamespace(**dict.fromkeys(WorkOrder.model_fields))
    worker = object.__new__(DistillationTrainable)
    before = torch.get_num_threads()

    def build(*_: object, **__: object) -> MagicMock:
        threads.append(torch.get_num_threads())
        return MagicMock()

    monkeypatch.setattr(trial, "Trial", build)
    try:
        torch.set_num_threads(5)  # what it takes by itself: all cores
        for assigned in ("1", "3", ""):
            monkeypatch.setenv("OMP_NUM_THREADS", assigned)
            worker.build(order)
    finally:
        torch.set_num_threads(before)
    assert threads == [1, 3, 3]
