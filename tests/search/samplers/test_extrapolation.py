"""What stopped trials are expected to come to."""

from __future__ import annotations

import numpy as np
import pytest

from tid_tune.search.samplers.gp.extrapolation import expected_values
from tid_tune.search.samplers.observations import Length, Observation

ENDS = (1.0, 2.0, 4.0, 9.0)


def trial(
    number: int, values: dict[float, float], full: bool = True, fraction: float = 1.0
) -> Observation:
    curve = {Length(fraction, epoch): value for epoch, value in values.items()}
    last = [*values.values()][-1]
    return Observation(number, {}, (last,), None if full else 1000, curve)


def curves(count: int, seed: int = 0, scatter: float = 0.0) -> list[Observation]:
    """Trials of full length whose end is three times the value at epoch 1, plus 0.1."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0.1, 0.3, count)
    ends = 0.1 + 3 * starts + rng.normal(0, scatter, count)
    return [
        trial(i, {1.0: start, 9.0: end})
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def test_finished_trials_are_taken_as_they_are() -> None:
    found = expected_values(curves(5))
    assert found is not None
    assert found.values.tolist() == [o.values[0] for o in curves(5)]
    assert found.variances.tolist() == [0.0] * 5


def test_a_stopped_trial_is_expected_where_the_line_of_the_finished_ones_leads() -> None:
    stopped = trial(20, {1.0: 0.15}, full=False)
    found = expected_values([*curves(20), stopped])
    assert found is not None
    assert found.observations[-1] is stopped
    assert found.values[-1] == pytest.approx(0.1 + 3 * 0.15, abs=0.01)
    assert found.variances[-1] == pytest.approx(0.0, abs=1e-9)


def test_the_line_and_its_variance_are_those_of_ridge_regression() -> None:
    """Against two invented trials on the line of the prior slope, the ratio of the spreads."""
    full = curves(12, scatter=0.2)
    x = np.array([o.curve[Length(1.0, 1.0)] for o in full])
    y = np.array([o.values[0] for o in full])
    a, b = x - x.mean(), y - y.mean()
    invented = np.sqrt(2 / 12 * (a @ a))
    slope = np.linalg.lstsq(
        np.append(a, invented)[:, None], np.append(b, invented * y.std() / x.std()), rcond=None
    )[0][0]
    found = expected_values([*full, trial(12, {1.0: 0.12}, full=False)])
    assert found is not None
    assert found.values[-1] == pytest.approx(y.mean() + slope * (0.12 - x.mean()))
    assert found.variances[-1] == pytest.approx(np.sum((b - slope * a) ** 2) / 10)


def test_the_less_a_length_foretells_the_nearer_the_mean_and_the_less_certain() -> None:
    rng = np.random.default_rng(1)
    full = [
        trial(i, {1.0: rng.normal(), 3.0: end + 0.1 * rng.normal(), 9.0: end})
        for i, end in enumerate(rng.normal(size=200))
    ]
    early, late = (trial(200 + i, {epoch: 2.0}, full=False) for i, epoch in enumerate((1.0, 3.0)))
    found = expected_values([*full, early, late])
    assert found is not None
    assert abs(found.values[-2]) < 0.4 < 1.7 < found.values[-1]
    assert found.variances[-2] > 20 * found.variances[-1]


def test_before_enough_trials_have_finished_the_longest_common_length_is_compared() -> None:
    running = [trial(i, {1.0: 0.1 * i, 3.0: 0.2 * i}, full=False) for i in range(5)]
    found = expected_values([*running, trial(5, {1.0: 0.0, 3.0: 0.3, 9.0: 0.9})])
    assert found is not None
    assert found.values == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 0.3])


def test_a_length_that_too_few_went_beyond_is_left_out() -> None:
    full = curves(5)
    odd = trial(5, {2.0: 0.3}, full=False)
    found = expected_values([*full, odd])
    assert found is not None
    assert odd not in found.observations


def test_too_few_trials_foretell_nothing() -> None:
    assert expected_values(curves(3)) is None
    assert expected_values([]) is None


def test_equal_values_at_a_length_foretell_the_mean() -> None:
    full = [trial(i, {1.0: 0.0, 9.0: end}) for i, end in enumerate(ENDS)]
    found = expected_values([*full, trial(4, {1.0: 0.0}, full=False)])
    assert found is not None
    assert found.values[-1] == pytest.approx(np.mean(ENDS))
    assert found.variances[-1] == pytest.approx(np.var(ENDS, ddof=1))


def test_lengths_on_parts_of_the_data_are_lengths_of_their_own() -> None:
    third = Length(1 / 3, 9.0)
    full = [
        Observation(i, {}, (end,), None, {third: 0.5 * end, Length(1.0, 9.0): end})
        for i, end in enumerate(ENDS)
    ]
    stopped = trial(9, {9.0: 1.5}, full=False, fraction=1 / 3)
    found = expected_values([*full, stopped])
    assert found is not None
    assert found.values[-1] == pytest.approx(3.0)
