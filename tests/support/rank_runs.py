"""Functions run by several ranks, each a process of its own that has met the others with gloo."""

from __future__ import annotations

import multiprocessing
import pickle
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from tid_tune.trial.rendezvous import LOOPBACK, Meeting, join, leave, listen

PATIENCE = 60.0


def run_ranks(
    ranks: int, function: Callable[..., Any], *arguments: Any, patience: float = PATIENCE
) -> list[Any]:
    """What `function` returns in each rank; it has to be importable, and what it returns picklable.

    Raises:
        AssertionError: with the traceback of the first rank that failed.
    """
    # A server that has imported what takes long, and forks: backward passes of this process would
    # make its own forks unusable.
    context: Any = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tid_tune.trial.trial", "tid_tune.testing.detectors"])
    listener = listen(LOOPBACK)
    meeting = Meeting(LOOPBACK, listener.getsockname()[1], ranks, patience=patience)
    started = []
    for rank in range(ranks):
        ours, theirs = context.Pipe()
        own = listener if rank == 0 else None
        values = (meeting, rank, own, theirs, function, arguments)
        process = context.Process(target=_run, args=values, daemon=True)
        process.start()
        theirs.close()
        started.append((process, ours))
    listener.close()
    answers = [_answer(pipe) for _, pipe in started]
    for process, _ in started:
        process.join(timeout=10)
        process.kill()
    failed = [text for kind, text in answers if kind == "error"]
    assert not failed, "\n".join(failed)
    return [value for _, value in answers]


def _answer(pipe: Connection) -> tuple[str, Any]:
    try:
        if not pipe.poll(2 * PATIENCE):
            return "error", "no answer"
        answer: tuple[str, Any] = pickle.loads(pipe.recv_bytes())
        return answer
    except EOFError:
        return "error", "the rank ended without an answer"


def _run(
    meeting: Meeting,
    rank: int,
    listener: Any,
    pipe: Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    try:
        join(meeting, rank, own_address=LOOPBACK, listener=listener)
        try:
            answer = "value", function(*arguments)
        finally:
            leave()
    except Exception:
        answer = "error", f"rank {rank}: {traceback.format_exc()}"
    # Not `send`: that would share memory with a process that has ended by then.
    pipe.send_bytes(pickle.dumps(answer))
    pipe.close()
