"""Gaussian process with expected improvement: for few and expensive trials.

Every trial counts with the value it is expected to reach at full length (`extrapolation`), so the
model learns from early-stopped trials, too. Running trials count with the value that the model
expects, so that workers spread out. A suggestion takes some tens of milliseconds, more with more
results, of which at most `SEEN` are used. Several objectives become one by weights that are drawn
for each suggestion (ParEGO; Knowles, 2006). Candidates are all points of a small space, else random
points and steps from the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from tid_tune.models import Count
from tid_tune.search.samplers.base import Sampler, random_point
from tid_tune.search.samplers.gp.codes import Array, Codes
from tid_tune.search.samplers.gp.extrapolation import PAIRS, Expected, expected_values
from tid_tune.search.samplers.gp.scale import standardized
from tid_tune.search.samplers.observations import Observation, Observations
from tid_tune.search.samplers.registry import register_sampler
from tid_tune.searchfile.parts import SamplerOptions
from tid_tune.space import Distribution, Params, Space
from tid_tune.space.walk import GridWalk

if TYPE_CHECKING:
    from tid_tune.search.samplers.gp.gaussian import GaussianProcess

SEEN = 200
"""Results that the model is made of: half of them the best, half the latest."""
SCATTERED, STEPPED = 300, 150
"""Candidates from the prior, and in each round of steps."""
COMPLETE = 1000
"""Finite spaces up to this size are candidates as a whole."""
STEPS = (0.15, 0.04)
"""Their standard deviations, round by round, in the units of the codes."""
LEADERS = 5
"""Points that a round starts from."""
MOVED, REDRAWN = 0.5, 0.15
"""The chances of an ordered and of an unordered parameter to change in a step."""
SUM = 0.05
"""Share of the plain sum in ParEGO's weighing."""


class GpOptions(SamplerOptions):
    """A Gaussian process that also learns from stopped trials; up to some hundred trials."""

    type: Literal["gp"] = "gp"
    startup_trials: Count = 5
    """Random trials before the model is used."""


@register_sampler
class GpSampler(Sampler[GpOptions]):
    """Models the objective over all parameters, conditional ones included."""

    Options = GpOptions

    def __init__(self, space: Space, options: GpOptions, seed: int, objectives: int = 1) -> None:
        super().__init__(space, options, seed, objectives)
        self._codes = Codes(space)
        self._fitted: tuple[object, GaussianProcess] | None = None

    @property
    def startup(self) -> int:
        """Trials before the model is used."""
        return self.options.startup_trials

    def draw(self, rng: np.random.Generator, index: int, known: Observations) -> Params:
        """Return the candidate with the highest expected improvement."""
        return next(self.proposals(rng, index, known))

    def proposals(
        self, rng: np.random.Generator, index: int, known: Observations
    ) -> Iterator[Params]:
        """Yield the candidates by expected improvement; a small space is searched completely."""
        seen = self._seen(rng, known)
        if seen is None or len(seen.observations) < PAIRS or not self._codes.width:
            yield random_point(self.space, rng)
            return
        points = [observation.params for observation in seen.observations]
        model = self._model(self._codes.of(points), seen)
        running = [params for params in known.pending.values() if self.space.contains(params)]
        if running:
            model = model.believing(self._codes.of(running))
        found, gains = self._candidates(model, [*points, *running], rng)
        for place in np.argsort(-gains, kind="stable"):
            yield found[place]

    def _seen(self, rng: np.random.Generator, known: Observations) -> Expected | None:
        if self.objectives > 1:
            complete = known.complete_window()
            values = _scalarized(complete, rng) if complete else np.zeros(0)
            return _limited(Expected(complete, values, np.zeros(len(complete))))
        found = expected_values(known.window())
        return None if found is None else _limited(found)

    def _model(self, points: Array, seen: Expected) -> GaussianProcess:
        """Return the fitted model; suggestions after the same results share it."""
        from tid_tune.search.samplers.gp.gaussian import fit

        key = [(o.number, value) for o, value in zip(seen.observations, seen.values, strict=True)]
        if self._fitted is None or self._fitted[0] != key:
            values, slopes = standardized(seen.values)
            self._fitted = key, fit(points, values, seen.variances * slopes**2)
        return self._fitted[1]

    def _candidates(
        self, model: GaussianProcess, known: list[Params], rng: np.random.Generator
    ) -> tuple[list[Params], Array]:
        """Return points and their expected improvements.

        All points of a small space; else random ones, and steps from the best, known and found.
        """
        expected = model.mean(model.points)
        highest = float(expected.max())
        if self._all is not None:
            points, codes = self._all
            return points, _gains(model, highest, codes)
        leaders = [known[i] for i in np.argsort(-expected, kind="stable")[:LEADERS]]
        found = [random_point(self.space, rng) for _ in range(SCATTERED)]
        gains = self._allowed_gains(model, highest, found)
        for step in STEPS:
            more = [self._moved(leaders[i % len(leaders)], step, rng) for i in range(STEPPED)]
            found += more
            gains = np.concatenate([gains, self._allowed_gains(model, highest, more)])
            leaders = [found[i] for i in np.argsort(-gains, kind="stable")[:LEADERS]]
        return found, gains

    @cached_property
    def _all(self) -> tuple[list[Params], Array] | None:
        """All points of a small space and their codes; None: the space is not small."""
        if self.space.size is None or self.space.size > COMPLETE:
            return None
        points = GridWalk(self.space, self.seed).points()
        return points, self._codes.of(points)

    def _allowed_gains(
        self, model: GaussianProcess, highest: float, points: Sequence[Params]
    ) -> Array:
        """Return the expected improvements; points that break a rule come last."""
        gains = _gains(model, highest, self._codes.of(points))
        return np.where([self.space.allows(params) for params in points], gains, -np.inf)

    def _moved(self, params: Params, step: float, rng: np.random.Generator) -> Params:
        return self.space.build(partial(_move, params, step, rng))


def _gains(model: GaussianProcess, highest: float, codes: Array) -> Array:
    """Return the expected improvements over `highest` at points of these codes."""
    from scipy.special import ndtr

    mean, spread = model.predict(codes)
    above = (mean - highest) / spread
    density = np.exp(-0.5 * above**2) / np.sqrt(2 * np.pi)
    gains: Array = spread * (above * ndtr(above) + density)
    return gains


def _move(
    params: Params, step: float, rng: np.random.Generator, name: str, dist: Distribution
) -> object:
    """Return a value of `name` that is often the one it has, or near it."""
    if name not in params or (dist.is_unordered and rng.random() < REDRAWN):
        return dist.decode(float(rng.random()))
    if dist.is_unordered or rng.random() >= MOVED:
        return params[name]
    return dist.decode(dist.encode(params[name]) + step * float(rng.standard_normal()))


def _limited(found: Expected) -> Expected:
    """Return the best and the latest of many."""
    count = len(found.values)
    if count <= SEEN:
        return found
    best = np.argsort(-found.values, kind="stable")[: SEEN // 2]
    kept = sorted({*best.tolist(), *range(count - SEEN // 2, count)})
    observations = [found.observations[i] for i in kept]
    return Expected(observations, found.values[kept], found.variances[kept])


def _scalarized(observations: Sequence[Observation], rng: np.random.Generator) -> Array:
    """Return the objectives, each brought to [0, 1], as one: mostly the worst, by weight."""
    values = np.array([observation.values for observation in observations])
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    weighed = rng.dirichlet(np.ones(values.shape[1])) * (values - low) / np.where(span > 0, span, 1)
    found: Array = weighed.min(axis=1) + SUM * weighed.sum(axis=1)
    return found
