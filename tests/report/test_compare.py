"""Searches side by side: what differs, who may be ranked, pairs of equal seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec, sampler_of, scheduler_of
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.report.compare.comparison import Comparison, compare
from tid_tune.report.page.study import Study
from tid_tune.results.costs import run_cost
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.simulate import Objective, VirtualClock, simulate
from tid_tune.search.stages.statistics import estimate
from tid_tune.searchfile.model import Confirm

NONE = "none"


def better(factor: float, noise: float = 0.0) -> Objective:
    """A search whose distilled trials reach more; with noise of their own by seed."""

    def objective(work: Assignment, epoch: float) -> dict[str, float]:
        metrics = learning_curve(work, epoch)
        if work.edits.get("model.distillation.method") != NONE:
            scatter = np.random.default_rng(work.seed).normal() * noise
            metrics[OBJECTIVE] = metrics[OBJECTIVE] * factor + scatter
        return metrics

    return objective


Make = Callable[..., Study]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A function that makes a run and returns its study."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "trial.py"
    config.write_text("model = dict(distillation=dict(method='tid'))\n")

    def make(name: str, objective: Objective = learning_curve, **changes: Any) -> Study:
        fields: dict[str, Any] = {
            "trial": config,
            "epochs": 3,
            "trials": 4,
            "sampler": sampler_of("random"),
            "scheduler": scheduler_of("none"),
            "confirm": Confirm(top=1, seeds=4),
        }
        run = RunFolder(Path("runs") / name)
        with Ledger.open(run.ledger, clock=VirtualClock()) as ledger:
            simulate(make_spec(name=name, **fields | changes), objective, ledger=ledger)
        return Study.of(RunFolder.open(run.place))

    return make


def what(found: Comparison) -> list[str]:
    return [difference.what for difference in found.differences]


def test_what_differs_comes_with_the_values_of_each(search: Make) -> None:
    found = compare([search("a"), search("b", trials=6, seed=3), search("c", trials=6)])
    assert what(found) == ["trials at most", "seed"]
    assert [difference.values for difference in found.differences] == [
        ("4", "6", "6"),
        ("0", "3", "0"),
    ]
    assert found.ranked


@pytest.mark.parametrize(
    ("changes", "names", "reason"),
    [
        ({"epochs": 4}, ["length of a trial"], "longer"),
        ({"objectives": {"loss": "min"}}, ["objective"], "objectives"),
        ({"objectives": {OBJECTIVE: "min"}}, ["objective"], "objectives"),
    ],
)
def test_what_is_not_comparable_is_not_ranked(
    changes: dict[str, Any], names: list[str], reason: str, search: Make
) -> None:
    found = compare([search("a"), search("b", **changes)])
    assert what(found)[: len(names)] == names
    assert not found.ranked
    assert reason in " ".join(found.not_ranked)
    assert [row.rank for row in found.runs] == [None, None]
    assert found.level is None
    assert found.pairs.best == ()
    assert all(row.value is not None for row in found.runs), "the values are shown all the same"


def data_config(path: Path, train: str, val: str) -> Path:
    loader = "dict(dataset=dict(type='CocoDataset', data_root='{}', ann_file='{}'))"
    root = path.parent
    path.write_text(
        f"train_dataloader = {loader.format(root, train)}\n"
        f"val_dataloader = {loader.format(root, val)}\n"
    )
    return path


@pytest.mark.parametrize(
    ("train", "val", "names", "reason"),
    [
        ("train.json", "val.json", [], ""),
        ("train.json", "copy.json", [], ""),
        ("other.json", "val.json", ["training data"], ""),
        ("train.json", "other.json", ["validation data"], "measured on other data"),
        ("train.json", "gone.json", ["validation data"], "it is not known"),
    ],
)
def test_data_is_compared_by_its_content(
    train: str, val: str, names: list[str], reason: str, search: Make, tmp_path: Path
) -> None:
    for name, text in {"train": "1", "val": "2", "copy": "2", "other": "3"}.items():
        (tmp_path / f"{name}.json").write_text(text)
    first = data_config(tmp_path / "one.py", "train.json", "val.json")
    second = data_config(tmp_path / "two.py", train, val)
    found = compare([search("a", trial=first), search("b", trial=second)])
    assert [name for name in what(found) if name.endswith("data")] == names
    assert found.ranked == (not reason)
    assert reason in " ".join(found.not_ranked)


def test_searches_are_ranked_by_what_each_had_at_the_cost_of_the_cheapest(search: Make) -> None:
    studies = [search("long", trials=12), search("short", trials=3)]
    found = compare(studies)
    assert found.equal_epochs == run_cost(studies[1].state).epochs
    long, short = found.runs
    assert short.at_equal_cost == short.value
    assert long.value is not None
    # The values of the first trials of the longer search, by hand.
    spent, best = 0.0, 0.0
    for trial in sorted(studies[0].state.trials.values(), key=lambda t: t.ended or 0.0):
        spent += trial.epoch
        if trial.stage == "search" and spent <= found.equal_epochs:
            best = max(best, trial.value(OBJECTIVE) or 0.0)
    assert long.at_equal_cost == best
    assert sorted(row.rank or 0 for row in found.runs) in ([1, 2], [1, 1])
    assert found.level == min(long.value, short.value or 0.0)


def test_the_cost_of_a_level_is_that_of_all_trials_until_one_has_reached_it(search: Make) -> None:
    study = search("a")
    other = search("b")
    ended = sorted(study.state.trials.values(), key=lambda t: t.ended or 0.0)
    third = [trial for trial in ended if trial.stage == "search"][2]
    level = third.value(OBJECTIVE)
    assert level is not None
    found = compare([study, other], level)
    spent = 0.0
    for trial in ended:
        spent += trial.epoch
        if trial.stage == "search" and (trial.value(OBJECTIVE) or 0.0) >= level:
            break
    assert found.runs[0].epochs_to_level == spent
    assert compare([study, other], 0.99).runs[0].epochs_to_level is None


def test_confirmed_trials_are_compared_by_pairs_of_equal_seeds(search: Make) -> None:
    studies = [search("a"), search("b", better(1.1, noise=0.002))]
    (pair,) = compare(studies).pairs.best
    verdicts = [study.verdict for study in studies]
    groups = [verdict.best for verdict in verdicts if verdict is not None]
    (first, second) = [group.values for group in groups if group is not None]
    gaps = [second[seed] - first[seed] for seed in sorted(first)]
    expected = estimate(gaps)
    assert pair.seeds == (1, 2, 3, 4)
    assert pair.difference.mean == pytest.approx(expected.mean)
    assert pair.difference.low == pytest.approx(expected.low)
    assert pair.difference.high == pytest.approx(expected.high)
    assert pair.verdict == "real gain"
    (back,) = compare(studies[::-1]).pairs.best
    assert back.verdict == "worse"
    assert back.difference.mean == pytest.approx(-pair.difference.mean)


def test_without_pairs_it_is_said_why(search: Make) -> None:
    found = compare([search("a"), search("b", seed=9), search("c", confirm=None)])
    assert found.pairs.best == ()
    text = " ".join(found.pairs.missing)
    assert "seeds 10, 11, 12, 13" in text
    assert "share no seed" in text
    assert "runs/c has no confirmed trial" in text
    (single,) = compare([search("d"), search("e", confirm=Confirm(top=1, seeds=1))]).pairs.best
    assert single.verdict == "1 seed shows no spread"
    assert single.difference.low is None


def test_students_that_train_differently_are_told_by_their_baselines(search: Make) -> None:
    def drifted(work: Assignment, epoch: float) -> dict[str, float]:
        metrics = learning_curve(work, epoch)
        scatter = np.random.default_rng(work.seed).normal() * 0.001
        return {OBJECTIVE: metrics[OBJECTIVE] + 0.03 + scatter}

    search("a"), search("b", drifted)
    shown = CliRunner().invoke(app, ["compare", "runs/a", "runs/b"]).stdout
    assert any(line.split()[:2] == ["rank", "run"] for line in shown.splitlines())
    assert any("seeds 1, 2, 3, 4" in line for line in shown.splitlines())
    assert re.search(r"warning: without distillation, runs/b is \+0\.0\d", shown)
    assert "compare gains and not values" in " ".join(shown.split())
    search("c")
    assert "warning" not in CliRunner().invoke(app, ["compare", "runs/a", "runs/c"]).stdout


def test_methods_inside_a_search_are_compared_too(search: Make) -> None:
    found = compare([search("a"), search("m", method=("tid", "fgd"))])
    arms = [pair.arm for pair in found.pairs.best]
    assert sorted(arm.split()[1] for arm in arms) == ["fgd", "tid"]
    assert {pair.reference.split(":")[0] for pair in found.pairs.best} == {"runs/a"}


def test_less_is_better_where_the_objective_says_so(search: Make) -> None:
    def loss(work: Assignment, epoch: float) -> dict[str, float]:
        return {"loss": 1.0 - learning_curve(work, epoch)[OBJECTIVE]}

    def less(work: Assignment, epoch: float) -> dict[str, float]:
        distilled = work.edits.get("model.distillation.method") != NONE
        noise = np.random.default_rng(work.seed).normal() * 0.001
        return {"loss": loss(work, epoch)["loss"] - 0.05 * distilled + noise}

    goal = {"objectives": {"loss": "min"}}
    found = compare([search("a", loss, **goal), search("b", less, **goal)])
    assert [row.rank for row in found.runs] == [2, 1]
    assert found.pairs.best[0].verdict == "real gain"
    values = [row.value for row in found.runs if row.value is not None]
    assert found.level == max(values)


def test_one_run_twice_or_alone_is_refused(search: Make) -> None:
    study = search("a")
    for studies in ([study], [study, study]):
        with pytest.raises(UsageError, match="two or more different runs"):
            compare(studies)


def test_the_page_has_the_figures_of_the_comparison(search: Make, tmp_path: Path) -> None:
    studies = [search("a"), search("b", better(1.1, noise=0.002))]
    found = compare(studies)
    out = tmp_path / "compare.html"
    done = CliRunner().invoke(app, ["compare", "runs/a", "runs/b", "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    for row in found.runs:
        assert row.run in text
        assert f"{row.value:.3f}" in text
    assert f"+{found.pairs.best[0].difference.mean:.3f}" in text
    assert "real gain" in text
    assert len(text) < 5 * 2**20
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_page_that_cannot_be_written_is_named(search: Make) -> None:
    search("a"), search("b")
    done = CliRunner().invoke(app, ["compare", "runs/a", "runs/b", "--out", "runs"])
    assert isinstance(done.exception, UsageError)
    assert "--out runs: cannot be written" in str(done.exception)
