"""Verify what a converter is about to write: boxes, and the images that it names."""

from __future__ import annotations

import os
from pathlib import Path

from tid_tune.data.check_boxes import check_boxes
from tid_tune.data.check_images import check_images
from tid_tune.data.findings import Findings
from tid_tune.data.layouts import CocoSplit, split_name
from tid_tune.data.table import Table


def verify(table: Table, images: Path | None, source: str) -> None:
    """Check the boxes of a table, and the existence and size of its images.

    Args:
        table: what will be written.
        images: the folder that its file names are relative to; None checks no image.
        source: where it was read, for the error.

    Raises:
        DataError: names the first kind of error, with examples and the fix.
    """
    findings = Findings()
    check_boxes(table, findings, source)
    if images is not None:
        check_images(table, images, findings, source, workers=min(16, 4 * (os.cpu_count() or 1)))
    findings.raise_first(f"nothing was written: {source}")


def coco_images(path: Path, files: list[str]) -> Path | None:
    """Return the folder with images of a COCO json, None if none of the first ones is found."""
    folder = CocoSplit(split_name(path.name), path).image_folder(files, None, None)
    return folder if any((folder / name).is_file() for name in files[:50]) else None
