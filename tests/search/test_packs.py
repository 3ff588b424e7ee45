"""Packs: which trials are handed out together, who joins later, what each is charged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.search_cases import (
    OBJECTIVE,
    SPACE,
    learning_curve,
    make_spec,
    report,
    sampler_of,
    scheduler_of,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Proved, Started, parse
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.results.costs import run_cost, trial_cost
from tid_tune.search.decision import FINISHED, WAIT, Pack, Suspend
from tid_tune.search.engine import Search
from tid_tune.search.packs import is_private, shared_key
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Budget, Confirm, Resources, SearchSpec
from tid_tune.space import Choice

BATCH = "train_dataloader.batch_size"
PLAIN: dict[str, Any] = {
    "scheduler": scheduler_of("none"),
    "sampler": sampler_of("random"),
    "baseline": False,
}


def packed(students: int | str = 4, **changes: Any) -> SearchSpec:
    resources = Resources.model_validate({"students": students})
    # Private paths, as those of real searches are.
    space = {
        f"model.distillation.{name}": found for name, found in SPACE.items() if name != "quantile"
    }
    return make_spec(**{**PLAIN, "resources": resources, "space": space, **changes})


def opened(students: int | str = 4, **changes: Any) -> Search:
    return Search.open(packed(students, **changes), Ledger.in_memory(clock=VirtualClock()))


def take(search: Search, size: int = 4) -> Pack:
    pack = search.next_pack(size)
    assert isinstance(pack, Pack)
    return pack


def names(pack: Pack) -> list[str]:
    return [member.trial for member in pack.members]


def most_side_by_side(search: Search) -> int:
    """The most trials that ran in one pack at a time."""
    states = replayed(search.ledger)
    return max(len(pack.running) for state in states for pack in state.packs.values())


def packs_of(search: Search) -> list[list[str]]:
    """The trials that were started in each pack, in order."""
    packs: dict[str, list[str]] = {}
    for event in search.ledger.events():
        if isinstance(event, Started):
            packs.setdefault(event.pack, []).append(event.trial)
    return list(packs.values())


@pytest.mark.parametrize(
    ("path", "private"),
    [
        ("model.distillation.loss_weight", True),
        ("model.student.bbox_head.feat_channels", True),
        ("model.student.data_preprocessor.mean", False),
        ("model.student", False),
        ("model.teacher.precision", False),
        ("model.data_preprocessor.pad_size_divisor", False),
        ("model", False),
        ("optim_wrapper.optimizer.lr", True),
        ("optim_wrapper.paramwise_cfg.custom_keys.'backbone.layer1'.lr_mult", True),
        ("param_scheduler.0.end", True),
        ("train_dataloader.batch_size", False),
        ("custom_hooks.0.momentum", False),
        ("model.students", False),
    ],
)
def test_what_a_student_has_for_itself_follows_from_the_path(path: str, private: bool) -> None:
    assert is_private(path) == private
    assert (shared_key({path: 1}) == shared_key({path: 2})) == private


def test_a_worker_gets_baseline_and_new_trials_at_once() -> None:
    search = opened(baseline=True, trials=6)
    first, second = take(search), take(search)
    assert (first.id, names(first)) == ("p0001", ["t0001", "t0002", "t0003", "t0004"])
    assert [member.label for member in first.members] == ["none", "defaults", "", ""]
    assert (second.id, names(second)) == ("p0002", ["t0005", "t0006", "t0007", "t0008"])
    assert search.next_pack(4) is WAIT
    assert len({member.seed for member in (*first.members, *second.members)}) == 1


def test_a_worker_for_one_trial_gets_one_without_a_pack() -> None:
    search = opened(students=1)
    pack = take(search)
    assert (pack.id, len(pack.members)) == ("", 1)
    assert search.state.packs == {}


def test_workers_are_counted_and_not_trials() -> None:
    limited = Resources(concurrent=2, students=4)
    search = opened(resources=limited, trials=20)
    assert [len(take(search).members) for _ in range(2)] == [4, 4]
    assert search.state.workers == 2
    assert search.next_pack(4) is WAIT


@pytest.mark.parametrize("scheduler", ["none", "pbt"])
def test_no_trial_depends_on_who_is_trained_beside_it(scheduler: str) -> None:
    changes = {"scheduler": scheduler_of(scheduler), "baseline": True, "trials": 10}

    def outcome(students: int) -> list[Any]:
        search = simulate(packed(students, **changes), learning_curve)
        return [
            (t.id, t.params, t.status, [(r.epoch, r.metrics) for r in t.reports])
            for t in search.state.trials.values()
        ]

    assert outcome(4) == outcome(1)


def test_trials_that_differ_in_the_batch_size_are_in_other_packs_and_none_is_lost() -> None:
    space = {**packed().space, BATCH: Choice(values=(8, 16))}
    search = simulate(packed(space=space, trials=24), learning_curve)
    trials = search.state.trials
    assert len(trials) == 24
    assert all(trial.status is Status.COMPLETED for trial in trials.values())
    started = packs_of(search)
    for members in started:
        assert len({trials[name].params[BATCH] for name in members}) == 1
    assert len(started) <= 8
    assert sorted(name for members in started for name in members) == sorted(trials)


def test_what_does_not_fit_waits_for_the_next_pack_at_most_a_pack_of_it() -> None:
    space = {**packed().space, BATCH: Choice(values=tuple(range(1, 40)))}
    search = opened(space=space, trials=40)
    first = take(search)
    assert len(first.members) < 4
    assert len(search.state.waiting) == 4
    second = take(search)
    assert names(second)[0] in [f"t{number:04d}" for number in range(2, 6)]


def step(search: Search, pack: Pack, epoch: float, values: dict[str, float]) -> None:
    """Report an epoch of the named members of a pack."""
    for member in pack.members:
        if member.trial in values:
            report(search, member, epoch, values[member.trial])


def test_trials_at_the_same_epoch_join_a_pack_with_room() -> None:
    search = opened(trials=5)
    pack, other = take(search), take(search)
    assert names(other) == ["t0005"]
    step(search, other, 1.0, {"t0005": 0.5})
    search.interrupt("t0005")
    assert search.refill(pack.id, 4) == []  # at its start
    step(search, pack, 1.0, dict.fromkeys(names(pack)[:3], 0.5))
    assert search.refill(pack.id, 4) == []  # not all have reported
    search.fail("t0004", Cause.USER, "no")
    joined = search.refill(pack.id, 1)
    assert [(one.trial, one.checkpoint, one.segment) for one in joined] == [
        ("t0005", "t0005/1.pth", 1)
    ]
    assert search.state.trials["t0005"].pack == pack.id
    assert search.refill(pack.id, 1) == []


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


@pytest.mark.parametrize("name", ["asha", "hyperband"])
def test_promoted_trials_wait_for_a_full_pack_while_new_ones_come(name: str) -> None:
    options = {"rule": "promote"} if name == "asha" else {}
    search = opened(students=2, trials=30, epochs=9, scheduler=scheduler_of(name, **options))
    sizes: list[tuple[float, int]] = []
    for _ in range(6):
        pack = take(search, 2)
        start = search.state.trials[names(pack)[0]].position.epoch or 0.0
        sizes.append((start, len(pack.members)))
        number = len(search.state.packs)
        if start:
            break
        step(search, pack, 1.0, dict.fromkeys(names(pack), 0.1 * number))
    # One in three goes on: two of six, when the third pack has come.
    assert sizes == [(0.0, 2), (0.0, 2), (0.0, 2), (1.0, 2)]


@pytest.mark.parametrize("name", ["asha", "hyperband", "pbt"])
@pytest.mark.parametrize("workers", [1, 2])
def test_packs_are_formed_at_rungs(name: str, workers: int) -> None:
    options = {"rule": "promote"} if name == "asha" else {}
    spec = packed(students=4, trials=24, epochs=9, scheduler=scheduler_of(name, **options))
    search = simulate(spec, learning_curve, workers=workers)
    trials = search.state.trials
    assert all(trial.status.final for trial in trials.values())
    assert any(trial.status is Status.COMPLETED for trial in trials.values())
    later = [event for event in search.ledger.events() if isinstance(event, Started) and event.step]
    sizes = [sum(one.pack == pack for one in later) for pack in {event.pack for event in later}]
    assert max(sizes) >= 4
    assert most_side_by_side(search) == 4
    for pack, time in {(event.pack, event.time) for event in later}:
        together = [event for event in later if (event.pack, event.time) == (pack, time)]
        assert len({event.step for event in together}) == 1


def test_reruns_of_one_seed_are_a_pack() -> None:
    spec = packed(baseline=True, trials=6, confirm=Confirm(top=1, seeds=3))
    search = simulate(spec, learning_curve)
    reruns = [
        members
        for members in packs_of(search)
        if search.state.trials[members[0]].stage == "confirm"
    ]
    assert [len(members) for members in reruns] == [3, 3, 3]  # with room for a fourth
    for members in reruns:
        assert len({search.state.trials[name].seed for name in members}) == 1


@pytest.mark.parametrize("epochs", [7, 20, 29, 30, 41])
def test_a_budget_is_not_exceeded_by_a_pack(epochs: int) -> None:
    def spent(students: int) -> float:
        spec = packed(students, trials=20, epochs=5, budget=Budget(epochs=epochs))
        return run_cost(simulate(spec, learning_curve).state).epochs

    assert spent(4) <= epochs
    assert spent(4) >= epochs - 4


def test_a_confirmation_of_packs_keeps_within_the_budget() -> None:
    spec = packed(trials=20, epochs=5, budget=Budget(epochs=60), confirm=Confirm(top=2, seeds=3))
    search = simulate(spec, learning_curve)
    reruns = [trial for trial in search.state.trials.values() if trial.stage == "confirm"]
    assert run_cost(search.state).epochs <= 60
    assert reruns
    assert all(trial.status is Status.COMPLETED for trial in reruns)


def test_members_that_are_over_budget_are_held() -> None:
    search = opened(trials=4, epochs=5, budget=Budget(epochs=6))
    pack = take(search)
    decisions = [report(search, member, 1.0, 0.5) for member in pack.members]
    assert [isinstance(decision, Suspend) for decision in decisions] == [False, False, True, True]


def test_the_time_of_a_lost_worker_is_shared_by_its_pack() -> None:
    clock = VirtualClock()
    search = Search.open(packed(trials=4), Ledger.in_memory(clock=clock))
    pack = take(search)
    clock.now = 5.0
    for name in names(pack):
        search.placed(name, "node")
    clock.now = 15.0
    search.fail("t0001", Cause.NAN, "loss is nan")
    clock.now = 24.0
    for name in names(pack)[1:]:
        search.fail(name, Cause.LOST, "the node died")
        clock.now += 0.25
    charged = [trial.unreported_seconds for trial in search.state.trials.values()]
    assert charged[0] == pytest.approx(2.5)
    assert charged[1] == pytest.approx(2.5 + 3.0)
    assert sum(charged) == pytest.approx(19.5)


def test_what_packs_cost_is_the_time_that_their_workers_were_held() -> None:
    def fragile(work: Any, epoch: float) -> dict[str, float]:
        if work.trial in ("t0003", "t0009") and epoch == 2:
            raise Failure("crash")
        return learning_curve(work, epoch)

    spec = packed(trials=12)
    clock = VirtualClock()
    ledger = Ledger.in_memory(clock=clock)
    search = simulate(spec, fragile, ledger=ledger, common=0.5)
    assert run_cost(search.state).seconds == pytest.approx(clock.now)
    alone = simulate(packed(1, trials=12), fragile)
    assert run_cost(search.state).seconds < 0.7 * run_cost(alone.state).seconds
    whole = [trial_cost(t).epochs for t in search.state.trials.values()]
    assert whole == [trial_cost(t).epochs for t in alone.state.trials.values()]


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


def replayed(ledger: Ledger) -> Iterator[Any]:
    """Yield the state after each event."""
    from tid_tune.ledger.state import RunState

    state = RunState()
    for event in ledger.events():
        state.apply(event)
        yield state


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


def test_how_many_trials_fit_may_be_known_to_the_worker_only() -> None:
    search = opened(students="auto", trials=10)
    assert [len(take(search, size).members) for size in (1, 6)] == [1, 6]
    assert list(search.state.packs) == ["p0001", "p0002"]


def test_no_pack_is_larger_than_the_search_asks_for() -> None:
    assert len(take(opened(students=2, trials=10), size=6).members) == 2


def test_a_limit_on_the_time_is_kept_by_packs() -> None:
    def ended(students: int) -> float:
        clock = VirtualClock()
        spec = packed(students, trials=40, epochs=5, budget=Budget(wall_hours=0.99))
        ledger = Ledger.in_memory(clock=clock)
        search = simulate(spec, learning_curve, ledger=ledger, common=0.5)
        assert "wall_hours" in (search.state.closed or "")
        return clock.now

    # An interval of four takes 150 s. In the last one, fewer run, and an epoch of theirs takes a
    # little longer than one took so far.
    limit = 0.99 * 3600
    assert limit - 2 * 150 <= ended(4) <= limit + 15
    assert ended(1) <= limit


def test_a_started_trial_of_an_earlier_version_is_in_no_pack() -> None:
    line = b'{"event":"started","time":1.0,"trial":"t0001","segment":0,"checkpoint":null,"step":0}'
    assert parse(line) == Started(time=1.0, trial="t0001", segment=0)
    line = b'{"event":"proved","time":1.0,"trial":"t0001","effective":{"a":1}}'
    assert parse(line) == Proved(time=1.0, trial="t0001", effective={"a": 1})
