"""What single samplers are good at, and what they see; `test_contract` has what all must keep."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from support.search_cases import (
    OBJECTIVE,
    SPACE,
    learning_curve,
    make_spec,
    quality,
    sampler_of,
    scheduler_of,
)

from tid_tune.errors import SpecError
from tid_tune.results.ranking import leaderboard
from tid_tune.search.decision import Assignment
from tid_tune.search.samplers import Sampler, make_sampler
from tid_tune.search.samplers.observations import Length, Observation, Observations
from tid_tune.search.simulate import simulate
from tid_tune.space import (
    Choice,
    Constraint,
    Distribution,
    Integer,
    Params,
    Space,
    Uniform,
    as_number,
)

LINE: dict[str, Distribution] = {"x": Uniform(low=0, high=1)}
PLANE: dict[str, Distribution] = {**LINE, "y": Uniform(low=0, high=1)}


def sampler(name: str, space: dict[str, Distribution]) -> Sampler[Any]:
    """Return the sampler as the engine makes it."""
    spec = make_spec(sampler=sampler_of(name), space=space)
    return make_sampler(spec, Space(space))


def never(params: Params) -> bool:
    return False


@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "cmaes", "nsga2", "gp"])
def test_rules_that_no_point_satisfies_are_an_error_that_names_them(name: str) -> None:
    spec = make_spec(
        sampler=sampler_of(name), space=LINE, require=(Constraint(left="x", op=">", right=2),)
    )
    one = make_sampler(spec, Space(spec.space, spec.require))
    with pytest.raises(SpecError, match="x > 2"):
        one.ask(0, Observations(), never)


def test_a_grid_of_a_continuum_is_an_error_that_names_the_parameter() -> None:
    with pytest.raises(SpecError, match=r"space\.x"):
        sampler("grid", LINE)


def test_the_grid_spreads_its_first_points_over_every_parameter() -> None:
    grid = sampler("grid", {"a": Integer(low=0, high=9), "b": Integer(low=0, high=9)})
    seen: list[Params] = []
    for index in range(10):
        point = grid.ask(index, Observations(), lambda p: p in seen)
        assert point is not None
        seen.append(point)
    assert len({p["a"] for p in seen}) >= 5
    assert len({p["b"] for p in seen}) >= 5


def test_quasi_random_points_leave_smaller_gaps_than_random_ones() -> None:
    from scipy.stats.qmc import discrepancy

    def gaps(name: str) -> float:
        points = ask(sampler(name, PLANE), range(200), Observations())
        return float(discrepancy([[p["x"], p["y"]] for p in points]))

    assert gaps("qmc") < 0.2 * gaps("random")


def ask(one: Sampler[Any], indices: range, known: Observations) -> list[Params]:
    """Return suggestions that may repeat."""
    points = [one.ask(index, known, never) for index in indices]
    assert None not in points
    return [point for point in points if point is not None]


@pytest.mark.parametrize("name", ["tpe", "cmaes", "nsga2", "gp"])
def test_a_model_finds_better_points_than_chance(name: str) -> None:
    trials = 60
    space = {k: v for k, v in SPACE.items() if k in ("weight", "threshold")}
    better = 0
    for seed in range(3):
        best = []
        for kind in (name, "random"):
            spec = make_spec(
                space=space,
                sampler=sampler_of(kind),
                scheduler=scheduler_of("none"),
                epochs=1,
                trials=trials,
                seed=seed,
                baseline=False,
            )
            found = simulate(spec, learning_curve).state.trials.values()
            late = [quality(t.params) for t in found][-trials // 2 :]
            best.append(float(np.mean(late)))
        better += best[0] > best[1]
    assert better == 3


def test_running_trials_keep_the_model_from_proposing_the_same_place_again() -> None:
    known = Observations()
    for number in range(40):
        x = number / 40
        known.observe(Observation(number, {"x": x}, (-abs(x - 0.3),)))
    one = sampler("tpe", LINE)

    def share_near_the_best() -> float:
        points = ask(one, range(100, 140), known)
        return sum(abs(as_number(p["x"]) - 0.3) < 0.03 for p in points) / len(points)

    alone = share_near_the_best()
    for number in range(50, 70):
        known.suggested(number, {"x": 0.3})
    assert share_near_the_best() < 0.5 * alone


def test_the_process_learns_from_stopped_trials() -> None:
    """The best place is known from trials that were all stopped early."""
    known = Observations()
    for number in range(40):
        x = number / 40
        curve = {Length(1.0, 1.0): -abs(x - 0.3), Length(1.0, 9.0): -2 * abs(x - 0.3)}
        if number % 8 == 0 or x > 0.6:
            known.observe(Observation(number, {"x": x}, (curve[Length(1.0, 9.0)],), None, curve))
        else:
            del curve[Length(1.0, 9.0)]
            known.observe(Observation(number, {"x": x}, (-abs(x - 0.3),), 1000, curve))
    best = max((o for o in known.complete_window()), key=lambda o: o.values[0])
    assert abs(as_number(best.params["x"]) - 0.3) > 0.09
    points = ask(sampler("gp", LINE), range(100, 110), known)
    assert sum(abs(as_number(p["x"]) - 0.3) < 0.05 for p in points) >= 8


def finished(number: int, x: float, value: float) -> Observation:
    """Return a trial of full length."""
    return Observation(number, {"x": x}, (value,), None, {Length(1.0, 9.0): value})


def test_the_process_proposes_the_best_point_that_has_not_been_tried() -> None:
    """The peak and most other points have been tried: the model is not asked in vain."""
    one, known = sampler("gp", {"x": Integer(low=0, high=19)}), Observations()
    for x in range(20):
        if x != 11:
            known.observe(finished(x, x, -float(abs(x - 10))))
    free = (0, 11, 19)
    points = [one.ask(index, known, lambda p: p["x"] not in free) for index in range(100, 110)]
    assert points == [{"x": 11}] * 10


def test_the_process_sees_small_differences_beside_values_that_are_far_worse() -> None:
    """A third of the line fails, which hides the shape of the rest on a plain scale."""
    known = Observations()
    for number in range(12):
        x = number / 11
        known.observe(finished(number, x, 0.1 if x > 0.7 else 0.9 - 0.05 * (x - 0.25) ** 2))
    points = ask(sampler("gp", LINE), range(100, 120), known)
    assert sum(abs(as_number(p["x"]) - 0.25) < 0.05 for p in points) >= 18


def test_the_window_holds_the_best_and_the_latest_and_nothing_more() -> None:
    known = Observations(best=5, recent=10)
    for number in range(1000):
        value = 1000.0 if number in (3, 70, 400) else float(number % 50)
        known.observe(Observation(number, {}, (value,), None if number % 2 == 0 else 10))
    numbers = [observation.number for observation in known.window()]
    assert numbers == sorted(numbers)
    assert set(range(990, 1000)) <= set(numbers)
    assert {70, 400} <= set(numbers)
    assert len(numbers) <= 15


def test_a_partial_result_is_replaced_by_the_final_one() -> None:
    known = Observations()
    known.suggested(0, {"x": 1})
    known.observe(Observation(0, {"x": 1}, (0.1,), 1000), final=False)
    known.observe(Observation(0, {"x": 1}, (0.4,)))
    assert [o.values for o in known.window()] == [(0.4,)]
    assert [o.values for o in known.history] == [(0.4,)]
    assert known.pending == {}


def test_a_partial_starting_point_keeps_its_values_and_draws_the_rest() -> None:
    space: dict[str, Distribution] = {
        **PLANE,
        "c": Choice(values=("x", None)),
        "d": Uniform(low=0, high=1, when={"c": ("x",)}),
    }
    one = sampler("tpe", space)
    point = one.fill({"x": 1, "c": None}, 0)
    assert (point["x"], point["c"]) == (1.0, None)
    assert point.keys() == {"x", "y", "c"}
    assert one.space.contains(point)
    assert one.fill({"x": 1, "c": None}, 0) == point


@pytest.mark.parametrize("name", ["nsga2", "gp"])
def test_two_objectives_are_traded_off_without_stopping_a_trial(name: str) -> None:
    def two(assignment: Assignment, epoch: float) -> dict[str, float]:
        x = assignment.params.get("weight", 5.0)
        return {OBJECTIVE: 1 - (math.log(x) - 1) ** 2 / 10, "latency": x}

    spec = make_spec(
        objectives={OBJECTIVE: "max", "latency": "min"},
        sampler=sampler_of(name),
        space={"weight": SPACE["weight"]},
        trials=80,
        epochs=2,
    )
    search = simulate(spec, two, workers=4)
    rows = leaderboard(search.state, search.spec)
    assert all(row.rank is not None for row in rows)
    front = sorted((r.values["latency"], r.values[OBJECTIVE]) for r in rows if r.front)
    assert len(front) > 10
    # Along a front of (small, large), more of one costs some of the other.
    assert [value for _, value in front] == sorted(value for _, value in front)
    assert all(latency <= math.e * 1.01 for latency, _ in front)


def imported_by(code: str) -> str:
    """Return which heavy libraries a fresh interpreter has imported after running `code`."""
    heavy = ("ray", "torch", "mlflow", "mmdet", "pandas", "optuna", "scipy", "cmaes")
    code += f"; import sys; print([name for name in {heavy} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_finding_the_samplers_and_schedulers_imports_nothing_heavy() -> None:
    found = imported_by(
        "from tid_tune.searchfile.parts import SAMPLERS; SAMPLERS.parts();"
        "from tid_tune.searchfile.parts import SCHEDULERS; SCHEDULERS.parts()"
    )
    assert found == "[]"


def test_a_search_needs_neither_ray_nor_torch_nor_mlflow() -> None:
    found = imported_by(
        "from pathlib import Path;"
        "from tid_tune.search.simulate import simulate;"
        "from tid_tune.searchfile.model import Confirm, SearchSpec;"
        "from tid_tune.space import Uniform;"
        "import tid_tune.results.optuna_study, tid_tune.search.retention;"
        "spec = lambda name: SearchSpec(name='t', trial=Path('t.py'), epochs=2, trials=12,"
        " space={'x': Uniform(low=0, high=1)}, sampler={'type': name}, confirm=Confirm());"
        "score = lambda work, epoch: {'coco/bbox_mAP': work.params.get('x', 0.0)};"
        "names = ('tpe', 'gp', 'cmaes', 'qmc', 'nsga2');"
        "[simulate(spec(name), score, workers=2) for name in names]"
    )
    assert found == "['optuna', 'scipy', 'cmaes']"
