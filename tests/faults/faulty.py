"""A trainable that trains nothing, and fails in the way that a file beside the search asks for."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tid_tune.cluster.trainable import TrialTrainable, WorkOrder
from tid_tune.stalls import progress

FAULT = "fault_{trial}.json"
"""`{"kind": ..., "epoch": ...}`: removed by the trial that it happens to, unless it is to happen
again and again."""
HAPPENED = "happened.jsonl"
"""A line for each fault, with its time."""


class FaultyTrial:
    """Counts its epochs; the file `pace` says how many seconds one takes now."""

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.epoch = 0
        if order.checkpoint is not None:
            self.epoch = json.loads(order.checkpoint.read_text())["epoch"]
        self.kind = ""

    def step(self) -> Any:
        for _ in range(4):
            time.sleep(float((self.order.root / "pace").read_text()) / 4)
            progress()
        self.epoch += 1
        self.kind = self._asked()
        if self.kind:
            FAULTS[self.kind](self)
        lr = float(self.order.edits.get("optim_wrapper.optimizer.lr", 1e-3))
        value = float("nan") if self.kind == "nan" else lr * self.epoch
        return SimpleNamespace(
            step=self.epoch,
            epoch=float(self.epoch),
            metrics={"coco/bbox_mAP": value},
            images=8,
            done=self.epoch >= self.order.epochs,
        )

    def _asked(self) -> str:
        """Return the fault that is to happen now, once."""
        path = self.order.root / FAULT.format(trial=self.order.trial)
        try:
            fault = json.loads(path.read_text())
        except (OSError, ValueError):
            return ""
        if fault["epoch"] > self.epoch:
            return ""
        kind = str(fault["kind"])
        if kind != "killed always":
            path.unlink()
        line = {"kind": kind, "trial": self.order.trial, "time": time.time()}
        with (self.order.root / HAPPENED).open("a") as file:
            file.write(json.dumps(line) + "\n")
        return kind

    def effective(self) -> dict[str, Any]:
        return dict(self.order.edits)

    def save(self, path: Path) -> None:
        if self.kind == "full disk":
            Path("/dev/full").write_text("no room here")
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps({"epoch": self.epoch, "weights": "0" * 1000}))
        partial.replace(path)

    def close(self) -> None:
        pass

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    def spoil(self, change: Any) -> None:
        """Change the last checkpoint, and die."""
        last = self.order.work_dir / f"epoch_{self.epoch - 1}_step_{self.epoch - 1}.pth"
        last.write_bytes(change(last.read_bytes()))
        self.kill()


def flipped(content: bytes) -> bytes:
    """One bit, in the middle."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


def fill_memory(trial: FaultyTrial) -> None:
    """Take memory, as much as the test says, until the memory monitor ends this process."""
    size = int((trial.order.root / "bytes").read_text())
    taken = []
    for _ in range(size // 2**24):
        taken.append(bytearray(b"1") * 2**24)
        progress()
    for _ in range(60):
        time.sleep(0.5)
        progress()
    raise AssertionError(f"nobody minds {16 * len(taken)} MiB")


FAULTS: dict[str, Any] = {
    "killed": FaultyTrial.kill,
    "killed always": FaultyTrial.kill,
    "crashed": lambda trial: ctypes.string_at(0),
    "hangs": lambda trial: time.sleep(600),
    "stopped": lambda trial: trial.kill(signal.SIGSTOP),
    "torn checkpoint": lambda trial: trial.spoil(lambda content: content[:100]),
    "empty checkpoint": lambda trial: trial.spoil(lambda content: b""),
    "flipped bit": lambda trial: trial.spoil(flipped),
    "full disk": lambda trial: None,
    "out of memory": fill_memory,
    "nan": lambda trial: None,
}


class FaultyTrainable(TrialTrainable):
    trains_packs = True

    def build(self, order: WorkOrder) -> FaultyTrial:
        return FaultyTrial(order)
