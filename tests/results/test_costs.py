"""What is charged, and that every place that shows a cost shows the same one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import (
    learning_curve,
    make_spec,
    report,
    sampler_of,
    scheduler_of,
    start,
)

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.report.live import View
from tid_tune.report.overview import run_row
from tid_tune.report.progress import Progress
from tid_tune.report.result import write_result
from tid_tune.results.costs import (
    cost_rows,
    overhead_text,
    run_cost,
    trial_cost,
    worker_time,
)
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Simulator, VirtualClock
from tid_tune.search.simulated_nodes import Node
from tid_tune.searchfile.model import Confirm
from tid_tune.searchfile.outputs import Tracking


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def search(clock: VirtualClock) -> Search:
    spec = make_spec(
        baseline=False, scheduler=scheduler_of("none"), sampler=sampler_of("random"), trials=3
    )
    return Search.open(spec, Ledger.in_memory(clock=clock))


def test_waiting_for_ray_or_for_a_worker_costs_nothing(search: Search, clock: VirtualClock) -> None:
    work = start(search)
    clock.now += 3600
    search.interrupt(work.trial)
    assert search.spent.seconds == 0
    assert trial_cost(search.state.trials[work.trial]).seconds == 0


def test_a_worker_is_paid_for_from_when_it_takes_the_trial(
    search: Search, clock: VirtualClock
) -> None:
    work = start(search)
    clock.now += 3600
    search.placed(work.trial, node="a")
    clock.now += 50
    search.fail(work.trial, "oom", "out of memory")
    assert search.spent.seconds == 50


def test_a_continued_trial_is_not_paid_for_while_it_waits_again(
    search: Search, clock: VirtualClock
) -> None:
    work = start(search)
    search.placed(work.trial, node="a")
    clock.now += 1
    report(search, work, 1.0, 0.5)
    clock.now += 7
    search.fail(work.trial, "lost", "node gone")
    again = start(search)
    assert again.trial == work.trial
    clock.now += 3600
    search.interrupt(again.trial)
    assert search.spent.seconds == 1 + 7


def seconds_of(search: Search) -> float:
    return run_cost(search.state).seconds


def test_the_time_of_workers_that_start_or_have_nothing_to_do_is_overhead() -> None:
    spec = make_spec(
        baseline=False,
        scheduler=scheduler_of("none"),
        sampler=sampler_of("random"),
        trials=3,
        epochs=2,
    )
    clock = VirtualClock()
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    nodes = [Node("n1", starting=30.0), Node("n2", starting=30.0)]
    run = Simulator(search, learning_curve, clock, nodes=nodes)
    assert overhead_text(worker_time(search.state)) == "no worker has run yet"
    while clock.now < 60:
        run.step()
    early = worker_time(search.state)
    assert (early.workers, early.there, early.charged) == (2, 2 * 90.0, 2 * 60.0)
    run.run()
    used = worker_time(search.state)
    assert (used.workers, used.there, used.charged) == (2, 2 * 270.0, 3 * 120.0)
    assert overhead_text(used) == "2 workers, of whose time 33.3 % was charged to no trial"


def fragile(assignment: Assignment, epoch: float) -> dict[str, float]:
    """One trial loses its node, one fails."""
    if assignment.trial == "t0005" and assignment.segment == 0:
        raise Failure("lost", "node gone")
    if assignment.trial == "t0004" and epoch >= 2:
        raise Failure("oom", "out of memory")
    return learning_curve(assignment, epoch)


@pytest.mark.parametrize(
    "scheduler",
    [
        scheduler_of("asha"),
        scheduler_of("hyperband", fidelity="data"),
        scheduler_of("pbt", quantile=0.5),
    ],
    ids=lambda scheduler: scheduler.type,
)
def test_progress_summary_status_and_list_show_one_cost(
    scheduler: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    point = {"weight": 1.0, "threshold": 0.5, "select": "threshold"}
    spec = make_spec(
        epochs=4,
        trials=6,
        scheduler=scheduler,
        start_from=(point, point),
        confirm=Confirm(top=1, seeds=2),
        tracking=Tracking(enabled=False),
    )
    clock, run = VirtualClock(), RunFolder(tmp_path / "run")
    with Ledger.open(run.ledger, sync=False, clock=clock) as ledger:
        search = Search.open(spec, ledger)
        along: list[tuple[float, float]] = []
        search.follow(lambda *_: along.append((search.spent.seconds, seconds_of(search))))
        with View(Progress(search, 20), lambda: 2) as view:
            search.observe(view)
            Simulator(search, fragile, clock, workers=2).run()
        last_line = capsys.readouterr().out.splitlines()[-1]
        write_result(search.state, spec, run).show(seconds=1)
    shown_lines = capsys.readouterr().out.splitlines()
    summary = next(x for x in shown_lines if x.startswith("test: "))
    assert overhead_text(worker_time(run.state)) in shown_lines
    cost = run_cost(run.state)
    assert all(shown == pytest.approx(total) for shown, total in along), "at any time"
    assert [shown for shown, _ in along] == sorted(shown for shown, _ in along)
    assert Status.DUPLICATE in {trial.status for trial in run.state.trials.values()}
    assert (search.spent.trials, search.spent.images) == (cost.trials, cost.images)
    assert search.spent.seconds == pytest.approx(cost.seconds)
    shown = f"{cost.epochs:g} epochs, {cost.seconds / 3600:.2f} CPU-hours"
    assert shown in last_line
    assert f"{cost.trials} trials, {shown}" in summary
    everything = cost_rows(run.state, spec)[-1]
    assert (everything.trials, everything.epochs) == (cost.trials, cost.epochs)
    assert run_row(run).trials == cost.trials
