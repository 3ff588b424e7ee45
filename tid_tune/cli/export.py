"""`tid-tune export`: take a student out of a search, for use without tid_tune."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from tid_tune.cli.runs import RUN_HELP
from tid_tune.errors import UsageError


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)],
    out: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="The folder to write, or its URI, such as s3://b/x."),
    ],
    trial: Annotated[
        str, typer.Option(help="Trial whose student is exported: best, or an id such as t0007.")
    ] = "best",
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write the network as ONNX.")] = False,
    size: Annotated[
        str | None,
        typer.Option(help="Size of the ONNX input; default: the config's.", metavar="HxW"),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier export in that folder.")
    ] = False,
) -> None:
    """Write a trained student as an ordinary mmdet config and checkpoint."""
    wanted = None if size is None else parse_size(size)
    from tid_tune.console import say
    from tid_tune.results.run_folder import RunFolder
    from tid_tune.storage.output import written_folder
    from tid_tune.storage.places import child, place_of

    place = place_of(out)
    with written_folder(place, "--out", overwrite=overwrite) as written:
        folder = RunFolder.open(run)
        # After the checks: it imports torch.
        from tid_tune.export import export_student
        from tid_tune.export.runs import find_student

        found = find_student(folder, trial)
        exported = export_student(
            found.config,
            found.checkpoint,
            written,
            origin=found.origin,
            onnx=onnx,
            size=wanted,
        )
    say(f"the student of {found.origin.trial}, trained with seed {found.origin.seed}")
    for path in exported.files:
        say(f"wrote {child(place, path.relative_to(written).as_posix())}")


def parse_size(text: str) -> tuple[int, int]:
    """Turn `800x1344` into height and width.

    Raises:
        UsageError: the text has another form.
    """
    sides = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if sides is None:
        raise UsageError(
            f"--size is {text!r}; expected HEIGHTxWIDTH in pixels, for example 800x1344"
        )
    return int(sides[1]), int(sides[2])
