"""Packs that have lost a worker, a member, memory or the driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.packs import (
    BATCH,
    names,
    opened,
    packed,
    replayed,
    step,
    take,
)
from support.search_cases import (
    OBJECTIVE,
    learning_curve,
    report,
    scheduler_of,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Proved, Started, parse
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.search.decision import FINISHED
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Confirm
from tid_tune.space import Choice


def test_a_pack_that_was_interrupted_is_a_pack_again(tmp_path: Path) -> None:
    spec, path = packed(trials=4), tmp_path / "ledger.jsonl"
    with Ledger.open(path) as ledger:
        search = Search.open(spec, ledger)
        pack = take(search)
        step(search, pack, 1.0, dict.fromkeys(names(pack), 0.5))
        report(search, pack.members[0], 2.0, 0.5)
    with Ledger.open(path) as ledger:
        search = Search.open(spec, ledger)
        again, ahead = take(search), take(search)
        # Those that stand at the same epoch; the one that came further is not held up by them.
        assert (again.id, names(again)) == ("p0002", ["t0002", "t0003", "t0004"])
        assert {member.checkpoint for member in again.members} == {
            f"{name}/1.pth" for name in names(again)
        }
        assert (ahead.id, names(ahead)) == ("p0003", ["t0001"])


@given(share=st.floats(0, 1), students=st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_packs_that_were_killed_after_any_event_end_as_each_trial_does_alone(
    share: float, students: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    whole, path = folder / "whole.jsonl", folder / "ledger.jsonl"
    changes = {"trials": 7, "epochs": 3, "baseline": True, "confirm": Confirm(top=1, seeds=2)}

    def outcome(students: int, path: Path) -> list[Any]:
        with Ledger.open(path, sync=False, clock=VirtualClock()) as ledger:
            search = simulate(packed(students, **changes), learning_curve, ledger=ledger)
        return [
            (t.id, t.params, t.seed, t.status, [r.metrics for r in t.reports])
            for t in search.state.trials.values()
        ]

    expected = outcome(1, whole)
    outcome(4, path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: round(share * len(lines))]))
    assert outcome(students, path) == expected


def test_the_number_of_students_may_change_when_a_search_goes_on() -> None:
    ledger = Ledger.in_memory(clock=VirtualClock())
    simulator = Simulator(Search.open(packed(4), ledger), learning_curve, VirtualClock())
    for _ in range(3):
        simulator.step()
    search = simulate(packed(2), learning_curve, ledger=ledger)
    assert "resources: students 4 -> 2" in search.notes
    expected = simulate(packed(1), learning_curve)
    values = [trial.value(OBJECTIVE) for trial in search.state.trials.values()]
    assert values == [trial.value(OBJECTIVE) for trial in expected.state.trials.values()]


def test_out_of_memory_beside_others_is_tried_again_alone_and_once() -> None:
    search = opened(trials=4)
    pack = take(search)
    step(search, pack, 1.0, dict.fromkeys(names(pack), 0.5))
    search.fail("t0002", Cause.CROWDED, "out of memory")
    search.fail("t0003", Cause.CROWDED, "out of memory")
    trial = search.state.trials["t0002"]
    assert (trial.status, trial.cause) == (Status.INTERRUPTED, Cause.CROWDED)
    assert search.refill(pack.id, 2) == []
    alone, other = take(search), take(search)
    assert (names(alone), alone.members[0].checkpoint) == (["t0002"], "t0002/1.pth")
    assert names(other) == ["t0003"]
    assert search.refill(alone.id, 3) == []
    search.fail("t0002", Cause.CROWDED, "out of memory")
    assert (trial.status, trial.cause) == (Status.FAILED, Cause.OOM)


def test_a_trial_that_lost_its_worker_twice_is_trained_alone() -> None:
    search = opened(trials=4)
    for _ in range(2):
        pack = take(search)
        assert len(pack.members) == 4
        for name in names(pack):
            search.fail(name, Cause.LOST, "the worker died")
    assert [names(take(search)) for _ in range(4)] == [[f"t000{n}"] for n in (1, 2, 3, 4)]


CASES: dict[str, dict[str, Any]] = {
    "asha": {"scheduler": scheduler_of(), "baseline": True},
    "promote": {"scheduler": scheduler_of(rule="promote"), "confirm": Confirm(top=1, seeds=2)},
    "hyperband": {"scheduler": scheduler_of("hyperband"), "confirm": Confirm(top=2, seeds=2)},
    "data": {"scheduler": scheduler_of(rule="promote", fidelity="data")},
    "pbt": {"scheduler": scheduler_of("pbt"), "baseline": True},
    "batches": {"space": {**packed().space, BATCH: Choice(values=(8, 16))}},
    "methods": {"method": ("tid", "fgd"), "scheduler": scheduler_of(rule="promote")},
    "crowded": {"scheduler": scheduler_of(rule="promote")},
}


def crowded(case: str) -> Any:
    """Return a curve that runs out of memory once where a case asks for it."""
    failed = set[str]()

    def curve(work: Any, epoch: float) -> dict[str, float]:
        first = case == "crowded" and work.segment == 0 and work.trial not in failed
        if first and int(work.trial[1:]) % 3 == 0:
            failed.add(work.trial)
            raise Failure("crowded")
        return learning_curve(work, epoch)

    return curve


@pytest.mark.parametrize("case", CASES)
@given(deaths=st.lists(st.integers(1, 9), max_size=4), workers=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_deaths_lose_no_trial_and_no_report_of_a_pack(
    case: str, deaths: list[int], workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("deaths") / "ledger.jsonl"
    spec, clock = packed(3, epochs=3, trials=10, **CASES[case]), VirtualClock()
    curve = crowded(case)
    for steps in deaths:
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            run = Simulator(Search.open(spec, ledger), curve, clock, workers)
            for _ in range(steps):
                run.step()
    with Ledger.open(path, sync=False, clock=clock) as ledger:
        search = simulate(spec, curve, workers=workers, ledger=ledger)
        assert search.next_pack(3) is FINISHED
    trials = list(search.state.trials.values())
    assert all(trial.status.final and trial.status is not Status.FAILED for trial in trials)
    assert sum(trial.stage == "search" for trial in trials) == spec.trials
    for trial in trials:
        lengths = [(r.fraction, r.epoch) for r in trial.reports]
        assert len(set(lengths)) == len(lengths)
    assert not any(pack.running for pack in search.state.packs.values())


@pytest.mark.parametrize("case", CASES)
def test_replaying_any_prefix_gives_the_packs_that_were_live_then(case: str) -> None:
    clock, live = VirtualClock(), list[Any]()
    ledger = Ledger.in_memory(clock=clock)
    search = Search.open(packed(3, epochs=3, trials=10, **CASES[case]), ledger)

    def snapshot(state: Any) -> Any:
        packs = [(pack.id, list(pack.members), dict(pack.running)) for pack in state.packs.values()]
        trials = [(t.id, t.pack, t.alone, t.position, t.charged) for t in state.trials.values()]
        return packs, trials, list(state.waiting)

    search.observe(lambda event, trial: live.append(snapshot(search.state)))
    Simulator(search, crowded(case), clock, workers=2).run()
    states = replayed(ledger)
    next(states)
    assert [snapshot(state) for state in states] == live


def test_a_training_that_goes_on_in_another_mode_has_both() -> None:
    search = opened(students=1, trials=1)
    work = take(search).members[0]
    modes: list[dict[str, str]] = [{"teacher": "bfloat16"}, {}, {}, {"cache": "float16"}]
    for epoch, mode in enumerate(modes, start=1):
        search.proved(work.trial, {}, mode)
        report(search, work, epoch, 0.5)
        search.interrupt(work.trial)
        work = take(search).members[0]
    assert search.state.trials[work.trial].mode == {
        "teacher": "bfloat16 then default",
        "cache": "default then float16",
    }


def test_a_training_that_begins_again_has_the_mode_of_its_last_run() -> None:
    search = opened(students=1, trials=1)
    for mode in ({"teacher": "bfloat16"}, {"cache": "float16"}):
        work = take(search).members[0]
        search.proved(work.trial, {}, mode)
        search.interrupt(work.trial)
    assert search.state.trials["t0001"].mode == {"cache": "float16"}


def test_a_started_trial_of_an_earlier_version_is_in_no_pack() -> None:
    line = b'{"event":"started","time":1.0,"trial":"t0001","segment":0,"checkpoint":null,"step":0}'
    assert parse(line) == Started(time=1.0, trial="t0001", segment=0)
    line = b'{"event":"proved","time":1.0,"trial":"t0001","effective":{"a":1}}'
    assert parse(line) == Proved(time=1.0, trial="t0001", effective={"a": 1})
