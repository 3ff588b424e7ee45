"""The path from the defaults to the best: its steps, their gains, and where it cannot be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.insight_cases import EPOCHS, arm_of, trial
from support.search_cases import OBJECTIVE

from tid_tune.insight.ablation import Path, path_of
from tid_tune.insight.codes import code_of
from tid_tune.insight.defaults import Defaults
from tid_tune.insight.surrogate import SEEN, Surrogate, fit_surrogate
from tid_tune.ledger.records import Status, Trial
from tid_tune.space import Choice, Distribution, LogUniform, Ordinal, Params, Space, Uniform

SPACE: dict[str, Distribution] = {
    "lr": LogUniform(low=1e-4, high=1e-1),
    "weight": Uniform(low=0, high=1),
    "select": Choice(values=("threshold", "quantile")),
    "quantile": Uniform(low=0, high=1, when={"select": ("quantile",)}),
    "cut": Ordinal(values=(0.5, 1.0, 2.0), when={"select": ("threshold",)}),
}
START: Params = {"lr": 1e-3, "weight": 0.2, "select": "threshold", "cut": 0.7, "quantile": 0.9}
BEST: Params = {"lr": 1e-2, "weight": 0.8, "select": "quantile", "quantile": 0.1}


def value(params: Mapping[str, Any]) -> float:
    """Additive: each change has its own gain, whatever the others are."""
    found: float = 0.5 - 0.04 * (math.log10(params["lr"]) + 2) ** 2 + 0.1 * params["weight"]
    if params["select"] == "quantile":
        found += 0.02 - 0.05 * (params["quantile"] - 0.1)
    return found


def results(count: int, sign: float, **changes: Any) -> tuple[Any, Trial, Defaults]:
    """The arm of random trials and the best one, the best, and the defaults with their baseline."""
    rng, space = np.random.default_rng(0), Space(SPACE)
    points = [
        space.build(lambda name, dist: dist.decode(float(rng.random()))) for _ in range(count)
    ]
    arm = arm_of(SPACE, [*points, BEST], [sign * value(p) for p in [*points, BEST]], **changes)
    baseline = trial(0, {EPOCHS: sign * value(START)}, stage="baseline", label="defaults")
    return arm, arm.trials[-1], Defaults(dict(START), baseline)


def path(count: int = 80, sign: float = 1.0) -> Path:
    arm, best, defaults = results(count, sign, objectives={OBJECTIVE: "max" if sign > 0 else "min"})
    found = path_of(fit_surrogate(arm, defaults), arm, defaults, best)
    assert isinstance(found, Path)
    return found


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_gains_add_up_to_the_whole_difference_and_are_those_of_the_function(
    sign: float,
) -> None:
    found = path(sign=sign)
    assert sum(step.gain for step in found.steps) == pytest.approx(found.gain, abs=1e-9)
    before, after = found.expected
    assert sign * (after - before) == pytest.approx(found.gain, abs=1e-9)
    assert before == pytest.approx(sign * value(START), abs=0.005)
    assert after == pytest.approx(sign * value(BEST), abs=0.005)
    known = {"lr": 0.04, "weight": 0.06, "quantile": 0.04, "select": 0.02 - 0.05 * 0.8}
    for step in found.steps:
        assert step.gain == pytest.approx(known[step.name], abs=max(0.006, 3 * step.error))


def test_each_step_changes_one_parameter_and_the_last_one_is_the_best() -> None:
    found = path()
    assert found.start == {"lr": 1e-3, "weight": 0.2, "select": "threshold", "cut": 0.7}
    assert sorted(step.name for step in found.steps) == ["lr", "quantile", "select", "weight"]
    assert found.steps[-1].point == BEST
    before = found.start
    for step in found.steps:
        changed = {name for name in SPACE if before.get(name) != step.point.get(name)}
        # With `select`, the parameters of its value come and those of the other one go.
        implied = {"cut", "quantile"} if step.name == "select" else set()
        assert step.name in changed <= {step.name} | implied
        assert (step.before, step.after) == (START[step.name], BEST[step.name])
        before = step.point


def test_a_parameter_that_takes_no_part_yet_is_changed_after_the_one_that_switches_it_on() -> None:
    names = [step.name for step in path().steps]
    assert names.index("select") < names.index("quantile")
    (switched,) = [step for step in path().steps if step.name == "select"]
    assert switched.point["quantile"] == START["quantile"], "its own change comes later"


def test_the_change_that_gains_most_comes_first() -> None:
    assert [step.name for step in path().steps][:2] == ["weight", "lr"]


def test_few_trials_have_wide_errors() -> None:
    few, many = path(count=6), path(count=80)
    assert few.error > 2 * many.error
    assert abs(few.gain - (value(BEST) - value(START))) < 3 * few.error + 0.01


def test_a_default_that_is_not_known_is_named() -> None:
    arm, best, _ = results(20, 1.0)
    partial = {name: v for name, v in START.items() if name != "weight"}
    defaults = Defaults(partial, None)
    found = path_of(fit_surrogate(arm, defaults), arm, defaults, best)
    assert isinstance(found, str)
    assert "weight" in found


def test_without_its_default_a_child_begins_with_the_value_of_the_best() -> None:
    arm, best, _ = results(20, 1.0)
    defaults = Defaults({name: v for name, v in START.items() if name != "quantile"}, None)
    found = path_of(fit_surrogate(arm, defaults), arm, defaults, best)
    assert isinstance(found, Path)
    assert sorted(step.name for step in found.steps) == ["lr", "select", "weight"]
    assert found.steps[-1].point == BEST


def test_where_the_best_is_the_defaults_there_is_no_path() -> None:
    arm, best, _ = results(20, 1.0)
    defaults = Defaults(dict(BEST), None)
    found = path_of(fit_surrogate(arm, defaults), arm, defaults, best)
    assert isinstance(found, str)
    assert "default values" in found


def test_a_stopped_trial_counts_with_what_it_is_expected_to_reach() -> None:
    """The ends are the earlier values, twice; two more trials were stopped."""
    arm, _, defaults = results(20, 1.0)
    stopped = [
        trial(100 + at, {3: value(p) / 2}, p, Status.STOPPED)
        for at, p in enumerate([{**BEST, "weight": 0.5}, {**BEST, "lr": 3e-3}])
    ]
    for one in arm.trials:
        early = trial(0, {3: value(one.params) / 2}).reports
        one.reports[:0] = early
    model = fit_surrogate(replace(arm, trials=(*arm.trials, *stopped)), defaults)
    assert isinstance(model, Surrogate)
    assert (model.trials, model.carried, model.length.epoch) == (24, 2, EPOCHS)
    wanted = [value(one.params) for one in stopped]
    assert model.mean([one.params for one in stopped]) == pytest.approx(wanted, abs=0.01)


def test_of_many_results_the_best_and_a_fixed_draw_make_the_model() -> None:
    arm, _, defaults = results(SEEN + 100, 1.0)
    first, again = fit_surrogate(arm, defaults), fit_surrogate(arm, defaults)
    assert isinstance(first, Surrogate)
    assert isinstance(again, Surrogate)
    assert (first.trials, first.known) == (SEEN, SEEN + 102)
    assert first.mean([BEST]) == again.mean([BEST])
    assert first.mean([BEST]) == pytest.approx([value(BEST)], abs=0.005)


def test_too_few_results_of_one_length_make_no_model() -> None:
    arm, best, defaults = results(1, 1.0)
    found = path_of(fit_surrogate(arm, defaults), arm, defaults, best)
    assert isinstance(found, str)
    assert "fewer than 4 trials" in found


@pytest.mark.parametrize(
    ("name", "wanted", "code"),
    [
        ("cut", 1.0, 0.5),
        ("cut", 1.5, 0.5 + 1 / 6),
        ("cut", 9.0, 5 / 6),
        ("weight", 1.2, 1.2),
        ("weight", 99.0, 1.5),
        ("lr", 1e-5, -1 / 3),
        ("lr", 0, -0.5),
        ("lr", "none", 0.5),
    ],
)
def test_a_default_outside_the_space_has_a_place_beside_it(
    name: str, wanted: Any, code: float
) -> None:
    assert code_of(SPACE[name], wanted) == pytest.approx(code)
