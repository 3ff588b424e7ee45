"""Our distributions: the contract that all share, and what each draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm
from support.distribution_examples import EXAMPLES

from tid_tune.errors import UsageError
from tid_tune.space import (
    Choice,
    Distribution,
    EntryError,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    Uniform,
    Value,
    distribution_from_json,
    distribution_from_yaml,
    distribution_names,
)
from tid_tune.space.values import as_number, same
from tid_tune.testing.distributions import DistributionContract


class TestOurDistributions(DistributionContract):
    def examples(self) -> Sequence[Distribution]:
        return EXAMPLES


def test_every_form_is_tested() -> None:
    tested = {name for dist in EXAMPLES for name in dist.to_yaml() if name in dist.forms}
    ours = {name for dist in EXAMPLES for name in dist.forms}
    assert tested == ours
    assert ours <= set(distribution_names())


@pytest.mark.parametrize("dist", EXAMPLES, ids=lambda dist: "-".join(dist.to_yaml()))
@given(unit=st.floats(0, 1))
def test_every_quantile_is_a_value_that_survives_coding(dist: Distribution, unit: float) -> None:
    value = dist.decode(unit)
    assert dist.contains(value)
    again = dist.decode(dist.encode(value))
    assert again == pytest.approx(value) if isinstance(value, float) else again == value


def test_steps_give_the_decimal_values_a_user_means() -> None:
    dist = Uniform(low=0.1, high=0.7, step=0.1)
    values = [dist.value_at(index) for index in range(dist.size or 0)]
    assert values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


@pytest.mark.parametrize(
    ("dist", "value", "why"),
    [
        (Uniform(low=0, high=1), 1.5, r"1.5 is outside \[0, 1\]"),
        (Uniform(low=0, high=1), True, "a number, got true"),
        (Uniform(low=0, high=1), math.nan, "a number, got nan"),
        (Uniform(low=0, high=1, step=0.25), 0.3, "0.3 .* the step 0.25"),
        (LogUniform(low=0.5, high=2, step=0.5), 2.5, r"2.5 is outside \[0.5, 2\]"),
        (Integer(low=1, high=5), 2.5, "whole number, got 2.5"),
        (Integer(low=1, high=5), "3", "a number, got '3'"),
        (Integer(low=1, high=5, step=2), 4, "4 .* the step 2"),
        (Choice(values=(1, "a")), True, "true .* is not one of 1, 'a'"),
        (Ordinal(values=(1, 2)), 3, "3 is not one of 1, 2"),
        (Fixed(value=3), 4, "4 is not the fixed value 3"),
    ],
)
def test_a_refused_value_is_explained(dist: Distribution, value: Value, why: str) -> None:
    assert not dist.contains(value)
    with pytest.raises(ValueError, match=why):
        raise ValueError(dist.misfit(value))


@pytest.mark.parametrize(
    ("dist", "value", "meant"),
    [
        (Uniform(low=0, high=2), 1, 1.0),
        (Uniform(low=-0.1, high=0.2, step=0.1), 1e-17, 0.0),
        (Uniform(low=0.1, high=0.7, step=0.1), 0.1 + 0.2, 0.3),
        (Integer(low=0, high=2**60), 2**59 + 1, 2**59 + 1),
        (Integer(low=1, high=5), 2.0, 2),
        (Choice(values=(0.5, 1)), 1.0, 1),
    ],
)
def test_a_value_is_taken_as_the_distribution_would_give_it(
    dist: Distribution, value: Value, meant: Value
) -> None:
    found = dist.canonical(value)
    assert dist.contains(value)
    assert (found, type(found)) == (meant, type(meant))


def test_quantiles_of_a_normal_follow_scipys_truncated_normal() -> None:
    dist = Normal(mean=1, std=0.5, low=0, high=2.5)
    reference = truncnorm(-2, 3, loc=1, scale=0.5)
    for unit in (0.0, 0.01, 0.3, 0.5, 0.99, 1.0):
        assert dist.decode(unit) == pytest.approx(reference.ppf(unit))


def test_the_prior_of_a_log_uniform_is_uniform_in_the_logarithm() -> None:
    dist = LogUniform(low=0.01, high=100)
    values = [math.log10(as_number(dist.decode((i + 0.5) / 500))) for i in range(500)]
    assert kstest(values, "uniform", args=(-2, 4)).pvalue > 0.99


@pytest.mark.parametrize(
    ("entry", "at"),
    [
        ({"uniform": [0, "a"]}, ("uniform", 1)),
        ({"choice": [1, 2, 1.0]}, ("choice", 2)),
        ({"normal": [0, 1], "high": None}, ("high",)),
        ({"unifrom": [0, 1]}, ("unifrom",)),
        ({"uniform": [0, 1], "low": 0}, ("low",)),
        ({"uniform": [0, 1], "choice": [0]}, ()),
    ],
)
def test_a_wrong_entry_is_located(entry: Value, at: tuple[str | int, ...]) -> None:
    with pytest.raises(EntryError) as caught:
        distribution_from_yaml(entry)
    assert caught.value.at == at


def test_a_recorded_kind_that_is_not_installed_is_named() -> None:
    with pytest.raises(UsageError, match=r"unknown distribution 'unifrom'.*'uniform'"):
        distribution_from_json({"kind": "unifrom", "low": 0, "high": 1})


def test_equality_tells_true_from_one_and_looks_into_lists_and_maps() -> None:
    assert same([1, {"a": 2.0}], (1.0, {"a": 2}))
    assert not same(1, True)
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert not same("1", 1)
    assert not same(0.3, 0.1 + 0.2)
    assert same([0.3], [0.1 + 0.2], rel_tol=1e-9)
