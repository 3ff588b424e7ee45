"""`tid-tune eval`: how good one model is, and what it gets wrong."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from tid_tune.cli.options import Json, local
from tid_tune.files import output_folder
from tid_tune.words import counted


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
    # Made now: an evaluation can take an hour.
    with contextlib.nullcontext() if out is None else output_folder(out, "--out"):
        _evaluate(config, checkpoint, split.value, out, limit, device, as_json)


def _evaluate(
    config: Path,
    checkpoint: Path,
    split: Literal["val", "test"],
    out: Path | None,
    limit: int | None,
    device: str,
    as_json: bool,
) -> None:
    # Not above: these import torch.
    from tid_tune import console
    from tid_tune.openmmlab.configs import load_config
    from tid_tune.report.analysis.collect import annotation_file
    from tid_tune.report.analysis.evaluate import evaluate_checkpoint
    from tid_tune.report.analysis.files import write_files
    from tid_tune.report.analysis.tables import NO_SIMILAR, tables

    with console.answering(as_json), console.progress("evaluating") as watch:
        file = annotation_file(load_config(config), split)
        analysis = evaluate_checkpoint(
            config, checkpoint, split, limit=limit, device=device, watch=watch
        )
    about = {
        "config": str(config),
        "checkpoint": str(checkpoint),
        "split": split,
        "annotations": None if file is None else str(file),
    }
    written = [] if out is None else write_files(out, analysis, about)
    if as_json:
        console.answer({**about, **analysis.as_json(), "written": written})
        return
    images = counted(len(analysis.truth.image_ids), "image")
    objects = counted(int(analysis.truth.counts().sum()), "object")
    used = images if limit is None else f"the first {images}"
    console.explain(f"the {split} split{'' if file is None else f', {file}'}: {used}, {objects}")
    for table in tables(analysis):
        console.show(table)
    if not analysis.breakdown.similar:
        console.explain(NO_SIMILAR)
    for path in written:
        console.say(f"wrote {path}")
