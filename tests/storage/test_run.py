"""A search whose run folder is in a store: a driver and workers on machines of their own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.object_store import Outage
from support.search_cases import make_spec, scheduler_of
from support.toy import ToyTrainable, ToyTrial
from support.workplace import CONFIG
from typer.testing import CliRunner

from tid_tune import api
from tid_tune.cli import app
from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.cluster.messages import ORDER, Answers, IntervalDone, IntervalFailed
from tid_tune.errors import UsageError
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status
from tid_tune.report.result import write_result
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import LogUniform
from tid_tune.storage import lock
from tid_tune.storage.objects import Objects, StoreError
from tid_tune.storage.places import Uri, child
from tid_tune.storage.stored import worker_files
from tid_tune.trial.report import AREAS_FILE, LOG_FILE

TRIAL = "trials/t0001"


class Machines:
    """Drivers and workers of one search, each with a cache folder of its own."""

    def __init__(self, runs: str, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.place = str(child(runs, "toy"))
        self.root = root
        self.patch = patch
        patch.setenv("TOY_SECONDS", "0")
        patch.setattr(lock, "_SETTLE", 0.0)
        (root / "config.py").write_text(CONFIG)
        self.spec: SearchSpec = make_spec(
            name="toy",
            trial=root / "config.py",
            trainable="toy.py:ToyTrainable",
            epochs=3,
            trials=1,
            baseline=False,
            confirm=None,
            space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
            scheduler=scheduler_of("none"),
            tracking={"enabled": False},
            failures={"stall_minutes": 0},
        )

    def at(self, machine: str) -> None:
        """Go on in the place of another machine."""
        self.patch.setenv("XDG_CACHE_HOME", str(self.root / machine))
        worker_files.cache_clear()

    def files(self, machine: str) -> set[str]:
        """What a machine has of the run folder."""
        (folder,) = (self.root / machine).glob("tid-tune/runs/*/toy")
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}

    def there(self) -> dict[str, int]:
        """What the store has."""
        return Objects(Uri.parse(self.place)).sizes()

    def checkpoints(self) -> set[str]:
        return {name for name in self.there() if name.endswith(".pth") and TRIAL in name}

    @contextlib.contextmanager
    def driver(self, machine: str) -> Iterator[Driver]:
        """Open or resume the search on a machine."""
        self.at(machine)
        run = RunFolder.driven(self.place)
        with (
            run.files.writing() as written,
            Ledger.open(run.ledger, written=written) as ledger,
        ):
            search = Search.open(self.spec, ledger)
            dispatcher = Dispatcher(self.spec, search, run, self.root, lambda: 1)
            yield Driver(self, machine, run, search, dispatcher)


class Driver:
    """A driver, and a worker of its."""

    def __init__(
        self,
        machines: Machines,
        name: str,
        run: RunFolder,
        search: Search,
        dispatcher: Dispatcher,
    ) -> None:
        self.machines, self.name = machines, name
        self.run, self.search, self.dispatcher = run, search, dispatcher
        self.answers: list[IntervalDone | IntervalFailed] = []

    def train(self, machine: str, steps: int) -> None:
        """Let a worker on a machine take an order and train so many epochs."""
        order = self.dispatcher.order(machine)
        assert isinstance(order, dict), order
        self.machines.at(machine)
        worker = ToyTrainable.__new__(ToyTrainable)
        worker.setup({ORDER: order[ORDER]})
        for _ in range(steps):
            self.machines.at(machine)
            result = worker.step()
            (answer,) = Answers.read(result).of(["t0001"]).values()
            self.answers.append(answer)
            self.machines.at(self.name)
            if self.dispatcher.result(machine, result) is None:
                break

    @property
    def last(self) -> Any:
        return self.answers[-1]


@pytest.fixture
def on_disk(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Of a store that needs no server: where it is all the same which one it is."""
    return Machines(folder, tmp_path, monkeypatch)


