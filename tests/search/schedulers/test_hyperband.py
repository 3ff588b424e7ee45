"""Hyperband: how trials are dealt to brackets, and which ones that wait go on."""

from __future__ import annotations

from collections import Counter

import pytest
from support.search_cases import make_spec, report, start

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Trial
from tid_tune.search.decision import Continue, Pause
from tid_tune.search.engine import Search
from tid_tune.search.schedulers.hyperband import Hyperband, HyperbandOptions


def opened(trials: int) -> Search:
    """Two brackets: one with a rung at 1 of 3 epochs, and one without."""
    spec = make_spec(
        scheduler=HyperbandOptions(),
        sampler={"type": "random"},
        trials=trials,
        epochs=3,
        baseline=False,
    )
    return Search.open(spec, Ledger.in_memory())


def wait(search: Search, value: float) -> str:
    """Start trials until one waits at the rung, with this value; return it."""
    while True:
        work = start(search)
        if isinstance(report(search, work, 1.0, value), Pause):
            return work.trial
        report(search, work, 3.0, value)
        search.complete(work.trial)


def test_trials_are_dealt_to_brackets_in_the_published_proportions() -> None:
    hyperband = Hyperband(HyperbandOptions(fidelity="data"), epochs=81)
    dealt = Counter[int]()
    for number in range(143):
        dealt[round(hyperband.first_fraction * 81)] += 1
        hyperband.suggested(
            Trial(
                id=f"t{number}",
                number=number,
                stage="search",
                label="",
                params={},
                edits={},
                seed=0,
                epochs=81,
                origin="random",
            )
        )
    # Hyperband for R = 81 and eta = 3: 81, 34, 15, 8 and 5 configurations.
    assert dealt == {1: 81, 3: 34, 9: 15, 27: 8, 81: 5}


def test_a_waiting_trial_goes_on_as_soon_as_it_is_among_the_best_third() -> None:
    search = opened(trials=12)
    _, best, _ = (wait(search, value) for value in (0.2, 0.5, 0.1))
    first, second = start(search), start(search)
    assert (first.trial, first.segment) == (best, 1)
    assert second.segment == 0


def test_a_trial_that_is_among_the_best_third_when_it_arrives_does_not_wait() -> None:
    search = opened(trials=12)
    wait(search, 0.2)
    wait(search, 0.1)
    work = start(search)
    assert isinstance(report(search, work, 1.0, 0.5), Continue)


@pytest.mark.parametrize("values", [(0.2, 0.5), (0.5, 0.2)])
def test_the_best_of_a_rung_that_no_trial_left_goes_on_when_no_other_comes(
    values: tuple[float, float],
) -> None:
    search = opened(trials=3)
    names = [wait(search, value) for value in values]
    last = start(search)
    assert last.trial == names[values.index(max(values))]
    report(search, last, 3.0, 0.5)
    search.complete(last.trial)
    search.next()
    other = search.state.trials[names[values.index(min(values))]]
    assert "rank 2 of 2" in other.reason
