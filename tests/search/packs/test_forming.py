"""Which trials are handed out together, and who joins later."""

from __future__ import annotations

from typing import Any

import pytest
from support.packs import (
    BATCH,
    most_side_by_side,
    names,
    opened,
    packed,
    packs_of,
    step,
    take,
)
from support.search_cases import (
    learning_curve,
    scheduler_of,
)

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Started
from tid_tune.ledger.records import Status
from tid_tune.search.decision import WAIT
from tid_tune.search.packs import is_private, shared_key
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Confirm, Resources
from tid_tune.space import Choice


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


def test_how_many_trials_fit_may_be_known_to_the_worker_only() -> None:
    search = opened(students="auto", trials=10)
    assert [len(take(search, size).members) for size in (1, 6)] == [1, 6]
    assert list(search.state.packs) == ["p0001", "p0002"]


def test_no_pack_is_larger_than_the_search_asks_for() -> None:
    assert len(take(opened(students=2, trials=10), size=6).members) == 2
