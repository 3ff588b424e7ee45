"""The thread that keeps MLflow up to date with the ledger, off the search's control loop."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.ledger.events import Event
from tid_tune.ledger.file import LedgerTail
from tid_tune.ledger.records import Trial
from tid_tune.passwords import without_secrets
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.files import RunFiles
from tid_tune.tracking.address import Address
from tid_tune.tracking.interface import is_server, reason_of
from tid_tune.tracking.subject import NOTHING, Subject
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.tracking.mlflow_sync import Mirror

log = logging.getLogger(__name__)

RETRY_SECONDS = 10.0
PAUSES = (1.0, 30.0)
"""Seconds between two copies, at least and at most: what a run gets meanwhile is one call."""
PAUSE_SHARE = 9.0
"""A pause is so many times as long as the copy before it: copying takes a tenth of the time."""
STOP_SECONDS = 5.0
"""How long a search that ends with an error waits for the thread."""
SHOWN = 3
"""Of the names that were replaced, and of the items that were refused."""


@dataclass
class Copied:
    """What became of a copy in MLflow, over all connections of this command."""

    renamed: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    """Why the rest is not in MLflow yet; empty if it is."""
    passing: bool = True
    """Whether what is missing may be copied without somebody's doing."""
    page: str = ""
    """The address of the trials in the interface of an MLflow server; empty for a database."""

    def lines(self) -> list[str]:
        """Return what a user should know; nothing of a database where all has been copied."""
        lines = [f"trials in MLflow: {self.page}"] if self.page else []
        if self.renamed:
            names = [f"{name} is {given}" for name, given in self.renamed.items()]
            what = counted(len(names), "name")
            lines.append(f"MLflow does not take {what} as they are: {_some(names)}")
        if self.refused:
            items = [f"{what} ({why})" for what, why in self.refused.items()]
            lines.append(f"MLflow refused {counted(len(items), 'item')}: {_some(items)}")
        if self.missing and self.passing:
            rest = "The same command copies the rest."
            lines.append(f"not everything is in MLflow yet: {self.missing}. {rest}")
        elif self.missing:
            rest = "This does not pass by itself; after that is fixed, run the same command again."
            lines.append(f"not everything is in MLflow: {self.missing}. {rest}")
        return [without_secrets(line) for line in lines]


def _some(items: list[str]) -> str:
    more = f", and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


