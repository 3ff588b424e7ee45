"""A machine that cannot run a trial is noted by `validate`, and ends `run` before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.search_cases import make_spec

from tid_tune.errors import UsageError
from tid_tune.openmmlab.configs import Config
from tid_tune.preflight.checks import check
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.resources import check_resources, require_here
from tid_tune.searchfile.model import Resources

TOO_MUCH = [Resources(gpus=1), Resources(cpus=10_000), Resources(gpus=0.5)]


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def plan(resources: Resources) -> Plan:
    return Plan(Config(), Path("config.py"), make_spec(resources=resources))


def test_it_is_one_of_the_checks_of_every_search() -> None:
    spec = make_spec(resources=Resources(gpus=1), trainable="mine:Mine")
    (found,) = check(Plan(Config(), Path("config.py"), spec))
    assert "--address" in found.text


@pytest.mark.parametrize("resources", TOO_MUCH)
def test_too_much_is_a_note_and_an_error_for_this_machine(resources: Resources) -> None:
    (found,) = check_resources(plan(resources))
    assert found.severity == "note"
    assert "--address" in found.text
    with pytest.raises(
        UsageError, match=r"asks for .* this machine has .*--set resources"
    ) as error:
        require_here(resources)
    assert f"{resources.gpus:g} GPUs" in str(error.value)
    assert f"{resources.cpus:g} CPUs" in str(error.value)


def test_what_fits_is_not_mentioned() -> None:
    assert list(check_resources(plan(Resources(cpus=1)))) == []
    require_here(Resources(cpus=1))


def test_a_named_cluster_may_have_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "host:6379")
    assert list(check_resources(plan(Resources(gpus=1)))) == []


def test_a_trainable_of_the_users_own_must_say_that_it_trains_ranks() -> None:
    spec = make_spec(resources=Resources(cpus=0.1, ranks=2), trainable="mine:Mine")
    (found,) = check_resources(Plan(Config(), Path("config.py"), spec))
    assert found.severity == "note"
    assert "mine:Mine" in found.text
    assert "trains_ranks = True" in found.text
    assert list(check_resources(plan(Resources(cpus=0.1, ranks=2)))) == []


def test_a_run_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    from tid_tune.cluster.driver import run_search

    with pytest.raises(UsageError, match="1 GPUs"):
        run_search(make_spec(resources=Resources(gpus=1)), runs=tmp_path, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_run_stays_where_it_is_if_a_fresh_one_does_not_fit(tmp_path: Path) -> None:
    from tid_tune.cluster.driver import run_search

    spec = make_spec(resources=Resources(gpus=1))
    (tmp_path / spec.name).mkdir()
    (tmp_path / spec.name / "ledger.jsonl").touch()
    with pytest.raises(UsageError, match="1 GPUs"):
        run_search(spec, runs=tmp_path, root=tmp_path, fresh=True)
    assert [path.name for path in tmp_path.iterdir()] == [spec.name]
