"""MLflow's user interface: where a search is in it, and a server of it on this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from tid_tune.errors import TidTuneError, UsageError
from tid_tune.passwords import without_secrets
from tid_tune.tracking.address import Address
from tid_tune.tracking.tags import PARENT_TAG, RUN_TAG
from tid_tune.tracking.views import VIEW_TAG, search_url, trials_url

HOST = "127.0.0.1"
START_SECONDS = 120.0
"""How long the server may take to start: it imports for seconds, more where others do the same."""


@dataclass(frozen=True)
class Place:
    """A search in MLflow, by the ids there."""

    experiment: str
    run: str
    has_view: bool = True
    """Whether the view of its trials is there: searches of earlier versions have none."""

    def trials_url(self, server: str) -> str:
        """Return the address of the page with the trials, in the view of the search."""
        return trials_url(server, self.experiment, self.run)

    def search_url(self, server: str) -> str:
        """Return the address of the page of the search."""
        return search_url(server, self.experiment, self.run)


def is_server(uri: str) -> bool:
    """Return whether an address is that of a server, which has its own interface."""
    return uri.startswith(("http://", "https://"))


def find_place(address: Address, run_id: str) -> Place | None:
    """Return where a search is; None where it has not been copied yet.

    Args:
        address: of MLflow.
        run_id: of the search, as the ledger has it.

    Raises:
        TidTuneError: MLflow does not answer, or its database cannot be read.
    """
    # Its own seven tries take four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address.uri)
    try:
        experiments = [address.experiment_id] if address.experiment_id else []
        if not experiments:
            found = client.get_experiment_by_name(address.experiment)
            experiments = [] if found is None else [found.experiment_id]
        runs = (
            client.search_runs(experiments, f"tags.`{RUN_TAG}` = '{run_id}'") if experiments else []
        )
        for run in runs:
            parent = run.data.tags.get(PARENT_TAG, run.info.run_id)
            experiment = client.get_experiment(run.info.experiment_id)
            has_view = f"{VIEW_TAG}{parent}" in experiment.tags
            return Place(str(run.info.experiment_id), parent, has_view)
    except Exception as error:
        raise TidTuneError(f"MLflow at {address.shown}: {reason_of(error)}") from None
    return None


def reason_of(error: Exception) -> str:
    """Return the first line of an error of MLflow, without passwords; short for no answer."""
    text = (without_secrets(str(error).strip()) or type(error).__name__).splitlines()[0]
    system = re.search(r"\[Errno -?\d+\] ([\w ]+)", text)
    if system is not None and text.startswith("API request to"):
        text = f"no answer ({system[1]})"
    return text.rstrip(".")


@contextlib.contextmanager
def serving(uri: str, port: int | None = None) -> Iterator[str]:
    """Yield the address of MLflow's interface on this machine, over a database.

    It listens on the loopback interface, and ends with the block.

    Args:
        uri: of the database.
        port: None: a free one.

    Raises:
        TidTuneError: it did not start; the message has the end of its log.
    """
    server = f"http://{HOST}:{port or _free_port()}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", HOST, "--port", server.rpartition(":")[2]),
            ],
            # The address may have a password: others see the command line of a process.
            env={
                **os.environ,
                "MLFLOW_BACKEND_STORE_URI": uri,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait(process, server)
            yield server
        except _NotStartedError:
            log.seek(0)
            lines = without_secrets(log.read().decode(errors="replace")).strip().splitlines()
            why = lines[-1] if lines else "it wrote nothing"
            raise TidTuneError(f"MLflow's interface did not start on {server}: {why}") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


class _NotStartedError(Exception):
    """The server has ended, or does not answer in time."""


def _wait(process: subprocess.Popen[bytes], server: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"{server}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise _NotStartedError


def require_port(port: int) -> None:
    """Check that a server can listen on a port of this machine.

    Raises:
        UsageError: it cannot; the message says why.
    """
    with socket.socket() as one:
        # As servers do: the ports of connections that have just ended can be used.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError as error:
            used = error.errno == errno.EADDRINUSE
            why = "is in use" if used else f"cannot be used: {error.strerror}"
            raise UsageError(f"port {port} {why}; name another one, or leave out --port") from None


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