class Tracker:
    """Mirrors a ledger to MLflow in the background; a dead server never stops the search."""

    def __init__(
        self,
        spec: SearchSpec,
        run_id: str,
        ledger: Path,
        address: Address,
        subject: Subject = NOTHING,
        stored: RunFiles | None = None,
    ) -> None:
        self._spec = spec
        self._subject = subject
        self._run_id = run_id
        self._address = address
        self._copied = Copied()
        self._ledger = ledger
        self._stored = stored
        self._tail = LedgerTail(ledger)
        self._mirror: Mirror | None = None
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._urgent = threading.Event()
        self._interrupted = False
        self._marked = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="mlflow-tracker", daemon=True)

    def start(self) -> None:
        """Connect and copy in the background."""
        self._thread.start()

    def notify(self, event: Event, trial: Trial | None) -> None:
        """Wake the thread: something was appended to the ledger. Returns at once."""
        self._news.set()

    def interrupt(self) -> None:
        """Mark the search in MLflow as one that is not running. Returns at once.

        What is still to be written takes seconds, after which the driver may be killed.
        """
        self._interrupted = True
        self._wake()

    def stop(self) -> None:
        """End the thread, unless `finish` has done so: the search has ended with an error."""
        if not self._stopping.is_set():
            self.interrupt()
            self._marked.wait(STOP_SECONDS)
            self._end(STOP_SECONDS)

    def _end(self, timeout: float) -> None:
        self._stopping.set()
        self._wake()
        self._thread.join(timeout)

    def _wake(self) -> None:
        self._news.set()
        self._urgent.set()

    def finish(
        self, metrics: Mapping[str, float], artifacts: Iterable[str], timeout: float = 60
    ) -> Copied:
        """Copy the rest, then the result. Returns what is not in MLflow, or otherwise named."""
        self._end(timeout)
        copied = self._copied
        if self._thread.is_alive():
            copied.missing = f"MLflow at {self._address.shown} did not answer within {timeout:g} s"
            return copied
        try:
            self._catch_up(lambda mirror: mirror.log_result(metrics, artifacts))
        except Exception as error:
            copied.missing, copied.passing = self._explained(error), is_passing(error)
        self._remember()
        return copied

    def _explained(self, error: Exception) -> str:
        return f"MLflow at {self._address.shown}: {reason_of(error)}"

    def _remember(self) -> None:
        """Keep what a connection has left out or renamed."""
        if self._mirror is not None:
            if is_server(self._address.uri):
                self._copied.page = self._mirror.place.trials_url(self._address.shown)
            self._copied.renamed |= self._mirror.writer.renamed
            self._copied.refused |= self._mirror.writer.refused

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.wait()
            self._news.clear()
            try:
                if self._interrupted:
                    self._catch_up(lambda mirror: mirror.interrupt())
                    self._marked.set()
                else:
                    self._urgent.wait(self._timed_catch_up())
            except Exception as error:
                # Whatever a tracking server or its client raises must not reach the search.
                if not self._complained:
                    what = "retrying" if is_passing(error) else "this does not pass by itself"
                    log.warning("%s. Training continues; %s.", self._explained(error), what)
                    self._complained = True
                self._remember()
                self._mirror = None
                self._news.set()
                self._stopping.wait(RETRY_SECONDS)

    def _timed_catch_up(self) -> float:
        """Copy what is new in the ledger; return how long to pause after that."""
        connected, started = self._mirror is not None, time.monotonic()
        self._catch_up()
        shortest, longest = PAUSES
        if not connected:  # that takes seconds, once
            return shortest
        return min(max(PAUSE_SHARE * (time.monotonic() - started), shortest), longest)

    def _catch_up(self, then: Callable[[Mirror], None] | None = None) -> None:
        """Copy what is new in the ledger, and do something more."""
        try:
            self._copy(then)
        except Exception as error:
            if not is_deleted(error):
                raise
            # A new connection makes runs that were deleted anew, or finds a deleted experiment.
            self._remember()
            self._mirror = None
            self._copy(then)

    def _copy(self, then: Callable[[Mirror], None] | None) -> None:
        if self._mirror is None:
            # A new mirror knows nothing of the trials so far; it skips what MLflow has already.
            self._tail = LedgerTail(self._ledger)
            first = next(self._tail.new_events(), None)  # which is not read by that
            began = None if first is None else first.time
            self._mirror = connect(
                self._spec, self._run_id, self._address, self._subject, self._stored, began
            )
        for event in self._tail.new_events():
            self._mirror.apply(event)
        self._mirror.flush()
        if then is not None:
            then(self._mirror)


def is_passing(error: Exception) -> bool:
    """Return whether the same call may succeed later by itself."""
    from tid_tune.tracking import failures

    return failures.is_passing(error)


def is_deleted(error: Exception) -> bool:
    """Return whether what was written to is deleted in MLflow."""
    from tid_tune.tracking import failures

    return failures.is_deleted(error)


def connect(
    spec: SearchSpec,
    run_id: str,
    address: Address,
    subject: Subject = NOTHING,
    stored: RunFiles | None = None,
    began: float | None = None,
) -> Mirror:
    """Return a connected Mirror. The first call makes the database, and takes seconds.

    For `began`, see `Mirror.connect`.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow's own seven tries take four minutes, in which nobody learns that the server is gone.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    # Two lines a trial.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from tid_tune.tracking.database import make_database
    from tid_tune.tracking.mlflow_sync import Mirror

    # After the import, which sets its own levels.
    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    make_database(address.uri)
    mirror = Mirror(spec, run_id, address, subject, stored)
    mirror.connect(began)
    return mirror
