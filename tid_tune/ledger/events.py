"""The events of a search: what happened, one class a kind, and their form as lines of the ledger.

This is the only module that knows the JSON of a ledger. Everything else matches on the classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter, ValidationError

from tid_tune.ledger.decisions import CONTINUE, Cause, Decision
from tid_tune.ledger.records import Status

VERSION = 2
"""Of the events' form. A ledger of a later version is refused; earlier ones are read."""

Values = dict[str, Any]
"""Parameter values by dotted path; each is a JSON value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A driver opened the ledger, for the first time or to resume."""

    event: Literal["opened"] = "opened"
    time: float = 0.0
    """Seconds since 1970; stamped by the ledger, here and in all events."""
    spec: Values
    """The spec in effect, as JSON."""
    version: int
    run_id: str
    config_hash: str | None
    """Of the trial config's text; None where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested:
    """A new trial."""

    event: Literal["suggested"] = "suggested"
    time: float = 0.0
    trial: str
    stage: str
    label: str
    params: Values
    edits: Values
    seed: int
    origin: str
    method: str
    epochs: int
    fraction: float = 1.0
    of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A paused trial is to go on with other values, more data, or another trial's weights."""

    event: Literal["changed"] = "changed"
    time: float = 0.0
    trial: str
    params: Values
    edits: Values
    origin: str
    fraction: float
    checkpoint: str | None = None
    """Where to go on from; None: from the trial's own last checkpoint on this data, if any."""
    step: int = 0
    epoch: float | None = None
    """Of `checkpoint`; None without one, and in ledgers that do not record it."""
    digest: str = ""
    """Of the checkpoint's content; empty: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A trial was handed out to a worker, from `step` (0: from scratch)."""

    event: Literal["started"] = "started"
    time: float = 0.0
    trial: str
    segment: int
    checkpoint: str | None = None
    step: int = 0
    pack: str = ""
    """The pack that it is trained in; empty if it is trained by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A worker on `node` took the trial."""

    event: Literal["placed"] = "placed"
    time: float = 0.0
    trial: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The values in effect, read back from the live objects of the trial."""

    event: Literal["proved"] = "proved"
    time: float = 0.0
    trial: str
    effective: Values
    mode: dict[str, str] = field(default_factory=dict)
    """What changes its numbers beside the config, such as `{"teacher": "bfloat16"}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One report interval of a trial, and the decision on it."""

    event: Literal["reported"] = "reported"
    time: float = 0.0
    trial: str
    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    images: int
    checkpoint: str | None
    digest: str = ""
    """Of the checkpoint's content; empty: unknown."""
    repeated: bool = False
    """The interval had been reported before: it is paid for, and changes nothing."""
    decision: Annotated[Decision, Discriminator("answer")] = CONTINUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run of a trial is over, and where the trial is now."""

    event: Literal["ended"] = "ended"
    time: float = 0.0
    trial: str
    status: Status
    reason: str = ""
    cause: Cause | None = None
    epoch: float
    seconds: float = 0.0
    """Since the last report of this run, or since a worker took it: time without a result."""
    of: str | None = None
    """duplicate: the trial it equals."""


@dataclass(frozen=True, slots=True)
class TransferredPoint:
    """A trial of an earlier run."""

    trial: str
    value: float
    params: Values
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """The best trials of an earlier run were taken as points to start from."""

    event: Literal["transferred"] = "transferred"
    time: float = 0.0
    run: str
    run_id: str
    top: int
    points: tuple[TransferredPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPlanned:
    """Which trials and baselines are rerun, and with which seeds."""

    event: Literal["confirmation_planned"] = "confirmation_planned"
    time: float = 0.0
    candidates: tuple[str, ...]
    baselines: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDecided:
    """The outcome of the search: its best trial, and what the confirmation found."""

    event: Literal["result_decided"] = "result_decided"
    time: float = 0.0
    winner: str | None
    confirmed: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The search is finished."""

    event: Literal["closed"] = "closed"
    time: float = 0.0
    reason: str


TrialEvent = Suggested | Changed | Started | Placed | Proved | Reported | Ended
StageEvent = Transferred | ConfirmationPlanned | ResultDecided
Event = Opened | TrialEvent | StageEvent | Closed

# NaN and infinities as strings: every line is strict JSON.
_EVENTS: TypeAdapter[Event] = TypeAdapter(
    Annotated[Event, Discriminator("event")], config=ConfigDict(ser_json_inf_nan="strings")
)


def to_line(event: Event) -> bytes:
    """Return the event as one line of JSON, without the newline."""
    return _EVENTS.dump_json(event)


def parse(line: bytes) -> Event | None:
    """Return the event on a line of a ledger, of this or an earlier version.

    None if the line is torn or damaged.
    """
    try:
        return _EVENTS.validate_json(line)
    except ValidationError:
        return _parse_version_1(line)


def is_complete(line: bytes) -> bool:
    """Return whether a line is a whole JSON event, known to this version or not: it is not torn."""
    try:
        recorded = json.loads(line)
    except ValueError:
        return False
    return isinstance(recorded, Mapping) and "event" in recorded


def _parse_version_1(line: bytes) -> Event | None:
    from tid_tune.ledger.version_1 import upgrade

    try:
        recorded = json.loads(line)
        if not isinstance(recorded, Mapping):
            return None
        upgraded = upgrade(recorded)
        return None if upgraded is None else _EVENTS.validate_python(upgraded)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
