"""`tid-tune train`: a folder that is finished once, resumed when it was not, never mixed up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from tid_tune.cli.train import train as train_command
from tid_tune.errors import ConfigError, UsageError
from tid_tune.openmmlab.checkpoints import load_weights
from tid_tune.openmmlab.configs import load_config
from tid_tune.trial.training import Unwatched, train


class StopAfter(Unwatched):
    """Interrupts training when an epoch is over, as Ctrl-C would."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def iterated(self, done: int, total: int) -> None:
        if done > self.epoch * 5:
            raise KeyboardInterrupt


@pytest.fixture
def config(shapes_config: Callable[..., Path]) -> Path:
    return shapes_config("train_cfg['max_epochs'] = 2\n", flip=0.5)


def test_a_finished_folder_has_weights_config_and_metrics(config: Path, tmp_path: Path) -> None:
    record, trained = train(config, tmp_path / "run")
    assert trained
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "checkpoint.pth",
        "config.py",
        "metrics.json",
        "trial.log",
    }
    log = (tmp_path / "run" / "trial.log").read_text()
    assert log
    assert "init_weights" not in log, "a line a parameter would hide what a training logs"
    assert "backbone.conv1.weight" in load_weights(tmp_path / "run" / "checkpoint.pth")
    assert load_config(tmp_path / "run" / "config.py").model == load_config(config).model
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written["metrics"] == record.metrics
    assert "coco/bbox_mAP" in written["metrics"]
    assert [entry["epoch"] for entry in written["history"]] == [1.0, 2.0]


def test_an_interrupted_training_ends_as_if_it_had_not_been(config: Path, tmp_path: Path) -> None:
    whole, _ = train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", watcher=StopAfter(1))
    assert (tmp_path / "run" / "last.pth").is_file()
    resumed, trained = train(config, tmp_path / "run")
    assert trained
    assert resumed.metrics == whole.metrics
    assert len(resumed.history) == 2
    weights = [load_weights(tmp_path / run / "checkpoint.pth") for run in ("whole", "run")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_finished_folder_is_left_alone_unless_asked(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / "run", epochs=1)
    before = (tmp_path / "run" / "checkpoint.pth").stat().st_mtime_ns
    assert train(config, tmp_path / "run", epochs=1)[1] is False
    assert (tmp_path / "run" / "checkpoint.pth").stat().st_mtime_ns == before
    assert train(config, tmp_path / "run", epochs=1, fresh=True)[1] is True


def test_a_folder_of_another_training_is_refused(
    config: Path, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    train(config, tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match=r"epochs differs \(1, now 2\)"):
        train(config, tmp_path / "run", epochs=2)
    with pytest.raises(UsageError, match="seed differs"):
        train(config, tmp_path / "run", epochs=1, seed=1)
    other = shapes_config("optim_wrapper['optimizer']['lr'] = 0.1\n")
    with pytest.raises(UsageError, match="config differs"):
        train(other, tmp_path / "run", epochs=1)


def test_a_config_in_iterations_needs_epochs(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    config = shapes_config("train_cfg = dict(by_epoch=False, max_iters=9)\n")
    with pytest.raises(ConfigError, match="--epochs"):
        train(config, tmp_path / "run")


def test_the_command_prints_a_line_per_epoch_and_then_says_it_is_finished(
    config: Path, tmp_path: Path
) -> None:
    app = Typer()
    app.command()(train_command)
    arguments = [str(config), "--work-dir", str(tmp_path / "run")]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert [line.split("  ")[0] for line in first.output.splitlines()[:2]] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert "coco/bbox_mAP" in first.output
    again = CliRunner().invoke(app, arguments)
    assert "is finished" in again.output
    assert "epoch 1/2" not in again.output
