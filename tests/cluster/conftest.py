"""One Ray for all cluster tests, and searches on it whose trials train nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tid_tune.search.state import RunState

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


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Start Ray on this machine; drivers in other processes connect to it."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    ray.init(
        "local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=2**27,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@dataclass
class Workplace:
    """A folder a user runs `tid-tune run` in."""

    root: Path
    address: str

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start tid-tune here, in its own process group."""
        return subprocess.Popen(
            [sys.executable, "-m", "tid_tune", *arguments],
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


@pytest.fixture
def workplace(tmp_path: Path, ray_address: str) -> Workplace:
    (tmp_path / "config.py").write_text(CONFIG)
    (tmp_path / "teacher.py").write_text('model = dict(type="GFL")')
    (tmp_path / "teacher.pth").touch()
    (tmp_path / "space.yaml").write_text(SPEC)
    return Workplace(tmp_path, ray_address)
