"""The leaderboard as a user reads it."""

from __future__ import annotations

from typing import Any

import pytest
from support.search_cases import make_spec, scheduler_of

from tid_tune.ledger.file import Ledger
from tid_tune.report.leaderboard import leaderboard_table, short_value, to_text
from tid_tune.results.ranking import Row, leaderboard
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.space import Choice, Fixed, Uniform


def shown(width: int, **changes: Any) -> tuple[list[Row], list[str]]:
    spec = make_spec(
        **{
            "objectives": {"map": "max"},
            "epochs": 3,
            "space": {"a.lr": Uniform(low=0, high=1), "b.batch": Fixed(value=4)},
            "trials": 5,
            "scheduler": scheduler_of("none"),
            **changes,
        }
    )
    state = simulate(spec, lambda a, epoch: {"map": epoch * a.params.get("a.lr", 0.5)}).state
    rows = leaderboard(state, spec)
    return rows, to_text(leaderboard_table(rows, spec, width=width, top=2)).splitlines()


def test_what_every_trial_has_takes_no_room() -> None:
    rows, lines = shown(120)
    assert lines[0].split()[-1] == "lr"
    assert not any("batch" in line for line in lines)
    best = next(line for line in lines if line.strip().startswith("1 "))
    assert best.split()[-1] == f"{rows[0].params['a.lr']:.3g}"


WIDE = {f"model.part.parameter_{name}": Uniform(low=0, high=1) for name in "abcdefgh"}


def test_no_row_is_broken_or_cut_and_what_has_no_room_is_named() -> None:
    """Whole columns are left out; those that are there are as on a wide terminal."""
    _, wide = shown(10_000, space=WIDE)
    for width in range(40, 200, 7):
        _, lines = shown(width, space=WIDE)
        assert max(map(len, lines)) <= width
        names = lines[0].split()
        assert names[0] == "trial"
        assert {"map", "gain"} <= set(names)
        table = lines[: len(wide)]
        for line, whole in zip(table, wide, strict=True):
            assert set(line.split()) <= set(whole.split())
        note = " ".join(lines[len(wide) :])
        missing = [path.split(".")[-1] for path in WIDE if path.split(".")[-1] not in names]
        assert all(f"{name}" in note for name in missing)
        assert bool(note) == bool(missing)


def test_the_reason_of_a_failure_gives_way_to_the_values_of_the_others() -> None:
    def fragile(work: Assignment, epoch: float) -> dict[str, float]:
        if work.trial == "t0003":
            raise Failure("oom", "CUDA out of memory beside others")
        return {"map": work.params.get("a.lr", 0.5)}

    spec = make_spec(
        objectives={"map": "max"}, space={"a.lr": Uniform(low=0, high=1)}, epochs=1, trials=3
    )
    rows = leaderboard(simulate(spec, fragile).state, spec)
    for width, reason in ((200, True), (60, False)):
        text = to_text(leaderboard_table(rows, spec, width=width))
        assert ("out of memory" in text) == reason
        assert "failed" in text
        assert "lr" in text.splitlines()[0].split()


def test_rows_beyond_the_top_are_counted_and_the_baseline_is_always_there() -> None:
    _, lines = shown(120)
    assert lines[-1].split() == ["...", "3", "more"]
    assert sum("none" in line or "defaults" in line for line in lines) == 2


def test_a_null_that_was_chosen_is_told_from_a_parameter_that_does_not_apply() -> None:
    clip = {
        "a.clip": Choice(values=(None, 1)),
        "b.x": Uniform(low=0, high=1, when={"a.clip": (1,)}),
    }
    rows, lines = shown(120, space=clip, sampler={"type": "random"}, baseline=False, trials=8)
    assert lines[0].split()[-2:] == ["clip", "x"]
    for row in rows[:2]:
        line = next(line for line in lines if row.trial in line)
        assert line.endswith("null") == (row.params["a.clip"] is None)
    assert any("null" in line for line in lines)


