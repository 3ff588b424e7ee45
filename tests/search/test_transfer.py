from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.distribution_examples import EXAMPLES
from support.search_cases import OBJECTIVE, SPACE, learning_curve, make_spec

from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.results.ranking import ranked_full_length
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.search.transfer import narrowed
from tid_tune.searchfile.transfer import Transfer
from tid_tune.space import Constraint, Integer, LogUniform, Uniform


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("earlier")
    with Ledger.open(folder / "ledger.jsonl", clock=VirtualClock()) as ledger:
        search = simulate(make_spec(trials=20), learning_curve, ledger=ledger)
    return folder, [t.params for t in ranked_full_length(search.state, search.spec)]


def test_the_best_trials_of_an_earlier_run_are_tried_first(earlier: Any) -> None:
    folder, best = earlier
    search = simulate(make_spec(transfer=Transfer(run=folder, top=3)), learning_curve)
    searched = [t for t in search.state.trials.values() if t.stage == "search"]
    assert [t.params for t in searched[:3]] == best[:3]
    assert searched[0].origin.startswith("transfer t00")
    assert str(folder) in searched[0].origin
    assert searched[3].origin == "gp"


def test_narrowing_keeps_the_search_near_the_transferred_points(earlier: Any) -> None:
    folder, best = earlier
    spec = make_spec(transfer=Transfer(run=folder, top=3, narrow=True), trials=30)
    search = simulate(spec, learning_curve)
    weights = [p["weight"] for p in best[:3]]
    factor = 100**0.1
    for trial in search.state.trials.values():
        if trial.stage == "search":
            assert min(weights) / factor * 0.999 <= trial.params["weight"]
            assert trial.params["weight"] <= max(weights) * factor * 1.001
    narrow, wide = search.spec.space["weight"], SPACE["weight"]
    assert isinstance(narrow, LogUniform)
    assert isinstance(wide, LogUniform)
    assert narrow.low >= wide.low


@pytest.mark.parametrize(
    ("dist", "values", "expected"),
    [
        (Uniform(low=0, high=1, step=0.1), [0.4, 0.5], (0.3, 0.6)),
        (Uniform(low=0, high=1, step=0.1), [0.0], (0.0, 0.1)),
        (Uniform(low=0, high=1, step=0.5), [0.5], (0.0, 1.0)),
        (LogUniform(low=0.1, high=10, step=0.1), [0.5, 1.0], (0.3, 1.6)),
        (Integer(low=0, high=100, step=5), [40, 50], (30, 60)),
    ],
)
def test_a_range_in_steps_is_narrowed_to_whole_steps(dist: Any, values: Any, expected: Any) -> None:
    found: Any = narrowed({"x": dist}, [{"x": value} for value in values])["x"]
    assert (found.low, found.high) == expected
    assert found.step == dist.step


def test_resuming_does_not_need_the_earlier_run_any_more(earlier: Any, tmp_path: Path) -> None:
    folder, best = earlier
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    spec = make_spec(transfer=Transfer(run=copy, top=2, narrow=True), baseline=False)
    path, clock = tmp_path / "ledger.jsonl", VirtualClock()
    with Ledger.open(path, clock=clock) as ledger:
        run = Simulator(Search.open(spec, ledger), learning_curve, clock)
        run.step()
    shutil.rmtree(copy)
    with Ledger.open(path, clock=clock) as ledger:
        search = simulate(spec, learning_curve, ledger=ledger)
    assert [t.params for t in search.state.trials.values()][:2] == best[:2]


def test_values_the_new_space_does_not_hold_are_drawn_and_said(earlier: Any) -> None:
    folder, best = earlier
    space = {**SPACE, "weight": LogUniform(low=100, high=1000)}
    search = simulate(make_spec(transfer=Transfer(run=folder, top=1), space=space), learning_curve)
    first = next(t for t in search.state.trials.values() if t.stage == "search")
    assert 100 <= first.params["weight"] <= 1000
    assert first.params["threshold"] == best[0]["threshold"]
    assert any("taken without weight" in note for note in search.notes)


def test_earlier_trials_that_break_the_rules_are_passed_over(earlier: Any) -> None:
    folder, best = earlier
    bound = sorted(p["weight"] for p in best)[len(best) // 2]
    rule = Constraint(left="weight", op=">", right=bound)
    lawful = [p for p in best if p["weight"] > bound]
    spec = make_spec(transfer=Transfer(run=folder, top=2, narrow=True), require=(rule,))
    search = simulate(spec, learning_curve)
    searched = [t.params for t in search.state.trials.values() if t.stage == "search"]
    assert searched[:2] == lawful[:2]
    assert all(p["weight"] > bound for p in searched)
    none = Constraint(left="weight", op=">", right=1e6)
    with pytest.raises(UsageError, match=r"none of the \d+ full-length trials .* weight > 1000000"):
        simulate(spec.model_copy(update={"require": (none,)}), learning_curve)


def test_a_rule_that_came_later_drops_recorded_points(earlier: Any) -> None:
    folder, best = earlier
    spec = make_spec(transfer=Transfer(run=folder, top=2))
    rule = Constraint(left="weight", op=">", right=best[0]["weight"])
    later = spec.model_copy(update={"require": (rule,)})
    ledger = Ledger.in_memory(clock=VirtualClock())
    Search.open(spec, ledger).next()
    search = simulate(later, learning_curve, ledger=ledger)
    assert best[0] not in [t.params for t in search.state.trials.values()]
    assert any("is left out" in note for note in search.notes)


def test_points_are_read_anew_until_a_trial_exists(earlier: Any) -> None:
    folder, best = earlier
    spec = make_spec(transfer=Transfer(run=folder, top=1))
    rule = Constraint(left="weight", op="!=", right=best[0]["weight"])
    ledger = Ledger.in_memory(clock=VirtualClock())
    Search.open(spec, ledger)
    later = spec.model_copy(update={"require": (rule,)})
    search = simulate(later, learning_curve, ledger=ledger)
    searched = [t.params for t in search.state.trials.values() if t.stage == "search"]
    assert searched[0] == next(p for p in best if p["weight"] != best[0]["weight"])
    assert not search.notes


def test_a_run_that_is_not_there_or_has_another_objective_is_refused(
    earlier: Any, tmp_path: Path
) -> None:
    folder, _ = earlier
    with pytest.raises(UsageError, match="nowhere"):
        simulate(make_spec(transfer=Transfer(run=tmp_path / "nowhere")), learning_curve)
    with pytest.raises(UsageError, match="recall"):
        simulate(
            make_spec(transfer=Transfer(run=folder), objectives={"recall": "max"}), learning_curve
        )


@pytest.mark.parametrize("dist", EXAMPLES, ids=lambda d: d.kind)
@given(units=st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_narrowed_range_holds_its_points_and_nothing_new(dist: Any, units: Any) -> None:
    values = [dist.decode(unit) for unit in units]
    narrow = narrowed({"x": dist}, [{"x": value} for value in values])["x"]
    assert all(narrow.contains(value) for value in values)
    for unit in (0.0, 0.3, 1.0):
        assert dist.contains(narrow.decode(unit))
    if dist.size is not None:
        assert narrow.size <= dist.size


def test_without_full_length_trials_there_is_nothing_to_start_from(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(make_spec(), ledger)
        work = search.next()
        search.report(work.trial, 1, 1.0, {OBJECTIVE: 0.5}, 1.0, 1, None)
    with pytest.raises(UsageError, match="no trial of full length"):
        simulate(make_spec(transfer=Transfer(run=tmp_path)), learning_curve)
