import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm
from support.distribution_examples import EXAMPLES

from tid_tune.errors import SpecError
from tid_tune.searchfile.model import (
    Choice,
    Constraint,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Uniform,
)
from tid_tune.space.distributions import (
    canonical,
    contains,
    decode,
    encode,
    index_of,
    same,
    size,
    value_at,
)
from tid_tune.space.space import Space, config_key

UNIT = st.floats(0, 1)


@pytest.mark.parametrize("dist", EXAMPLES, ids=lambda d: d.kind)
@given(unit=UNIT)
def test_every_quantile_is_a_value_that_survives_coding_and_json(dist, unit):
    value = decode(dist, unit)
    assert contains(dist, value)
    assert contains(dist, json.loads(json.dumps(value)))
    again = decode(dist, encode(dist, value)) if not isinstance(dist, Fixed) else value
    assert again == pytest.approx(value) if isinstance(value, float) else again == value
    assert 0 <= (0.5 if isinstance(dist, Fixed) else encode(dist, value)) <= 1
    assert same(canonical(dist, value), value)


@pytest.mark.parametrize("dist", [d for d in EXAMPLES if size(d)], ids=lambda d: d.kind)
def test_numbered_values_are_all_different_and_found_again(dist):
    values = [value_at(dist, i) for i in range(size(dist))]
    assert [index_of(dist, value) for value in values] == list(range(len(values)))


def test_steps_give_the_decimal_values_a_user_means():
    dist = Uniform(low=0.1, high=0.7, step=0.1)
    assert [value_at(dist, i) for i in range(size(dist))] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_values_outside_or_of_another_type_are_not_contained():
    assert not contains(Uniform(low=0, high=1), 1.0001)
    assert not contains(Uniform(low=0, high=1), True)
    assert not contains(Uniform(low=0, high=1), math.nan)
    assert not contains(Uniform(low=0, high=1, step=0.25), 0.3)
    assert not contains(Integer(low=1, high=5), 2.5)
    assert not contains(Integer(low=1, high=5), "3")
    assert not contains(Choice(values=(1, "a")), True)
    assert contains(Integer(low=1, high=5), 5)


def test_quantiles_of_a_normal_follow_scipys_truncated_normal():
    dist = Normal(mean=1, std=0.5, low=0, high=2.5)
    reference = truncnorm(-2, 3, loc=1, scale=0.5)
    for unit in (0.0, 0.01, 0.3, 0.5, 0.99, 1.0):
        assert decode(dist, unit) == pytest.approx(reference.ppf(unit))


def test_the_prior_of_a_log_uniform_is_uniform_in_the_logarithm():
    dist = LogUniform(low=0.01, high=100)
    values = [math.log10(decode(dist, (i + 0.5) / 500)) for i in range(500)]
    assert kstest(values, "uniform", args=(-2, 4)).pvalue > 0.99


CONDITIONAL = Space(
    {
        "deep": Uniform(low=0, high=1, when={"mode": ("b",), "kind": ("y",)}),
        "kind": Choice(values=("x", "y"), when={"mode": ("b", "c")}),
        "mode": Choice(values=("a", "b", "c")),
        "epochs": Fixed(value=3),
    },
)


@given(units=st.lists(UNIT, min_size=3, max_size=3))
def test_a_conditional_parameter_is_there_exactly_when_its_parents_say_so(units):
    draw = iter(units)
    params = CONDITIONAL.build(lambda name, dist: decode(dist, next(draw)))
    assert ("kind" in params) == (params["mode"] in ("b", "c"))
    assert ("deep" in params) == (params["mode"] == "b" and params.get("kind") == "y")
    assert params["epochs"] == 3
    assert CONDITIONAL.contains(params)
    assert CONDITIONAL.misfit(params) is None


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"mode": "a"}, "it has no epochs"),
        ({"mode": "d", "epochs": 3}, "mode = 'd' is out of range"),
        ({"mode": "a", "epochs": 3, "old": 1}, "old is no longer searched"),
        ({"mode": "a", "epochs": 3, "kind": "x"}, "kind does not apply"),
        ({"mode": "b", "epochs": 3}, "it has no kind"),
    ],
)
def test_a_point_of_another_space_is_refused_with_the_reason(params, why):
    assert not CONDITIONAL.contains(params)
    assert why in CONDITIONAL.misfit(params)


def test_conditions_may_name_the_compared_method():
    parameters = {"q": Uniform(low=0, high=1, when={"model.distillation.method": ("tid",)})}
    tid = Space(parameters, given={"model.distillation.method": "tid"})
    fgd = Space(parameters, given={"model.distillation.method": "fgd"})
    assert tid.build(lambda name, dist: 0.5) == {"q": 0.5}
    assert fgd.build(lambda name, dist: 0.5) == {}


def test_conditions_in_a_circle_are_refused():
    with pytest.raises(SpecError, match="a -> b -> a"):
        Space(
            {
                "a": Choice(values=(1, 2), when={"b": (1,)}),
                "b": Choice(values=(1, 2), when={"a": (1,)}),
            }
        )


@given(low=st.floats(-5, 5), high=st.floats(-5, 5))
def test_a_constraint_is_checked_only_when_both_sides_are_set(low, high):
    assume(not math.isclose(low, high))
    space = Space(
        {"low": Uniform(low=-5, high=5), "high": Uniform(low=-5, high=5)},
        (Constraint(left="low", op="<", right="high"), Constraint(left="other", op=">", right=1)),
    )
    assert space.allows({"low": low, "high": high}) == (low < high)
    assert space.allows({"low": low})


def test_the_key_of_a_trial_ignores_order_and_the_data_fraction_but_not_the_seed():
    key = config_key({"a": 1, "b": [1, 2]}, 0)
    assert key == config_key({"b": [1, 2], "a": 1}, 0)
    assert key != config_key({"a": 1, "b": [1, 2]}, 1)
    assert key != config_key({"a": True, "b": [1, 2]}, 0)
    assert config_key({"a": 0.1 + 0.2}, 0) != config_key({"a": 0.3}, 0)
