"""mmdet's own datasets are the judges of what is written and split here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tid_tune.data.coco import metainfo, read_coco
from tid_tune.data.divide import split, subset
from tid_tune.data.table import Table
from tid_tune.data.voc import read_voc
from tid_tune.openmmlab.setup import prepare


@pytest.fixture(scope="module", autouse=True)
def mmdet() -> None:
    prepare()


def coco(ann_file: Path, images: Path, **kwargs: Any) -> Any:
    from mmdet.datasets import CocoDataset

    prefix = {"img": str(images)}
    return CocoDataset(ann_file=str(ann_file), data_prefix=prefix, pipeline=[], **kwargs)


def corners(table: Table, image: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows = table.box_image == image
    boxes = table.boxes[rows]
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]), table.box_class[rows]


def test_cocodataset_reads_the_digits_as_we_do(digits: Path) -> None:
    ann = digits / "coco/annotations/instances_val.json"
    table = read_coco(ann)
    dataset = coco(ann, digits / "coco/val", metainfo=metainfo(ann), test_mode=True)
    assert dataset.metainfo["classes"] == tuple("0123456789")
    assert len(dataset) == len(table.files) == 12
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        assert info["img_path"] == str(digits / "coco/val" / table.files[index])
        boxes, labels = corners(table, index)
        assert np.array_equal([item["bbox"] for item in info["instances"]], boxes)
        assert np.array_equal([item["bbox_label"] for item in info["instances"]], labels)


def test_cocodataset_loads_the_pixels(digits: Path) -> None:
    from mmdet.datasets.transforms import LoadAnnotations
    from mmengine.registry import TRANSFORMS

    ann = digits / "coco/annotations/instances_train.json"
    dataset = coco(ann, digits / "coco/train", metainfo=metainfo(ann))
    load = TRANSFORMS.build({"type": "LoadImageFromFile"})
    sample = LoadAnnotations(with_bbox=True)(load(dataset.get_data_info(3)))
    assert sample["img"].shape == (128, 128, 3)
    assert len(sample["gt_bboxes"]) == len(sample["gt_bboxes_labels"]) > 0


def test_cocodataset_numbers_classes_in_the_order_of_the_file(
    document: dict[str, Any], save: Callable[..., Path], tmp_path: Path
) -> None:
    ann = save(document)
    dataset = coco(ann, tmp_path, metainfo=metainfo(ann), test_mode=True)
    labels = {
        item["bbox_label"]
        for index in range(len(dataset))
        for item in dataset.get_data_info(index)["instances"]
        if item["bbox"][0] == 10
    }
    assert [dataset.metainfo["classes"][label] for label in labels] == ["brush"]


def test_crowd_boxes_are_ignored_ones(
    document: dict[str, Any], save: Callable[..., Path], tmp_path: Path
) -> None:
    ann = save(document)
    dataset = coco(ann, tmp_path, metainfo=metainfo(ann), test_mode=True)
    flags = [
        item["ignore_flag"]
        for index in range(len(dataset))
        for item in dataset.get_data_info(index)["instances"]
    ]
    assert sorted(flags) == [0, 0, 1]


def test_parts_of_a_split_are_datasets(digits: Path, tmp_path: Path) -> None:
    ann = digits / "coco/annotations/instances_train.json"
    parts = split(ann, 0.25, 0, tmp_path).parts
    subset(parts[0].path, 0, tmp_path / "few.json", images=8, boxes_only=True)
    lengths = [
        len(coco(path, digits / "coco/train", metainfo=metainfo(path), test_mode=True))
        for path in (*(part.path for part in parts), tmp_path / "few.json")
    ]
    assert lengths == [30, 10, 8]


def test_vocdataset_reads_the_digits_as_we_do(digits: Path, tmp_path: Path) -> None:
    from mmdet.datasets import VOCDataset

    devkit = digits / "voc/VOCdevkit"
    part = split(devkit / "VOC2007/ImageSets/Main/trainval.txt", 0.25, 0, tmp_path).parts[1]
    for ann in (devkit / "VOC2007/ImageSets/Main/test.txt", part.path):
        dataset = VOCDataset(
            data_root=str(devkit),
            ann_file=str(ann),
            data_prefix={"sub_data_root": "VOC2007/"},
            metainfo={"classes": tuple("0123456789")},
            pipeline=[],
            test_mode=True,
        )
        names = ann.read_text().split()
        assert [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))] == names
    table = read_voc([devkit / "VOC2007/ImageSets/Main/trainval.txt"], classes=sorted)
    row = table.files.index(f"VOC2007/JPEGImages/{names[0]}.jpg")
    boxes, labels = corners(table, row)
    # mmdet takes 1 off all four corners, so its right and lower edge are a pixel short.
    boxes[:, 2:] -= 1
    instances = dataset.get_data_info(0)["instances"]
    assert np.array_equal([item["bbox"] for item in instances], boxes)
    assert np.array_equal([item["bbox_label"] for item in instances], labels)


def test_a_config_takes_its_classes_from_the_json(digits: Path, tmp_path: Path) -> None:
    from mmengine.config import Config

    (tmp_path / "base.py").write_text("train_dataloader = dict(dataset=dict(type='CocoDataset'))")
    (tmp_path / "config.py").write_text(
        "_base_ = ['base.py']\n"
        "from tid_tune.data.coco import metainfo\n"
        f"_meta = metainfo({str(digits / 'coco/annotations/instances_val.json')!r})\n"
        "train_dataloader = dict(dataset=dict(metainfo=_meta))\n"
    )
    dataset = Config.fromfile(tmp_path / "config.py").train_dataloader.dataset
    assert dataset.type == "CocoDataset"
    assert dataset.metainfo.classes == tuple("0123456789")
    assert len(dataset.metainfo.palette) == 10
