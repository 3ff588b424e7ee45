from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import (
    OBJECTIVE,
    SPACE,
    learning_curve,
    make_spec,
    sampler_of,
    scheduler_of,
)

from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Budget, Confirm, Interval, SearchSpec
from tid_tune.space import LogUniform, Uniform


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Run a spec on the same ledger, until it ends or for some reports."""
    path, clock = tmp_path / "ledger.jsonl", VirtualClock()

    def go(spec: SearchSpec, reports: int | None = None) -> Search:
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            search = Search.open(spec, ledger)
            simulator = Simulator(search, learning_curve, clock)
            if reports is None:
                simulator.run()
            else:
                for _ in range(reports):
                    simulator.step()
            return search

    setattr(go, "path", path)  # noqa: B010 - a function has no such attribute to a type checker
    return go


def test_more_trials_are_added_to_those_that_are_there(run: Any) -> None:
    first = run(make_spec(trials=6))
    before = {t.id: t.value(OBJECTIVE) for t in first.state.trials.values()}
    search = run(make_spec(trials=10))
    after = {t.id: t.value(OBJECTIVE) for t in search.state.trials.values()}
    assert after.items() >= before.items()
    assert len(after) == len(before) + 4
    assert "8 finished trials kept" in search.notes
    assert "4 search trials still to come (of 10)" in search.notes
    assert "trials: 6 -> 10" in search.notes


def test_fewer_trials_than_there_are_add_none(run: Any) -> None:
    run(make_spec(trials=6))
    assert len(run(make_spec(trials=3)).state.trials) == 8


def test_a_wider_space_keeps_what_has_been_observed(run: Any) -> None:
    run(make_spec(trials=6))
    wide = {**SPACE, "weight": LogUniform(low=0.01, high=100)}
    search = run(make_spec(trials=40, space=wide))
    assert "space: weight: high 10.0 -> 100.0, low 0.1 -> 0.01" in _sorted_notes(search)
    assert not any("outside" in note for note in search.notes)
    weights = [t.params["weight"] for t in search.state.trials.values() if t.stage == "search"]
    assert any(not 0.1 <= w <= 10 for w in weights[6:])


def _sorted_notes(search: Search) -> Any:
    """Notes with the changes within each one sorted."""
    notes = []
    for note in search.notes:
        head, colon, changes = note.rpartition(": ")
        notes.append(head + colon + ", ".join(sorted(changes.split(", "))))
    return notes


def test_trials_outside_a_narrower_space_stay_history_that_the_sampler_does_not_see(
    run: Any,
) -> None:
    first = run(make_spec(trials=12))
    narrow = {**SPACE, "weight": LogUniform(low=2, high=3)}
    outside = [
        t.id
        for t in first.state.trials.values()
        if t.stage == "search" and not 2 <= t.params["weight"] <= 3
    ]
    search = run(make_spec(trials=20, space=narrow))
    note = " ".join(note for note in search.notes if "outside the new space" in note)
    assert outside
    assert outside[0] in note
    assert "weight" in note
    stream = search._director.searching.streams[""]
    seen = {o.number for o in stream.known.window()}
    assert not seen & {search.state.trials[name].number for name in outside}
    new = [t for t in search.state.trials.values() if t.number >= 14]
    assert all(2 <= t.params["weight"] <= 3 for t in new)


def test_a_new_parameter_makes_old_trials_history(run: Any) -> None:
    run(make_spec(trials=4))
    search = run(make_spec(trials=6, space={**SPACE, "lr": Uniform(low=0, high=1)}))
    assert "space: lr is new" in search.notes
    assert any("no value for lr" in note for note in search.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 12},
        {"objectives": {"loss": "min"}},
        {"trial": "/configs/other.py"},
        {"report_every": Interval(count=2)},
        {"seed": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_would_make_trials_incomparable_is_refused_and_nothing_is_written(
    run: Any, change: Any
) -> None:
    run(make_spec(trials=3))
    before = run.path.read_bytes()
    with pytest.raises(UsageError, match="--fresh") as refused:
        run(make_spec(trials=3, **change))
    assert next(iter(change)) in str(refused.value)
    assert run.path.read_bytes() == before


def test_another_scheduler_is_refused_only_while_trials_wait_at_its_rungs(run: Any) -> None:
    hyperband = make_spec(scheduler=scheduler_of("hyperband"), baseline=False, trials=12)
    run(hyperband, reports=6)
    with pytest.raises(UsageError, match="scheduler"):
        run(make_spec(baseline=False, trials=12))
    run(hyperband)
    search = run(make_spec(baseline=False, trials=16))
    assert len(search.state.trials) == 16


def test_methods_may_be_compared_later_and_earlier_trials_are_history(run: Any) -> None:
    run(make_spec(trials=4), reports=30)
    search = run(make_spec(trials=6, method=("tid", "fgd")))
    assert any("their method is not compared any more" in note for note in search.notes)
    methods = [t.method for t in search.state.trials.values() if t.stage == "search"]
    assert methods.count("tid") == methods.count("fgd") == 3
    assert all(t.status.final for t in search.state.trials.values())


def test_another_sampler_goes_on_with_what_has_been_observed(run: Any) -> None:
    run(make_spec(trials=12, sampler=sampler_of("random")))
    search = run(make_spec(trials=14, sampler=sampler_of("tpe")))
    assert any(note.startswith("sampler: type random -> tpe") for note in search.notes)
    assert [t.origin for t in search.state.trials.values()][-1] == "tpe"


@pytest.mark.parametrize(
    ("began", "trials", "goes_on"),
    [
        ({}, 1000, "gp"),
        ({"type": "tpe"}, 14, "tpe"),
        ({"type": "gp"}, 1000, "gp"),
        ({"type": "random"}, 14, "gp"),
    ],
    ids=str,
)
def test_a_run_keeps_its_sampler_where_the_search_space_names_none(
    run: Any, began: Any, trials: int, goes_on: str
) -> None:
    """A ledger holds the sampler's type; what was the default then may not be the default now."""
    run(make_spec(trials=12, sampler=began))
    for unnamed in ({}, {"sampler": {"startup_trials": 3}}):
        search = run(make_spec(trials=trials, **unnamed), reports=3)
        assert search.spec.sampler.type == goes_on
        assert search.state.spec["sampler"]["type"] == goes_on


