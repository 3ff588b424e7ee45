"""Start from the best trials of an earlier run.

What was taken is recorded in this run's ledger, so that resuming does not depend on the earlier
run any more, and a reader sees where each starting point came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tid_tune.errors import UsageError
from tid_tune.ledger.events import Transferred, TransferredPoint
from tid_tune.ledger.state import RunState
from tid_tune.results.ranking import ranked_full_length
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.stages.plan import methods
from tid_tune.search.stream import StartPoint
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Params, broken_constraint
from tid_tune.storage.places import Place


def read_transfer(spec: SearchSpec) -> Transferred:
    """Return the best trials of the run that `spec` starts from.

    Raises:
        UsageError: there is no such run, or it has no full-length trial with this objective that
            keeps to the rules of `require`.
        StoreError: the store of the run does not answer.
    """
    assert spec.transfer is not None
    run = spec.transfer.run
    state = _state_of(run)
    objective = spec.first_objective
    trials = [t for t in ranked_full_length(state, spec) if t.value(objective) is not None]
    if not trials:
        raise UsageError(
            f"start_from: {run} has no trial of full length with the objective {objective}"
        )
    lawful = [t for t in trials if broken_constraint(spec.require, t.params) is None]
    if not lawful:
        rules = ", ".join(rule.text for rule in spec.require)
        raise UsageError(
            f"start_from: none of the {len(trials)} full-length trials of {run} satisfies "
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
                f"`require: {broken.text}`"
            )
            continue
        kept = {
            name: value
            for name, value in point.params.items()
            if name in spec.space and spec.space[name].contains(value)
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
        name: dist.narrow([p[name] for p in params if name in p and dist.contains(p[name])])
        for name, dist in space.items()
    }


def _state_of(run: Place) -> RunState:
    try:
        return RunFolder.open(run).state
    except UsageError as error:
        raise UsageError(*(f"start_from: {message}" for message in error.messages)) from None
