"""`tid-tune validate` and `tid-tune schema`, as a user meets them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from support.spec_samples import HEAD, LR, ONE, with_line
from typer.testing import CliRunner

from tid_tune.cli.validate import schema, validate
from tid_tune.errors import SpecError
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.stages.plan import Stage, stages
from tid_tune.searchfile import load

app = typer.Typer()
app.command()(validate)
app.command()(schema)


@pytest.fixture
def recorded_run(tmp_path: Path) -> Path:
    """The folder of an earlier search."""
    ledger = Path(__file__).parents[1] / "fixtures/recorded_ledgers/digits_gfl_tid.jsonl"
    folder = tmp_path / "runs/earlier"
    folder.mkdir(parents=True)
    shutil.copy(ledger, folder / "ledger.jsonl")
    return folder


def test_validate_shows_the_space_and_the_stages() -> None:
    Path("search.yaml").write_text(
        with_line("trials: 4\nconfirm: true\nrequire: [lr > 0.2]\nbudget: {x: 3}")
    )
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick", "--set", "epochs=2"])
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert lines[0] == "test: file and config are valid; 1 searched parameter of config.py"
    assert "optim_wrapper.optimizer.lr uniform 0.1, 1" in lines
    assert "require optim_wrapper.optimizer.lr > 0.2" in lines
    assert "baseline 2 at most 4" in lines
    assert "search 4 at most 8" in lines
    assert "confirm 12 at most 24" in lines
    assert "sampler gp (the default up to 300 trials); scheduler asha; budget x 3" in lines[-2]
    assert "models" in lines[-1]
    assert "not checked" in lines[-1]


def test_values_that_have_no_room_go_on_below_themselves() -> None:
    steps = ", ".join(f"{step / 100:g}" for step in range(10, 40))
    Path("search.yaml").write_text(f"{HEAD}space:\n  {LR}: {{ordinal: [{steps}]}}\n")
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    lines = result.output.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(LR))
    last = lines.index("", first)
    assert last > first + 1
    assert " ".join(" ".join(lines[first:last]).split()) == f"{LR} ordinal {steps}"
    assert max(map(len, lines)) <= 100


def test_validate_shows_the_points_to_start_from_and_what_is_drawn() -> None:
    lines = [f"  {name}: {{uniform: [0, 1]}}" for name in (LR, "optim_wrapper.optimizer.momentum")]
    lines += ["  model.distillation.select: {choice: [threshold, quantile]}"]
    lines += ["  model.distillation.quantile: {uniform: [0.1, 0.2], when: {select: quantile}}"]
    start = "start_from: [{lr: 0.25, select: threshold}, {}]"
    Path("search.yaml").write_text("\n".join([f"{HEAD}space:", *lines, start]))
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    shown = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "1 lr 0.25, select threshold momentum" in shown
    assert "2 none lr, momentum, select, quantile" in shown


def test_validate_shows_the_trials_of_an_earlier_run_that_it_starts_from(
    recorded_run: Path,
) -> None:
    lr = "  optim_wrapper.optimizer.lr: {log_uniform: [1e-3, 1]}"
    start = f"start_from: {{run: '{recorded_run}', top: 2}}"
    Path("search.yaml").write_text("\n".join([f"{HEAD}space:", lr, start]))
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    shown = [line.split()[:2] for line in result.output.splitlines() if line.startswith("t00")]
    best = RunFolder(recorded_run).leaderboard()
    ranked = [row.trial for row in best if row.stage == "search" and row.rank is not None]
    assert shown == [[name, "lr"] for name in ranked[:2]]
    assert "taken without model.distillation.loss_weight" in " ".join(result.output.split())


def test_validate_names_the_sampler_and_whether_it_is_the_default() -> None:
    for lines, shown in (
        ("trials: 1000", "sampler tpe (the default beyond 300 trials);"),
        ("sampler: tpe", "sampler tpe;"),
    ):
        Path("search.yaml").write_text(with_line(lines))
        result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
        assert shown in " ".join(result.output.split())


def test_validate_tells_that_nobody_is_stopped_where_objectives_are_several() -> None:
    Path("search.yaml").write_text(with_line("objectives: {coco/bbox_mAP: max, gflops: min}"))
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    assert "scheduler none (several objectives)" in " ".join(result.output.split())


def test_validate_raises_what_main_turns_into_exit_code_2() -> None:
    Path("search.yaml").write_text(with_line("trails: 3"))
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    assert isinstance(result.exception, SpecError)
    assert result.exception.exit_code == 2


def test_validate_finds_rules_that_contradict_each_other() -> None:
    lines = [f"  {name}: {{uniform: [0, 1]}}" for name in (LR, "optim_wrapper.optimizer.momentum")]
    rules = "require: [lr < momentum, momentum < lr]"
    Path("search.yaml").write_text("\n".join([f"{HEAD}space:", *lines, rules]))
    result = CliRunner().invoke(app, ["validate", "search.yaml", "--quick"])
    assert isinstance(result.exception, SpecError)
    assert "require: none of 20000 random points" in str(result.exception)


def test_schema_prints_the_schema() -> None:
    result = CliRunner().invoke(app, ["schema"])
    assert json.loads(result.output)["title"] == "tid-tune search space"


def test_a_comparison_shares_the_trials() -> None:
    Path("search.yaml").write_text(with_line("method: [tid, none]\ntrials: 5\nepochs: 1"))
    spec = load("search.yaml")
    assert stages(spec) == [Stage("baseline", 2, 2), Stage("search", 6, 6)]


def test_validating_quickly_imports_nothing_heavy() -> None:
    Path("search.yaml").write_text(ONE)
    code = (
        "import sys; from tid_tune.cli.validate import validate;"
        "validate('search.yaml', quick=True);"
        "heavy = {'torch', 'ray', 'optuna', 'mlflow', 'mmdet', 'jsonschema'} & sys.modules.keys();"
        "sys.exit(' '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
