"""Datasets that take over what an earlier one has read are like those that read it themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.small_data import config, document, write_data
from support.standard_layouts import write_voc

from tid_tune import warm
from tid_tune.openmmlab.registries import DATASETS
from tid_tune.openmmlab.shared_annotations import shared_annotations

CHANGES: dict[str, dict[str, Any]] = {
    "filter_cfg": {"filter_cfg": {"filter_empty_gt": True, "min_size": 40}},
    "classes": {"metainfo": {"classes": ("quokka",)}},
    "indices": {"indices": 2},
    "data_prefix": {"data_prefix": {"img": "elsewhere/"}},
    "test_mode": {"test_mode": True},
    "not serialized": {"serialize_data": False},
}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The annotation files that were read, in order."""
    from mmdet.datasets import CocoDataset, XMLDataset

    warm.clear()
    found: list[str] = []
    for kind in (CocoDataset, XMLDataset):
        monkeypatch.setattr(kind, "load_data_list", noting(kind.load_data_list, found))
    return found


def noting(load: Callable[[Any], Any], found: list[str]) -> Callable[[Any], Any]:
    def load_data_list(self: Any) -> Any:
        found.append(Path(self.ann_file).name)
        return load(self)

    return load_data_list


@pytest.fixture
def coco(tmp_path: Path) -> dict[str, Any]:
    train = document(images=6)
    train["images"][0]["height"] = 30
    train["annotations"] = train["annotations"][:-3]
    write_data(tmp_path, train, document(images=2))
    dataset: dict[str, Any] = config(tmp_path).train_dataloader.dataset.to_dict()
    return dataset


def build(dataset: Mapping[str, Any], **changes: Any) -> Any:
    with shared_annotations():
        return DATASETS.build({**dataset, **changes})


def records(dataset: Any) -> list[Any]:
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def test_a_file_is_read_once(coco: dict[str, Any], reads: list[str]) -> None:
    first, second = build(coco), build(coco)
    assert reads == ["train.json"]
    assert records(first) == records(second) != []
    assert first.data_bytes is second.data_bytes
    assert not first.data_bytes.flags.writeable


@pytest.mark.parametrize("name", CHANGES)
def test_all_attributes_are_those_of_a_dataset_that_read_the_file(
    name: str, coco: dict[str, Any], reads: list[str]
) -> None:
    build(coco)
    for dataset in (build(coco, **CHANGES[name]), build(coco, **CHANGES[name])):
        alone = DATASETS.build({**coco, **CHANGES[name]})
        assert vars(dataset).keys() == vars(alone).keys()
        for key, value in vars(alone).items():
            if key != "pipeline":
                np.testing.assert_equal(vars(dataset)[key], value)
        assert records(dataset) == records(alone)
    assert reads == ["train.json"] * 4  # one without the change, one with it, two alone


def test_what_one_does_to_its_data_does_not_reach_the_next(
    coco: dict[str, Any], reads: list[str]
) -> None:
    before = records(build(coco))
    first = build(coco)
    first.get_subset_([1, 3])
    first.cat2label.clear()
    first.cat_img_map.clear()
    first._metainfo["classes"] = ()
    first.filter_cfg = {"min_size": 1000}
    first.get_data_info(0)["instances"].clear()
    assert len(first) == 2
    second = build(coco)
    assert records(second) == before
    assert second.cat2label == {7: 0, 10: 1, 13: 2}
    assert second.cat_img_map[7] == [1, 2, 3, 4, 5]
    assert second.metainfo["classes"] == ("cat", "person", "quokka")
    assert reads == ["train.json"]


def test_records_that_are_not_serialized_are_copied(coco: dict[str, Any], reads: list[str]) -> None:
    first = build(coco, serialize_data=False)
    first.data_list[0]["instances"].clear()
    assert build(coco, serialize_data=False).data_list[0]["instances"]
    assert reads == ["train.json"]


def test_a_file_that_has_changed_is_read_again(
    coco: dict[str, Any], reads: list[str], tmp_path: Path
) -> None:
    assert len(build(coco)) == 6
    (tmp_path / "train.json").write_text(json.dumps(document(images=3)))
    assert len(build(coco)) == 3
    assert len(reads) == 2


def test_each_has_its_own_pipeline(coco: dict[str, Any], reads: list[str]) -> None:
    first = build(coco)
    second = build(coco, pipeline=[{"type": "LoadImageFromFile"}])
    assert "img" not in first[0]
    assert "img" in second[0]
    assert len(reads) == 1


def test_the_datasets_of_a_joined_one_are_shared(coco: dict[str, Any], reads: list[str]) -> None:
    parts = [coco, {**coco, "ann_file": "val.json", "data_prefix": {"img": "val/"}}]
    for _ in range(2):
        assert len(build({"type": "ConcatDataset", "datasets": parts})) == 8
    assert reads == ["train.json", "val.json"]


def test_files_of_another_machine_are_read_each_time(
    coco: dict[str, Any], reads: list[str]
) -> None:
    for _ in range(2):
        build(coco, backend_args={"backend": "http"}, lazy_init=True)
    with shared_annotations():
        from mmdet.datasets import CocoDataset

        class Other(CocoDataset):  # type: ignore[misc]  # mmdet is untyped
            def parse_data_info(self, raw_data_info: Any) -> Any:
                return super().parse_data_info(raw_data_info)

        for _ in range(2):
            Other(**{key: value for key, value in coco.items() if key != "type"})
    assert len(reads) == 2


def test_outside_of_a_trial_files_are_read_each_time(
    coco: dict[str, Any], reads: list[str]
) -> None:
    for _ in range(2):
        DATASETS.build(coco)
    assert len(reads) == 2


def test_voc_annotations_are_read_once_until_one_of_them_changes(
    tmp_path: Path, reads: list[str]
) -> None:
    write_voc(tmp_path)
    root = tmp_path / "VOCdevkit/VOC2007"
    dataset = {
        "type": "VOCDataset",
        "ann_file": str(root / "ImageSets/Main/trainval.txt"),
        "data_prefix": {"sub_data_root": str(root)},
    }
    first = build(dataset)
    assert records(build(dataset)) == records(first) != []
    assert len(reads) == 1
    file = next((root / "Annotations").iterdir())
    file.write_text(file.read_text().replace("<xmin>", "<xmin>1"))
    assert records(build(dataset)) != records(first)
    assert len(reads) == 2
