"""What a cache of the teacher's work has saved, from the pace of the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.search_cases import OBJECTIVE, make_spec

from tid_tune.insight.savings import savings
from tid_tune.ledger.records import Report, Trial
from tid_tune.ledger.state import RunState
from tid_tune.trial.report import TEACHER_CACHED, TRAINING_SPEED

IMAGES, STUDENT, TEACHER, WARMING = 100, 0.02, 0.03, 0.05
"""Images of an epoch; seconds of an image for student, teacher, and more in a first epoch."""


def state_of(*trials: Sequence[float | None]) -> RunState:
    """A run whose trials found these shares of their images in the cache, epoch by epoch."""
    state = RunState()
    for number, shares in enumerate(trials, 1):
        name = f"t{number:04d}"
        trial = Trial(name, number, "search", "", {}, {}, 0, len(shares), "random")
        for epoch, share in enumerate(shares, 1):
            pace = STUDENT + WARMING * (epoch == 1) + TEACHER * (1 - (share or 0.0))
            metrics = {OBJECTIVE: 0.5, TRAINING_SPEED: 1 / pace}
            if share is not None:
                metrics[TEACHER_CACHED] = share
            trial.reports.append(Report(epoch, epoch, metrics, IMAGES * pace, IMAGES, None, 0))
        state.trials[name] = trial
    return state


def test_a_cold_cache_is_compared_with_a_warm_one() -> None:
    found = savings(state_of([0.0, 0.5, 0.75], [1.0, 1.0, 1.0], [None]), make_spec()).cached
    assert found is not None
    assert found.share == pytest.approx(4.25 / 6)
    assert found.seconds == pytest.approx(TEACHER), "the first epochs are slow for another reason"
    assert found.hours == pytest.approx(4.25 * IMAGES * TEACHER / 3600)


@pytest.mark.parametrize("shares", [[1.0, 1.0], [0.9, 1.0], [0.0]])
def test_nothing_is_estimated_from_shares_that_are_alike(shares: list[float]) -> None:
    found = savings(state_of(shares, shares), make_spec()).cached
    assert found is not None
    assert (found.seconds, found.hours) == (None, None)


def test_nothing_is_said_without_a_cache() -> None:
    assert savings(state_of([None, None]), make_spec()).cached is None
