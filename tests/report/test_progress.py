"""What a running search shows."""

from __future__ import annotations

from typing import Any

import pytest
from support.search_cases import make_spec, scheduler_of

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.report.live import View
from tid_tune.report.progress import Progress
from tid_tune.results.costs import total_cost, trial_cost
from tid_tune.results.ranking import best_trial, leaderboard, winning_row
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock
from tid_tune.searchfile.model import Budget, Confirm, SearchSpec
from tid_tune.space import Uniform


def value(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Larger at the end of a part of the data than it will ever be on all of it."""
    partial = 100 if assignment.fraction < 1 else 0
    return {"map": assignment.params.get("weight", 0.5) * epoch + partial}


def spec_of(**changes: Any) -> SearchSpec:
    fields = {
        "objectives": {"map": "max"},
        "space": {"weight": Uniform(low=0, high=1)},
        "baseline": False,
        "scheduler": scheduler_of("none"),
    }
    return make_spec(**fields | changes)


def followed(spec: SearchSpec, planned: int, objective: Any = value) -> tuple[Progress, Simulator]:
    """A search that has not begun, and its progress."""
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    return Progress(search, planned), Simulator(search, objective, clock, workers=2)


def shown(spec: SearchSpec, planned: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of a search from its begin to its end."""
    progress, run = followed(spec, planned)
    with View(progress, lambda: 2) as view:
        progress.search.observe(view)
        run.run()
    return capsys.readouterr().out.splitlines()


def test_counts_and_cost_are_those_of_the_search_also_where_trials_get_more_data() -> None:
    scheduler = scheduler_of("hyperband", fidelity="data")
    progress, run = followed(spec_of(epochs=9, trials=9, scheduler=scheduler), 9)
    search = progress.search
    search.observe(progress.apply)
    run.run()
    trials = search.state.trials.values()
    assert len({r.fraction for t in trials for r in t.reports}) > 1
    cost = total_cost(map(trial_cost, trials))
    assert search.spent.epochs == pytest.approx(cost.epochs)
    assert (search.spent.trials, search.spent.images) == (cost.trials, cost.images)
    assert progress.best is best_trial(search.state, search.spec)
    assert not progress.running
    assert progress.ended[Status.COMPLETED] == sum(t.status == "completed" for t in trials)


def test_the_best_of_the_live_table_is_the_first_of_the_ranking_at_every_moment() -> None:
    """Neither a baseline that is better than all trials, nor a lucky rerun, is the best trial."""

    def lucky(assignment: Assignment, epoch: float) -> dict[str, float]:
        base = {"baseline": 0.9, "confirm": 0.99}.get(assignment.stage, 0.0)
        return {"map": base or assignment.params["weight"] / 2}

    spec = spec_of(epochs=2, trials=6, baseline=True, confirm=Confirm(top=1, seeds=2))
    progress, run = followed(spec, 14, lucky)
    search = progress.search
    search.observe(progress.apply)
    seen = set()
    while run.step():
        expected = best_trial(search.state, spec)
        assert progress.best is expected
        if expected is not None:
            assert expected.stage == "search"
            row = winning_row(leaderboard(search.state, spec), search.state, spec)
            assert row is not None
            assert row.trial == expected.id
            seen.add(expected.id)
    assert len(seen) > 1, "the best trial changed on the way"


def test_a_progress_that_joins_later_counts_the_same(tmp_path: Any) -> None:
    progress, run = followed(spec_of(epochs=2, trials=6), 6)
    progress.search.observe(progress.apply)
    for _ in range(7):
        run.step()
    later = Progress(progress.search, 6)
    assert (later.ended, later.best) == (progress.ended, progress.best)
    assert later.best is not None


def test_off_a_terminal_a_long_silence_is_broken_by_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("tid_tune.report.live.time.monotonic", lambda: now[0])
    progress, run = followed(spec_of(epochs=3, trials=2), 2)
    events = []
    with View(progress, lambda: 2) as view:

        def late(event: Any, trial: Any) -> None:
            now[0] += 25.0
            events.append(event)
            view(event, trial)

        progress.search.observe(late)
        run.run()
    lines = capsys.readouterr().out.splitlines()
    assert sum("completed at epoch 3" in line for line in lines) == 2
    running = [line for line in lines if "running: t0001 at epoch 1/3 0." in line]
    assert len(running) == 1
    assert len(lines) < len(events) / 2


def test_a_population_that_waits_and_exploits_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = scheduler_of("pbt", interval_epochs=1, quantile=0.5)
    lines = shown(spec_of(epochs=2, trials=4, scheduler=scheduler), 4, capsys)
    assert sum("paused at epoch 1" in line for line in lines) == 4
    assert not any("interrupted" in line for line in lines)
    assert sum("continues: exploit t000" in line for line in lines) == 2


def test_the_time_left_ends_with_the_budget() -> None:
    progress, run = followed(spec_of(epochs=4, trials=50, budget=Budget(epochs=12)), 50)
    left = []
    progress.search.observe(progress.apply)
    progress.search.observe(lambda event, trial: left.append(progress.remaining_seconds(2)))
    run.run()
    known = [seconds for seconds in left if seconds is not None]
    assert known[0] == pytest.approx(60 * (12 - 7) / 2, rel=0.5)
    assert known[-1] == 0


def test_reruns_are_named_by_what_they_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    spec = spec_of(epochs=1, trials=1, baseline=True, confirm=Confirm(top=1, seeds=1))
    lines = shown(spec, 6, capsys)
    words = [" ".join(line.split()[1:3]) for line in lines]
    expected = ["none completed", "defaults completed", "search completed"]
    assert words[:-1] == [*expected, "confirm t0003", "confirm none", "confirm defaults"]
    assert lines[-1].split(", ")[0].strip() == "6 of 6 done"


def test_the_line_of_a_failed_trial_has_the_message_and_not_the_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress, _ = followed(spec_of(trials=1), 1)
    search = progress.search
    with View(progress, lambda: 1) as view:
        search.observe(view)
        assignment = search.next()
        assert isinstance(assignment, Assignment)
        search.fail(assignment.trial, Cause.CRASH, "TypeError: a bad scale\n  File x, line 3")
    line, summary = capsys.readouterr().out.splitlines()
    assert "TypeError: a bad scale" in line
    assert "File x" not in line
    assert "1 failed" in summary
