"""Rank correlations against scipy's, and the plans to train only the best to the end."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.search_cases import OBJECTIVE, make_spec, scheduler_of

from tid_tune.insight.correlation import COMPARED, kendall, rank_correlations, spearman
from tid_tune.insight.lengths import Curves, curves_of
from tid_tune.insight.topk import top_k
from tid_tune.ledger.records import Report, Trial
from tid_tune.search.samplers.observations import Length
from tid_tune.searchfile.model import Interval


def trial(number: int, values: dict[float, float], fraction: float = 1.0) -> Trial:
    """A search trial with these values at these epochs."""
    found = Trial(f"t{number:04d}", number, "search", "", {}, {}, 0, 9, "random")
    found.reports = [
        Report(round(epoch), epoch, {OBJECTIVE: value}, 1.0, 1, None, 0, fraction)
        for epoch, value in values.items()
    ]
    return found


def curves(*rows: list[float], sign: float = 1.0) -> Curves:
    """Curves of trials with a value at epochs 1, 2, ...; NaN: it did not come so far."""
    lengths = tuple(Length(1.0, float(at + 1)) for at in range(len(rows[0])))
    trials = tuple(trial(at + 1, {}) for at in range(len(rows)))
    return Curves(trials, lengths, np.array(rows), sign)


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_those_of_scipy(ties: bool) -> None:
    rng = np.random.default_rng(1)
    for count in (3, 10, 60):
        a, b = rng.standard_normal((2, count))
        b += a
        if ties:
            a, b = a.round(0), b.round(0)
        assert spearman(a, b) == pytest.approx(float(stats.spearmanr(a, b).statistic))
        assert kendall(a, b) == pytest.approx(float(stats.kendalltau(a, b).statistic))


def test_equal_values_have_no_correlation() -> None:
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))
    assert math.isnan(kendall(np.ones(5), np.arange(5.0)))
    (found,) = rank_correlations(curves(*([1.0, float(at)] for at in range(6))))
    assert (found.count, found.spearman, found.kendall) == (6, None, None)


@pytest.mark.parametrize("count", [8, 60])
def test_the_intervals_hold_the_true_correlation_as_often_as_they_say(count: int) -> None:
    """Of normal values with the correlation r, Spearman's is 6/pi asin(r/2), Kendall's 2/pi asin r.

    400 pairs: 95 % are at least 92 % of them, and with 8 trials, where the transform is only nearly
    normal, at least 90 %.
    """
    r, rng = 0.7, np.random.default_rng(0)
    truth = (6 / math.pi * math.asin(r / 2), 2 / math.pi * math.asin(r))
    inside, runs = np.zeros(2), 400
    for _ in range(runs):
        x, noise = rng.standard_normal((2, count))
        pairs = np.stack([x, r * x + math.sqrt(1 - r**2) * noise], axis=1)
        (found,) = rank_correlations(curves(*pairs.tolist()))
        for at, interval in enumerate((found.spearman, found.kendall)):
            assert interval is not None
            assert interval.low is not None
            assert interval.high is not None
            inside[at] += interval.low <= truth[at] <= interval.high
    assert (inside / runs > (0.9 if count == 8 else 0.92)).all(), inside / runs


def test_only_trials_of_both_lengths_are_compared_and_the_others_are_counted() -> None:
    nan = math.nan
    found = rank_correlations(
        curves([1, 1, 1], [2, 2, 3], [3, 3, 2], [4, 4, nan], [5, nan, nan], [nan, 1, 1])
    )
    assert [(f.early.epoch, f.late.epoch, f.count, f.left) for f in found] == [
        (1, 2, 4, 1),
        (1, 3, 3, 2),
        (2, 3, 4, 1),
    ]
    assert found[0].spearman is not None
    assert found[0].spearman.value == 1.0
    assert found[0].spearman.low is None, "four trials show no interval"


def test_thousands_of_trials_are_compared_as_a_drawn_part() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal(COMPARED + 1500)
    rows = np.stack([a, a + rng.standard_normal(len(a))], axis=1).tolist()
    first, again = (rank_correlations(curves(*rows)) for _ in range(2))
    assert first == again
    whole = float(stats.kendalltau(*np.array(rows).T).statistic)
    assert first[0].kendall is not None
    assert first[0].kendall.value == pytest.approx(whole, abs=0.02)


def test_lengths_are_those_that_trials_share_and_no_value_is_taken_for_another_length() -> None:
    trials = [
        trial(1, {1: 0.1, 2: 0.2, 9: 0.5}),
        trial(2, {1: 0.2, 2: 0.3}),
        trial(3, {1: 0.3, 2: math.nan, 3: 0.4}),
    ]
    found = curves_of(trials, make_spec())
    assert [length.epoch for length in found.lengths] == [1, 2, 9]
    assert found.counts == [3, 2, 1]
    assert found.longest(2) == 1
    assert found.at(2)[0] == [trials[0]]


def test_of_many_lengths_the_rungs_and_the_ends_are_compared() -> None:
    trials = [trial(at, dict.fromkeys(range(1, 101), 0.1)) for at in range(2)]
    spec = make_spec(epochs=100, scheduler=scheduler_of("asha", grace_epochs=4, reduction=5))
    epochs = [length.epoch for length in curves_of(trials, spec).lengths]
    assert len(epochs) == 6
    assert {1, 4, 20, 100} <= set(epochs)


def test_within_epochs_the_first_report_behind_a_rung_counts_as_for_the_scheduler() -> None:
    trials = [trial(1, {0.9: 0.1, 1.3: 0.2, 9.0: 0.3}), trial(2, {1.1: 0.4, 9.0: 0.5})]
    spec = make_spec(
        report_every=Interval(count=10, unit="iter"),
        scheduler=scheduler_of("asha", grace_epochs=1, reduction=10),
    )
    found = curves_of(trials, spec)
    assert [length.epoch for length in found.lengths] == [1, 9]
    assert found.values.tolist() == [[0.2, 0.3], [0.4, 0.5]]


def test_lengths_on_parts_of_the_data_are_apart() -> None:
    half = [trial(at, {9: 0.1 * at}, fraction=0.5) for at in range(3)]
    for one in half[1:]:
        one.reports.append(Report(9, 9, {OBJECTIVE: 0.7}, 1.0, 1, None, 1, 1.0))
    found = curves_of(half, make_spec())
    assert found.lengths == (Length(0.5, 9), Length(1.0, 9))
    assert found.counts == [3, 2]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_plans_are_those_of_a_count_by_hand(sign: float) -> None:
    rng = np.random.default_rng(0)
    epochs = 4
    rows = rng.standard_normal((12, 1)) + 0.8 * rng.standard_normal((12, epochs))
    rows[3, 2:] = rows[7, 1:] = rows[5, 3:] = math.nan
    found = top_k(curves(*rows.tolist(), sign=sign), float(epochs))
    assert found is not None
    ends = {at: sign * row[-1] for at, row in enumerate(rows) if math.isfinite(row[-1])}
    best = max(ends, key=lambda at: ends[at])
    assert found.winner == f"t{best + 1:04d}"
    assert (found.all_to_the_end, found.stopped) == (12 * epochs, 3)
    assert {plan.length.epoch for plan in found.plans} == {1, 2, 3}
    for plan in found.plans:
        epoch = round(plan.length.epoch)
        there = [at for at in range(12) if math.isfinite(rows[at, epoch - 1])]
        kept = sorted(there, key=lambda at: -sign * rows[at, epoch - 1])[: plan.keep]
        trained: Any = itertools.chain(
            ((at, e) for at in there for e in range(epoch)),
            ((at, e) for at in kept for e in range(epoch, epochs)),
        )
        known = [ends[at] for at in kept if at in ends]
        assert plan.trials == len(there)
        assert plan.cost == len(list(trained))
        assert plan.found == (best in kept)
        assert plan.unknown == len(kept) - len(known)
        expected = None if not known else pytest.approx(ends[best] - max(known))
        assert plan.regret == expected
        assert plan.enough == (kept[-1] == best)


def test_without_a_trial_of_full_length_there_is_no_plan() -> None:
    assert top_k(curves([0.1, 0.2], [0.2, math.nan]), 9.0) is None
    assert top_k(curves([0.1], [0.2]), 1.0) is None
    assert top_k(curves([0.1, math.nan], [0.2, math.nan]), 2.0) is None
