"""The tests that every sampler must pass: inherit `SamplerContract`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tid_tune.errors import SpecError
from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.samplers import (
    Length,
    Observation,
    Observations,
    Sampler,
    make_sampler,
    rng_for,
)
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import SAMPLERS, SamplerOptions
from tid_tune.space import (
    Choice,
    Constraint,
    Distribution,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    Params,
    Space,
    Uniform,
    as_number,
)
from tid_tune.testing.options import check_options

MIXED: Mapping[str, Distribution] = {
    "log": LogUniform(low=0.01, high=1),
    "step": Uniform(low=0, high=1, step=0.25),
    "uniform": Uniform(low=0, high=1),
    "normal": Normal(mean=0, std=1, low=-3, high=3),
    "integer": Integer(low=1, high=64, log=True),
    "ordinal": Ordinal(values=(8, 16, 32)),
    "choice": Choice(values=("x", None, [1, 2])),
    "conditional": Uniform(low=0, high=1, when={"choice": ("x",)}),
    "fixed": Fixed(value=3),
}
"""Every kind of distribution."""
FINITE: Mapping[str, Distribution] = {
    "ordinal": Ordinal(values=(8, 16)),
    "step": Uniform(low=0, high=1, step=0.5),
    "choice": Choice(values=("x", "y")),
    "conditional": Integer(low=0, high=1, when={"choice": ("x",)}),
}
FINITE_POINTS = 2 * 3 * (2 + 1)
OBJECTIVE = "score"


class SamplerContract:
    """Set `sampler`, and what else differs from the defaults here."""

    sampler: type[Sampler[Any]]
    options: SamplerOptions | None = None
    """None: the sampler's defaults. Choose a short startup, so that the model is tested."""
    parameters: Mapping[str, Distribution] = MIXED
    """A space to search; it needs a `step` from 0 to 1 for the test of `require`."""
    count: int = 15
    """Suggestions in a row that are looked at."""

    def spec(self, **changes: object) -> SearchSpec:
        """Return a search with this sampler."""
        fields: dict[str, object] = {
            "name": "contract",
            "trial": Path("/trial.py"),
            "epochs": 3,
            "objectives": {OBJECTIVE: "max"},
            "space": self.parameters,
            "sampler": self._options(),
            "trials": 15,
            "baseline": False,
        }
        return SearchSpec(**{**fields, **changes})

    def make(self, **changes: object) -> Sampler[Any]:
        """Return a new sampler for `spec(**changes)`, as the engine makes it."""
        spec = self.spec(**changes)
        return make_sampler(spec, Space(spec.space, spec.require))

    def test_its_options_can_be_stated_recorded_and_completed(self) -> None:
        check_options(SAMPLERS, self.sampler, self._options())

    def test_points_lie_in_the_space(self) -> None:
        space = Space(self.parameters)
        for point in self._points():
            assert space.misfit(point) is None

    def test_points_satisfy_the_requirements(self) -> None:
        rule = Constraint(left="step", op="<", right=0.6)
        for point in self._points(require=(rule,)):
            assert as_number(point["step"]) < 0.6

    def test_points_are_new_ones(self) -> None:
        points = self._points()
        assert all(point not in points[:index] for index, point in enumerate(points))

    def test_the_same_seed_gives_the_same_points(self) -> None:
        assert self._points(seed=3) == self._points(seed=3)

    @pytest.mark.parametrize("every", [1, 4, 7])
    def test_a_sampler_that_is_made_anew_goes_on_like_the_one_before(self, every: int) -> None:
        assert self._points(restart=every) == self._points()

    def test_another_seed_gives_other_points(self) -> None:
        sequences = [self._points(seed=seed, count=5) for seed in range(3)]
        assert all(
            one != other for index, one in enumerate(sequences) for other in sequences[:index]
        )

    def test_the_seed_of_the_sampler_takes_precedence(self) -> None:
        options = self._options().model_copy(update={"seed": 7})
        assert self._points(sampler=options, seed=1) == self._points(seed=7)

    def test_a_finite_space_is_used_up_without_repeating_a_point(self) -> None:
        points = self._points(space=FINITE, count=FINITE_POINTS + 1)
        assert len(points) == FINITE_POINTS
        assert len({json.dumps(point, sort_keys=True) for point in points}) == FINITE_POINTS

    def test_a_space_of_one_point_gives_that_point_once(self) -> None:
        one = {"choice": Choice(values=("x",)), "fixed": Fixed(value=[1])}
        assert self._points(space=one, count=3) == [{"choice": "x", "fixed": [1]}]

    def test_equal_results_are_no_obstacle(self) -> None:
        assert len(self._points(equal=True)) == self.count

    def test_trials_that_fail_or_report_nan_are_no_obstacle(self) -> None:
        def fragile(assignment: Assignment, epoch: float) -> dict[str, float]:
            number = int(assignment.trial[1:])
            if number % 3 == 0:
                raise Failure("oom")
            return {OBJECTIVE: math.nan if number % 3 == 1 and epoch == 2 else 0.5}

        search = simulate(self.spec(), fragile, workers=3)
        assert len(search.state.trials) == 15
        assert all(trial.status.final for trial in search.state.trials.values())

    @pytest.mark.parametrize("workers", [1, 4])
    def test_a_search_tries_as_many_points_as_it_should(self, workers: int) -> None:
        search = simulate(self.spec(), _score, workers=workers)
        points = [trial.params for trial in search.state.trials.values()]
        assert len(points) == 15
        assert all(point not in points[:index] for index, point in enumerate(points))

    @pytest.mark.parametrize("every", [2, 5])
    def test_an_interrupted_search_tries_the_same_points(self, every: int) -> None:
        spec = self.spec(trials=8)
        expected = [trial.params for trial in simulate(spec, _score).state.trials.values()]
        ledger = Ledger.in_memory(clock=VirtualClock())
        running = True
        while running:
            simulator = Simulator(Search.open(spec, ledger), _score, VirtualClock())
            running = all(simulator.step() for _ in range(every))
        found = simulator.search.state.trials.values()
        assert [trial.params for trial in found] == expected

    def test_several_objectives_are_searched_or_refused(self) -> None:
        spec = self.spec(objectives={OBJECTIVE: "max", "cost": "min"})
        if self.sampler.several_objectives:
            search = simulate(spec, _score, workers=3)
            assert len(search.state.trials) == 15
            return
        with pytest.raises(SpecError, match=r"sampler\.type"):
            make_sampler(spec, Space(spec.space))

    def _options(self) -> SamplerOptions:
        return self.sampler.Options.model_validate({}) if self.options is None else self.options

    def _points(
        self, *, count: int | None = None, restart: int = 0, equal: bool = False, **changes: object
    ) -> list[Params]:
        """Return suggestions in a row, with results that arrive two suggestions later.

        Args:
            count: at most so many; None: `self.count`.
            restart: make a new sampler after so many suggestions; 0: never.
            equal: all results are the same.
            changes: of the spec.
        """
        sampler, known, points = self.make(**changes), Observations(), list[Params]()
        for index in range(self.count if count is None else count):
            if restart and index % restart == 0:
                sampler, known = self.make(**changes), Observations()
                for number in range(len(points)):
                    _observe(known, points, number, equal)
            point = sampler.ask(index, known, lambda params: params in points)
            if point is None:
                break
            points.append(point)
            _observe(known, points, index, equal)
        return points


def _observe(known: Observations, points: list[Params], index: int, equal: bool) -> None:
    """Suggestion `index` is under way, and the trial before the one before it has ended."""
    known.suggested(index, points[index])
    number = index - 2
    if number < 0:
        return
    if number % 5 == 4:
        known.forget(number)
        return
    value = 0.5 if equal else float(rng_for(0, "result", number).random())
    curve = {Length(1.0, 1.0): value / 2, Length(1.0, 3.0): value}
    if number % 3 == 0:
        stopped = {Length(1.0, 1.0): value / 2}
        known.observe(Observation(number, points[number], (value / 2,), 1000, stopped))
    else:
        known.observe(Observation(number, points[number], (value,), curve=curve))


def _score(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Like training: rises with the epochs. The best `uniform` is 0.3."""
    distance = abs(assignment.params.get("uniform", assignment.params["step"]) - 0.3)
    return {OBJECTIVE: (1 - distance) * epoch / (epoch + 1), "cost": distance}
