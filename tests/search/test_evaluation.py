"""`evaluate_every: rungs` leaves reports out that no decision needs."""

from __future__ import annotations

from typing import Any

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, sampler_of, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.search.decision import Assignment, Continue
from tid_tune.search.engine import Search

PER_EPOCH = 4
SCHEDULERS: dict[str, dict[str, Any]] = {
    "asha": {"grace_epochs": 1, "reduction": 2},
    "hyperband": {"grace_epochs": 2, "reduction": 2},
    "none": {},
}


def driven(**changes: Any) -> Search:
    """Return a search that one worker has brought to its end."""
    spec = make_spec(sampler=sampler_of("random"), trials=16, **changes)
    search = Search.open(spec, Ledger.in_memory())
    while isinstance(work := search.next(), Assignment):
        search.placed(work.trial, node="here")
        done = 0 if work.checkpoint is None else int(work.checkpoint)
        end = work.epochs * PER_EPOCH
        goes_on = True
        while goes_on:
            done = spec.reports.next_stop(done, PER_EPOCH, end)
            decision = search.report(
                work.trial,
                step=done,
                epoch=done / PER_EPOCH,
                metrics=learning_curve(work, done / PER_EPOCH),
                seconds=1.0,
                images=1,
                checkpoint=str(done),
            )
            if done == end:
                search.complete(work.trial)
            goes_on = done < end and isinstance(decision, Continue)
    return search


def fates(search: Search) -> list[tuple[str, Status, float, float]]:
    return [
        (trial.id, trial.status, trial.epoch, trial.reports[-1].metrics[OBJECTIVE])
        for trial in search.state.trials.values()
    ]


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_every_trial_ends_as_it_does_with_all_reports(kind: str) -> None:
    scheduler = scheduler_of(kind, **SCHEDULERS[kind])
    full = driven(scheduler=scheduler)
    few = driven(scheduler=scheduler, evaluate_every="rungs")
    assert fates(few) == fates(full)
    count = [
        sum(len(trial.reports) for trial in search.state.trials.values()) for search in (full, few)
    ]
    assert count[1] < count[0]


def test_a_budget_of_epochs_is_not_exceeded() -> None:
    search = driven(
        scheduler=scheduler_of("asha", grace_epochs=2, reduction=3),
        evaluate_every="rungs",
        baseline=False,
        budget={"epochs": 25},
    )
    spent = sum(trial.reports[-1].epoch for trial in search.state.trials.values() if trial.reports)
    assert 9 <= spent <= 25
