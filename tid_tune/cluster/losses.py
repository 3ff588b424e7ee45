"""Why a worker is gone: what Ray says of its end, and what it has written itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from tid_tune import guard, stalls
from tid_tune.cluster.messages import PackOrder
from tid_tune.errors import TrialError
from tid_tune.ledger.decisions import Cause
from tid_tune.storage.stored import worker_files
from tid_tune.trial.report import LOG_FILE

LAST_WORDS = "last_words*.txt"
"""In the folder of a worker's first trial: the stacks of a rank that was ended or has crashed."""
UNKNOWN = "the worker died"
UNREACHABLE = "it cannot be reached any more: its node has died, or the network to it has failed"
_STALLED = re.compile(r"\ATimeout \((?P<time>[\d:.]+)\)!")
_CRASHED = re.compile(r"\AFatal Python error: (?P<what>.*)")
_KILLED = re.compile(rf"\A{guard.KILLED}: (?P<what>.*)")


@dataclass(frozen=True)
class Loss:
    """The end of a worker that left no answer."""

    cause: Cause
    reason: str
    stack: str = ""
    """What it has written itself."""

    def write(self, folders: Iterable[Path]) -> None:
        """Add the reason to the logs of the worker's trials, with the stacks of its threads."""
        text = f"\nthe worker was lost: {self.reason}\n{self.stack}"
        for folder in folders:
            try:
                with (folder / LOG_FILE).open("a") as log:
                    log.write(text)
            except OSError:  # the ledger has the reason
                continue


def last_words(folder: Path, rank: int = 0) -> Path:
    """Return the file for the last words of a rank; rank 0 is the worker itself."""
    return folder / LAST_WORDS.replace("*", f"_of_rank_{rank}" if rank else "")


def watch(order: PackOrder, rank: int = 0) -> None:
    """Watch this process, as `stalls.watch` does: a rank of the worker that has this order."""
    if order.stall_seconds:
        folder = worker_files(order.first.run).local / order.first.work_dir
        folder.mkdir(parents=True, exist_ok=True)
        stalls.watch(last_words(folder, rank), order.stall_seconds)


def forget(folder: Path) -> None:
    """Delete the last words of a worker's ranks."""
    for path in folder.glob(LAST_WORDS):
        path.unlink(missing_ok=True)


def loss_of(
    error: BaseException | None, folder: Path, stall_seconds: float, elsewhere: str = ""
) -> Loss:
    """Return what is known of a worker's end.

    Args:
        error: what Ray answered in its place.
        folder: of its first trial, where its ranks may have left their last words.
        stall_seconds: that it was allowed to make no progress.
        elsewhere: the node that has this file, where that may be another machine.
    """
    words = list(folder.glob(LAST_WORDS))
    if elsewhere and not words:
        return _without_words(of_ray(error) if error else Loss(Cause.LOST, UNKNOWN), elsewhere)
    stacks = {path: stack for path in words if (stack := _read(path))}
    for path in sorted(stacks):
        rank = re.search(r"_of_rank_(\d+)", path.name)
        reason = _in_words(stacks[path], f"rank {rank[1]}" if rank else "the worker", stall_seconds)
        if reason:
            return Loss(Cause.LOST, reason, "\n".join(stacks.values()))
    if error is None:
        return Loss(Cause.LOST, UNKNOWN)
    return of_ray(error)


def _without_words(loss: Loss, node: str) -> Loss:
    """Add where a lost worker's own account is: a store gets what a worker that lives brings."""
    where = f"; what it may have written itself, {LAST_WORDS}, is on {node} alone"
    return replace(loss, reason=loss.reason + where) if loss.cause is Cause.LOST else loss


def _in_words(stack: str, who: str, stall_seconds: float) -> str:
    """Return why a process has written its stacks; empty: it has not ended."""
    no_progress = f"no progress for {_minutes(stall_seconds)} (failures.stall_minutes): {who}"
    if _STALLED.match(stack):
        return f"{no_progress} was ended. {LOG_FILE} has its stacks"
    if killed := _KILLED.match(stack):
        return f"{no_progress} {killed['what']}, and was killed"
    crash = _CRASHED.match(stack)
    return f"{who} crashed: {crash['what'].strip()}. {LOG_FILE} has its stack" if crash else ""


def of_ray(error: BaseException) -> Loss:
    """Return what Ray says of the end of a process, in short."""
    from ray.exceptions import (
        ActorUnavailableError,
        OutOfMemoryError,
        RayActorError,
        RayTaskError,
    )

    if isinstance(error, RayTaskError) and isinstance(error.cause, TrialError):
        return Loss(Cause.of_failure(error.cause.kind), str(error.cause))
    if isinstance(error, OutOfMemoryError):
        return Loss(Cause.OOM, _memory(str(error)))
    if isinstance(error, RayActorError) and error.preempted:
        return Loss(Cause.PREEMPTED, "its node was announced to go away, and is gone")
    if isinstance(error, ActorUnavailableError):
        return Loss(Cause.LOST, UNREACHABLE)
    return Loss(Cause.LOST, _reason(str(error)))


def _memory(text: str) -> str:
    """Return what Ray's memory monitor says, in short."""
    used = re.search(r"was ([\d.]+\w+ / [\d.]+\w+) \(", text)
    host = re.search(r"IP: ([\w.:]+)", text)
    where = f" of {host[1]}" if host else ""
    figures = f": {used[1]} in use" if used else ""
    return (
        f"the memory{where} was full{figures}, and Ray ended the worker. Ask for more CPUs a trial "
        "(resources.cpus), so that fewer run on a node, lower the batch size, or set "
        "failures.smaller_parts=true"
    )


def _reason(text: str) -> str:
    """Return the reason in Ray's text, without its advice."""
    if "node has died" in text or "node died" in text.lower():
        host = re.search(r"ip: (\S+)", text)
        detail = re.search(r"reason message: *([^\n]+)", text)
        where = f" {host[1]}" if host else ""
        return f"its node{where} died" + (f": {detail[1].strip()}" if detail else "")
    detail = re.search(r"Worker exit detail: *([^\n]+)", text)
    if detail is None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else UNKNOWN
    if "connection error code 2" in detail[1]:
        return (
            "its process was killed without a word: by SIGKILL, as from the system where memory is "
            "full, or from a user"
        )
    return detail[1].strip()


def _minutes(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
