"""Importance on functions whose answer is known, and that it compares only what may be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from support.insight_cases import EPOCHS, arm_of, trial
from support.search_cases import scheduler_of

from tid_tune.insight.arms import Arm
from tid_tune.insight.chance import LEVEL, MOST, chances
from tid_tune.insight.defaults import Defaults
from tid_tune.insight.importance import LEAST, importance_table
from tid_tune.insight.importance import MOST as MOST_TRIALS
from tid_tune.insight.insight import ArmInsight
from tid_tune.ledger.records import Status
from tid_tune.space import Choice, Distribution, Fixed, LogUniform, Params, Space, Uniform
from tid_tune.space.optuna_forms import quiet_optuna
from tid_tune.space.values import as_number

SPACE: dict[str, Distribution] = {
    "strong": LogUniform(low=1e-4, high=1e-1),
    "weak": Uniform(low=0, high=1),
    "idle": Uniform(low=-5, high=5),
    "kind": Choice(values=("a", ["b", 1], {"c": 2})),
    "always": Fixed(value=3),
    "child": Uniform(low=0, high=1, when={"kind": ("a",)}),
}
A, B = 1.0, 0.5
"""The standard deviations of the effects of `strong` and `weak`."""


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals take most of the time; they are not what is tested."""
    monkeypatch.setattr("tid_tune.insight.importance.RESAMPLES", 4)


def drawn(count: int, seed: int = 0) -> list[Params]:
    rng = np.random.default_rng(seed)
    space = Space(SPACE)
    return [space.build(lambda name, dist: dist.decode(float(rng.random()))) for _ in range(count)]


def value(params: Mapping[str, Any]) -> float:
    """Linear in the codes of two parameters: their Sobol indices are A^2 and B^2, by their sum."""
    strong = SPACE["strong"].encode(params["strong"])
    found: float = math.sqrt(12) * (A * strong + B * params["weak"])
    return found


def insight_of(arm: Arm) -> ArmInsight:
    return ArmInsight(arm, Defaults({}, None))


@pytest.fixture(scope="module")
def arm() -> Arm:
    points = drawn(80)
    return arm_of(SPACE, points, [value(point) for point in points])


def test_the_parameters_that_matter_are_found_and_no_others(arm: Arm) -> None:
    table = importance_table(arm)
    assert [row.name for row in table.rows][:2] == ["strong", "weak"]
    assert sum(row.value for row in table.rows) == pytest.approx(1)
    assert all(row.low <= row.value <= row.high for row in table.rows)
    assert "always" not in [row.name for row in table.rows]
    found = insight_of(arm)
    assert {n for n, chance in found.chances.items() if chance <= LEVEL} == {"strong", "weak"}
    assert found.chances.keys() == {share.name for share in found.shares}


def test_the_shares_are_the_total_sobol_indices(arm: Arm) -> None:
    share = {one.name: one for one in insight_of(arm).shares}
    assert share["strong"].value == pytest.approx(A**2 / (A**2 + B**2), abs=0.05)
    assert share["weak"].value == pytest.approx(B**2 / (A**2 + B**2), abs=0.05)
    for idle in ("idle", "kind", "child"):
        assert share[idle].high < 0.05


def test_ped_anova_is_that_of_optuna(arm: Arm) -> None:
    """On a study made by hand; a parameter that only some have is among them."""
    distributions: dict[str, Any] = {
        "strong": FloatDistribution(1e-4, 1e-1, log=True),
        "weak": FloatDistribution(0, 1),
        "idle": FloatDistribution(-5, 5),
        "kind": CategoricalDistribution(range(3)),
        "child": FloatDistribution(0, 1),
    }
    study = optuna.create_study(direction="maximize")
    for one in arm.trials:
        params = {n: v for n, v in one.params.items() if n in distributions}
        params["kind"] = ["a", ["b", 1], {"c": 2}].index(params["kind"])
        own = {name: distributions[name] for name in params}
        last = one.last
        assert last is not None
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=own, value=next(iter(last.metrics.values()))
            )
        )
    with quiet_optuna():
        wanted = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    found = {row.name: row.value for row in importance_table(arm).rows}
    assert found == pytest.approx(wanted)


def test_where_less_is_better_the_same_parameters_matter(arm: Arm) -> None:
    objectives = {next(iter(arm.spec.objectives)): "min"}
    spec = arm.spec.model_copy(update={"objectives": objectives})
    points = [one.params for one in arm.trials]
    other = arm_of(SPACE, points, [-value(point) for point in points], objectives=objectives)
    assert other.spec == spec
    assert importance_table(other).rows == importance_table(arm).rows
    assert insight_of(other).shares == insight_of(arm).shares


def test_the_same_trials_give_the_same_figures(arm: Arm) -> None:
    again = replace(arm)
    assert importance_table(again) == importance_table(arm)
    assert insight_of(again).shares == insight_of(arm).shares
    assert insight_of(again).chances == insight_of(arm).chances
    assert insight_of(again).pairs[0].share == insight_of(arm).pairs[0].share


