"""`tid-tune report --measure`: the steps from the defaults to the best, trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.search_cases import make_spec, sampler_of, scheduler_of
from support.toy import OBJECTIVE, toy_value
from support.workplace import CONFIG, Workplace
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.insight.insight import Insight
from tid_tune.insight.measuring import measuring
from tid_tune.ledger.file import Ledger
from tid_tune.report.charts.model import Bars, Chart
from tid_tune.report.page.blocks import Code
from tid_tune.report.page.sections.ablation import section
from tid_tune.report.page.study import Study
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.search.suggestions import effective_of, same_edits
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Choice, LogUniform, Uniform

LR, WEIGHT = "optim_wrapper.optimizer.lr", "model.distillation.loss_weight"
SELECT, QUANTILE = "model.distillation.select", "model.distillation.quantile"
SPACE = {
    LR: LogUniform(low=1e-4, high=1e-1),
    WEIGHT: Uniform(low=0.5, high=10),
    SELECT: Choice(values=("threshold", "quantile")),
    QUANTILE: Uniform(low=0.01, high=0.3, when={SELECT: ("quantile",)}),
}


def value(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Each parameter adds its own part; the config's values are those of an absent one."""
    edits = assignment.edits
    found = toy_value(edits, round(epoch)) - 0.01 * abs(edits.get(WEIGHT, 3.0) - 5.0)
    if edits.get(SELECT, "threshold") == "quantile":
        found += 0.02 - 0.1 * abs(edits.get(QUANTILE, 0.1) - 0.05)
    return {OBJECTIVE: found}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A finished search, and a driver that trains without Ray."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.py").write_text(CONFIG)
    spec = make_spec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=12,
        space=SPACE,
        sampler=sampler_of("random"),
        scheduler=scheduler_of("none"),
    )
    trained(spec, tmp_path / "runs")
    return RunFolder.open(tmp_path / "runs/toy")


def trained(spec: SearchSpec, runs: Path, objective: Any = value) -> None:
    with Ledger.open(runs / spec.name / "ledger.jsonl", clock=VirtualClock()) as ledger:
        simulate(spec, objective, ledger=ledger, workers=2)


def without_ray(monkeypatch: pytest.MonkeyPatch, objective: Any = value) -> list[SearchSpec]:
    """Let the simulator train what the command asks for; return what it asks."""
    from tid_tune.cluster import driver

    asked: list[SearchSpec] = []

    def run_search(spec: SearchSpec, *, runs: Path, **options: object) -> driver.Outcome:
        asked.append(spec)
        trained(spec, runs, objective)
        return driver.Outcome(RunFolder(runs / spec.name), complete=True)

    monkeypatch.setattr(driver, "run_search", run_search)
    return asked


def measure(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command without the report that it writes at its end, which takes longest."""
    monkeypatch.setattr("tid_tune.cli.report._write", lambda folder, out, watch: None)
    result = CliRunner().invoke(app, ["report", str(run.place), "--measure"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def values_of(run: RunFolder) -> tuple[list[float | None], list[str]]:
    """The values of the path in the run folder, and its changes."""
    path = Insight(run.state, run.spec).path
    assert not isinstance(path, str)
    inside = RunFolder(run.path / "ablation")
    found = measuring(path, run.spec, same_edits, inside.state if inside.exists else None)
    return list(found.values), [step.name for step in path.steps]


def test_the_steps_are_trained_once_and_their_gains_add_up(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, changes = values_of(run)
    assert len(changes) == len(set(changes)) >= 2
    assert None not in (before[0], before[-1])
    assert set(before[1:-1]) == {None}
    asked = without_ray(monkeypatch)
    output = measure(run, monkeypatch)
    count = len(changes) - 1
    assert f"{count} trainings from the defaults to" in output
    assert f"{3 * count} epochs" in output, "the cost is there before"
    (spec,) = asked
    assert (spec.trials, spec.epochs, spec.seed, spec.baseline) == (count, 3, run.spec.seed, False)
    after, _ = values_of(run)
    assert None not in after
    path = Insight(run.state, run.spec).path
    assert not isinstance(path, str)
    for step, found in zip(path.steps, after[1:], strict=True):
        assert f"{found:.3f}" in output, "the steps are printed with what they gained"
        wanted = value(Assignment("", "search", "", {}, step.point, 0, 3), 3.0)
        assert found == pytest.approx(wanted[OBJECTIVE]), step.name
    shown = section(Study.of(run.read()))
    assert shown is not None
    (chart,) = [block for block in shown.blocks if isinstance(block, Chart)]
    (panel,) = chart.panels
    gains = np.diff(np.array(after, dtype=float))
    assert [mark.values for mark in panel.marks if isinstance(mark, Bars)] == [
        pytest.approx([step.gain for step in path.steps]),
        pytest.approx(gains),
    ]
    assert not [block for block in shown.blocks if isinstance(block, Code)], "nothing is left"
    assert "are measured" in measure(run, monkeypatch)
    assert len(asked) == 1, "nothing is trained twice"


def test_a_search_that_went_on_measures_only_what_is_new(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = without_ray(monkeypatch)
    measure(run, monkeypatch)
    trained(run.spec.model_copy(update={"trials": 60}), run.path.parent)
    later = run.read()
    assert later.winner != run.winner
    measure(later, monkeypatch)
    known = asked[0].start_from
    assert asked[1].start_from[: len(known)] == known
    assert None not in values_of(later)[0]


def test_a_step_that_failed_leaves_its_gains_empty_and_is_not_tried_for_ever(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(assignment: Assignment, epoch: float) -> dict[str, float]:
        raise Failure("user", "no such file")

    without_ray(monkeypatch, broken)
    measure(run, monkeypatch)
    values, _ = values_of(run)
    assert set(values[1:-1]) == {None}
    assert "are measured" in measure(run, monkeypatch)


def test_without_a_path_nothing_is_trained(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.py").write_text("model = dict()")
    with pytest.raises(UsageError, match="no steps to measure: the default of"):
        measure(run, monkeypatch)


def test_thresholds_between_the_same_scores_are_one_training(run: RunFolder) -> None:
    spec = run.spec.model_copy(
        update={"trainable": "trainables.distillation:DistillationTrainable"}
    )
    effective = effective_of(spec)
    key = "model.distillation.weak_threshold"
    assert effective({key: 1.2}) == effective({key: 1.3})
    assert effective({key: 1.2}) != effective({key: 1.0})


SPEC_LINES = f"  {WEIGHT}: {{uniform: [0.5, 10]}}\n"


@pytest.mark.slow  # what the command asks of the driver is tested above without Ray
def test_the_steps_are_trained_on_ray(workplace: Workplace) -> None:
    file = workplace.root / "space.yaml"
    lines = file.read_text().replace("space:\n", f"space:\n{SPEC_LINES}")
    file.write_text(lines)
    code, output = workplace.run("--set", "scheduler.type=none")
    assert code == 0, output
    process = workplace.command("report", "runs/toy", "--measure")
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert "1 training from the defaults to" in output
    run = RunFolder.open(workplace.root / "runs/toy")
    values, changes = values_of(run)
    assert set(changes) == {LR, WEIGHT}
    assert None not in values
    assert (run.path / "ablation" / "ledger.jsonl").exists()
