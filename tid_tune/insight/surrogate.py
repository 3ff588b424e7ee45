"""A model of the results: the Gaussian process that the sampler `gp` proposes with.

It knows the rungs: a stopped trial counts with the value that it is expected to reach at the
longest length, and with the error of this expectation. All that is computed with it is an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tid_tune.insight.arms import COPIED, Arm
from tid_tune.insight.codes import PathCodes
from tid_tune.insight.defaults import Defaults
from tid_tune.insight.lengths import Array, values_of
from tid_tune.ledger.records import Trial
from tid_tune.search.samplers.gp.extrapolation import (
    PAIRS,
    Expected,
    common_length,
    expected_values,
)
from tid_tune.search.samplers.gp.scale import Scale
from tid_tune.search.samplers.observations import Length, Observation
from tid_tune.space import Params

if TYPE_CHECKING:
    from tid_tune.search.samplers.gp.gaussian import GaussianProcess

SEEN = 200
"""Results that the model is made of; of more, the best half of these and a drawn half."""
LEAST = 10
"""Results below which the model is not asked which parameters matter."""
JITTER = 1e-6
DRAWS = 128
"""Functions drawn from the model, for standard errors."""


@dataclass(frozen=True)
class Surrogate:
    """The first objective at `length`, as a function of the parameters.

    `trials` results were used, of which `carried` were stopped before that length; there were
    `known`. `noise` is the standard deviation of repeated values, in units of the objective, as the
    model estimates it for good values.
    """

    arm: Arm
    length: Length
    trials: int
    carried: int
    known: int
    noise: float
    results: Expected
    """All of them; signed so that more is better."""
    _model: GaussianProcess
    _codes: PathCodes
    _scale: Scale

    def mean(self, points: Sequence[Params]) -> Array:
        """Return the expected objective (m) at points, in its units."""
        return self.plain(self._model.mean(self._codes.of(points)))

    def draws(self, points: Sequence[Params], count: int = DRAWS) -> Array:
        """Return drawn values (count, m) at points, on the model's own scale; more is better."""
        mean, covariance = self._model.together(self._codes.of(points))
        # Points may be the same, or nearly so.
        covariance[np.diag_indices_from(covariance)] += JITTER
        root = np.linalg.cholesky(covariance)
        normal = np.random.default_rng(0).standard_normal((count, len(mean)))
        found: Array = mean + normal @ root.T
        return found

    def plain(self, mapped: Array) -> Array:
        """Return values of the model's own scale in units of the objective."""
        found: Array = self.arm.spec.sign * self._scale.plain(mapped)
        return found


def fit_surrogate(arm: Arm, defaults: Defaults | None = None) -> Surrogate | str:
    """Return the model of a method's results, or why there is none.

    Args:
        arm: the method.
        defaults: a baseline that is one more result, where all its values are known.
    """
    from tid_tune.search.samplers.gp.gaussian import fit

    if arm.copies:
        return COPIED
    codes = PathCodes(arm.space)
    if not codes.width:
        return "no parameter is searched that has more than one value"
    observations = _observations(arm, defaults)
    length, found = common_length(observations), expected_values(observations)
    if length is None or found is None:
        return f"fewer than {PAIRS} trials came to the same length"
    used = _limited(found)
    scale = Scale.of(used.values)
    slopes = scale.slopes(used.values)
    model = fit(
        codes.of([one.params for one in used.observations]),
        scale.mapped(used.values),
        used.variances * slopes**2,
    )
    noise = float(np.sqrt(model.kernel.noise)) * scale.size * scale.spread
    carried = sum(length not in one.curve for one in used.observations)
    count = len(used.values)
    known = len(found.values)
    return Surrogate(arm, length, count, carried, known, noise, found, model, codes, scale)


def _observations(arm: Arm, defaults: Defaults | None) -> list[Observation]:
    inside = {trial.id for trial in arm.inside}
    known = [
        _observation(trial, trial.params, row, arm)
        for trial, row in zip(arm.curves.trials, arm.curves.values, strict=True)
        if trial.id in inside and np.isfinite(row).any()
    ]
    point = None if defaults is None else default_point(arm, defaults)
    if defaults is not None and defaults.trial is not None and point is not None:
        row = values_of(defaults.trial, arm.curves.lengths, arm.spec)
        if np.isfinite(row).any():
            known.append(_observation(defaults.trial, point, row, arm))
    return known


def _observation(trial: Trial, params: Params, row: Array, arm: Arm) -> Observation:
    signed = arm.spec.sign * row
    pairs = zip(arm.curves.lengths, signed.tolist(), strict=True)
    curve = {length: value for length, value in pairs if np.isfinite(value)}
    return Observation(trial.number, params, (next(reversed(curve.values())),), curve=curve)


def default_point(arm: Arm, defaults: Defaults) -> Params | None:
    """Return the defaults as a point of the space; None where one that takes part is not known."""
    known = defaults.values
    point = arm.space.build(lambda name, dist: known.get(name, _UNKNOWN))
    return None if any(value is _UNKNOWN for value in point.values()) else point


def _limited(found: Expected) -> Expected:
    """Return the best and a drawn part of many; always the same."""
    count = len(found.values)
    if count <= SEEN:
        return found
    best = np.argsort(-found.values, kind="stable")
    drawn = np.random.default_rng(0).choice(best[SEEN // 2 :], SEEN - SEEN // 2, replace=False)
    kept = np.sort(np.concatenate([best[: SEEN // 2], drawn]))
    observations = [found.observations[at] for at in kept]
    return Expected(observations, found.values[kept], found.variances[kept])


_UNKNOWN = object()
