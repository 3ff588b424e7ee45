"""`tid-tune data check`: one report of everything that is wrong with a dataset."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tid_tune.data.check_boxes import check_boxes
from tid_tune.data.check_images import ImageFile, check_images, check_leaks
from tid_tune.data.coco import Document, load_document, tabulate
from tid_tune.data.findings import Findings
from tid_tune.data.layouts import CocoSplit, VocYear, find_dataset
from tid_tune.data.table import Table
from tid_tune.data.voc import likely_classes, tabulate_voc
from tid_tune.data.voc_lists import read_image_set
from tid_tune.errors import DataError
from tid_tune.words import counted


@dataclass(frozen=True)
class SplitSummary:
    """What one split holds."""

    name: str
    annotations: str
    image_folder: str
    images: int
    boxes: int
    ignored_boxes: int
    classes: tuple[str, ...]


@dataclass
class Report:
    """The outcome of a check."""

    path: Path
    splits: list[SplitSummary] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        """How many findings make the dataset wrong."""
        return self.findings.count("error")

    def as_json(self) -> dict[str, object]:
        """Return plain data for `--json`."""
        return {
            "path": str(self.path),
            "errors": self.errors,
            "warnings": self.findings.count("warning"),
            "seconds": round(self.seconds, 3),
            "splits": [vars(split) for split in self.splits],
            "skipped": self.skipped,
            "findings": self.findings.as_json(),
        }

    def lines(self) -> Iterator[str]:
        """Yield the report as lines of text."""
        for split in self.splits:
            ignored = f", {split.ignored_boxes} ignored" if split.ignored_boxes else ""
            size = f"{counted(split.images, 'image')}, {counted(split.boxes, 'box')}{ignored}"
            yield f"{split.name}: {size}, {counted(len(split.classes), 'class')}"
            yield f"  {split.annotations}, images in {split.image_folder}"
        yield from self.skipped
        for found in self.findings.all():
            yield ""
            rule = found.rule
            yield f"{rule.severity} [{rule.code}] {found.split}: {rule.what}: {found.count}"
            yield from (f"    {example}" for example in found.examples)
            if found.count > len(found.examples):
                yield f"    and {found.count - len(found.examples)} more"
            yield f"  fix: {rule.fix}"
        yield ""
        numbers = {"error": self.errors, "warning": self.findings.count("warning")}
        yield ", ".join(counted(n, word) if n else f"no {word}s" for word, n in numbers.items())


@dataclass(frozen=True)
class _Options:
    images: Path | None
    classes: Sequence[str] | None
    deep: bool
    workers: int


def check(
    path: Path,
    *,
    images: Path | None = None,
    classes: Sequence[str] | None = None,
    deep: bool = False,
    workers: int | None = None,
) -> Report:
    """Check a dataset: annotations against themselves, against the images, and between splits.

    Args:
        path: the folder of a dataset in COCO or VOC form, one COCO json, or one VOC image list.
        images: the folder of the images, or of one folder for each split, where it is not found
            by itself (COCO form).
        classes: the classes of a VOC dataset; without it the 20 of VOC, if any of them occurs.
        deep: decode every image (minutes for COCO) and compare images by their pixels.
        workers: threads that read images.

    Raises:
        DataError: `path` holds no dataset of a known layout. Whatever is wrong inside a dataset
            is in the report.
    """
    started = time.perf_counter()
    report = Report(path)
    options = _Options(images, classes, deep, workers or min(16, 4 * (os.cpu_count() or 1)))
    files: dict[str, Sequence[ImageFile]] = {}
    categories: dict[str, list[object]] = {}
    parts = find_dataset(path)
    names = {part.annotations.name for part in parts if isinstance(part, CocoSplit)}
    for part in parts:
        if isinstance(part, VocYear):
            files.update(_check_year(part, report, options))
        else:
            _check_split(part, report, options, names - {part.annotations.name}, files, categories)
    _compare_categories(categories, report.findings)
    check_leaks(files, report.findings)
    report.seconds = time.perf_counter() - started
    return report


def _check_split(
    split: CocoSplit,
    report: Report,
    options: _Options,
    beside: set[str],
    files: dict[str, Sequence[ImageFile]],
    categories: dict[str, list[object]],
) -> None:
    try:
        document = load_document(split.annotations, polygons=False)
    except DataError as error:
        report.findings.add("annotation-file", split.name, str(error))
        return
    source = _source(document)
    # Of a source that is elsewhere nothing is known: such a part is a dataset of its own.
    if source in beside:
        report.skipped.append(f"skipped {split.annotations.name}: it is a part of {source}")
        return
    categories[split.name] = document["categories"]
    table = tabulate(document, report.findings, split.name)
    # The json is many times the size of the table; it must not stay while images are read.
    del document
    folder = split.image_folder(list(table.files[:50]), options.images, source)
    files[split.name] = _check_table(table, folder, split.name, split.annotations, report, options)


def _source(document: Document) -> str | None:
    """Return the name of the file that `data split` or `data subset` made this one of."""
    info = document.get("info")
    origin = info.get("tid_tune") if isinstance(info, dict) else None
    name = origin.get("derived_from") if isinstance(origin, dict) else None
    return name if isinstance(name, str) else None


def _check_table(
    table: Table, folder: Path, name: str, source: Path, report: Report, options: _Options
) -> list[ImageFile]:
    check_boxes(table, report.findings, name)
    report.splits.append(
        SplitSummary(
            name,
            str(source),
            str(folder),
            len(table.files),
            len(table.boxes),
            int(table.crowd.sum()),
            table.classes,
        )
    )
    return check_images(
        table, folder, report.findings, name, deep=options.deep, workers=options.workers
    )


def _check_year(year: VocYear, report: Report, options: _Options) -> dict[str, Sequence[ImageFile]]:
    """Check one year of a VOCdevkit, each image once, and return the images of each list."""
    home, name = year.home, year.home.name
    members: dict[str, set[str]] = {}
    order: dict[str, None] = {}
    for key, path in year.lists.items():
        try:
            names = read_image_set(path, report.findings).names
        except DataError as error:
            report.findings.add("annotation-file", name, str(error))
            continue
        if not names:
            report.findings.add("image-list", name, f"{path.name}: the list is empty")
        members[key] = {f"{home.name}/JPEGImages/{item}.jpg" for item in names}
        order |= dict.fromkeys(names)
    classes = options.classes or likely_classes
    table = tabulate_voc([(home, item) for item in order], classes, report.findings, name)
    found = _check_table(table, home.parent, name, home / "ImageSets" / "Main", report, options)
    if {"train", "val"} <= members.keys():
        # trainval is their union, and so shares its images with both.
        members.pop("trainval", None)
    else:
        members = {key: members[key] for key in ("trainval", "test") if key in members} or members
    return {
        f"{name} {key}": [file for file in found if file.name in files]
        for key, files in members.items()
    }


def _compare_categories(categories: dict[str, list[object]], findings: Findings) -> None:
    """Report splits whose categories differ: label numbers follow the order of the categories."""
    (first, wanted), *others = list(categories.items()) or [("", [])]
    for name, records in others:
        # mmdet finds categories by name in each file, so the ids may differ.
        if _names(records) != _names(wanted):
            pairs = zip(_names(wanted), _names(records), strict=False)
            example = next(
                (
                    f"number {place} is {ours!r} in {first}, {theirs!r} in {name}"
                    for place, (ours, theirs) in enumerate(pairs, start=1)
                    if ours != theirs
                ),
                f"{len(wanted)} categories in {first}, {len(records)} in {name}",
            )
            findings.add("classes-differ", f"{first} and {name}", example)


def _names(records: list[object]) -> list[object]:
    return [record.get("name") if isinstance(record, dict) else record for record in records]
