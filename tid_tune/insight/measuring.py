"""Measure the steps from the defaults to the best: the search that trains them, and its values.

The search is an ordinary one, in a folder inside the run folder: its trials are the points of the
path, with the seed and the length of the search, so the ends of the path need no new training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tid_tune.insight.ablation import Path
from tid_tune.ledger.records import Status, Trial
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import trial_cost
from tid_tune.search.samplers import sampler_class
from tid_tune.search.schedulers.registry import scheduler_class
from tid_tune.search.suggestions import Effective
from tid_tune.searchfile.model import Budget, SearchSpec
from tid_tune.searchfile.outputs import Keep
from tid_tune.space import Choice, Distribution, Params, Value
from tid_tune.space.space import config_key, method_edits
from tid_tune.space.values import same

FOLDER = "ablation"
"""The name of the search, and of its folder in the run folder."""


@dataclass(frozen=True)
class Measuring:
    """The points of a path, and what is known of them.

    `values` are the first objective at full length at the start and after each step; None where it
    was not measured. `missing` are the points to train.
    """

    path: Path
    values: tuple[float | None, ...]
    missing: tuple[Params, ...]
    failed: int
    """Points whose training failed."""

    def gains(self, sign: float) -> list[float | None]:
        """Return the measured gain of each step, signed so that more is better."""
        pairs = zip(self.values, self.values[1:], strict=False)
        return [None if a is None or b is None else sign * (b - a) for a, b in pairs]

    @property
    def is_begun(self) -> bool:
        """Whether any step between the two ends is measured."""
        return any(value is not None for value in self.values[1:-1])


def measuring(
    path: Path, spec: SearchSpec, effective: Effective, state: RunState | None = None
) -> Measuring:
    """Return what is known of the points of a path.

    Args:
        path: the path.
        spec: of its search.
        effective: brings edits with the same effect to the same form.
        state: of the search that measures; None: there is none yet.
    """
    seed, extra = path.best.seed, method_edits(path.method)

    def key(params: Params) -> str:
        return config_key(effective({**params, **extra}), seed)

    known: dict[str, float | None] = {}
    ended = () if state is None else tuple(state.trials.values())
    for trial in ended:
        if trial.stage == "search" and trial.status.final and trial.seed == seed:
            value = _value(trial, spec)
            if value is not None or trial.status is Status.FAILED:
                known.setdefault(key(trial.params), value)
    ends = [(path.start, path.baseline), (path.best.params, path.best)]
    for point, end in ends:
        if end is not None and end.seed == seed and (found := _value(end, spec)) is not None:
            known[key(point)] = found
    points = [path.start, *(step.point for step in path.steps)]
    missing = {key(point): point for point in points if key(point) not in known}
    return Measuring(
        path,
        tuple(known.get(key(point)) for point in points),
        tuple(missing.values()),
        sum(key(point) in known and known[key(point)] is None for point in points),
    )


def measuring_spec(found: Measuring, spec: SearchSpec, before: SearchSpec | None) -> SearchSpec:
    """Return the search that trains the missing points.

    Args:
        found: what is known, and what is not.
        spec: of the search whose path it is.
        before: the same search as it ran before, whose points stay in it; None: it is new.
    """
    earlier = () if before is None else before.start_from
    points = [*earlier, *(point for point in found.missing if not _in(point, earlier))]
    sampler, scheduler = sampler_class("random"), scheduler_class("none")
    return spec.model_copy(
        update={
            "name": FOLDER,
            "space": {
                name: dist if dist.is_fixed else _listed(name, dist, points)
                for name, dist in spec.space.items()
                if dist.is_fixed or any(name in point for point in points)
            },
            "require": (),
            "method": (found.path.method,) if found.path.method else (),
            "trials": max(len(points), 1),
            "start_from": tuple(points),
            "transfer": None,
            "sampler": sampler.Options.model_validate({}),
            "scheduler": scheduler.Options.model_validate({}),
            "seed": found.path.best.seed,
            "baseline": False,
            "confirm": None,
            "budget": Budget(),
            "keep": Keep(best=1, baselines=False, reruns=False),
            "tracking": spec.tracking.model_copy(
                update={"experiment": spec.tracking.experiment or spec.name}
            ),
        }
    )


def cost_of(found: Measuring, epochs: int) -> tuple[float, float]:
    """Return what the missing points cost: epochs, and seconds of a worker at the best's pace."""
    total = float(len(found.missing) * epochs)
    one = trial_cost(found.path.best)
    return total, total * one.seconds / one.epochs if one.epochs else 0.0


def _value(trial: Trial, spec: SearchSpec) -> float | None:
    return trial.value(spec.first_objective) if trial.full_length else None


def _listed(name: str, dist: Distribution, points: Sequence[Params]) -> Distribution:
    """Return the choice between the values that a parameter has in some points."""
    values: list[Value] = []
    for point in points:
        if name in point and not any(same(point[name], value) for value in values):
            values.append(point[name])
    return Choice(values=tuple(values), when=dist.when)


def _in(point: Params, others: Iterable[Params]) -> bool:
    return any(same(point, other) for other in others)