def test_values_of_other_lengths_do_not_count(arm: Arm) -> None:
    """A stopped trial's high value at epoch 3 says nothing beside values at epoch 9."""
    stopped = [
        trial(900 + at, {3: 99.0 - at}, point, Status.STOPPED)
        for at, point in enumerate(drawn(30, seed=9))
    ]
    table = importance_table(replace(arm, trials=(*arm.trials, *stopped)))
    assert table.length is not None
    assert table.length.epoch == EPOCHS
    assert (table.trials, table.known, table.all_trials) == (80, 80, 110)
    assert table.rows == importance_table(arm).rows


def test_where_few_came_far_the_longest_length_of_enough_is_taken() -> None:
    points = drawn(60)
    trials = [
        trial(at, {1: value(p), **({9: 0.5} if at < 15 else {})}, p) for at, p in enumerate(points)
    ]
    full = arm_of(SPACE, points, [0.0] * 60)
    table = importance_table(replace(full, trials=tuple(trials)))
    assert table.length is not None
    assert table.length.epoch == 1, "15 of 60 are not a third"
    assert table.rows[0].name == "strong"


def test_a_parameter_counts_with_the_trials_that_have_it(arm: Arm) -> None:
    having = sum("child" in one.params for one in arm.trials)
    assert 0 < having < 80
    (row,) = [row for row in importance_table(arm).rows if row.name == "child"]
    assert row.trials == having


def test_few_trials_cannot_say() -> None:
    points = drawn(7)
    few = arm_of(SPACE, points, [value(point) for point in points])
    table = importance_table(few)
    assert not table.rows
    assert "7 trials cannot say" in table.reason
    found = insight_of(few)
    assert isinstance(found.told, str)
    assert "7 trials cannot say" in found.told
    assert (found.shares, found.pairs, found.chances) == ([], [], {})


def test_equal_values_and_copied_weights_are_refused_with_the_reason() -> None:
    points = drawn(LEAST)
    assert "same value" in importance_table(arm_of(SPACE, points, [0.3] * LEAST)).reason
    copied = arm_of(SPACE, points, range(LEAST), scheduler=scheduler_of("pbt"))
    assert "each other's weights" in importance_table(copied).reason
    model = insight_of(copied).model
    assert isinstance(model, str)
    assert "each other's weights" in model


def test_values_outside_the_present_space_are_left_out(arm: Arm) -> None:
    outside = trial(500, {9: 50.0}, {**arm.trials[0].params, "weak": 7.0})
    table = importance_table(replace(arm, trials=(*arm.trials, outside)))
    assert table.trials == 80


def test_thousands_of_trials_are_a_fixed_draw() -> None:
    points = drawn(MOST_TRIALS + 300)
    many = arm_of(SPACE, points, [value(point) for point in points])
    table = importance_table(many)
    assert (table.trials, table.known) == (MOST_TRIALS, MOST_TRIALS + 300)
    assert [row.name for row in table.rows][:2] == ["strong", "weak"]


@pytest.mark.parametrize("count", [12, 40])
def test_where_nothing_matters_a_parameter_stands_out_as_rarely_as_it_says(count: int) -> None:
    """Of 80 searches 5 % are 4; 11 or more would be seen in 1 of 500."""
    searched = Space(SPACE).searched
    found = 0
    for seed in range(80):
        noise = np.random.default_rng(1000 + seed).standard_normal(count)
        found += min(chances(searched, drawn(count, seed), noise).values()) <= LEVEL
    assert found < 11


def test_a_weak_parameter_is_found_beside_a_strong_one() -> None:
    """Its effect is small beside that of the strong one, and clear beside what that one leaves."""
    points = drawn(60)
    noise = 0.2 * np.random.default_rng(0).standard_normal(60)
    values = np.array(
        [5 * value(p) - 4.5 * math.sqrt(12) * B * as_number(p["weak"]) for p in points]
    )
    found = chances(Space(SPACE).searched, points, values + noise)
    assert found["strong"] <= LEVEL
    assert found["weak"] <= LEVEL
    assert min(found["idle"], found["kind"], found["child"]) > LEVEL


def test_of_thousands_of_results_a_fixed_draw_is_compared() -> None:
    points = drawn(MOST + 100)
    values = np.array([value(point) for point in points])
    first = chances(Space(SPACE).searched, points, values)
    assert first == chances(Space(SPACE).searched, points, values)
    assert first["strong"] <= LEVEL


def test_pairs_that_act_together_are_found() -> None:
    """A product of two centred parameters: all of the variance is that of the pair."""
    space = {name: Uniform(low=0, high=1) for name in "xyz"}
    rng = np.random.default_rng(0)
    rows = rng.random((60, 3))
    points: list[Params] = [dict(zip("xyz", map(float, row), strict=True)) for row in rows]
    together = [(x - 0.5) * (y - 0.5) for x, y, _ in rows]
    best, *others = insight_of(arm_of(space, points, together)).pairs
    assert {best.row_name, best.column_name} == {"x", "y"}
    assert best.share.value > 0.6
    assert all(pair.share.value < 0.1 for pair in others)
    assert best.values[0, 0] > 0 > best.values[0, -1]
    apart = [x + y for x, y, _ in rows]
    assert all(p.share.value < 0.1 for p in insight_of(arm_of(space, points, apart)).pairs)
