"""`tid-tune data ...`: write the demo data, split, convert and check datasets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tid_tune.console import say

app = typer.Typer(help="Write the demo data; split, convert and check datasets.")


class DigitsFormat(StrEnum):
    """The layouts `digits` can write."""

    coco = "coco"
    voc = "voc"


@app.command()
def digits(
    out: Annotated[Path, typer.Option(help="The folder to create.")],
    images: Annotated[int, typer.Option(help="Images of the train split.")] = 600,
    val_images: Annotated[int, typer.Option(help="Images of the val split.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed gives other images.")] = 0,
    size: Annotated[int, typer.Option(help="Side of the square images in pixels.")] = 128,
    format: Annotated[DigitsFormat, typer.Option(help="Layout on disk.")] = DigitsFormat.coco,
) -> None:
    """Write the digits demo data: scanned handwritten digits on textured canvases."""
    from tid_tune.data.digits import write_digits

    written = write_digits(
        out,
        images=images,
        val_images=val_images,
        seed=seed,
        size=size,
        format="voc" if format is DigitsFormat.voc else "coco",
    )
    counts = f"{images} train and {val_images} val images"
    if written:
        say(f"wrote {counts} to {out}")
    else:
        say(f"{out} already holds these {counts}; nothing to do")
