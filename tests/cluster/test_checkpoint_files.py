"""Which checkpoint files are on disk: what is needed, within the quota."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.search_cases import OBJECTIVE, make_spec, scheduler_of

from tid_tune.cluster.checkpoint_files import GIB, CheckpointFiles
from tid_tune.ledger.file import Ledger
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.retention import Retention

SIZE = 1000


def searched(folder: Path, **changes: Any) -> tuple[Search, RunFolder]:
    rules = {"epochs": 1, "trials": 4, "baseline": False, "scheduler": scheduler_of("none")}
    return Search.open(make_spec(**rules, **changes), Ledger.in_memory()), RunFolder(folder)


def trained(search: Search, run: RunFolder, files: CheckpointFiles, value: float) -> str:
    """Train the next trial to its end; the name of its checkpoint."""
    work = search.next()
    assert isinstance(work, Assignment)
    checkpoint = f"trials/{work.trial}/epoch_1_step_1.pth"
    (run.path / checkpoint).parent.mkdir(parents=True, exist_ok=True)
    (run.path / checkpoint).write_bytes(bytes(SIZE))
    files.written(checkpoint)
    search.report(work.trial, 1, 1.0, {OBJECTIVE: value}, 1.0, 1, checkpoint)
    search.complete(work.trial)
    files.tidy()
    return checkpoint


def on_disk(run: RunFolder) -> set[str]:
    return {str(path.relative_to(run.path)) for path in run.trials.glob("*/*.pth")}


def test_with_a_quota_the_best_trials_that_fit_in_it_stay(tmp_path: Path) -> None:
    search, run = searched(tmp_path)
    files = CheckpointFiles(run, Retention(search), gib=2.5 * SIZE / GIB)
    checkpoints = {value: trained(search, run, files, value) for value in (0.3, 0.1, 0.4, 0.2)}
    assert on_disk(run) == {checkpoints[0.3], checkpoints[0.4]}


def test_without_a_quota_keep_alone_decides(tmp_path: Path) -> None:
    search, run = searched(tmp_path)
    files = CheckpointFiles(run, Retention(search))
    checkpoints = {value: trained(search, run, files, value) for value in (0.3, 0.1, 0.4, 0.2)}
    assert on_disk(run) == {checkpoints[value] for value in (0.2, 0.3, 0.4)}


def test_a_quota_that_is_lowered_before_a_resume_holds_at_once(tmp_path: Path) -> None:
    search, run = searched(tmp_path)
    files = CheckpointFiles(run, Retention(search))
    checkpoints = {value: trained(search, run, files, value) for value in (0.3, 0.1, 0.4, 0.2)}
    CheckpointFiles(run, Retention(search), gib=1.5 * SIZE / GIB)
    assert on_disk(run) == {checkpoints[0.4]}


def test_the_best_trial_stays_above_the_quota_and_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search, run = searched(tmp_path)
    files = CheckpointFiles(run, Retention(search), gib=0.5 * SIZE / GIB)
    checkpoints = {value: trained(search, run, files, value) for value in (0.3, 0.1)}
    assert on_disk(run) == {checkpoints[0.3]}
    assert capsys.readouterr().out.count("Raise keep.gib") == 1


def test_files_that_no_ledger_knows_are_deleted(tmp_path: Path) -> None:
    search, run = searched(tmp_path)
    stray = run.trials / "t0001" / "epoch_1_step_1.pth"
    stray.parent.mkdir(parents=True)
    stray.touch()
    CheckpointFiles(run, Retention(search))
    assert on_disk(run) == set()
