"""Population-based training: who waits for whom, and what a trial that copies gets."""

from __future__ import annotations

from support.search_cases import OBJECTIVE, learning_curve, make_spec, report, start

from tid_tune.ledger.file import Ledger
from tid_tune.search.decision import Pause
from tid_tune.search.engine import Search
from tid_tune.search.schedulers.pbt import PbtOptions
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import SearchSpec


def population(trials: int, epochs: int) -> SearchSpec:
    return make_spec(
        scheduler=PbtOptions(),
        sampler={"type": "random"},
        trials=trials,
        epochs=epochs,
        baseline=False,
    )


def test_the_population_advances_in_step_and_the_worst_copy_the_best() -> None:
    search = simulate(population(trials=8, epochs=4), learning_curve, workers=3)
    trials = search.state.trials.values()
    assert any(t.origin.startswith("exploit") for t in trials)
    for trial in trials:
        assert [r.epoch for r in trial.reports] == [1, 2, 3, 4]
    first_ends = [t.reports[0].time for t in trials]
    second_begins = [t.reports[1].time - t.reports[1].seconds for t in trials]
    assert max(first_ends) <= min(second_begins)


def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    def result(workers: int) -> list[tuple[object, ...]]:
        search = simulate(population(trials=9, epochs=5), learning_curve, workers=workers)
        trials = search.state.trials.values()
        return [(t.params, t.origin, t.value(OBJECTIVE)) for t in trials]

    assert result(1) == result(4) == result(9)


def test_a_trial_that_copies_gets_the_donors_checkpoint_and_perturbed_values() -> None:
    search = Search.open(population(trials=4, epochs=3), Ledger.in_memory())
    work = [start(search) for _ in range(4)]
    for rank, assignment in enumerate(work):
        assert isinstance(report(search, assignment, 1.0, -rank / 10), Pause)
    first = start(search)
    best, worst = work[0], work[3]
    assert (first.trial, first.segment) == (worst.trial, 1)
    assert first.checkpoint == f"{best.trial}/1.pth"
    assert first.params != worst.params
    assert first.params != best.params
    others = [start(search) for _ in range(3)]
    assert [a.checkpoint for a in others] == [f"{a.trial}/1.pth" for a in others]
