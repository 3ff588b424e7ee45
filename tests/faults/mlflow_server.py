"""An MLflow server that can go away, and what is in its database."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

SECONDS = 90
"""In which it has to start."""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class MlflowServer:
    """A server on loopback, over a database in a folder."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "mlflow.db"
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = (
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{self.database}"),
            *("--artifacts-destination", str(self._folder / "artifacts")),
            *("--host", "127.0.0.1", "--port", str(self._port)),
        )
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=2).close()
            except OSError:
                time.sleep(0.3)
            else:
                return
        raise AssertionError((self._folder / "mlflow.log").read_text())

    def stop(self) -> None:
        """End it with its processes, which are of its group, at once."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None

    def reports(self) -> set[tuple[str, int]]:
        """The reports that are in the database: trial and epoch."""
        question = (
            "select tags.value, metrics.step from metrics join tags on "
            "tags.run_uuid = metrics.run_uuid and tags.key = 'tid_tune.trial' "
            "where metrics.key = 'coco/bbox_mAP'"
        )
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return {(str(trial), int(step)) for trial, step in connection.execute(question)}
        finally:
            connection.close()


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold a database of sqlite for oneself inside the block."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("begin exclusive")
    try:
        yield
    finally:
        connection.close()
