"""Find the annotation files and image folders of a dataset on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tid_tune.data.voc_lists import LISTS
from tid_tune.errors import DataError


@dataclass(frozen=True)
class CocoSplit:
    """One COCO json; `name` is its split, e.g. `train2017`."""

    name: str
    annotations: Path

    def image_folder(self, files: list[str], images: Path | None, source: str | None) -> Path:
        """Return the folder the file names are relative to: the first likely one with some.

        Args:
            files: file names as the json has them.
            images: the folder a user named, or the parent of one folder for each split.
            source: the name of the json that this one is a part of, if it is one.
        """
        likely = list(self._likely(images, source))
        for folder in likely:
            if any(os.path.exists(folder / name) for name in islice(files, 50)):
                return folder
        return next((folder for folder in likely if folder.is_dir()), likely[0])

    def _likely(self, images: Path | None, source: str | None) -> list[Path]:
        parent = self.annotations.parent
        root = parent.parent if parent.name == "annotations" else parent
        names = _folder_names(self.name)
        if source is not None:
            names += _folder_names(split_name(source))
        if images is not None:
            return [images, *(images / name for name in names)]
        return [
            *(root / name for name in names),
            *(root / "images" / name for name in names),
            root / "images",
            root,
            parent,
        ]


def _folder_names(split: str) -> list[str]:
    """Return a split's name and what it begins with: train_fit is a part of train's images."""
    words = split.split("_")
    return ["_".join(words[:count]) for count in range(len(words), 0, -1)]


def split_name(file: str) -> str:
    """Return the name of the split that an annotation file is of."""
    return Path(file).stem.removeprefix("instances_")


@dataclass(frozen=True)
class VocYear:
    """One year of a VOCdevkit and those of its image lists that exist, by name."""

    home: Path
    lists: dict[str, Path]


def find_dataset(path: Path) -> list[CocoSplit] | list[VocYear]:
    """Find what `path` holds: a COCO json, a VOC image list, or a folder of either form.

    Raises:
        DataError: there is no dataset of a known layout.
    """
    if path.is_file():
        if path.suffix == ".txt" and path.absolute().parent.name == "Main":
            return [VocYear(path.absolute().parents[2], {path.stem: path})]
        return [_coco_split(path)]
    if not path.is_dir():
        raise DataError(f"{path}: no such file or folder")
    found = _find_coco(path)
    if found:
        return [_coco_split(file) for file in found]
    years = [VocYear(home, _lists(home)) for home in _find_years(path)]
    if years:
        return years
    raise DataError(
        f"{path} has no dataset; expected COCO (annotations/instances_*.json), one "
        "_annotations.coco.json in each split's folder, or VOC (VOCdevkit/VOC2007/ImageSets/Main)"
    )


def _find_coco(path: Path) -> list[Path]:
    for pattern in (
        "annotations/instances_*.json",
        "instances_*.json",
        "annotations/*.json",
        "*/_annotations.coco.json",
    ):
        found = sorted(path.glob(pattern))
        if found:
            return found
    return []


def _coco_split(path: Path) -> CocoSplit:
    if path.name == "_annotations.coco.json":
        return CocoSplit(path.absolute().parent.name, path)
    return CocoSplit(split_name(path.name), path)


def _find_years(path: Path) -> list[Path]:
    path = path.absolute()  # "." has no name to tell the year by
    candidates = [path, *sorted(path.glob("*")), *sorted(path.glob("VOCdevkit/*"))]
    return [home for home in candidates if (home / "ImageSets" / "Main").is_dir()]


def _lists(home: Path) -> dict[str, Path]:
    folder = home / "ImageSets" / "Main"
    found = {name: folder / f"{name}.txt" for name in LISTS if (folder / f"{name}.txt").is_file()}
    if not found:
        names = ", ".join(f"{name}.txt" for name in LISTS)
        raise DataError(f"{folder} has none of the image lists {names}")
    return found
