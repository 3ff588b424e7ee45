import math
import subprocess
import sys

import numpy as np
import pytest
from support.search_cases import OBJECTIVE, SPACE, learning_curve, make_spec, quality

from tid_tune.errors import SpecError
from tid_tune.search.samplers import make_sampler
from tid_tune.search.samplers.observations import Length, Observation, Observations
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Sampler, Scheduler
from tid_tune.space import Choice, Constraint, Integer, LogUniform, Normal, Ordinal, Uniform
from tid_tune.space.space import Space

MIXED = {
    "a": LogUniform(low=0.01, high=1),
    "b": Uniform(low=0, high=1),
    "n": Normal(mean=0, std=1, low=-3, high=3),
    "i": Integer(low=1, high=64, log=True),
    "s": Uniform(low=0, high=1, step=0.25),
    "o": Ordinal(values=(8, 16, 32)),
    "c": Choice(values=("x", None, [1, 2])),
    "d": Uniform(low=0, high=1, when={"c": ("x",)}),
}
FINITE = {
    "o": Ordinal(values=(8, 16, 32)),
    "c": Choice(values=("x", "y")),
    "s": Uniform(low=0, high=1, step=0.25),
    "d": Integer(low=0, high=3, when={"c": ("x",)}),
}
ALL = ["tpe", "random", "qmc", "cmaes", "nsga2", "grid", "gp"]


def space_for(name, require=()):
    return Space(FINITE if name == "grid" else MIXED, require)


def sampler(name, seed=0, require=()):
    return make_sampler(Sampler(type=name, startup_trials=5), space_for(name, require), seed, 1)


def never(params):
    return False


def observed(name, count, running=2):
    """Observations of random points, some of them stopped early, and a few running trials."""
    space, known = space_for(name), Observations()
    rng = np.random.default_rng(5)
    source = make_sampler(Sampler(type="random"), space, 1, 1)
    for number in range(count):
        params = source.draw(rng, number, known)
        known.suggested(number, params)
        curve = {Length(1.0, float(epoch)): float(rng.random()) for epoch in range(1, 4)}
        step = None
        if number % 3 == 0:
            curve, step = dict([*curve.items()][:1]), 1000
        known.observe(Observation(number, params, ([*curve.values()][-1],), step, curve))
    for number in range(count, count + running):
        known.suggested(number, source.draw(rng, number, known))
    return known


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_index_and_observations_give_the_same_point(name):
    for count in (0, 12):
        first = sampler(name).ask(count, observed(name, count), never)
        second = sampler(name).ask(count, observed(name, count), never)
        assert first == second
        assert space_for(name).contains(first)


@pytest.mark.parametrize("name", ALL)
def test_another_index_gives_another_point(name):
    known, one = observed(name, 12), sampler(name)
    seen = []
    for index in range(12, 18):
        point = one.ask(index, known, lambda params: params in seen)
        assert point not in seen
        seen.append(point)


@pytest.mark.parametrize("name", [name for name in ALL if name != "grid"])
def test_another_seed_gives_another_point(name):
    points = [sampler(name, seed).ask(3, Observations(), never) for seed in range(3)]
    assert points[0] != points[1] != points[2]


@pytest.mark.parametrize("name", ALL)
def test_suggestions_obey_the_constraints(name):
    rule = Constraint(left="s", op="<", right=0.5)
    one, known = sampler(name, require=(rule,)), observed(name, 12)
    for index in range(20):
        assert one.ask(index, known, never)["s"] < 0.5


@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "cmaes", "nsga2", "gp"])
def test_rules_that_no_point_satisfies_are_an_error_that_names_them(name):
    with pytest.raises(SpecError, match="b > 2"):
        sampler(name, require=(Constraint(left="b", op=">", right=2),)).ask(
            0, Observations(), never
        )


@pytest.mark.parametrize("name", [name for name in ALL if name != "tpe"])
def test_a_finite_space_is_used_up_without_repeating_a_point(name):
    space = Space(FINITE)
    one = make_sampler(Sampler(type=name, startup_trials=4), space, 0, 1)
    known, seen = Observations(), []
    while (point := one.ask(len(seen), known, lambda p: p in seen)) is not None:
        seen.append(point)
        value = float(len(seen) % 7)
        known.observe(Observation(len(seen), point, (value,), curve={Length(1.0, 1.0): value}))
    # 3 * 5 points with c = y, and four times as many with c = x.
    assert len(seen) == 15 + 60
    assert all(space.contains(point) for point in seen)


def test_a_grid_of_a_continuum_is_an_error_that_names_the_parameter():
    with pytest.raises(SpecError, match="threshold"):
        make_sampler(Sampler(type="grid"), Space({"threshold": Uniform(low=0, high=1)}), 0, 1)


def test_the_grid_spreads_its_first_points_over_every_parameter():
    space = Space({"a": Integer(low=0, high=9), "b": Integer(low=0, high=9)})
    grid, seen = make_sampler(Sampler(type="grid"), space, 0, 1), []
    for index in range(10):
        seen.append(grid.ask(index, Observations(), lambda p: p in seen))
    assert len({p["a"] for p in seen}) >= 5
    assert len({p["b"] for p in seen}) >= 5


def test_quasi_random_points_leave_smaller_gaps_than_random_ones():
    space = Space({"x": Uniform(low=0, high=1), "y": Uniform(low=0, high=1)})

    def discrepancy(name):
        from scipy.stats.qmc import discrepancy

        one = make_sampler(Sampler(type=name), space, 0, 1)
        points = [one.ask(i, Observations(), never) for i in range(200)]
        return discrepancy([[p["x"], p["y"]] for p in points])

    assert discrepancy("qmc") < 0.2 * discrepancy("random")


