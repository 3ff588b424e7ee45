"""Searches on Ray whose trials train nothing, run as a user runs them: in another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tid_tune.ledger.state import RunState

TOY = Path(__file__).with_name("toy.py")
CONFIG = """
model = dict(
    type="Distiller",
    student=dict(type="GFL"),
    teacher=dict(config="teacher.py", checkpoint="teacher.pth"),
    distillation=dict(method="tid"),
)
optim_wrapper = dict(optimizer=dict(type="AdamW", lr=1e-3))
train_cfg = dict(max_epochs=3)
"""
SPEC = f"""
name: toy
trial: config.py
trainable: {TOY}:ToyTrainable
epochs: 3
trials: 8
seed: 1
space:
  optim_wrapper.optimizer.lr: {{log_uniform: [1e-4, 1e-1]}}
scheduler: {{type: asha, grace_epochs: 1, reduction: 2}}
"""


@dataclass
class Workplace:
    """A folder a user runs `tid-tune run` in."""

    root: Path
    address: str

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start tid-tune here, in its own process group."""
        return self.start("-m", "tid_tune", *arguments)

    def python(self, *arguments: str) -> tuple[int, str]:
        """Run Python here to its end; its exit code and output."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=180)
        return process.returncode, output

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python here, in its own process group."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "disabled"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: str) -> tuple[int, str]:
        """Run the search to its end; its exit code and output."""
        process = self.command("run", "space.yaml", *options)
        output, _ = process.communicate(timeout=180)
        return process.returncode, output

    def wait_for_events(self, count: int, process: subprocess.Popen[str]) -> None:
        """Until the ledger has `count` events or the process has ended."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if self.events() >= count:
                return
            time.sleep(0.005)

    def events(self) -> int:
        """Complete events in the ledger."""
        return self.ledger.read_bytes().count(b"\n") if self.ledger.exists() else 0

    @property
    def ledger(self) -> Path:
        """Of the search `toy`."""
        return self.root / "runs" / "toy" / "ledger.jsonl"

    def state(self) -> RunState:
        """What the ledger amounts to."""
        return RunState.read(self.ledger)

    def signal(self, process: subprocess.Popen[str], number: signal.Signals) -> str:
        """Send a signal to the driver and return what it printed until its end."""
        process.send_signal(number)
        output, _ = process.communicate(timeout=120)
        return output
