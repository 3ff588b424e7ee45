"""`tid-tune export` on a run folder written by the search itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from support.export_models import WEIGHT
from support.search_cases import make_spec
from typer.testing import CliRunner

from tid_tune.cli.export import export, parse_size
from tid_tune.errors import UsageError
from tid_tune.export.best import write_best
from tid_tune.export.runs import find_student
from tid_tune.ledger.file import Ledger
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.space import Choice


def test_a_trial_is_found_with_its_values_and_its_result(run_folder: Path) -> None:
    first, best = find_student(RunFolder(run_folder), "t0001"), find_student(RunFolder(run_folder))
    assert first.origin.metrics == {"coco/bbox_mAP": 0.1}
    assert best.origin.metrics == {"coco/bbox_mAP": 0.2}
    assert best.origin.trial == "t0002"
    for found in (first, best):
        searched = {WEIGHT: found.config.model.distillation.loss_weight}
        assert found.origin.params == searched
        assert found.checkpoint.is_file()


def test_the_kept_best_is_used_where_there_is_one(run_folder: Path) -> None:
    run = RunFolder(run_folder)
    write_best(run.state, run.spec, run, run.trial())
    shutil.rmtree(run_folder / "trials")
    assert find_student(run).checkpoint == run_folder / "best" / "checkpoint.pth"
    with pytest.raises(UsageError, match=r"no weights of trial t0001: it was completed at epoch 1"):
        find_student(run, "t0001")


def test_the_student_of_a_search_in_a_store_is_exported_from_there(
    run_folder: Path, tmp_path: Path
) -> None:
    (run_folder / "ledger").mkdir()
    (run_folder / "ledger.jsonl").rename(run_folder / "ledger" / "00000.jsonl")
    place = f"file://{run_folder}"
    export(run=place, out=str(tmp_path / "first"), trial="t0001")
    run = RunFolder(place)
    write_best(run.state, run.spec, run, run.trial())
    assert (run_folder / "best" / "README.md").is_file()
    assert not list(run.trials.rglob("*.pth")), "the copy is in best/"
    shutil.rmtree(run_folder / "trials")
    export(run=place, out=f"file://{tmp_path}/best")
    for out in ("first", "best"):
        assert load_state(tmp_path / out / "checkpoint.pth")["state_dict"]
    with pytest.raises(UsageError, match="no weights of trial t0001"):
        find_student(RunFolder(place), "t0001")


def test_the_kept_best_of_a_search_that_went_on_to_a_better_trial_is_not_used(
    run_folder: Path,
) -> None:
    run = RunFolder(run_folder)
    write_best(run.state, run.spec, run, run.trial("t0001"))
    found = find_student(run)
    assert found.origin.trial == "t0002"
    assert found.checkpoint == run_folder / "trials" / "t0002" / "step_000001.pth"
    searched = {WEIGHT: found.config.model.distillation.loss_weight}
    assert found.origin.params == searched


def test_a_trial_without_weights_is_refused_with_what_became_of_it(
    distilled: tuple[Path, Path], tmp_path: Path
) -> None:
    spec = make_spec(
        name="demo",
        trial=distilled[0],
        epochs=2,
        space={WEIGHT: Choice(values=(0.5, 2.0, 3.0))},
        sampler={"type": "grid"},
        scheduler={"type": "none"},
        baseline=False,
        confirm=None,
        trials=3,
    )
    ledger = Ledger.open(tmp_path / "ledger.jsonl", sync=False)
    search = Search.open(spec, ledger)
    early, broken, fresh = (search.next() for _ in range(3))
    search.report(early.trial, 1, 1.0, {"coco/bbox_mAP": 0.1}, 1.0, 8, "trials/t0001/gone.pth")
    search.complete(early.trial)
    search.fail(broken.trial, "oom", "CUDA out of memory")
    ledger.close()
    for trial, told in (
        (early.trial, r"it was stopped early, at epoch 1, and weights are kept of"),
        (broken.trial, r"it is failed and has reported nothing: CUDA out of memory"),
        (fresh.trial, r"it is interrupted and has reported nothing: the driver ended$"),
    ):
        with pytest.raises(UsageError, match=rf"no weights of trial {trial}: {told}"):
            find_student(RunFolder(tmp_path), trial)
    with pytest.raises(UsageError, match="no trial of full length yet"):
        find_student(RunFolder(tmp_path))


def test_an_unknown_trial_is_answered_with_those_there_are(run_folder: Path) -> None:
    with pytest.raises(UsageError, match="no trial t0009; its trials: t0001, t0002"):
        find_student(RunFolder(run_folder), "t0009")


def test_the_command_writes_the_folder(run_folder: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(export)
    out = tmp_path / "student"
    result = CliRunner().invoke(
        app, [str(run_folder), "--out", str(out), "--onnx", "--size", "64x96"]
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        "config.py",
        "checkpoint.pth",
        "model.onnx",
        "run_without_ops.py",
        "values.yaml",
        "README.md",
    }
    checkpoint: Any = load_state(out / "checkpoint.pth")
    told = checkpoint["meta"]["tid_tune"]
    assert told["search"] == "demo"
    assert told["metrics"] == {"coco/bbox_mAP": 0.2}
    assert "[N, 3, 64, 96]" in (out / "README.md").read_text()


def test_sizes_are_height_x_width() -> None:
    assert parse_size("800x1344") == (800, 1344)
    for wrong in ("800", "0x10", "axb", "800X1344 "):
        with pytest.raises(UsageError, match="HEIGHTxWIDTH"):
            parse_size(wrong)


def test_a_folder_with_something_in_it_is_left_alone_unless_told_otherwise(
    run_folder: Path, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(export)
    out = tmp_path / "student"
    out.mkdir()
    (out / "config.py").write_text("# mine")
    refused = CliRunner().invoke(app, [str(run_folder), "--out", str(out)])
    assert isinstance(refused.exception, UsageError)
    assert "not empty" in str(refused.exception)
    assert (out / "config.py").read_text() == "# mine"
    done = CliRunner().invoke(app, [str(run_folder), "--out", str(out), "--overwrite"])
    assert done.exit_code == 0
    assert (out / "config.py").read_text() != "# mine"
