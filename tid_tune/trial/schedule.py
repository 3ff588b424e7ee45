"""Fit a config's schedule to the length of a trial.

Rule: every position in it (begin, end, milestones, periods, of epochs or of iterations) is
multiplied by the trial's length over the config's, so the schedule keeps its shape; then rounded
down, but to no less than 1. Where the lengths agree nothing changes. Epochs named elsewhere, such
as in custom hooks, are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tid_tune.errors import ConfigError

_POSITIONS = frozenset(
    ("begin", "end", "milestones", "T_max", "step_size", "periods", "restarts", "total_steps")
)
_ENDLESS = 10**9
"""mmengine's `INF`: a scheduler without an end."""


def config_length(train_cfg: Mapping[str, object]) -> tuple[str, float]:
    """Return ("epochs" or "iters", how many) that a config trains for.

    Raises:
        ConfigError: it has no length, or not a positive number.
    """
    for unit in ("epochs", "iters"):
        value = train_cfg.get(f"max_{unit}")
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise ConfigError(f"train_cfg.max_{unit} is {value!r}; it must be a number above 0")
            return unit, float(value)
    raise ConfigError("train_cfg has neither `max_epochs` nor `max_iters`")


def scaled(schedulers: object, factor: float) -> Any:
    """Return `param_scheduler`, a config of one, many or none, with its positions scaled."""
    if schedulers is None or factor == 1:
        return schedulers
    if isinstance(schedulers, list | tuple):
        return [scaled(item, factor) for item in schedulers]
    if not isinstance(schedulers, Mapping):
        return schedulers
    if "type" not in schedulers:  # one list per optimizer
        return {name: scaled(part, factor) for name, part in schedulers.items()}
    result = {key: _scale(key, value, factor) for key, value in schedulers.items()}
    begin, end = result.get("begin", 0), result.get("end")
    if isinstance(begin, int | float) and isinstance(end, int | float):
        result["end"] = max(end, begin + 1)
    return result


def _scale(key: str, value: object, factor: float) -> object:
    if key not in _POSITIONS:
        return value
    if isinstance(value, list | tuple):
        return [_scale(key, item, factor) for item in value]
    if isinstance(value, int | float) and 0 < value < _ENDLESS:
        # The margin keeps 8 * 1.5 from becoming 11 where 1.5 is a rounded quotient.
        return max(1, int(value * factor + 1e-6))
    return value
