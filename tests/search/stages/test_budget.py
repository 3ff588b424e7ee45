from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.results.costs import FAILED, STOPPED, USEFUL, cost_table, devices, total_cost
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Budget, Confirm, Resources

MANY = {"trials": 200, "scheduler": scheduler_of("none"), "baseline": False}


def spent_epochs(search: Search) -> Any:
    return sum(len(t.reports) for t in search.state.trials.values())


@pytest.mark.parametrize("workers", [1, 4])
def test_a_budget_of_epochs_is_spent_and_never_exceeded(workers: int) -> None:
    search = simulate(make_spec(budget=Budget(epochs=50), **MANY), learning_curve, workers=workers)
    assert spent_epochs(search) == 50
    assert search.state.closed == "budget: 50 of 50 epochs spent"


def test_x_counts_in_full_trainings() -> None:
    search = simulate(make_spec(budget=Budget(x=4), **MANY), learning_curve)
    assert spent_epochs(search) == 36


def test_gpu_hours_count_the_devices_a_trial_holds() -> None:
    resources = Resources(gpus=2, cpus=8)
    spec = make_spec(budget=Budget(gpu_hours=1), resources=resources, **MANY)
    search = simulate(spec, learning_curve)
    assert spent_epochs(search) == 30  # minutes of two GPUs
    total = total_cost(cost_table(search.state).values())
    assert total.device_hours(resources) == pytest.approx(1.0)


def test_without_a_gpu_the_cpus_are_counted() -> None:
    assert devices(Resources(gpus=0, cpus=3)) == 3
    assert devices(Resources(gpus=0.5, cpus=3)) == 0.5


