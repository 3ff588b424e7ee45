"""From the defaults to the best trial, one change at a time: what each change has gained.

The next change is always the one that gains most, as the model expects. The gains are estimates,
and add up to the difference that the model expects between the two ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tid_tune.insight.arms import Arm
from tid_tune.insight.defaults import Defaults
from tid_tune.insight.lengths import Array
from tid_tune.insight.surrogate import Surrogate
from tid_tune.ledger.records import Trial
from tid_tune.search.samplers.observations import Length
from tid_tune.space import Distribution, Params, Space, Value
from tid_tune.space.values import same

DRAWS = 1000
_ABSENT = object()


@dataclass(frozen=True)
class Step:
    """One parameter changed from its default to the value of the best trial.

    `point` is what is then trained. `gain` is in units of the objective, signed so that more is
    better; `error` its standard error, by the model.
    """

    name: str
    before: Value
    after: Value
    point: Params
    gain: float
    error: float


@dataclass(frozen=True)
class Path:
    """The steps from the defaults, `start`, to the values of the trial `best`.

    `expected` are the objective's values at the start and at the end, by the model; `gain` is the
    difference between them, and the sum of the steps' gains.
    """

    method: str
    best: Trial
    baseline: Trial | None
    start: Params
    steps: tuple[Step, ...]
    expected: tuple[float, float]
    gain: float
    error: float
    length: Length


def ablation_path(model: Surrogate, defaults: Defaults, best: Trial) -> Path | str:
    """Return the path from the defaults to `best`, or why there is none."""
    space = model.arm.space
    values: dict[str, Value] = dict(defaults.values)
    start = _start(space, values, best)
    if isinstance(start, str):
        return start
    points, names = _greedy(model, values, best.params)
    if not names:
        return "the best trial has the default values"
    draws = model.arm.spec.sign * model.plain(model.draws(points, DRAWS))
    means = model.arm.spec.sign * model.mean(points)
    gains, errors = np.diff(means), np.diff(draws, axis=1).std(axis=0)
    before = points[0]
    steps = [
        Step(name, values.get(name), best.params[name], point, float(gain), float(error))
        for name, point, gain, error in zip(names, points[1:], gains, errors, strict=True)
    ]
    return Path(
        model.arm.method,
        best,
        defaults.trial,
        before,
        tuple(steps),
        (float(model.arm.spec.sign * means[0]), float(model.arm.spec.sign * means[-1])),
        float(means[-1] - means[0]),
        float((draws[:, -1] - draws[:, 0]).std()),
        model.length,
    )


def _start(space: Space, values: dict[str, Value], best: Trial) -> Params | str:
    """Return the point of the defaults, or which default is missing.

    A parameter that does not take part at the start, and whose default is not known, begins with
    the value of the best trial; it is added to `values`.
    """
    for name in best.params:
        if name in space.searched and name not in values and not _takes_part(space, name, values):
            values[name] = best.params[name]
    point = _point(space, values)
    missing = [name for name, value in point.items() if value is _ABSENT]
    if missing:
        return f"the default of {', '.join(missing)} is not known: the config does not set it"
    return point


def _takes_part(space: Space, name: str, values: Mapping[str, Value]) -> bool:
    return name in _point(space, values)


def _point(space: Space, values: Mapping[str, Value]) -> Params:
    def pick(name: str, dist: Distribution) -> object:
        return values.get(name, _ABSENT)

    return space.build(pick)


def _greedy(
    model: Surrogate, values: Mapping[str, Value], best: Params
) -> tuple[list[Params], list[str]]:
    """Return the points of the path, and the parameter that each but the first one changes."""
    space, sign = model.arm.space, model.arm.spec.sign
    current = dict(values)
    left = [
        name
        for name in best
        if name in space.searched and not same(best[name], current.get(name, _ABSENT))
    ]
    points, names = [_point(space, current)], []
    while left:
        options = [(name, _point(space, {**current, name: best[name]})) for name in left]
        # What a later change switches on has no effect yet.
        options = [(name, point) for name, point in options if name in point] or options
        lawful = [option for option in options if space.allows(option[1])]
        options = lawful or options
        expected: Array = sign * model.mean([point for _, point in options])
        name, point = options[int(np.argmax(expected))]
        current[name] = best[name]
        left.remove(name)
        points.append(point)
        names.append(name)
    return points, names


def path_of(model: Surrogate | str, arm: Arm, defaults: Defaults, best: Trial) -> Path | str:
    """Return the path, or why there is none: without a model, its reason."""
    if isinstance(model, str):
        return model
    if not arm.space.contains(best.params):
        return f"the values of {best.id} are outside the present space"
    return ablation_path(model, defaults, best)