@pytest.fixture
def machines(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(store, tmp_path, monkeypatch)


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_a_search_goes_on_where_driver_worker_and_their_disks_are_gone(
    machines: Machines, capsys: pytest.CaptureFixture[str]
) -> None:
    with machines.driver("head-1") as driver:
        assert not driver.run.exists or driver.search.state.trials == {}
        driver.train("node-1", 2)
    names = [f"{TRIAL}/epoch_{epoch}_step_{epoch}.pth" for epoch in (1, 2)]
    assert machines.checkpoints() == set(names)
    assert names[1] in machines.files("node-1")
    assert names[0] not in machines.files("node-1"), "the store has it"
    assert not any(name.endswith(".pth") for name in machines.files("head-1"))
    shutil.rmtree(machines.root / "head-1")
    shutil.rmtree(machines.root / "node-1")
    assert "toy: interrupted" in call("status", machines.place)

    with machines.driver("head-2") as driver:
        trial = driver.search.state.trials["t0001"]
        assert [report.epoch for report in trial.reports] == [1, 2]
        driver.train("node-2", 5)
        assert driver.last.done
        assert trial.status is Status.COMPLETED
        assert [report.epoch for report in trial.reports] == [1, 2, 3]
        result = write_result(driver.search.state, machines.spec, driver.run)
    result.show(seconds=1)
    kept = Uri.parse(machines.place).child("best/checkpoint.pth")
    assert f"{kept} with " in capsys.readouterr().out
    assert {"best/config.py", "best/checkpoint.pth", "leaderboard.txt"} <= set(machines.there())
    assert "lock.json" not in machines.there()
    assert machines.checkpoints() == {f"{TRIAL}/epoch_3_step_3.pth"}


def test_the_commands_read_the_store_from_anywhere(machines: Machines) -> None:
    with machines.driver("head") as driver:
        driver.train("node", 3)
        driver.search.next()  # the search is closed
        write_result(driver.search.state, machines.spec, driver.run)
        assert f"process {driver.run.holder().pid}" in call("status", machines.place)
    machines.at("laptop")
    place = machines.place
    runs = str(Uri.parse(place).parent)
    assert "toy" in call("list", "--runs", runs)
    status = call("status", place)
    assert "finished: all trials are done" in status
    assert "of it 1 checkpoint" in status
    assert "epoch" in call("show", place, "t0001")
    assert "t0001" in call("leaderboard", place)
    call("table", place, str(machines.root / "trials.csv"))
    assert f"{TRIAL}/epoch_3_step_3.pth" in call("clean", place)
    assert machines.checkpoints()
    assert "deleted 1 checkpoint" in call("clean", place, "--yes")
    assert not machines.checkpoints()
    assert "not running" in call("stop", place)
    assert not list((machines.root / "laptop").rglob("*")), "commands leave no copy"
    with pytest.raises(UsageError, match=r"no run folder.*did you mean .*toy"):
        RunFolder.open(child(runs, "toys"))


def test_a_script_resumes_a_search_in_a_store(
    on_disk: Machines, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_disk.driver("head") as driver:
        driver.train("node", 1)
    asked: list[tuple[SearchSpec, object]] = []
    monkeypatch.setattr(api, "run", lambda spec, runs, **_: asked.append((spec, runs)))
    api.resume(on_disk.place, trials=2)
    api.resume(RunFolder(on_disk.place))
    ((extended, runs), (same, _)) = asked
    assert (extended.name, extended.trials, same.trials, runs) == ("toy", 2, 1, folder)


def test_an_earlier_run_is_kept_in_the_store(machines: Machines) -> None:
    with machines.driver("head") as driver:
        driver.train("node", 3)
    run = RunFolder.driven(machines.place)
    aside = run.move_aside()
    assert aside == str(Uri.parse(machines.place).parent.child("toy.1"))
    assert run.move_aside() is None
    assert not run.exists
    assert not run.path.exists()
    kept = RunFolder.open(aside)
    checkpoint = kept.checkpoint(kept.trial("t0001"))
    assert checkpoint is not None
    assert checkpoint.read_text() == '{"step": 3}'


def test_a_checkpoint_that_was_damaged_in_the_store_is_not_trained_from(
    on_disk: Machines,
) -> None:
    with on_disk.driver("head") as driver:
        driver.train("node-1", 2)
    Objects(Uri.parse(on_disk.place)).write(f"{TRIAL}/epoch_2_step_2.pth", b'{"step": 9}')
    with on_disk.driver("head") as driver:
        driver.train("node-2", 1)
        assert driver.last.cause is Cause.DAMAGED
        driver.train("node-2", 5)
        assert driver.last.done
        assert [r.epoch for r in driver.search.state.trials["t0001"].reports] == [1, 2, 3]


@pytest.mark.parametrize("name", [LOG_FILE, AREAS_FILE])
def test_a_trials_log_and_its_areas_go_on_on_another_node(
    on_disk: Machines, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    step = ToyTrial.step

    def logged(trial: ToyTrial) -> Any:
        with (trial.order.work_dir / name).open("a") as log:
            log.write(f"epoch {trial.step_done + 1}\n")
        return step(trial)

    monkeypatch.setattr(ToyTrial, "step", logged)
    for node in ("node-1", "node-2", "node-1"):
        with on_disk.driver("head") as driver:
            driver.train(node, 1)
    log = Objects(Uri.parse(on_disk.place)).read(f"{TRIAL}/{name}").decode()
    assert log.splitlines() == ["epoch 1", "epoch 2", "epoch 3"]


def test_a_store_that_is_gone_ends_the_search_as_a_full_disk_does(
    on_disk: Machines, monkeypatch: pytest.MonkeyPatch, outage: Outage
) -> None:
    with on_disk.driver("head") as driver:
        driver.train("node", 1)
        outage.left = -1
        with pytest.raises(StoreError, match="same command"):
            driver.search.placed("t0001", "node")
    outage.left = 0
    for name, seconds in (("STALE", 0.3), ("_LOOK", 0.02)):  # the lock is still there
        monkeypatch.setattr(lock, name, seconds)
    with on_disk.driver("head") as driver:
        assert driver.search.state.trials["t0001"].epoch == 1


def test_a_worker_without_the_store_leaves_its_trial_to_be_resumed(
    on_disk: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on_disk.driver("head") as driver:
        driver.train("node", 1)

    def refuse(objects: Objects, name: str, source: Path) -> None:
        raise StoreError("the store is gone")

    monkeypatch.setattr(Objects, "put", refuse)
    with on_disk.driver("head") as driver:
        driver.train("node", 1)
        assert driver.last.cause is Cause.STORAGE
        assert driver.search.state.no_room == "t0001: the store is gone"
        trial = driver.search.state.trials["t0001"]
        assert (trial.status, trial.epoch) == (Status.INTERRUPTED, 1)
