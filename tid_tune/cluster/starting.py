"""Starting Ray or joining a cluster, on a busy machine too; leaving it within seconds."""

from __future__ import annotations

import contextlib
import gc
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tid_tune.cluster.head import require_answer
from tid_tune.cluster.privacy import on_loopback
from tid_tune.console import say
from tid_tune.errors import TidTuneError, UsageError

STARTS = 3
"""Ray gives its own processes 30 s to start, which a busy machine may not do at once."""
LEAVE_SECONDS = 15.0
"""Leaving takes a second or two; with a head that is gone, Ray would wait for it."""


def start(address: str, options: Mapping[str, Any], *, local: bool) -> None:
    """Join the cluster at an address, or start Ray here, with some tries.

    Args:
        address: as `ray.init` takes it.
        options: of `ray.init`.
        local: Ray is started on this machine.

    Raises:
        UsageError: the address does not answer.
        TidTuneError: Ray did not start.
    """
    import ray

    from tid_tune.cluster.token import naming_the_token, use_token

    if not local:
        use_token()
        require_answer(address)
    for attempt in range(1, STARTS + 1):
        try:
            with _no_messages(), on_loopback() if local else naming_the_token(address):
                ray.init(address, **options)
        except UsageError:
            raise
        except (ConnectionError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address}: {error}. Start one with `ray start --head`, "
                "or leave out --address to run on this machine."
            ) from error
        except Exception as error:
            # A bare Exception, when its time is over.
            end_processes(error)
            leave()
            first = str(error).splitlines()[0]
            if attempt == STARTS:
                raise TidTuneError(
                    f"Ray did not start, {STARTS} times: {first} On a busy machine, run the same "
                    "command again: it resumes."
                ) from error
            say(f"Ray did not start ({first}); trying again, {attempt + 1} of {STARTS}")
        else:
            return


@contextmanager
def _no_messages() -> Iterator[None]:
    """Let Ray start no thread that prints a page for each worker that dies: the ledger says why.

    Ray's `log_to_driver` is about what workers print.
    """
    from ray._private import worker

    name = "listen_error_messages"
    before = getattr(worker, name, None)
    setattr(worker, name, lambda *arguments: None)
    try:
        yield
    finally:
        setattr(worker, name, before)


def end_processes(error: BaseException) -> None:
    """End the processes of a Ray that did not start: Ray leaves them, in the way of the next try.

    Args:
        error: what its start has raised; its traceback leads to the node that was made.
    """
    from ray._private.node import Node

    for frame, _ in traceback.walk_tb(error.__traceback__):
        node = frame.f_locals.get("self")
        if isinstance(node, Node):
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def leave() -> None:
    """Leave the cluster, or end the Ray that was started here, for some seconds at most.

    While Ray leaves, its own code ends the process, without a word and with exit code 1, as soon as
    a reference to an object of Ray's is freed. So those that nobody has are freed before; and where
    Ray takes longer, it is not asked about those that are freed later.
    """
    from ray._private.worker import global_worker

    gc.collect()
    thread = threading.Thread(target=_shut_down, daemon=True)
    thread.start()
    thread.join(LEAVE_SECONDS)
    if thread.is_alive():
        vars(global_worker).pop("core_worker", None)


def _shut_down() -> None:
    import ray

    with contextlib.suppress(AttributeError):  # it took too long, see above
        ray.shutdown()
