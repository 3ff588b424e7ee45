"""Hyperband: how trials are dealt to brackets, and which ones that wait go on."""

from __future__ import annotations

import pytest
from support.search_cases import make_spec, report, start

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Trial
from tid_tune.search.decision import Continue, Pause
from tid_tune.search.engine import Search
from tid_tune.search.schedulers import Continuation
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


def trial(number: int, epochs: int) -> Trial:
    """Return a new search trial."""
    return Trial(
        id=f"t{number}",
        number=number,
        stage="search",
        label="",
        params={},
        edits={},
        seed=0,
        epochs=epochs,
        origin="random",
    )


def test_one_bracket_is_filled_after_the_other_as_published() -> None:
    hyperband = Hyperband(HyperbandOptions(fidelity="data"), epochs=81)
    dealt = []
    for number in range(2 * 143):
        dealt.append(round(hyperband.first_fraction * 81))
        hyperband.suggested(trial(number, epochs=81))
    # Hyperband for R = 81 and eta = 3: 81, 34, 15, 8 and 5 configurations, and again.
    assert dealt == 2 * (81 * [1] + 34 * [3] + 15 * [9] + 8 * [27] + 5 * [81])


def test_a_trial_that_an_earlier_version_paused_at_a_rung_of_another_bracket_still_waits() -> None:
    """That version dealt the trials in turn; here the tenth has its first rung at epoch 3."""
    hyperband = Hyperband(HyperbandOptions(), epochs=9)
    trials = [trial(number, epochs=9) for number in range(10)]
    for one in trials:
        hyperband.suggested(one)
    last = trials[-1]
    last.decision = Pause("waits at epoch 1: rank 1 of 1")
    hyperband.reported(last, 1.0, 0.5)
    assert [closing.trial for closing in hyperband.closings()] == [last.id]
    assert list(hyperband.continuations(more=False, idle=True)) == [Continuation(last.id)]
    hyperband.started(last)
    assert hyperband.closings() == []


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
    search = opened(trials=2)
    names = [wait(search, value) for value in values]
    last = start(search)
    assert last.trial == names[values.index(max(values))]
    report(search, last, 3.0, 0.5)
    search.complete(last.trial)
    search.next()
    other = search.state.trials[names[values.index(min(values))]]
    assert "rank 2 of 2" in other.reason
