"""A Ray head of its own, with a job server and a token, on the loopback interface."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOKEN = "planted-token-0123456789"
TRIES = 4
START_SECONDS = 240


@dataclass(frozen=True)
class Head:
    """A head that is running."""

    address: str
    """For `ray.init`."""
    jobs: str
    """The job server."""
    folder: Path
    """Of Ray's own files."""


@contextlib.contextmanager
def ray_head() -> Iterator[Head]:
    """Start a head; on a busy machine, Ray needs several tries."""
    for left in reversed(range(TRIES)):
        folder = Path(tempfile.mkdtemp(prefix="tt", dir="/tmp"))
        port, dashboard, output = _free_port(), _free_port(), folder.with_suffix(".log")
        process = _start(folder, port, dashboard, output)
        head = Head(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", folder)
        try:
            if _has_started(output, process):
                yield head
                return
        finally:
            _end(process)
            shutil.rmtree(folder, ignore_errors=True)
            output.unlink(missing_ok=True)
        assert left, f"Ray has not started in {TRIES} tries"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the head with all its processes, which are of its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)


def _start(folder: Path, port: int, dashboard: int, output: Path) -> subprocess.Popen[bytes]:
    python = Path(sys.executable)
    with output.open("wb") as stream:
        return subprocess.Popen(
            [
                str(python.with_name("ray")),
                "start",
                "--head",
                "--block",
                f"--port={port}",
                "--dashboard-host=127.0.0.1",
                f"--dashboard-port={dashboard}",
                "--num-cpus=2",
                f"--object-store-memory={2**27}",
                f"--temp-dir={folder}",
            ],
            env={
                **os.environ,
                "PATH": f"{python.parent}:{os.environ['PATH']}",
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": TOKEN,
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_DASHBOARD_STARTUP_TIMEOUT_S": str(START_SECONDS),
                # Ray's switch for systems without clusters: it listens on loopback alone.
                "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
                "TOY_SECONDS": "4",
            },
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _has_started(output: Path, process: subprocess.Popen[bytes]) -> bool:
    """Wait until Ray reports that it has started; return False if it has given up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if b"Ray runtime started" in output.read_bytes():
            return True
        time.sleep(0.2)
    return False


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
