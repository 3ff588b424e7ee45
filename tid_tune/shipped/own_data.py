"""A dataset of the user's, as `tid-tune init --data` puts it into configs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tid_tune.console import shown_path
from tid_tune.data.check import Report, SplitSummary, check
from tid_tune.data.layouts import CocoSplit, VocYear, find_dataset
from tid_tune.data.voc import likely_classes, read_voc, to_coco
from tid_tune.errors import DataError

VALIDATION = ("val", "valid", "test")
"""What the validation split's name begins with, the likeliest first."""


@dataclass(frozen=True)
class Split:
    """One split in COCO form: its annotation file and the folder of its images."""

    annotations: Path
    images: Path


@dataclass(frozen=True)
class OwnData:
    """A dataset to train on and to measure by.

    Attributes:
        folder: where it was found.
        form: `COCO` or `VOC`.
        classes: the class names, in the order of their label numbers.
        report: what `tid-tune data check` says of it.
        documents: annotation files that have to be written: the COCO form of a VOC dataset.
    """

    folder: Path
    form: str
    train: Split
    val: Split
    classes: tuple[str, ...]
    report: Report
    documents: dict[Path, str] = field(default_factory=dict)

    def config_text(self) -> str:
        """Return the config that describes the data; `wrapping` puts it into a detector's."""
        return _TEMPLATE.format(
            folder=self.folder.as_posix(),
            form=self.form,
            classes=_names(self.classes),
            train=_text(self.train.annotations),
            train_images=_text(self.train.images),
            val=_text(self.val.annotations),
            val_images=_text(self.val.images),
        )


_TEMPLATE = """\
# The data in {folder}, in {form} form. Paths are relative to the folder you start tid-tune in.

# As in the annotation file, and in its order: mmdet numbers the classes by it.
own_classes = {classes}

own_train = dict(
    type="CocoDataset",
    ann_file={train},
    data_prefix=dict(img={train_images}),
    metainfo=dict(classes=own_classes),
    filter_cfg=dict(filter_empty_gt=True),  # images without a box are not trained on
)

# Trials are compared on these images.
own_val = dict(
    type="CocoDataset",
    ann_file={val},
    data_prefix=dict(img={val_images}),
    metainfo=dict(classes=own_classes),
    test_mode=True,
)
own_metric = dict(type="CocoMetric", ann_file=own_val["ann_file"], metric="bbox")
"""


def read_own_data(folder: Path, into: Path) -> OwnData:
    """Check the dataset in `folder` and find its training and validation split.

    Args:
        folder: a dataset in COCO or VOC form.
        into: where the COCO form of a VOC dataset will be written.

    Raises:
        DataError: there is no dataset, or not exactly one pair of splits.
    """
    try:
        found, report = find_dataset(folder), check(folder)
    except DataError as error:
        raise DataError(f"--data: {error}") from error
    years = [part for part in found if isinstance(part, VocYear)]
    if years:
        return _from_voc(folder, years, report, into)
    return _from_coco(folder, [part for part in found if isinstance(part, CocoSplit)], report)


def _from_coco(folder: Path, splits: Sequence[CocoSplit], report: Report) -> OwnData:
    train, val = _pair(folder, [split.name for split in splits])
    by_name = {split.name: split for split in splits}
    ours, theirs = (_summary(by_name[name], report) for name in (train, val))
    return OwnData(
        folder, "COCO", _split(ours), _split(theirs), classes=ours.classes, report=report
    )


def _pair(folder: Path, names: Sequence[str]) -> tuple[str, str]:
    """Return the names of the training and the validation split.

    A held-out part that `tid-tune data split` made is there to select by, so it comes first.
    """
    held_out = [
        (f"{name}_fit", f"{name}_select")
        for name in {name.removesuffix("_fit") for name in names}
        if {f"{name}_fit", f"{name}_select"} <= set(names)
    ]
    if len(held_out) == 1:
        return held_out[0]
    train = [name for name in names if name.startswith("train")]
    val = next(
        (found for word in VALIDATION if (found := [n for n in names if n.startswith(word)])), []
    )
    if len(train) == 1 and len(val) == 1:
        return train[0], val[0]
    wanted = "one training split (train*) and one validation split (val*, or test*)"
    hint = "`tid-tune data split` holds out a part of the training split to validate on"
    if train and val:
        hint = "put the two to use into a folder of their own"
    raise DataError(f"--data {folder}: expected {wanted}, found {', '.join(names)}; {hint}")


def _summary(split: CocoSplit, report: Report) -> SplitSummary:
    """Return what the check found out about a split; it skips parts of other splits."""
    for found in (*report.splits, *check(split.annotations).splits):
        if Path(found.annotations) == split.annotations:
            return found
    raise DataError(f"{split.annotations} is no annotation file in COCO form")


def _split(summary: SplitSummary) -> Split:
    return Split(_shown(Path(summary.annotations)), _shown(Path(summary.image_folder)))


def _from_voc(folder: Path, years: Sequence[VocYear], report: Report, into: Path) -> OwnData:
    lists: dict[str, list[Path]] = {"train": [], "val": []}
    tested = any("test" in year.lists for year in years)
    for year in years:
        for name, likely in (
            ("val", ("test",) if tested else ("val",)),
            ("train", ("trainval", "train") if tested else ("train",)),
        ):
            lists[name] += [year.lists[key] for key in likely if key in year.lists][:1]
    if not (lists["train"] and lists["val"]):
        found = ", ".join(f"{year.home.name}/{name}" for year in years for name in year.lists)
        raise DataError(
            f"--data {folder}: expected image lists to train on (trainval or train) and to "
            f"validate on (test or val), found {found}"
        )
    classes = likely_classes({name for split in report.splits for name in split.classes})
    images = _shown(years[0].home.parent)
    splits = {name: Split(into / f"instances_{name}.json", images) for name in lists}
    documents = {
        splits[name].annotations: json.dumps(to_coco(read_voc(paths, classes))) + "\n"
        for name, paths in lists.items()
    }
    return OwnData(folder, "VOC", splits["train"], splits["val"], tuple(classes), report, documents)


def _shown(path: Path) -> Path:
    return shown_path(path.absolute())


def _text(path: Path) -> str:
    return json.dumps(path.as_posix(), ensure_ascii=False)


def _names(classes: Sequence[str]) -> str:
    """Return a tuple in Python, one name a line where there are many."""
    quoted = [json.dumps(name, ensure_ascii=False) for name in classes]
    line = f"({', '.join(quoted)})" if len(quoted) > 1 else f"({quoted[0]},)"
    if len(line) <= 80:
        return line
    return "(\n" + "".join(f"    {name},\n" for name in quoted) + ")"
