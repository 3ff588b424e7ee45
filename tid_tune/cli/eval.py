"""`tid-tune eval`: how good one model is, and what it gets wrong."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tid_tune.cli.options import Json, local
from tid_tune.files import make_folder


class Split(StrEnum):
    """The dataloaders a config may have to evaluate on."""

    val = "val"
    test = "test"


def evaluate(
    config: Annotated[
        Path,
        typer.Argument(
            help="An mmdet config. Of a Distiller, the student is evaluated.", callback=local
        ),
    ],
    checkpoint: Annotated[Path, typer.Argument(help="Weights of that config.", callback=local)],
    split: Annotated[
        Split, typer.Option(help="Which dataloader of the config to evaluate on.")
    ] = Split.val,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write numbers, curves and detections to.", callback=local),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use only the first N images.", min=1, metavar="N")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    as_json: Json = False,
) -> None:
    """Evaluate one model: AP tables, classes, and errors by type."""
    if out is not None:
        make_folder(out, "--out")  # now: an evaluation can take an hour
    # After the check: these import torch.
    from tid_tune import console
    from tid_tune.report.analysis.evaluate import evaluate_checkpoint
    from tid_tune.report.analysis.files import write_files
    from tid_tune.report.analysis.tables import NO_SIMILAR, tables

    with console.answering(as_json), console.progress("evaluating") as watch:
        analysis = evaluate_checkpoint(
            config,
            checkpoint,
            "test" if split is Split.test else "val",
            limit=limit,
            device=device,
            watch=watch,
        )
    about = {"config": str(config), "checkpoint": str(checkpoint), "split": split.value}
    written = [] if out is None else write_files(out, analysis, about)
    if as_json:
        console.answer({**about, **analysis.as_json(), "written": written})
        return
    for table in tables(analysis):
        console.show(table)
    if not analysis.breakdown.similar:
        console.say(NO_SIMILAR)
    for path in written:
        console.say(f"wrote {path}")