@pytest.mark.parametrize("name", ["tpe", "cmaes", "nsga2", "gp"])
def test_a_model_finds_better_points_than_chance(name):
    trials = 60
    space = {k: v for k, v in SPACE.items() if k in ("weight", "threshold")}
    better = 0
    for seed in range(3):
        best = []
        for kind in (name, "random"):
            spec = make_spec(
                space=space,
                sampler=Sampler(type=kind, startup_trials=8),
                scheduler=Scheduler(type="none"),
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


def test_running_trials_keep_the_model_from_proposing_the_same_place_again():
    space, known = Space({"x": Uniform(low=0, high=1)}), Observations()
    for number in range(40):
        x = number / 40
        known.observe(Observation(number, {"x": x}, (-abs(x - 0.3),)))
    one = make_sampler(Sampler(type="tpe"), space, 0, 1)

    def share_near_the_best():
        points = [one.ask(index, known, never)["x"] for index in range(100, 140)]
        return sum(abs(x - 0.3) < 0.03 for x in points) / len(points)

    alone = share_near_the_best()
    for number in range(50, 70):
        known.suggested(number, {"x": 0.3})
    assert share_near_the_best() < 0.5 * alone


def test_the_process_learns_from_stopped_trials():
    """The best place is known from trials that were all stopped early."""
    space, known = Space({"x": Uniform(low=0, high=1)}), Observations()
    for number in range(40):
        x = number / 40
        curve = {Length(1.0, 1.0): -abs(x - 0.3), Length(1.0, 9.0): -2 * abs(x - 0.3)}
        if number % 8 == 0 or x > 0.6:
            known.observe(Observation(number, {"x": x}, (curve[Length(1.0, 9.0)],), None, curve))
        else:
            del curve[Length(1.0, 9.0)]
            known.observe(Observation(number, {"x": x}, (-abs(x - 0.3),), 1000, curve))
    best = max((o for o in known.complete_window()), key=lambda o: o.values[0])
    assert abs(best.params["x"] - 0.3) > 0.09
    one = make_sampler(Sampler(type="gp"), space, 0, 1)
    points = [one.ask(index, known, never)["x"] for index in range(100, 110)]
    assert sum(abs(x - 0.3) < 0.05 for x in points) >= 8


def test_the_window_holds_the_best_and_the_latest_and_nothing_more():
    known = Observations(best=5, recent=10)
    for number in range(1000):
        value = 1000.0 if number in (3, 70, 400) else float(number % 50)
        known.observe(Observation(number, {}, (value,), None if number % 2 == 0 else 10))
    numbers = [observation.number for observation in known.window()]
    assert numbers == sorted(numbers)
    assert set(range(990, 1000)) <= set(numbers)
    assert {70, 400} <= set(numbers)
    assert len(numbers) <= 15


def test_a_partial_result_is_replaced_by_the_final_one():
    known = Observations()
    known.suggested(0, {"x": 1})
    known.observe(Observation(0, {"x": 1}, (0.1,), 1000), final=False)
    known.observe(Observation(0, {"x": 1}, (0.4,)))
    assert [o.values for o in known.window()] == [(0.4,)]
    assert [o.values for o in known.history] == [(0.4,)]
    assert known.pending == {}


def test_a_partial_starting_point_keeps_its_values_and_draws_the_rest():
    one = sampler("tpe")
    point = one.fill({"b": 1, "c": None}, 0)
    assert point["b"] == 1.0
    assert point["c"] is None
    assert "d" not in point
    assert one.space.contains(point)
    assert one.fill({"b": 1, "c": None}, 0) == point


@pytest.mark.parametrize("name", ["nsga2", "gp"])
def test_two_objectives_are_traded_off_without_stopping_anybody(name):
    def two(assignment, epoch):
        x = assignment.params.get("weight", 5.0)
        return {OBJECTIVE: 1 - (math.log(x) - 1) ** 2 / 10, "latency": x}

    spec = make_spec(
        objectives={OBJECTIVE: "max", "latency": "min"},
        sampler=Sampler(type=name),
        space={"weight": SPACE["weight"]},
        trials=80,
        epochs=2,
    )
    from tid_tune.results.ranking import leaderboard

    search = simulate(spec, two, workers=4)
    rows = leaderboard(search.state, search.spec)
    assert all(row.rank is not None for row in rows)
    front = sorted((r.values["latency"], r.values[OBJECTIVE]) for r in rows if r.front)
    assert len(front) > 10
    # Along a front of (small, large), more of one costs some of the other.
    assert [value for _, value in front] == sorted(value for _, value in front)
    assert all(latency <= math.e * 1.01 for latency, _ in front)


def test_the_search_needs_neither_ray_nor_torch_nor_mlflow():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from support.search_cases import *\n"
        "from tid_tune.search.simulate import simulate\n"
        "from tid_tune.searchfile.model import Confirm, Sampler\n"
        "for name in ('tpe', 'gp', 'cmaes', 'qmc', 'nsga2'):\n"
        "    spec = make_spec(sampler=Sampler(type=name, startup_trials=2), confirm=Confirm())\n"
        "    simulate(spec, learning_curve, workers=2)\n"
        "import tid_tune.results.optuna_study, tid_tune.search.retention\n"
        "print([m for m in ('ray', 'torch', 'mlflow', 'mmdet', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
