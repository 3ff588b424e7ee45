"""Read the image lists of PASCAL VOC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tid_tune.data.findings import Findings
from tid_tune.errors import DataError

LISTS = ("train", "val", "trainval", "test")
"""The image lists of a year; the others in the same folder are of one class each."""

FLAGGED = re.compile(r".*\s+(-1|0|1)")
"""A line of a class's own list: a name, and whether the image shows the class."""


@dataclass(frozen=True)
class ImageSet:
    """An image list inside a VOCdevkit.

    Attributes:
        path: VOCdevkit/VOC2007/ImageSets/Main/train.txt, for example.
        names: the images it lists, without ending.
    """

    path: Path
    names: tuple[str, ...]

    @property
    def home(self) -> Path:
        """The folder of the year, VOCdevkit/VOC2007, which holds Annotations and JPEGImages."""
        return self.path.parents[2]


def read_image_set(path: Path, findings: Findings | None = None) -> ImageSet:
    """Read an image list: one name a line.

    Args:
        path: the list, in ImageSets/Main of its year.
        findings: where to put blank, repeated and overfull lines, which are left out; without
            it, they raise.

    Raises:
        DataError: the file is missing or not in its place, or lines are wrong.
    """
    path = path.absolute()
    names = read_names(path, findings)
    if path.parent.name != "Main" or path.parents[1].name != "ImageSets":
        raise DataError(
            f"{path}: an image list is expected in a folder like VOC2007/ImageSets/Main"
        )
    return ImageSet(path, names)


def read_names(path: Path, findings: Findings | None = None) -> tuple[str, ...]:
    """Read an image list that may lie anywhere; otherwise as `read_image_set`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such image list") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read the image list: {error}") from None
    names: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        fault = _line_fault(line, names)
        if fault is None:
            names[line] = number
        elif findings is None:
            raise DataError(f"{path}, line {number}: {fault}; write one image name a line")
        else:
            findings.add("image-list", path.stem, f"{path.name} line {number}: {fault}")
    return tuple(names)


def _line_fault(line: str, names: dict[str, int]) -> str | None:
    if not line.strip():
        return "the line is blank"
    if line.startswith("\ufeff"):
        return "it begins with a byte order mark, which mmdet takes for a part of the name"
    if line.strip() != line:
        # mmdet takes the whole line for the name, trailing space included.
        return f"{line!r} is not just a name"
    if line in names:
        return f"{line} is listed before, in line {names[line]}"
    return None