def test_a_parameter_that_left_the_space_keeps_its_column() -> None:
    ledger = Ledger.in_memory(clock=VirtualClock())
    gone = {"a.lr": Uniform(low=0, high=1), "b.old": Uniform(low=0, high=1)}
    fields: dict[str, Any] = {"objectives": {"map": "max"}, "epochs": 1, "baseline": False}

    def objective(work: Assignment, epoch: float) -> dict[str, float]:
        return {"map": work.params["a.lr"]}

    simulate(make_spec(**fields, space=gone, trials=2), objective, ledger=ledger)
    for later in ({}, {"b.old": Fixed(value=0.5)}):
        spec = make_spec(**fields, space={"a.lr": gone["a.lr"], **later}, trials=4)
        state = simulate(spec, objective, ledger=ledger).state
        lines = to_text(leaderboard_table(leaderboard(state, spec), spec, width=120)).splitlines()
        assert lines[0].split()[-2:] == ["lr", "old"]
        first = next(line for line in lines if "t0001" in line)
        assert first.split()[-1] == f"{state.trials['t0001'].params['b.old']:.3g}"


def test_the_reason_of_a_failure_is_cut_between_words() -> None:
    reason = "no checkpoint runs/teacher-digits-gfl/checkpoint.pth; train the teacher first"

    def broken(work: Assignment, epoch: float) -> dict[str, float]:
        raise Failure("user", reason)

    spec = make_spec(baseline=False, trials=2, epochs=1)
    state = simulate(spec, broken).state
    text = to_text(leaderboard_table(leaderboard(state, spec), spec, width=200))
    assert "failed (no checkpoint ...)" in text


def moded(*modes: dict[str, str]) -> list[str]:
    """The leaderboard of a baseline and of trials in these modes."""
    spec = make_spec(
        objectives={"map": "max"},
        epochs=1,
        space={"a.lr": Uniform(low=0, high=1)},
        trials=len(modes),
        scheduler=scheduler_of("none"),
    )
    search = Search.open(spec, Ledger.in_memory(clock=VirtualClock()))
    left = list(modes)
    while isinstance(work := search.next(), Assignment):
        mode = left.pop() if work.stage == "search" else {}
        search.proved(work.trial, {}, modes[0] if work.label == "defaults" else mode)
        search.report(work.trial, 1, 1.0, {"map": 0.5}, 1.0, 1)
        search.complete(work.trial)
    rows = leaderboard(search.state, spec)
    return to_text(leaderboard_table(rows, spec, width=120)).splitlines()


def test_trials_of_one_mode_have_a_column_for_it_and_no_warning() -> None:
    lines = moded({"teacher": "bfloat16"}, {"teacher": "bfloat16"})
    assert "mode" in lines[0]
    assert sum("teacher=bfloat16" in line for line in lines) == 3
    # The student alone has no teacher: it is trained in the same way.
    assert not any("warning" in line for line in lines)


def test_trials_of_different_modes_are_not_compared_silently() -> None:
    text = " ".join(moded({"teacher": "bfloat16", "cache": "float16"}, {}))
    assert "2 modes" in text
    assert "cache=float16, teacher=bfloat16" in text
    assert "the default" in text


def test_without_modes_there_is_no_column() -> None:
    assert "mode" not in " ".join(moded({}, {}))


@pytest.mark.parametrize("width", [60, 120, 300])
def test_a_long_value_leaves_a_line_a_trial(width: int) -> None:
    """The values may differ at their ends, as paths do."""
    long = tuple("/data/" + "x" * 7000 + f"\n{name}.pth" for name in ("first", "second"))
    space = {"a.file": Choice(values=long), "b.lr": Uniform(low=0, high=1)}
    _, lines = shown(width, space=space, baseline=False, trials=2, sampler={"type": "random"})
    assert max(map(len, lines)) <= width
    if width == 60:
        assert "lr" in lines[0].split()
        assert "no room for file" in lines[-1]
        return
    text = "".join(lines).replace(" ", "")
    assert "/data/xxx" in text
    assert any(f"{name}.pth" in text for name in ("first", "second"))


def test_a_short_text_is_whole() -> None:
    assert short_value("a" * 40) == "a" * 40
    assert short_value("a" * 41) == "a" * 19 + "..." + "a" * 18
