"""What a killed driver leaves behind is enough to go on as if nothing had happened."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_cases import OBJECTIVE, learning_curve, make_spec, sampler_of, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Budget, Confirm, SearchSpec

CASES: dict[str, dict[str, Any]] = {
    "tpe and asha": {"trials": 6, "epochs": 3},
    "hyperband": {"scheduler": scheduler_of("hyperband"), "trials": 6, "epochs": 3},
    "promote": {"scheduler": scheduler_of(rule="promote"), "trials": 6, "epochs": 3},
    "median": {"scheduler": scheduler_of("median", min_trials=2), "trials": 5, "epochs": 3},
    "pbt": {"scheduler": scheduler_of("pbt"), "trials": 4, "epochs": 3},
    "data": {"scheduler": scheduler_of(fidelity="data"), "trials": 4, "epochs": 3},
    "methods": {"method": ("tid", "fgd"), "trials": 4, "epochs": 3},
    "budget": {"budget": Budget(epochs=25), "confirm": Confirm(top=1, seeds=1), "epochs": 3},
    "cmaes": {"sampler": sampler_of("cmaes", startup_trials=2), "trials": 8, "epochs": 2},
    "nsga2": {"sampler": sampler_of("nsga2"), "trials": 6, "epochs": 2},
}
_WHOLE: dict[str, Any] = {}


def spec_of(case: str) -> SearchSpec:
    changes: dict[str, Any] = {
        "confirm": Confirm(top=1, seeds=2),
        "sampler": sampler_of("tpe", startup_trials=2),
        **CASES[case],
    }
    return make_spec(**changes)


def result(state: RunState) -> Any:
    return [
        (t.id, t.stage, t.label, t.params, t.edits, t.seed, t.status, t.origin, t.value(OBJECTIVE))
        for t in state.trials.values()
    ]


def whole(case: str, folder: Path) -> Any:
    """The lines of the uninterrupted run, and its result."""
    if case not in _WHOLE:
        path = folder / "whole.jsonl"
        with Ledger.open(path, sync=False, clock=VirtualClock()) as ledger:
            search = simulate(spec_of(case), learning_curve, ledger=ledger)
        _WHOLE[case] = (path.read_bytes().splitlines(keepends=True), result(search.state))
    return _WHOLE[case]


@pytest.mark.parametrize("case", CASES)
@given(share=st.floats(0, 1), torn=st.booleans())
@settings(max_examples=12, deadline=None)
def test_a_search_killed_after_any_event_ends_like_one_that_was_not(
    case: str, share: float, torn: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("replay")
    lines, expected = whole(case, folder)
    cut = round(share * len(lines))
    path = folder / "ledger.jsonl"
    torn_line = lines[cut][: len(lines[cut]) // 2] if torn and cut < len(lines) else b""
    path.write_bytes(b"".join(lines[:cut]) + torn_line)
    with Ledger.open(path, sync=False, clock=VirtualClock()) as ledger:
        resumed = simulate(spec_of(case), learning_curve, ledger=ledger)
    assert result(resumed.state) == expected
    for trial in resumed.state.trials.values():
        steps = [(r.fraction, r.step) for r in trial.reports]
        assert len(set(steps)) == len(steps)


@pytest.mark.parametrize("case", CASES)
@given(deaths=st.lists(st.integers(1, 12), max_size=4), workers=st.integers(1, 4))
@settings(max_examples=6, deadline=None)
def test_several_workers_and_several_deaths_lose_no_trial_and_no_report(
    case: str, deaths: list[int], workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("deaths") / "ledger.jsonl"
    spec, clock = spec_of(case), VirtualClock()
    for steps in deaths:
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            run = Simulator(Search.open(spec, ledger), learning_curve, clock, workers)
            for _ in range(steps):
                run.step()
    with Ledger.open(path, sync=False, clock=clock) as ledger:
        search = simulate(spec, learning_curve, workers=workers, ledger=ledger)
    trials = list(search.state.trials.values())
    searched = [t for t in trials if t.stage == "search" and t.status is not Status.DUPLICATE]
    if case != "budget":
        assert all(t.status.final for t in trials)
        assert len(searched) == spec.trials
    for trial in trials:
        order = [(r.segment, r.step) for r in trial.reports]
        assert order == sorted(order)
        assert len({(r.fraction, r.step) for r in trial.reports}) == len(order)
    assert not search.state.running


@pytest.mark.parametrize("case", CASES)
def test_replaying_any_prefix_gives_the_state_that_was_live_then(case: str) -> None:
    clock, live = VirtualClock(), list[Any]()
    ledger = Ledger.in_memory(clock=clock)
    spec = spec_of(case)
    search = Search.open(spec, ledger)
    search.observe(lambda event, trial: live.append(snapshot(search.state)))
    Simulator(search, learning_curve, clock, workers=2).run()
    events = list(ledger.events())
    opened = len(events) - len(live)
    replayed = RunState()
    for at, event in enumerate(events):
        replayed.apply(event)
        if at >= opened:
            assert snapshot(replayed) == live[at - opened]


def snapshot(state: RunState) -> Any:
    trials = [{**dataclasses.asdict(t), "reports": len(t.reports)} for t in state.trials.values()]
    return trials, list(state.running), list(state.waiting), state.closed


def test_repeated_reports_are_paid_for_but_not_counted() -> None:
    spec = make_spec(baseline=False, scheduler=scheduler_of("none"))
    search = Search.open(spec, Ledger.in_memory())
    work = search.next()
    search.report(work.trial, 1, 1.0, {OBJECTIVE: 0.5}, 10.0, 100, None)
    search.interrupt(work.trial)
    again = search.next()
    assert (again.trial, again.step, again.checkpoint) == (work.trial, 0, None)
    search.report(work.trial, 1, 1.0, {OBJECTIVE: 0.4}, 10.0, 100, "one.pth")
    trial = search.state.trials[work.trial]
    assert [report.metrics[OBJECTIVE] for report in trial.reports] == [0.5]
    assert trial.repeated_seconds == 10.0


def test_the_same_seed_suggests_the_same_points_however_often_it_is_interrupted(
    tmp_path: Path,
) -> None:
    spec = make_spec(trials=25, scheduler=scheduler_of("none"), epochs=1)
    expected = [t.params for t in simulate(spec, learning_curve).state.trials.values()]
    path, clock, found = tmp_path / "ledger.jsonl", VirtualClock(), list[Any]()
    while len(found) < len(expected):
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            search = Search.open(spec, ledger)
            run = Simulator(search, learning_curve, clock)
            for _ in range(3):
                run.step()
            found = [t.params for t in search.state.trials.values()]
    assert found == expected
