from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tid_tune.errors import SpecError
from tid_tune.space import Choice, Constraint, Fixed, Params, Space, Uniform
from tid_tune.space.space import config_key

UNIT = st.floats(0, 1)

CONDITIONAL = Space(
    {
        "deep": Uniform(low=0, high=1, when={"mode": ("b",), "kind": ("y",)}),
        "kind": Choice(values=("x", "y"), when={"mode": ("b", "c")}),
        "mode": Choice(values=("a", "b", "c")),
        "epochs": Fixed(value=3),
    },
)


@given(units=st.lists(UNIT, min_size=3, max_size=3))
def test_a_conditional_parameter_is_there_exactly_when_its_parents_say_so(
    units: list[float],
) -> None:
    draw = iter(units)
    params = CONDITIONAL.build(lambda name, dist: dist.decode(next(draw)))
    assert ("kind" in params) == (params["mode"] in ("b", "c"))
    assert ("deep" in params) == (params["mode"] == "b" and params.get("kind") == "y")
    assert params["epochs"] == 3
    assert CONDITIONAL.contains(params)
    assert CONDITIONAL.misfit(params) is None


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"mode": "a"}, "no value for epochs"),
        ({"mode": "d", "epochs": 3}, "mode: 'd' (text) is not one of 'a' (text), 'b' (text)"),
        ({"mode": "a", "epochs": 3, "old": 1}, "old is no longer searched"),
        ({"mode": "a", "epochs": 3, "kind": "x"}, "kind does not apply"),
        ({"mode": "b", "epochs": 3}, "no value for kind"),
    ],
)
def test_a_point_of_another_space_is_refused_with_the_reason(params: Params, why: str) -> None:
    assert not CONDITIONAL.contains(params)
    assert why in str(CONDITIONAL.misfit(params))


def test_conditions_may_name_the_compared_method() -> None:
    parameters = {"q": Uniform(low=0, high=1, when={"model.distillation.method": ("tid",)})}
    tid = Space(parameters, given={"model.distillation.method": "tid"})
    fgd = Space(parameters, given={"model.distillation.method": "fgd"})
    assert tid.build(lambda name, dist: 0.5) == {"q": 0.5}
    assert fgd.build(lambda name, dist: 0.5) == {}


def test_conditions_in_a_circle_are_refused() -> None:
    with pytest.raises(SpecError, match="a -> b -> a"):
        Space(
            {
                "a": Choice(values=(1, 2), when={"b": (1,)}),
                "b": Choice(values=(1, 2), when={"a": (1,)}),
            }
        )


@given(low=st.floats(-5, 5), high=st.floats(-5, 5))
def test_a_constraint_is_checked_only_when_both_sides_are_set(low: float, high: float) -> None:
    assume(not math.isclose(low, high))
    space = Space(
        {"low": Uniform(low=-5, high=5), "high": Uniform(low=-5, high=5)},
        (Constraint(left="low", op="<", right="high"), Constraint(left="other", op=">", right=1)),
    )
    assert space.allows({"low": low, "high": high}) == (low < high)
    assert space.allows({"low": low})


def test_the_key_of_a_trial_ignores_order_and_the_data_fraction_but_not_the_seed() -> None:
    key = config_key({"a": 1, "b": [1, 2]}, 0)
    assert key == config_key({"b": [1, 2], "a": 1}, 0)
    assert key != config_key({"a": 1, "b": [1, 2]}, 1)
    assert key != config_key({"a": True, "b": [1, 2]}, 0)
    assert config_key({"a": 0.1 + 0.2}, 0) != config_key({"a": 0.3}, 0)
