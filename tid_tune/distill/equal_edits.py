"""Edits of a config that train the same although they differ; without torch.

TID compares its discrete scores with two thresholds: all thresholds between the same two steps of
these scores give the same areas.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping

from tid_tune.distill.methods.tid.settings import TIDSettings, decimal
from tid_tune.errors import ConfigError
from tid_tune.space.values import Params, Value

PREFIX = "model.distillation."


def effective_edits(distillation: Mapping[str, object]) -> Callable[[Params], Params]:
    """Return a function that brings edits with the same effect to the same form.

    Args:
        distillation: the settings of the config that the edits are made in.
    """

    def effective(edits: Params) -> Params:
        names = [name for name in ("key_threshold", "weak_threshold") if PREFIX + name in edits]
        if not names:
            return edits
        changed = {k.removeprefix(PREFIX): v for k, v in edits.items() if k.startswith(PREFIX)}
        values = {**distillation, **changed}
        if values.get("method", TIDSettings.method) != TIDSettings.method:
            return edits
        try:
            settings = TIDSettings.parse(values)
        except ConfigError:  # the trial will fail, and say why
            return edits
        steps: dict[str, Value] = {
            PREFIX + name: _step(getattr(settings, name), _levels(settings, name)) for name in names
        }
        return {**edits, **steps}

    return effective


def _levels(settings: TIDSettings, threshold: str) -> list[float]:
    """Return, ascending, the values that are compared with a threshold."""
    if threshold == "key_threshold":
        return settings.importances
    return settings.leads


def _step(threshold: float, levels: list[float]) -> str:
    """Return between which steps a threshold lies."""
    return f"step {bisect_left(levels, decimal(threshold))}"
