"""Numbers and outcomes as the page writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tid_tune.insight.gains import TUNED, TUNED_TEXT
from tid_tune.ledger.records import Status, Trial
from tid_tune.search.stages.plan import NONE
from tid_tune.searchfile.dump import yaml_text
from tid_tune.space import Distribution, Value


def value_text(value: float | None) -> str:
    """Return a value of an objective: three decimals below 10, else four digits; `nan` as it is."""
    if value is None or not math.isfinite(value):
        return "none" if value is None else f"{value:g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return ("+" if value >= 0 else "-") + value_text(abs(value))


@dataclass(frozen=True)
class Outcome:
    """What has become of a trial, in a word, and its role in the palette."""

    word: str
    role: str


_OUTCOMES = {
    Status.COMPLETED: Outcome("full length", "search"),
    Status.STOPPED: Outcome(Status.STOPPED.words, "stopped"),
    Status.FAILED: Outcome("failed", "failed"),
    Status.RUNNING: Outcome("running", "running"),
    Status.PAUSED: Outcome("waits at a rung", "running"),
    Status.INTERRUPTED: Outcome("interrupted", "running"),
    Status.PENDING: Outcome("not started", "running"),
    Status.DUPLICATE: Outcome("duplicate", "stopped"),
}


def outcome(trial: Trial) -> Outcome:
    """Return what has become of a trial."""
    return _OUTCOMES[trial.status]


def what(trial: Trial) -> str:
    """Return what a trial is to a reader: `baseline none`, `search`, `confirms t0004`."""
    if trial.stage == "confirm":
        return f"confirms {trial.label}"
    if trial.stage == "baseline":
        return f"{label_text(trial.label)} (baseline)"
    return trial.method or trial.stage


def label_text(label: str) -> str:
    """Return a baseline's label, or a method, as a reader understands it."""
    return "no distillation" if label == NONE else label.replace(TUNED, TUNED_TEXT)


def range_text(distribution: Distribution) -> str:
    """Return what a parameter is searched in: `log_uniform 0.1 to 10, where select is quantile`."""
    (kind, values), *options = distribution.to_yaml().items()
    text = f"{kind} {_values_text(kind, values)}"
    for name, value in options:
        text += f", {name} {_plain(value)}"
    conditions = [
        f"{path} is {' or '.join(map(_plain, allowed))}"
        for path, allowed in distribution.when.items()
    ]
    return f"{text}, where {' and '.join(conditions)}" if conditions else text


def _values_text(kind: str, values: Value) -> str:
    if not isinstance(values, list):
        return _plain(values)
    first, *rest = map(_plain, values)
    if not rest or kind in ("choice", "ordinal"):
        return ", ".join([first, *rest])
    last, *step = rest
    steps = [f"in steps of {one}" for one in step if one != "1"]
    return " ".join([f"{first} to {last}", *steps])


def _plain(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else yaml_text(value)
