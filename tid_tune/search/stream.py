"""One stream of search trials: a space, its sampler, its rungs, and what they have seen.

An ordinary search has one stream; a comparison of methods has one per method, so that no method
profits from another's results.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tid_tune.ledger.decisions import Decision
from tid_tune.ledger.events import Changed, Ended, Event, Reported, Started, Suggested
from tid_tune.ledger.records import Status, Trial, missing_objectives
from tid_tune.results.costs import trained_epochs
from tid_tune.search.samplers import make_sampler
from tid_tune.search.samplers.base import Taken
from tid_tune.search.samplers.observations import Length, Observation, Observations, signed
from tid_tune.search.samplers.random import RandomOptions, RandomSampler
from tid_tune.search.schedulers import make_scheduler
from tid_tune.search.stages.plan import methods
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Params, Space
from tid_tune.space.space import method_edits


@dataclass(frozen=True)
class StartPoint:
    """A point to try before the sampler is asked; missing values are drawn."""

    values: Params
    origin: str
    of: str | None = None


@dataclass(frozen=True)
class Proposal:
    """Values for a new trial and where they come from."""

    params: Params
    origin: str
    of: str | None = None


class Stream:
    """Search trials of one method (`""`: of the only one), at most `quota` of them."""

    def __init__(
        self, spec: SearchSpec, method: str, quota: int, start: Sequence[StartPoint] = ()
    ) -> None:
        self.method = method
        self.quota = quota
        self.space = Space(spec.space, spec.require, method_edits(method))
        self.known = Observations()
        self.sampler = make_sampler(spec, self.space)
        self.scheduler = make_scheduler(spec)
        self.count = 0
        """Trials suggested, duplicates not counted."""
        self.epochs = 0.0
        self.exhausted = False
        self._asked = 0
        self._origins: set[str] = set()
        self._inside: set[str] = set()
        """Trials whose present values are a point of the space: only they teach the sampler."""
        self._start = [*start, *_given_points(spec)]
        self._model = spec.sampler.type
        self._objectives = spec.objectives

    @property
    def open(self) -> bool:
        """Whether more trials may be suggested."""
        return self.count < self.quota and not self.exhausted

    def propose(self, taken: Taken) -> Proposal | None:
        """Return the next point, or None (and be exhausted) when the space is used up."""
        for index, point in enumerate(self._start):
            if point.origin not in self._origins:
                return Proposal(self.sampler.fill(point.values, index), point.origin, point.of)
        params = self.sampler.ask(self._asked, self.known, taken)
        if params is None:
            self.exhausted = True
            return None
        return Proposal(params, self._model)

    def decide(self, trial: Trial, epoch: float, metrics: dict[str, float]) -> Decision:
        """Answer a report that is not yet recorded."""
        return self.scheduler.decide(trial, epoch, signed(metrics, self._objectives)[0])

    def apply(self, event: Event, trial: Trial) -> None:
        """Take in an event of a trial of this stream, after it has been folded into `trial`."""
        match event:
            case Suggested():
                self._suggested(trial)
            case Changed():
                self._remember(trial)
            case Started():
                self.scheduler.started(trial)
            case Reported(repeated=False):
                self._reported(trial)
            case Ended():
                self._ended(trial)

    def _suggested(self, trial: Trial) -> None:
        self.count += 1
        self._asked += 1
        self._origins.add(trial.origin)
        self.scheduler.suggested(trial)
        self._remember(trial)

    def _remember(self, trial: Trial) -> None:
        if self.space.contains(trial.params):
            self._inside.add(trial.id)
            self.known.suggested(trial.number, trial.params)
        else:
            self._inside.discard(trial.id)

    def _reported(self, trial: Trial) -> None:
        report = trial.reports[-1]
        self.epochs += trained_epochs(trial.reports[-2] if len(trial.reports) > 1 else None, report)
        if not missing_objectives(report.metrics, self._objectives):
            value = signed(report.metrics, self._objectives)[0]
            self.scheduler.reported(trial, report.epoch, value)

    def _ended(self, trial: Trial) -> None:
        if trial.status is Status.DUPLICATE:
            self.count -= 1
        self.scheduler.ended(trial)
        observation = self._observation(trial)
        if observation is not None:
            self.known.observe(observation, final=trial.status.final)
        elif trial.status.final:
            self.known.forget(trial.number)

    def _observation(self, trial: Trial) -> Observation | None:
        last = trial.last
        observed = {Status.COMPLETED, Status.STOPPED, Status.PAUSED}
        if last is None or trial.status not in observed or trial.id not in self._inside:
            return None
        curve = {
            Length(report.fraction, report.epoch): signed(report.metrics, self._objectives)[0]
            for report in trial.reports
        }
        values = signed(last.metrics, self._objectives)
        full = Observation(trial.number, trial.params, values, curve=curve)
        if trial.status is Status.COMPLETED:
            return full
        return replace(full, step=math.floor(1000 * last.epoch * last.fraction))


def check_points(spec: SearchSpec) -> None:
    """Find, before anything is trained, rules that no point can satisfy.

    Raises:
        SpecError: none satisfies `require`, or none does that completes a point of `start_from`.
    """
    for method in methods(spec):
        space = Space(spec.space, spec.require, method_edits(method))
        sampler, known = RandomSampler(space, RandomOptions(), spec.seed), Observations()
        sampler.ask(0, known, lambda params: False)
        for index, point in enumerate(spec.start_from):
            sampler.fill(dict(point), index)


def _given_points(spec: SearchSpec) -> list[StartPoint]:
    """Return the points of `start_from`; a point given again is another one, for what it draws."""
    points: list[StartPoint] = []
    times = Counter[str]()
    for values in spec.start_from:
        origin = f"start_from {json.dumps(values, sort_keys=True)}"
        times[origin] += 1
        again = f" #{times[origin]}" if times[origin] > 1 else ""
        points.append(StartPoint(dict(values), origin + again))
    return points
