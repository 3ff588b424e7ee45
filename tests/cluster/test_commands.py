"""The commands that look at runs, on a ledger made by the simulator."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.search_cases import make_spec
from support.toy import toy_metrics
from support.workplace import CONFIG
from typer.testing import CliRunner, Result

from tid_tune.cli import app
from tid_tune.errors import TrialError, UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.results.costs import cost_rows
from tid_tune.results.one_trial import ProofRow, config_diff, proof_rows
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.searchfile.model import Interval
from tid_tune.space import LogUniform


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run folder `runs/toy`, seen from the folder it was made in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    spec = make_spec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=5,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
    )
    with Ledger.open(tmp_path / "runs/toy/ledger.jsonl", clock=VirtualClock()) as ledger:
        search = simulate(spec, toy_metrics, ledger=ledger)
        search.proved("t0003", {"optim_wrapper.optimizer.lr": 0.123})
    return Path("runs/toy")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments])


def refused(*arguments: object) -> str:
    """The message of a command that must be refused without a traceback."""
    error = call(*arguments).exception
    assert isinstance(error, UsageError)
    return str(error)


def test_status_shows_how_it_ended_and_the_cost_by_stage(run: Path) -> None:
    folder = RunFolder.open(run)
    shown = call("status", run)
    assert shown.exit_code == 0
    assert folder.standing() == "finished: all trials are done"
    assert "toy: finished: all trials are done" in shown.output
    baseline, *_, total = cost_rows(folder.state, folder.spec)
    assert (baseline.stage, baseline.trials) == ("baseline", 2)
    assert (total.stage, total.trials) == ("all", 7)


def test_show_puts_the_value_in_effect_beside_the_sampled_one(run: Path) -> None:
    trial = RunFolder.open(run).trial("t0003")
    sampled = trial.params["optim_wrapper.optimizer.lr"]
    assert proof_rows(trial) == [ProofRow("optim_wrapper.optimizer.lr", sampled, "0.123")]
    assert "0.123" in call("show", run, "t0003").output


def test_show_has_the_resolved_config_as_a_diff(run: Path) -> None:
    folder = RunFolder.open(run)
    trial = folder.trial("t0003")
    added = [line for line in config_diff(trial, folder.spec.trial) if line.startswith("+")]
    assert any(f"{trial.params['optim_wrapper.optimizer.lr']:.6g}" in line for line in added)


def test_a_name_without_its_folder_is_understood(run: Path) -> None:
    assert "did you mean runs/toy" in refused("status", "toy")
    assert "did you mean runs/toy" in refused("status", "runs/toi")


def test_an_unknown_trial_is_refused_with_the_known_ones(run: Path) -> None:
    assert "has no trial t9999; its trials: t0001" in refused("show", run, "t9999")


def test_the_ledger_becomes_a_table(run: Path, tmp_path: Path) -> None:
    assert call("table", run, tmp_path / "trials.csv").exit_code == 0
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + 2 + 5
    assert "no folder" in refused("table", run, tmp_path / "none" / "t.csv")
    assert ".csv, .db" in refused("table", run, tmp_path / "trials.txt")


def test_a_run_that_is_over_cannot_be_stopped(run: Path) -> None:
    ended = call("stop", run)
    assert ended.exit_code == 0
    assert "is not running" in ended.output


def test_a_run_that_is_under_way_is_not_moved_aside(run: Path, tmp_path: Path) -> None:
    """Its workers write into the folder."""
    folder = RunFolder(tmp_path / run)
    with Ledger.open(folder.ledger), pytest.raises(UsageError, match="already"):
        folder.move_aside()
    assert folder.exists
    assert folder.move_aside() == tmp_path / "runs/toy.1"
    assert not folder.exists
    assert RunFolder(tmp_path / "runs/toy.1").exists
    assert folder.move_aside() is None, "there is nothing left"


def test_a_search_that_found_nothing_is_listed_as_failed(tmp_path: Path) -> None:
    def broken(assignment: object, epoch: float) -> dict[str, float]:
        raise Failure("user", "no such file")

    spec = make_spec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=2,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
    )
    folder = RunFolder(tmp_path / "toy")
    with Ledger.open(folder.ledger, clock=VirtualClock()) as ledger:
        simulate(spec, broken, ledger=ledger)
    assert folder.standing().startswith("failed: no result")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ledger.jsonl").write_text("{}\n{}\n")
    listed = call("list", "--runs", tmp_path).output
    assert "failed: no result" in listed
    assert "unreadable" in listed, "one damaged ledger does not hide the other runs"


def test_a_crash_is_described_by_its_exception_first() -> None:
    from tid_tune.cluster.trainable import describe

    try:
        Path("/nowhere/at/all").read_text()
    except OSError as error:
        described = describe(error)
    assert described.cause == "crash"
    first, *rest = described.text.splitlines()
    assert first.startswith("FileNotFoundError: ")
    assert any("read_text" in line for line in rest), "and where it came from"


def test_an_error_of_a_trials_own_kind_is_described_as_a_crash_that_can_be_written() -> None:
    from tid_tune.cluster.trainable import describe

    described = describe(TrialError("no file \udcff", kind="timeout"))
    assert described.cause == "crash"
    assert r"\udcff" in described.model_dump_json()


def test_a_value_in_effect_that_json_cannot_hold_fails_its_trial_and_closes_it(
    tmp_path: Path,
) -> None:
    from tid_tune.cluster.messages import Answers, IntervalFailed, PackOrder
    from tid_tune.cluster.trainable import TrialTrainable, WorkOrder

    closed = []

    class Odd(TrialTrainable):
        def build(self, order: WorkOrder) -> Any:
            report = SimpleNamespace(step=1, epoch=1.0, metrics={}, images=1, done=False)
            return SimpleNamespace(
                step=lambda: report,
                effective=lambda: {"lr": object()},
                save=lambda path: None,
                close=lambda: closed.append(order.trial),
            )

    worker = Odd.__new__(Odd)
    order = WorkOrder(
        trial="t0001",
        segment=0,
        config=tmp_path / "config.py",
        edits={},
        seed=0,
        epochs=1,
        report_every=Interval(),
        work_dir=tmp_path / "t0001",
        root=Path.cwd(),
    )
    worker.setup({"order": PackOrder(members=(order,)).model_dump_json()})
    answer = Answers.read(worker.step()).of(["t0001"])["t0001"]
    assert isinstance(answer, IntervalFailed)
    assert (answer.cause, closed) == ("crash", ["t0001"])


def test_a_run_that_never_began_is_listed_and_explained(tmp_path: Path) -> None:
    ledger = tmp_path / "early" / "ledger.jsonl"
    ledger.parent.mkdir()
    ledger.touch()
    listed = call("list", "--runs", tmp_path)
    assert listed.exit_code == 0
    assert "unreadable" in listed.output
    assert "ended before it began" in refused("status", ledger.parent)


def with_checkpoints(run: Path) -> list[Path]:
    """Write the file of every trial's last report, and a best/ as a trainable's own is."""
    folder = RunFolder.open(run)
    files = []
    for trial in folder.state.trials.values():
        files.append(run / "trials" / trial.id / "epoch_3_step_3.pth")
        files[-1].parent.mkdir(parents=True)
        files[-1].write_bytes(bytes(1500))
    return files


def test_clean_lists_before_it_deletes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tid_tune.export.cleaning.is_written", lambda folder, origin: True)
    files = with_checkpoints(run)
    shown = call("clean", run)
    assert shown.exit_code == 0
    assert "trials/t0003/epoch_3_step_3.pth  1.5 kB  search" in shown.output
    assert f"--yes deletes {len(files)} checkpoints, {1.5 * len(files):.3g} kB" in shown.output
    assert all(path.is_file() for path in files)
    shown = call("clean", run, "--yes")
    assert f"deleted {len(files)} checkpoints" in shown.output
    assert not any(path.exists() for path in files)
    assert "0 checkpoints" in call("status", run).output


def test_clean_keeps_everything_while_the_best_student_is_not_written(run: Path) -> None:
    files = with_checkpoints(run)
    assert "does not hold the student of" in refused("clean", run, "--yes")
    assert all(path.is_file() for path in files)


def test_clean_refuses_a_run_that_a_driver_holds_or_that_is_not_finished(run: Path) -> None:
    with Ledger.open(run / "ledger.jsonl"):
        assert "is driven by process" in refused("clean", run, "--yes")
    ledger = run / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    closed = next(at for at, line in enumerate(lines) if '"closed"' in line)
    ledger.write_text("".join(lines[:closed]))
    assert "is not finished" in refused("clean", run, "--yes")


def test_clean_leaves_what_trials_that_go_on_need(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tid_tune.export.cleaning.is_written", lambda folder, origin: True)
    files = with_checkpoints(run)
    ledger = run / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ended = [line for line in lines if '"ended"' in line]
    ledger.write_text("".join(line for line in lines if line != ended[-1]))
    shown = call("clean", run, "--yes")
    assert "1 checkpoint of trials that go on" in shown.output
    assert sum(path.exists() for path in files) == 1
