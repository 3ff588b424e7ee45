"""Trials with given values and results, for the tests of what a search has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from support.search_cases import OBJECTIVE, make_spec, sampler_of, scheduler_of
from tid_tune.insight.arms import Arm
from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Params, Space

EPOCHS = 9


def trial(
    number: int,
    curve: Mapping[float, float],
    params: Params | None = None,
    status: Status = Status.COMPLETED,
    **fields: Any,
) -> Trial:
    """A trial with these values at these epochs."""
    found = Trial(
        f"t{number:04d}", number, "search", "", params or {}, params or {}, 0, EPOCHS, "random"
    )
    found.status = status
    found.reports = [
        Report(round(epoch), epoch, {OBJECTIVE: value}, 1.0, 1, None, 0)
        for epoch, value in curve.items()
    ]
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def spec_of(space: Mapping[str, Distribution], **changes: Any) -> SearchSpec:
    """A search of a space, all of whose trials come to their full length."""
    fields = {"scheduler": scheduler_of("none"), "sampler": sampler_of("random")}
    return make_spec(space=dict(space), **{**fields, **changes})


def arm_of(
    space: Mapping[str, Distribution],
    points: Sequence[Params],
    values: Sequence[float],
    **changes: Any,
) -> Arm:
    """The arm of trials of full length with these values."""
    spec = spec_of(space, **changes)
    pairs = zip(points, values, strict=True)
    trials = [trial(at + 1, {EPOCHS: float(v)}, params) for at, (params, v) in enumerate(pairs)]
    return Arm("", Space(spec.space, spec.require), tuple(trials), spec)
