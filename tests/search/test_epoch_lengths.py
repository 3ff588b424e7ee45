"""Where the batch size is searched, an epoch's iterations differ: progress is counted in epochs."""

from __future__ import annotations

from typing import Any

import pytest
from support.search_cases import OBJECTIVE, make_spec, sampler_of, scheduler_of, start

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Choice, LogUniform

IMAGES = 48
BATCH = "train_dataloader.batch_size"
LR = "optim_wrapper.optimizer.lr"


def batches(assignment: Assignment) -> int:
    """The iterations of an epoch: 12 or 6."""
    return IMAGES // int(assignment.params[BATCH])


def curve(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Rises with the epochs; a low learning rate is better, which all copy in the end."""
    return {OBJECTIVE: epoch / 10 - float(assignment.params[LR])}


def search_of(scheduler: str, **options: Any) -> SearchSpec:
    return make_spec(
        space={LR: LogUniform(low=1e-7, high=1e-3), BATCH: Choice(values=(4, 8))},
        sampler=sampler_of("random"),
        scheduler=scheduler_of(scheduler, **options),
        baseline=False,
        epochs=3,
        trials=6,
        seed=2,
    )


def test_a_population_pauses_at_every_epoch_and_ends_at_full_length() -> None:
    search = simulate(search_of("pbt", quantile=0.5), curve, workers=2, iterations=batches)
    trials = search.state.trials.values()
    assert {t.params[BATCH] for t in trials} == {4, 8}
    assert any(t.origin.startswith("exploit") for t in trials)
    for trial in trials:
        assert trial.status is Status.COMPLETED
        assert [report.epoch for report in trial.reports] == [1, 2, 3]
        assert [report.segment for report in trial.reports] == [0, 1, 2], "a pause at each epoch"
        assert trial.repeated_seconds == 0
        assert trial.value(OBJECTIVE) == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("scheduler", ["pbt", "hyperband", "asha", "median", "none"])
def test_the_iterations_of_an_epoch_change_no_decision(scheduler: str) -> None:
    def outcome(iterations: Any) -> list[tuple[Any, ...]]:
        search = simulate(search_of(scheduler), curve, workers=2, iterations=iterations)
        trials = search.state.trials.values()
        return [(t.id, t.params, t.status, [r.epoch for r in t.reports]) for t in trials]

    assert outcome(batches) == outcome(lambda assignment: 1)


def test_the_checkpoint_of_the_last_epoch_is_kept() -> None:
    clock = VirtualClock()
    search = Search.open(search_of("pbt", quantile=0.5), Ledger.in_memory(clock=clock))
    retention = Retention(search)
    Simulator(search, curve, clock, iterations=batches).run()
    retention.drain()
    assert retention.kept()
    assert all(checkpoint.endswith("/3") for checkpoint in retention.kept())


def test_a_resumed_trial_that_has_copied_a_smaller_batch_goes_on() -> None:
    """Its last report was at more iterations than those it reports now, at a later epoch."""
    search = Search.open(search_of("none"), Ledger.in_memory())
    work = start(search)
    search.report(work.trial, 12, 1.0, {OBJECTIVE: 0.1}, 1.0, 48, "one.pth")
    search.interrupt(work.trial)
    again = start(search)
    search.report(again.trial, 12, 2.0, {OBJECTIVE: 0.2}, 1.0, 48, "two.pth")
    trial = search.state.trials[work.trial]
    assert [(r.epoch, r.checkpoint) for r in trial.reports] == [(1, "one.pth"), (2, "two.pth")]
