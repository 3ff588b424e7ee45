"""Start from the best trials of an earlier run.

What was taken is recorded in this run's ledger, so that resuming does not depend on the earlier
run any more, and a reader sees where each starting point came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tid_tune.errors import UsageError
from tid_tune.ledger.events import Transferred, TransferredPoint
from tid_tune.ledger.file import LEDGER_NAME
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import ranked_full_length
from tid_tune.search.stages.plan import methods
from tid_tune.search.stream import StartPoint
from tid_tune.searchfile.model import (
    Choice,
    Distribution,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    SearchSpec,
    Uniform,
)
from tid_tune.space.distributions import contains, size, value_at
from tid_tune.space.space import Params, broken_constraint, describe

MARGIN = 0.1
"""`narrow` leaves this part of the old range on both sides of the transferred values."""


def read_transfer(spec: SearchSpec) -> Transferred:
    """Return the best trials of the run that `spec` starts from.

    Raises:
        UsageError: there is no such run, or it has no full-length trial with this objective that
            keeps to the rules of `require`.
    """
    assert spec.transfer is not None
    run = spec.transfer.run
    path = ledger_of(run)
    state = RunState.read(path)
    objective = spec.first_objective
    trials = [t for t in ranked_full_length(state, spec) if t.value(objective) is not None]
    if not trials:
        raise UsageError(
            f"start_from: {path} has no trial of full length with the objective {objective}"
        )
    lawful = [t for t in trials if broken_constraint(spec.require, t.params) is None]
    if not lawful:
        rules = ", ".join(describe(rule) for rule in spec.require)
        raise UsageError(
            f"start_from: none of the {len(trials)} full-length trials of {path} satisfies "
            f"`require: {rules}`; drop start_from, or change the rule"
        )
    points = (
        TransferredPoint(trial=t.id, value=value, params=t.params, method=t.method)
        for t in lawful[: spec.transfer.top]
        if (value := t.value(objective)) is not None
    )
    return Transferred(
        run=str(run), run_id=state.run_id, top=spec.transfer.top, points=tuple(points)
    )


def is_current(stage: Transferred | None, spec: SearchSpec) -> bool:
    """Whether a recorded transfer is the one `spec` asks for (or neither exists)."""
    if spec.transfer is None or stage is None:
        return spec.transfer is None and stage is None
    return stage.run == str(spec.transfer.run) and stage.top == spec.transfer.top


def lawful_points(stage: Transferred, spec: SearchSpec) -> list[Params]:
    """Return the recorded points that satisfy `require`, which may have changed since."""
    return [p.params for p in stage.points if broken_constraint(spec.require, p.params) is None]


def start_points(
    stage: Transferred, spec: SearchSpec
) -> tuple[dict[str, list[StartPoint]], list[str]]:
    """Return the starting points by method, and notes on values that could not be taken over."""
    points: dict[str, list[StartPoint]] = {method: [] for method in methods(spec)}
    notes = []
    for point in stage.points:
        broken = broken_constraint(spec.require, point.params)
        if broken is not None:
            notes.append(
                f"start_from: {point.trial} of {stage.run} is left out, since it breaks "
                f"`require: {describe(broken)}`"
            )
            continue
        kept = {
            name: value
            for name, value in point.params.items()
            if name in spec.space and contains(spec.space[name], value)
        }
        lost = [name for name in point.params if name not in kept]
        if lost:
            notes.append(
                f"start_from: {point.trial} of {stage.run} is taken without "
                f"{', '.join(lost)}, which this space does not hold"
            )
        origin = f"transfer {point.trial} of {stage.run} ({point.value:.4g})"
        for method, mine in points.items():
            if point.method in ("", method) or method == "":
                mine.append(StartPoint(kept, origin, point.trial))
    return points, notes


def narrowed(
    space: Mapping[str, Distribution], points: Iterable[Params]
) -> dict[str, Distribution]:
    """Return `space` with each range shrunk to the values of `points` and a margin of 10 %."""
    params = list(points)
    return {
        name: _narrow(dist, [p[name] for p in params if name in p and contains(dist, p[name])])
        for name, dist in space.items()
    }


def _narrow(dist: Distribution, values: list[Any]) -> Distribution:
    if not values or isinstance(dist, Fixed):
        return dist
    match dist:
        case Choice():
            return dist.model_copy(update={"values": _seen(dist.values, values)})
        case Ordinal():
            at = [i for i, value in enumerate(dist.values) if value in values]
            kept = dist.values[max(0, at[0] - 1) : at[-1] + 2]
            return dist.model_copy(update={"values": kept})
    low, high = _range(dist, min(values), max(values))
    step, count = getattr(dist, "step", None), size(dist)
    if step is not None and count is not None:
        # Outwards to the next step; a range that ends on one ends there, rounding errors aside.
        first = math.floor((low - dist.low) / step + 1e-9)
        last = math.ceil((high - dist.low) / step - 1e-9)
        low, high = value_at(dist, max(0, first)), value_at(dist, min(last, count - 1))
    return dist.model_copy(update={"low": low, "high": high})


def _range(dist: Uniform | LogUniform | Integer | Normal, low: Any, high: Any) -> tuple[Any, Any]:
    """Return the range of the values with the margin, inside the old range."""
    if isinstance(dist, LogUniform) or (isinstance(dist, Integer) and dist.log):
        factor = (dist.high / dist.low) ** MARGIN
        return max(dist.low, low / factor), min(dist.high, high * factor)
    margin = (dist.high - dist.low) * MARGIN
    return max(dist.low, low - margin), min(dist.high, high + margin)


def _seen(options: tuple[Any, ...], values: list[Any]) -> tuple[Any, ...]:
    return tuple(option for option in options if option in values)


def ledger_of(run: Path) -> Path:
    """Return the ledger of a run folder, or the path itself where it is a file."""
    return run / LEDGER_NAME if run.is_dir() else run