def test_wall_hours_count_the_time_drivers_were_at_work_and_not_the_time_between(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "ledger.jsonl", VirtualClock()
    spec = make_spec(budget=Budget(wall_hours=0.5), **MANY)
    with Ledger.open(path, clock=clock) as ledger:
        run = Simulator(Search.open(spec, ledger), learning_curve, clock, workers=3)
        for _ in range(30):
            run.step()
    assert clock.now == 600
    clock.now += 86_400
    with Ledger.open(path, clock=clock) as ledger:
        search = simulate(spec, learning_curve, workers=3, ledger=ledger)
    assert clock.now == 86_400 + 1_800
    assert search.state.closed is not None
    assert "wall_hours" in search.state.closed


def test_the_search_leaves_what_the_confirmation_needs() -> None:
    spec = make_spec(
        budget=Budget(epochs=200), confirm=Confirm(top=2, seeds=3), trials=200, epochs=5
    )
    search = simulate(spec, learning_curve, workers=4)
    reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
    assert len(reruns) == 12
    assert all(t.status is Status.COMPLETED for t in reruns)
    assert spent_epochs(search) == 200
    held = [t.reason for t in search.state.trials.values() if t.status is Status.INTERRUPTED]
    assert held
    assert all("60 kept for the confirmation" in reason for reason in held)
    assert search.state.closed == "budget: 200 of 200 epochs spent"


def test_the_reserve_in_hours_follows_what_an_epoch_costs() -> None:
    spec = make_spec(
        budget=Budget(gpu_hours=5), confirm=Confirm(top=2, seeds=3), trials=500, epochs=5
    )
    search = simulate(spec, learning_curve, workers=2)
    reruns = [t for t in search.state.trials.values() if t.stage == "confirm"]
    assert len(reruns) == 12
    assert all(t.status is Status.COMPLETED for t in reruns)


def test_a_trial_held_by_the_budget_continues_when_the_budget_is_extended(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.jsonl", VirtualClock()
    first = make_spec(budget=Budget(epochs=22), **{**MANY, "trials": 4})
    with Ledger.open(path, clock=clock) as ledger:
        held = simulate(first, learning_curve, ledger=ledger).state
    assert [t.status for t in held.trials.values()] == [
        Status.COMPLETED,
        Status.COMPLETED,
        Status.INTERRUPTED,
    ]
    assert held.trials["t0003"].cause == "budget"
    longer = first.model_copy(update={"budget": Budget(epochs=100)})
    with Ledger.open(path, clock=clock) as ledger:
        search = Search.open(longer, ledger)
        assert any("budget" in note for note in search.notes)
        Simulator(search, learning_curve, clock).run()
    assert [len(t.reports) for t in search.state.trials.values()] == [9, 9, 9, 9]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_reserve_for_the_confirmation_does_not_leave_it_without_a_candidate(workers: int) -> None:
    # The reserve is half of the budget: 7 epochs are left when the baselines have ended.
    spec = make_spec(budget=Budget(epochs=50), confirm=Confirm(), scheduler=scheduler_of("none"))
    search = simulate(spec, learning_curve, workers=workers)
    stages = Counter(t.stage for t in search.state.trials.values() if t.full_length)
    assert stages["search"] == 1
    assert stages["confirm"] >= 1
    assert search.state.result.winner is not None
    assert spent_epochs(search) <= 50


def test_the_budget_is_named_when_all_it_leaves_is_trials_at_a_rung() -> None:
    rules = {"scheduler": scheduler_of("hyperband"), "epochs": 3, "trials": 4}
    search = simulate(make_spec(budget=Budget(epochs=8), baseline=False, **rules), learning_curve)
    counts = Counter(t.status for t in search.state.trials.values())
    assert counts == {Status.COMPLETED: 2, Status.PAUSED: 2}
    assert search.state.closed == "budget: 8 of 8 epochs spent"


def test_the_budget_is_named_when_it_cuts_the_confirmation_short() -> None:
    rules = scheduler_of("none")
    spec = make_spec(budget=Budget(epochs=80), scheduler=rules, trials=2, confirm=Confirm())
    search = simulate(spec, learning_curve)
    assert len(search.state.trials) == 2 + 2 + 4  # of 12 reruns
    assert search.state.closed == "budget: 72 of 80 epochs spent"


def test_costs_are_told_by_stage_and_outcome_and_add_up() -> None:
    def fragile(assignment: Assignment, epoch: float) -> Any:
        if assignment.trial == "t0003" and epoch == 3:
            raise Failure("oom")
        return learning_curve(assignment, epoch)

    search = simulate(make_spec(trials=20, confirm=Confirm(top=1, seeds=2)), fragile, workers=3)
    table = cost_table(search.state)
    assert table["baseline", USEFUL].trials == 2
    assert table["confirm", USEFUL].epochs == 6 * 9
    assert table["search", FAILED].epochs == 2
    assert table["search", STOPPED].trials > 5
    total = total_cost(table.values())
    assert total.epochs == spent_epochs(search)
    # The epoch in which the trial failed was paid for, too.
    assert table["search", FAILED].seconds == 3 * 60
    assert total.seconds == 60 * (total.epochs + 1)
    assert total.images == 100 * total.epochs


def test_hours_of_trials_that_report_nothing_count_against_the_budget() -> None:
    def broken(assignment: Assignment, epoch: float) -> Any:
        if assignment.stage == "search" and assignment.trial > "t0004":
            raise Failure("oom")
        return learning_curve(assignment, epoch)

    spec = make_spec(budget=Budget(gpu_hours=1.0), trials=500, scheduler=scheduler_of("none"))
    search = simulate(spec, broken, seconds=lambda assignment: 90.0)
    assert search.state.closed.startswith("budget: ")
    table = cost_table(search.state)
    assert table["search", FAILED].epochs == 0
    assert table["search", FAILED].seconds == 90 * table["search", FAILED].trials > 0
    assert total_cost(table.values()).seconds <= 3600


def test_a_trial_that_is_interrupted_pays_for_what_it_did_not_report(tmp_path: Path) -> None:
    clock = VirtualClock()
    with Ledger.open(tmp_path / "ledger.jsonl", clock=clock) as ledger:
        search = Search.open(make_spec(trials=1, baseline=False), ledger)
        trial = search.next().trial
        clock.now += 60
        search.report(trial, 1, 1.0, {OBJECTIVE: 0.1}, seconds=60, images=100, checkpoint="a")
        clock.now += 25
        search.interrupt(trial)
        clock.now += 1000
    state = RunState.read(tmp_path / "ledger.jsonl")
    assert total_cost(cost_table(state).values()).seconds == 85


def test_a_longer_budget_need_not_keep_the_baselines_reruns_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.jsonl", VirtualClock()
    rules = {"confirm": Confirm(top=2, seeds=3), "trials": 200, "epochs": 5}
    found = []
    for epochs in (200, 260):
        with Ledger.open(path, clock=clock) as ledger:
            spec = make_spec(budget=Budget(epochs=epochs), **rules)
            search = simulate(spec, learning_curve, ledger=ledger)
            stages = Counter(t.stage for t in search.state.trials.values())
            found.append((stages["search"], spent_epochs(search)))
    assert found[0][1] == 200
    # Of the 60 epochs that the baselines and two candidates cost, 30 are there already.
    assert found[1][0] > found[0][0]
    assert 230 - 5 < found[1][1] <= 260


def test_an_epoch_on_a_fraction_of_the_data_costs_that_fraction() -> None:
    spec = make_spec(trials=1, baseline=False, scheduler=scheduler_of(fidelity="data"))
    search = simulate(spec, learning_curve)
    assert total_cost(cost_table(search.state).values()).epochs == pytest.approx(1 + 3 + 9)


def test_baselines_run_to_their_end_although_the_share_of_the_search_is_spent() -> None:
    spec = make_spec(budget=Budget(epochs=18), confirm=Confirm(), trials=50)
    search = simulate(spec, learning_curve, workers=4)
    baseline = [t for t in search.state.trials.values() if t.stage == "baseline"]
    assert baseline[0].epoch > 4
    assert all(t.value(OBJECTIVE) is not None for t in baseline)
