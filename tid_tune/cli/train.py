"""`tid-tune train`: train a plain mmdet config, such as a teacher."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune.cli.options import Json, local
from tid_tune.console import answer, answering, progress, say
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.trial.report import TrialReport
    from tid_tune.trial.training import TrainingRecord


def train(
    config: Annotated[Path, typer.Argument(help="An mmdet config file.", callback=local)],
    work_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results, such as checkpoint.pth. Default: runs/<config's name>.",
            callback=local,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Length; the schedule is scaled to it. Default: config's."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed of weights, image order and augmentation.")
    ] = 0,
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Continue an interrupted training, or start over."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Train a plain mmdet config, such as a teacher: weights, config and COCO mAP in one folder."""
    # Read when torch is loaded. Waiting OpenMP threads would spin: beside any other process, a
    # training on a CPU slows down tenfold.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    from tid_tune.preflight import Plan, require
    from tid_tune.trial import training

    folder = work_dir or Path("runs") / config.stem
    try:
        with answering(as_json):
            require(Plan.of_config(config))
            with progress("training") as move:
                record, trained = training.train(
                    config, folder, epochs=epochs, seed=seed, fresh=not resume, watcher=_Lines(move)
                )
    except KeyboardInterrupt:
        say(f"stopped; the same command continues after the last complete epoch in {folder}")
        raise typer.Exit(130) from None
    if as_json:
        weights = folder / training.CHECKPOINT
        answer({"folder": folder, "weights": weights, "trained": trained, **vars(record)})
        return
    length = counted(record.epochs, "epoch")
    result = f"{_summary(record.metrics)} after {length} in {record.seconds:.0f} s"
    if trained:
        say(f"{result}; weights in {folder / training.CHECKPOINT}")
    else:
        say(f"{folder} is finished: {result}. Nothing to do; --fresh starts over.")


def _summary(metrics: dict[str, float]) -> str:
    """Return the first metric, the others being its details: `coco/bbox_mAP 0.831`."""
    return next((f"{name} {value:.3f}" for name, value in metrics.items()), "no metrics")


class _Lines:
    """One line per epoch, above a bar that moves with every iteration."""

    def __init__(self, move: Callable[[int, int], None]) -> None:
        self._move = move

    def iterated(self, done: int, total: int) -> None:
        """Move the bar."""
        self._move(done, total)

    def reported(self, record: TrainingRecord, report: TrialReport) -> None:
        """Print the epoch."""
        left = record.seconds / len(record.history) * (record.epochs - len(record.history))
        say(
            f"epoch {report.epoch:.0f}/{record.epochs}  "
            f"loss {report.metrics['train/loss']:.3f}  {_summary(report.metrics)}  "
            f"{report.seconds:.1f} s  {left:.0f} s left"
        )
