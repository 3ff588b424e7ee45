"""Reading ledgers of version 1, which were written before the events had classes.

Their lines differ in the events' names, and in what one name could mean: `suggest` was a new trial
or a change of a known one, `end` a pause or an end, and the fraction of the training images was a
key among the edits of the config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tid_tune.ledger.decisions import Cause

Fields = dict[str, Any]
_FRACTION = "train_fraction"
_RENAMED = {"open": "opened", "place": "placed", "close": "closed", "proof": "proved"}
_STAGES = {
    "transfer": "transferred",
    "confirm": "confirmation_planned",
    "result": "result_decided",
}


def upgrade(recorded: Mapping[str, Any]) -> Fields | None:
    """Return the fields of a version 1 event as those of this version; None if it is none.

    Raises:
        KeyError: a field is missing.
    """
    name = recorded.get("event")
    if not isinstance(name, str):
        return None
    if name in _RENAMED:
        return {**recorded, "event": _RENAMED[name]}
    convert = _CONVERT.get(name)
    return None if convert is None else convert(dict(recorded))


def _suggest(fields: Fields) -> Fields:
    edits = {key: value for key, value in fields["edits"].items() if key != _FRACTION}
    if "checkpoint" not in fields:
        return {**fields, "event": "suggested", "edits": edits}
    kept = ("time", "trial", "params", "origin", "fraction", "checkpoint", "step")
    return {"event": "changed", "edits": edits, **{key: fields[key] for key in kept}}


def _start(fields: Fields) -> Fields:
    del fields["node"]
    return {**fields, "event": "started"}


def _report(fields: Fields) -> Fields:
    answer, reason, kind = fields.pop("decision"), fields.pop("reason"), fields.pop("kind")
    decision = {"answer": answer, "reason": reason}
    if answer == "pause" and kind != "scheduler":
        decision = {"answer": "suspend", "reason": reason, "cause": kind}
    return {**fields, "event": "reported", "decision": decision}


def _end(fields: Fields) -> Fields:
    outcome, kind = fields.pop("outcome"), fields.pop("kind")
    if outcome == "interrupted" and kind == "scheduler":
        outcome, kind = "paused", ""
    # A trainable could give its failures kinds of its own.
    cause = Cause.of_failure(kind) if kind else None
    return {**fields, "event": "ended", "status": outcome, "cause": cause}


def _stage(fields: Fields) -> Fields:
    return {**fields, "event": _STAGES[fields.pop("stage")]}


_CONVERT: dict[str, Callable[[Fields], Fields]] = {
    "suggest": _suggest,
    "start": _start,
    "report": _report,
    "end": _end,
    "stage": _stage,
}
