"""The median rule."""

from __future__ import annotations

from support.search_cases import make_spec, report, start

from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import Continue, Stop
from tid_tune.search.engine import Search
from tid_tune.search.schedulers.median import MedianOptions


def test_the_best_so_far_is_compared_with_the_median_of_the_others() -> None:
    spec = make_spec(
        scheduler=MedianOptions(min_trials=3), sampler={"type": "random"}, baseline=False
    )
    search = Search.open(spec, Ledger.in_memory())
    for value in (0.2, 0.4, 0.6):
        work = start(search)
        assert isinstance(report(search, work, 1.0, value), Continue)
        report(search, work, 2.0, value)
    low, noisy = start(search), start(search)
    assert isinstance(report(search, low, 1.0, 0.39), Stop)
    assert isinstance(report(search, noisy, 1.0, 0.5), Continue)
    assert isinstance(report(search, noisy, 2.0, 0.3), Continue)


def test_trials_that_report_at_other_epochs_are_compared_at_their_next_report() -> None:
    """Every 8 iterations: the epochs are thirds for one batch size, and halves for another."""
    spec = make_spec(
        scheduler=MedianOptions(min_trials=3), sampler={"type": "random"}, baseline=False
    )
    search = Search.open(spec, Ledger.in_memory())
    for value in (0.2, 0.4, 0.6):
        work = start(search)
        for third in range(3, 7):
            assert isinstance(report(search, work, third / 3, value), Continue)
    low, high = start(search), start(search)
    assert isinstance(report(search, low, 1.5, 0.39), Stop)
    assert isinstance(report(search, high, 1.5, 0.41), Continue)
