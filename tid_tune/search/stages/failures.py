"""When failing trials mean that the search itself is wrong."""

from __future__ import annotations

from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState

FIRST = 5
IN_A_ROW = 10


def halt_reason(state: RunState) -> str | None:
    """Return why the search must stop, given what has happened in this session.

    A checkpoint could not be written; the first 5 trials all failed, or 10 in a row did. A session,
    because the user may have fixed the cause before running the command again.
    """
    if state.no_room:
        return f"a checkpoint could not be written; {state.no_room}"
    ends = state.session_ends
    if len(ends) >= FIRST and all(map(_failed, ends[:FIRST])):
        return _reason(f"the first {FIRST} trials all failed", ends[FIRST - 1])
    if len(ends) >= IN_A_ROW and all(map(_failed, ends[-IN_A_ROW:])):
        return _reason(f"{IN_A_ROW} trials in a row failed", ends[-1])
    return None


def _failed(trial: Trial) -> bool:
    return trial.status is Status.FAILED


def _reason(what: str, last: Trial) -> str:
    return f"{what}; {last.id} ({last.cause}): {last.reason}"
