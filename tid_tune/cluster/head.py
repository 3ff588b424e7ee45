"""The head of the cluster: whether an address answers, and whether the head is still there.

Ray waits a quarter of an hour for an address that does not answer. When the head is gone, Ray's own
code ends the process after a minute of silence: the search must have ended before.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator

from tid_tune.console import complain
from tid_tune.errors import TidTuneError, UsageError

PROBE_SECONDS = 3.0
"""A connection takes a fraction of that, also to another continent."""
PROBES = 3
LOST_SECONDS = 20.0
"""A head that does not answer for so long is lost: one that is started again, is back by then."""
PAUSE_SECONDS = 0.25
LAST_SECONDS = 15.0
"""So long the search has to notice that the head is lost."""
_ADDRESS = re.compile(r"^(?P<host>\[[^\]]+\]|[^:/\[\]]+):(?P<port>\d{1,5})$")


class HeadLost(BaseException):
    """Raised in the loop of a search whose head is gone.

    No Exception: at one, Tune would tidy up, and wait for the head.
    """


class HeadLostError(TidTuneError):
    """The head of the cluster is gone."""

    at_once = True


def require_cluster(address: str) -> None:
    """Check that an address is not that of another server of a cluster.

    Raises:
        UsageError: it is; the message names the one to use.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return
    host = rest.partition("/")[0].rpartition(":")[0] or rest
    what = "the job server" if scheme.startswith("http") else "a Ray client's server"
    raise UsageError(
        f"{address} is the address of {what}. Name the head as --address {host}:6379, on a machine "
        "of the cluster; from elsewhere, use `tid-tune submit` with --address http://HEAD:8265"
    )


def require_answer(address: str) -> None:
    """Check that something listens at a cluster's address; `auto` finds a head on this machine.

    Raises:
        UsageError: nothing does.
    """
    place = _place(address)
    if place is None:
        return  # Ray says what is wrong with it
    problem: OSError | None = None
    for _ in range(PROBES):
        problem = _refusal(place)
        if problem is None:
            return
        time.sleep(0.2)
    raise UsageError(
        f"no Ray cluster answers at {address}: {problem}. Start one with `ray start --head`, or "
        "leave out --address to run on this machine."
    )


def _place(address: str) -> tuple[str, int] | None:
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address

        try:
            address = canonicalize_bootstrap_address("auto") or ""
        except ConnectionError as error:
            raise UsageError(
                f"no Ray cluster runs on this machine: {error} Start one with `ray start --head`."
            ) from None
    found = _ADDRESS.match(address)
    return None if found is None else (found["host"].strip("[]"), int(found["port"]))


def _refusal(place: tuple[str, int]) -> OSError | None:
    try:
        socket.create_connection(place, timeout=PROBE_SECONDS).close()
    except OSError as error:
        return error
    except OverflowError:
        return OSError("there is no such port")
    return None


class HeadWatch:
    """Looks four times a second, in a thread of its own, whether the head still answers.

    Args:
        address: HOST:PORT of the head.
    """

    def __init__(self, address: str) -> None:
        self._place = _place(address)
        self._address = address
        self._silent = threading.Event()
        self._lost = threading.Event()
        self._over = threading.Event()

    def __deepcopy__(self, memo: dict[int, object]) -> HeadWatch:
        return self

    def __getstate__(self) -> dict[str, object]:
        # Tune pickles its callbacks into snapshots nobody reads.
        return {}

    def check(self) -> None:
        """Wait while the head is silent: whoever asks Ray then, waits until Ray ends the process.

        Raises:
            HeadLost: the head is lost.
        """
        while self._silent.is_set():
            if self._lost.is_set():
                self._over.set()
                raise HeadLost(self._address)
            time.sleep(0.1)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watch inside the block.

        Raises:
            HeadLostError: `check` has raised HeadLost inside.
        """
        thread = threading.Thread(target=self._watch, daemon=True, name="head-watch")
        thread.start()
        try:
            yield
        except HeadLost:
            raise HeadLostError(self._message) from None
        finally:
            self._over.set()

    def _watch(self) -> None:
        if self._place is None:
            return
        answered = time.monotonic()
        while not self._over.wait(PAUSE_SECONDS):
            if _refusal(self._place) is None:
                answered = time.monotonic()
                self._silent.clear()
                continue
            self._silent.set()
            if time.monotonic() - answered >= LOST_SECONDS:
                self._lost.set()
                if not self._over.wait(LAST_SECONDS):
                    self._end()
                return

    def _end(self) -> None:
        """End the process, whose main thread waits for the head in Ray's code: Ray is about to."""
        complain(self._message)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(HeadLostError.exit_code)

    @property
    def _message(self) -> str:
        return (
            f"the head of the Ray cluster at {self._address} is lost: it has not answered for "
            f"{LOST_SECONDS:g} s. Nothing that was reported is lost; start the cluster and run the "
            "same command again."
        )
