"""`tid-tune data ...`: write the demo data, split, convert and check datasets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune.cli.options import Json, local
from tid_tune.console import answer, answering, say
from tid_tune.words import counted

if TYPE_CHECKING:
    from tid_tune.data.divide import Division

app = typer.Typer(help="Write the demo data; split, convert and check datasets.")


class DigitsFormat(StrEnum):
    """The layouts `digits` can write."""

    coco = "coco"
    voc = "voc"


@app.command()
def digits(
    out: Annotated[Path, typer.Option(help="The folder to create.", callback=local)],
    images: Annotated[int, typer.Option(help="Images of the train split.")] = 600,
    val_images: Annotated[int, typer.Option(help="Images of the val split.")] = 100,
    seed: Annotated[int, typer.Option(help="Random seed; another one gives other images.")] = 0,
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


AnnotationFile = Annotated[
    Path,
    typer.Argument(help="A COCO json, or a VOC image list (ImageSets/Main/*.txt).", callback=local),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed; another one chooses other images.")]
BoxesOnly = Annotated[
    bool, typer.Option("--boxes-only", help="Leave out polygons: faster to load, enough for boxes.")
]


@app.command()
def split(
    ann: AnnotationFile,
    out: Annotated[
        Path, typer.Option(help="The folder for NAME_fit and NAME_select.", callback=local)
    ],
    fraction: Annotated[
        float, typer.Option(help="Fraction of images to hold out, in (0, 1).")
    ] = 0.1,
    seed: Seed = 0,
    boxes_only: BoxesOnly = False,
) -> None:
    """Hold out part of a training set to select by, so that val stays clean."""
    from tid_tune.data.divide import split as divide

    _show(divide(ann, fraction, seed, out, boxes_only=boxes_only))


@app.command()
def subset(
    ann: AnnotationFile,
    out: Annotated[Path, typer.Option(help="The file to write.", callback=local)],
    images: Annotated[
        int | None, typer.Option(min=1, help="Number of images to keep (not with --fraction).")
    ] = None,
    fraction: Annotated[
        float | None, typer.Option(help="Fraction of images to keep, in (0, 1].")
    ] = None,
    seed: Seed = 0,
    boxes_only: BoxesOnly = False,
) -> None:
    """Take some images of a training set; a smaller subset is part of a larger one."""
    from tid_tune.data.divide import subset as divide

    _show(divide(ann, seed, out, images=images, fraction=fraction, boxes_only=boxes_only))


def _show(division: Division) -> None:
    for line in division.lines():
        say(line.rstrip())
    written = [part for part in division.parts if part.written]
    for part in written:
        say(f"wrote {part.path}: {counted(part.images, 'image')}")
    if not written:
        say("nothing to do: all files exist already with this content")


Classes = Annotated[
    str | None,
    typer.Option(
        help="Class names, comma-separated, in order. Without it: the 20 of VOC if any of them "
        "occurs, else those that occur."
    ),
]


@app.command()
def voc_to_coco(
    lists: Annotated[
        list[Path],
        typer.Argument(help="VOCdevkit/VOC2007/ImageSets/Main/*.txt ...", callback=local),
    ],
    out: Annotated[Path, typer.Option(help="The json to write.", callback=local)],
    classes: Classes = None,
) -> None:
    """Write VOC image lists, of one or several years, as one COCO json."""
    import json

    from tid_tune.data.files import is_new, write_file
    from tid_tune.data.verify import verify
    from tid_tune.data.voc import likely_classes, read_voc, to_coco

    table = read_voc(lists, _names(classes) or likely_classes)
    verify(table, lists[0].absolute().parents[3], ", ".join(map(str, lists)))
    text = json.dumps(to_coco(table)) + "\n"
    if is_new(out, text):
        write_file(out, text)
    say(f"{out}: {counted(len(table.files), 'image')}, {counted(len(table.boxes), 'box')}")
    say("image files are relative to the VOCdevkit folder (data_prefix)")


def _names(classes: str | None) -> list[str]:
    return [name.strip() for name in (classes or "").split(",") if name.strip()]


@app.command()
def check(
    path: Annotated[
        Path,
        typer.Argument(
            help="A folder (annotations/instances_train.json beside train/, or VOCdevkit), a COCO "
            "json, or a VOC image list.",
            callback=local,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the images, if it is not found automatically.", callback=local
        ),
    ] = None,
    classes: Classes = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every image; compare images by their pixels.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Report what is wrong with a dataset and how to fix it. Exit code 1 if there are errors."""
    from tid_tune.data.check import check as examine

    with answering(as_json):
        report = examine(path, images=images, classes=_names(classes) or None, deep=deep)
    if as_json:
        answer(report.as_json())
    else:
        for line in report.lines():
            say(line)
    if report.errors:
        raise typer.Exit(1)
