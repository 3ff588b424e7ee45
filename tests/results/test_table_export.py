from __future__ import annotations

import csv
import json
from pathlib import Path

import optuna
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
from tid_tune.ledger.records import Status
from tid_tune.results.existing import Existing
from tid_tune.results.optuna_study import write_optuna
from tid_tune.results.ranking import leaderboard
from tid_tune.results.run_folder import RunFolder
from tid_tune.results.table import write_csv
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Simulator, VirtualClock, simulate
from tid_tune.searchfile.model import Confirm
from tid_tune.space import Choice, Fixed, Integer, LogUniform, Uniform

METHODS = Path(__file__).parents[1] / "fixtures/simulated_ledgers/methods.jsonl"


@pytest.fixture(scope="module")
def search() -> Search:
    def fragile(assignment: Assignment, epoch: float) -> dict[str, float]:
        if assignment.trial == "t0006":
            raise Failure("oom", "CUDA out of memory")
        return learning_curve(assignment, epoch)

    space = {**SPACE, "sizes": Choice(values=([1, 2], None, "auto"))}
    spec = make_spec(space=space, trials=12, confirm=Confirm(top=1, seeds=1))
    return simulate(spec, fragile, workers=2, iterations=lambda assignment: 7)


def test_the_table_has_one_line_per_trial_with_its_exact_values(
    search: Search, tmp_path: Path
) -> None:
    write_csv(search.state, search.spec, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open(newline="") as file:
        rows = {row["trial"]: row for row in csv.DictReader(file)}
    assert rows.keys() == search.state.trials.keys()
    for name, trial in search.state.trials.items():
        row = rows[name]
        assert row["status"] == trial.status
        assert row[OBJECTIVE] == ("" if trial.last is None else str(trial.value(OBJECTIVE)))
        if "weight" in trial.params:
            assert float(row["weight"]) == trial.params["weight"]
        if trial.params.get("sizes") == [1, 2]:
            assert json.loads(row["sizes"]) == [1, 2]
        # Null is a value; a parameter that the trial does not have leaves the cell empty.
        assert (row["sizes"] == "null") == (trial.params.get("sizes", "") is None)
        assert (row["quantile"] == "") == ("quantile" not in trial.params)
    assert "null" in {row["sizes"] for row in rows.values()}
    assert rows["t0006"]["reason"] == "CUDA out of memory"
    assert float(rows["t0001"]["epochs_trained"]) == 9


def test_optuna_reads_the_study_with_its_states_and_intermediate_values(
    search: Search, tmp_path: Path
) -> None:
    path = tmp_path / "study.db"
    write_optuna(search.state, search.spec, path)
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{path}")
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    mine = {t.id: t for t in search.state.trials.values() if t.stage == "search"}
    baselines, searched = study.trials[:2], study.trials[2:]
    assert len(searched) == len(mine)
    expected = {
        Status.COMPLETED: optuna.trial.TrialState.COMPLETE,
        Status.STOPPED: optuna.trial.TrialState.PRUNED,
        Status.FAILED: optuna.trial.TrialState.FAIL,
    }
    for frozen in searched:
        trial = mine[frozen.user_attrs["trial"]]
        assert frozen.state == expected[trial.status]
        assert frozen.intermediate_values == {r.epoch: r.metrics[OBJECTIVE] for r in trial.reports}
        assert frozen.params["weight"] == trial.params["weight"]
        if trial.status is not Status.FAILED:
            assert frozen.value == trial.value(OBJECTIVE)
    assert study.best_value == max(
        t.value(OBJECTIVE) or 0.0 for t in mine.values() if t.status is Status.COMPLETED
    )
    assert study.metric_names == [OBJECTIVE]
    assert [frozen.user_attrs["tag"] for frozen in baselines] == [
        "baseline: none",
        "baseline: defaults",
    ]
    assert all(frozen.state is optuna.trial.TrialState.PRUNED for frozen in baselines)
    assert [frozen.value for frozen in baselines] == [
        search.state.trials[name].value(OBJECTIVE) for name in ("t0001", "t0002")
    ]
    rows = {row.trial: row for row in leaderboard(search.state, search.spec)}
    for frozen in searched:
        facts = frozen.user_attrs
        assert facts.get("gain") == rows[facts["trial"]].gain
        last = mine[facts["trial"]].last
        assert facts.get("checkpoint") == (None if last is None else last.checkpoint)
        assert facts["stage"] == "search"
    best = next(f for f in searched if f.user_attrs["trial"] == study.user_attrs["best trial"])
    (again,) = [
        t.value(OBJECTIVE)
        for t in search.state.trials.values()
        if t.stage == "confirm" and t.label == best.user_attrs["trial"]
    ]
    assert best.user_attrs["confirmed mean"] == again
    with pytest.raises(UsageError, match="exists"):
        write_optuna(search.state, search.spec, path)


def test_baselines_leave_optuna_its_importances(search: Search, tmp_path: Path) -> None:
    write_optuna(search.state, search.spec, tmp_path / "s.db")
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{tmp_path / 's.db'}")
    assert {"weight", "threshold"} <= optuna.importance.get_param_importances(study).keys()


def extended(ledger: Ledger, trials: int) -> Search:
    spec = make_spec(trials=trials, sampler=sampler_of("random"))
    return simulate(spec, learning_curve, ledger=ledger)


def names(path: Path) -> list[str]:
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{path}")
    return [frozen.user_attrs["trial"] for frozen in study.trials]


def test_a_file_is_extended_by_the_trials_that_it_lacks(tmp_path: Path) -> None:
    ledger, path = Ledger.in_memory(clock=VirtualClock()), tmp_path / "s.db"
    first = extended(ledger, 4)
    assert write_optuna(first.state, first.spec, path) == 6
    again = extended(ledger, 7)
    assert write_optuna(again.state, again.spec, path, Existing.EXTEND) == 3
    assert names(path) == list(again.state.trials)
    assert write_optuna(again.state, again.spec, path, Existing.EXTEND) == 0
    new = tmp_path / "new.db"
    assert write_optuna(again.state, again.spec, new, Existing.EXTEND) == 9


def test_a_file_of_another_search_is_not_extended_and_is_replaced_when_asked(
    search: Search, tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    other = extended(Ledger.in_memory(clock=VirtualClock()), 3)
    write_optuna(other.state, other.spec, path)
    with pytest.raises(UsageError, match="another search"):
        write_optuna(search.state, search.spec, path, Existing.EXTEND)
    renamed = search.spec.model_copy(update={"name": "renamed"})
    with pytest.raises(UsageError, match="no study renamed"):
        write_optuna(search.state, renamed, path, Existing.EXTEND)
    assert len(names(path)) == 5
    assert write_optuna(search.state, search.spec, path, Existing.OVERWRITE) == 14
    assert len(names(path)) == 14
    assert [item.name for item in tmp_path.iterdir()] == ["s.db"]
    path.write_text("no database")
    with pytest.raises(UsageError, match="no file of Optuna"):
        write_optuna(search.state, search.spec, path, Existing.EXTEND)


def test_a_trial_that_has_gone_on_keeps_a_file_from_being_extended(tmp_path: Path) -> None:
    """Optuna cannot change a trial that has ended there."""
    clock = VirtualClock()
    ledger, path = Ledger.in_memory(clock=clock), tmp_path / "s.db"
    spec = make_spec(trials=4, scheduler=scheduler_of("none"), baseline=False)
    search = Search.open(spec, ledger)
    run = Simulator(search, learning_curve, clock)
    run.step()
    search.interrupt("t0001")
    write_optuna(search.state, spec, path)
    simulate(spec, learning_curve, ledger=ledger)
    later = Search.open(spec, ledger)
    with pytest.raises(UsageError, match=r"t0001 was interrupted .* --overwrite"):
        write_optuna(later.state, spec, path, Existing.EXTEND)


def test_the_compared_methods_are_a_parameter(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.ledger.write_bytes(METHODS.read_bytes())
    write_optuna(run.state, run.spec, tmp_path / "s.db")
    study = optuna.load_study(study_name=run.spec.name, storage=f"sqlite:///{tmp_path / 's.db'}")
    searched = [frozen for frozen in study.trials if frozen.user_attrs["stage"] == "search"]
    assert {frozen.params["method"] for frozen in searched} == set(run.spec.method)
    assert all(frozen.params["method"] == frozen.user_attrs["method"] for frozen in searched)


def test_trials_of_an_earlier_wider_space_are_exported_too(search: Search, tmp_path: Path) -> None:
    space = {
        **search.spec.space,
        "weight": LogUniform(low=1, high=1.1),
        "sizes": Choice(values=("auto",)),
    }
    write_optuna(search.state, search.spec.model_copy(update={"space": space}), tmp_path / "s.db")
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{tmp_path / 's.db'}")
    assert len(study.trials) == 14


KINDS = {
    "uniform": Uniform(low=0, high=1),
    "log_uniform": LogUniform(low=1e-3, high=1),
    "integer": Integer(low=0, high=5),
    "log_integer": Integer(low=1, high=9, log=True),
    "choice": Choice(values=(None, 0.5, "a", {"m": 1})),
    "fixed": Fixed(value={"a": 1}),
}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("uniform", "integer"),
        ("integer", "log_uniform"),
        ("choice", "uniform"),
        ("fixed", "log_integer"),
    ],
)
def test_a_parameter_that_became_of_another_kind_is_exported(
    earlier: str, later: str, tmp_path: Path
) -> None:
    ledger = Ledger.in_memory(clock=VirtualClock())
    for kind, trials in ((earlier, 4), (later, 8)):
        space = {"x": KINDS[kind], "y": Uniform(low=0, high=1)}
        spec = make_spec(space=space, trials=trials, baseline=False, epochs=1)
        search = simulate(spec, learning_curve, ledger=ledger)
    write_optuna(search.state, search.spec, tmp_path / "s.db")
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{tmp_path / 's.db'}")
    values = [t.params["x"] for t in search.state.trials.values()]
    flat = [json.dumps(v) if isinstance(v, dict) else v for v in values]
    assert [trial.params["x"] for trial in study.trials] == flat
