"""Gains, counts and costs, kept up to date event by event, are those of the whole ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.mlflow_story import report, start, suggest

from tid_tune.ledger.events import Event
from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import run_cost
from tid_tune.results.ranking import gain_over_baseline, ranked_full_length, undistilled
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.standing import KEPT, Standing
from tid_tune.tracking.summary import figures

LEDGERS = sorted((Path(__file__).parents[1] / "fixtures/simulated_ledgers").glob("*.jsonl"))


@pytest.mark.parametrize("ledger", LEDGERS, ids=lambda path: path.stem)
def test_a_search_stands_where_its_ledger_says(ledger: Path) -> None:
    state = RunState.read(ledger)
    spec = SearchSpec.recorded(state.spec)
    standing = Standing(spec)
    gains: dict[tuple[str, float], float] = {}
    for event in read_events(ledger):
        trial = standing.apply(event)
        if trial is not None:
            gains |= {(one.trial.id, one.report.epoch): one.value for one in standing.gains(trial)}
    spent = run_cost(state)
    assert standing.spent.epochs == pytest.approx(spent.epochs)
    assert standing.spent.seconds == pytest.approx(spent.seconds)
    assert standing.spent.trials == spent.trials
    best = [trial.id for trial in ranked_full_length(state, spec)[:KEPT]]
    assert [trial.id for trial in standing.best] == best
    statuses = [trial.status for trial in state.trials.values()]
    assert all(standing.ended[one] == statuses.count(one) for one in Status if one.final)
    for trial in state.trials.values():
        gain = gain_over_baseline(trial, undistilled(state), spec)
        last = trial.last
        if gain is not None and last is not None:
            assert gains[trial.id, last.epoch] == pytest.approx(gain)
    assert figures(standing, spec)["trials/stopped"] == statuses.count(Status.STOPPED)


def test_a_gain_is_known_once_the_student_alone_has_come_as_far(spec: SearchSpec) -> None:
    standing, found = Standing(spec), list[tuple[str, float]]()
    alone = replace(suggest("t0001", label="none"), stage="baseline")
    events: list[Event] = [
        *(alone, suggest("t0002"), start("t0001"), start("t0002")),
        *(report("t0002", 1, 0.3), report("t0001", 1, 0.1)),
    ]
    for event in events:
        trial = standing.apply(event)
        assert trial is not None
        found += [(one.trial.id, round(one.value, 6)) for one in standing.gains(trial)]
    assert found == [("t0001", 0.0), ("t0002", 0.2)]