def test_a_sampler_that_is_named_takes_the_place_of_the_recorded_one(run: Any) -> None:
    run(make_spec(trials=12, sampler={"type": "tpe"}))
    search = run(make_spec(trials=14, sampler=sampler_of("gp")))
    assert any(note.startswith("sampler: type tpe -> gp") for note in search.notes)


def test_a_baseline_switched_on_later_is_run(run: Any) -> None:
    run(make_spec(trials=2, baseline=False))
    search = run(make_spec(trials=2))
    assert sorted(t.label for t in search.state.trials.values()) == ["", "", "defaults", "none"]


@pytest.mark.parametrize("change", [{"baseline": False}, {"method": ("fgd", "pkd")}], ids=str)
def test_a_baseline_given_up_after_the_confirmation_is_not_planned_any_more(
    run: Any, change: Any
) -> None:
    confirmed = {"trials": 2, "method": ("tid", "fgd"), "confirm": Confirm(top=1, seeds=2)}
    run(make_spec(**confirmed))
    search = run(make_spec(**{**confirmed, **change, "trials": 4}))
    assert "tid defaults" not in search.state.confirmation.baselines
    assert search.state.result.confirmed is True
    assert all(t.status.final for t in search.state.trials.values())


def test_a_changed_config_file_is_pointed_out(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("a = 1")
    spec = make_spec(trials=2, trial=config)
    run(spec, reports=3)
    assert not any("has changed" in note for note in run(spec, reports=1).notes)
    config.write_text("a = 2")
    assert any(f"{config} has changed" in note for note in run(spec, reports=1).notes)


def test_a_finished_search_that_is_run_again_starts_nothing(run: Any) -> None:
    spec = make_spec(trials=3)
    run(spec)
    lines = run.path.read_bytes().splitlines()
    run(spec)
    added = run.path.read_bytes().splitlines()[len(lines) :]
    assert [b'"event":"opened"' in line for line in added] == [True, False, False]
    assert not any(b'"start"' in line for line in added)


def test_a_ledger_of_a_later_version_is_refused(run: Any) -> None:
    run(make_spec(trials=1))
    text = run.path.read_text()
    run.path.write_text(text.replace('"version":2', '"version":99'))
    with pytest.raises(UsageError, match="later tid-tune"):
        run(make_spec(trials=1))


def test_a_ledger_with_missing_lines_is_refused_with_the_reason(run: Any) -> None:
    run(make_spec(trials=2))
    lines = run.path.read_text().splitlines(keepends=True)
    run.path.write_text("".join(line for line in lines if '"suggested"' not in line))
    with pytest.raises(UsageError, match="lines are missing"):
        run(make_spec(trials=2))


def test_what_is_still_running_or_waiting_is_said_trial_by_trial(run: Any) -> None:
    spec = make_spec(trials=4, budget=Budget(epochs=12), baseline=False)
    run(spec.model_copy(update={"scheduler": scheduler_of("none")}))
    search = run(
        spec.model_copy(update={"scheduler": scheduler_of("none"), "budget": Budget(epochs=90)})
    )
    assert any(
        note.startswith("t0002 continues at epoch 3 of 9 (budget: 12 of 12 epochs")
        for note in search.notes
    )
    assert "budget: epochs 12.0 -> 90.0" in search.notes


def test_simulate_returns_the_finished_search() -> None:
    assert simulate(make_spec(trials=1), learning_curve).state.closed == "all trials are done"


def project(folder: Path, config: str = "model = 1") -> dict[str, Path]:
    """The fields of a spec in a project folder, whose config has this text."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs/trial.py").write_text(config)
    return {"trial": folder / "configs/trial.py", "source": folder / "search.yaml"}


@pytest.mark.parametrize("config", ["model = 1", "model = 2  # edited there"])
def test_a_moved_project_goes_on_where_it_was(run: Any, tmp_path: Path, config: str) -> None:
    run(make_spec(trials=6, **project(tmp_path / "before")))
    search = run(make_spec(trials=7, **project(tmp_path / "after", config)))
    assert len(search.state.trials) == 9
    before, after = (tmp_path / f"{name}/configs/trial.py" for name in ("before", "after"))
    assert f"trial: {before} is now {after}" in search.notes


def test_another_config_of_the_same_name_is_refused(run: Any, tmp_path: Path) -> None:
    run(make_spec(trials=6, **project(tmp_path / "before")))
    other = project(tmp_path / "other", "model = 2")
    with pytest.raises(UsageError, match=r"trial has changed from .*before.* to .*other"):
        run(make_spec(trials=7, **{**other, "source": tmp_path / "search.yaml"}))
