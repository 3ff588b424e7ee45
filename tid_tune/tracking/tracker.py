"""The thread that keeps MLflow up to date with the ledger, off the search's control loop."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.ledger.events import Event
from tid_tune.ledger.file import LedgerTail
from tid_tune.ledger.records import Trial
from tid_tune.searchfile.model import SearchSpec

if TYPE_CHECKING:
    from tid_tune.tracking.mlflow_sync import Mirror

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
STOP_SECONDS = 5.0
"""How long a search that ends with an error waits for the thread."""
DEFAULT_DATABASE = "mlflow.db"


def tracking_uri(spec: SearchSpec, root: Path) -> str:
    """Return the spec's tracking URI; by default, MLflow's own default: a database in `root`."""
    return spec.tracking.uri or f"sqlite:///{root / DEFAULT_DATABASE}"


class Tracker:
    """Mirrors a ledger to MLflow in the background; a dead server never stops the search."""

    def __init__(self, spec: SearchSpec, run_id: str, ledger: Path, uri: str) -> None:
        self._spec = spec
        self._run_id = run_id
        self._uri = uri
        self._ledger = ledger
        self._tail = LedgerTail(ledger)
        self._mirror: Mirror | None = None
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="mlflow-tracker", daemon=True)

    def start(self) -> None:
        """Connect and copy in the background."""
        self._thread.start()

    def notify(self, event: Event, trial: Trial | None) -> None:
        """Wake the thread: something was appended to the ledger. Returns at once."""
        self._news.set()

    def stop(self) -> None:
        """End the thread, unless `finish` has done so."""
        if not self._stopping.is_set():
            self._end(STOP_SECONDS)

    def _end(self, timeout: float) -> None:
        self._stopping.set()
        self._news.set()
        self._thread.join(timeout)

    def finish(
        self, metrics: Mapping[str, float], artifacts: Iterable[str], timeout: float = 60
    ) -> str | None:
        """Copy the rest, then the result. Returns None, or what is missing in MLflow and why."""
        self._end(timeout)
        if self._thread.is_alive():
            return f"MLflow at {self._uri} did not answer within {timeout:g} s"
        try:
            self._catch_up()
            if self._mirror is not None:
                self._mirror.log_result(metrics, artifacts)
        except Exception as error:
            return f"MLflow at {self._uri}: {error}"
        return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.wait()
            self._news.clear()
            try:
                self._catch_up()
            except Exception as error:
                # Whatever a tracking server or its client raises must not reach the search.
                if not self._complained:
                    log.warning("MLflow at %s: %s. Training continues; retrying.", self._uri, error)
                    self._complained = True
                self._mirror = None
                self._news.set()
                self._stopping.wait(RETRY_SECONDS)

    def _catch_up(self) -> None:
        if self._mirror is None:
            # A new mirror knows nothing of the trials so far; it skips what MLflow has already.
            self._tail = LedgerTail(self._ledger)
            self._mirror = connect(self._spec, self._run_id, self._uri)
        for event in self._tail.new_events():
            self._mirror.apply(event)


def connect(spec: SearchSpec, run_id: str, uri: str) -> Mirror:
    """Return a connected Mirror. The first call makes the database, and takes seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from tid_tune.tracking.database import make_database
    from tid_tune.tracking.mlflow_sync import Mirror

    # After the import, which sets its own levels.
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    make_database(uri)
    mirror = Mirror(spec, run_id, uri)
    mirror.connect()
    return mirror
