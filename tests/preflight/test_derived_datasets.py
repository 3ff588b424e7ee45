"""Datasets whose classes are derived from mmdet's CocoDataset: read as those classes read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from support.data_findings import errors
from support.small_data import NAMES, Document, config, document

from tid_tune.openmmlab.datasets import dataset_form
from tid_tune.openmmlab.registries import DATASETS
from tid_tune.openmmlab.setup import mmdet_ready
from tid_tune.searchfile.checks.data import check_data

with mmdet_ready():
    from mmdet.datasets import CocoDataset

pytestmark = pytest.mark.usefixtures("place")


@DATASETS.register_module()
class WithNotes(CocoDataset):  # type: ignore[misc]  # mmdet is untyped
    """Changes what is known of an image."""

    METAINFO: ClassVar = {"classes": NAMES}

    def parse_data_info(self, raw_data_info: dict[str, object]) -> object:
        """Return the record of an image."""
        return super().parse_data_info(raw_data_info)


@DATASETS.register_module()
class FromElsewhere(CocoDataset):  # type: ignore[misc]  # mmdet is untyped
    """Reads files of another form."""

    def load_data_list(self) -> list[dict[str, object]]:
        """Return no images."""
        return []


def reversed_categories(content: Document) -> None:
    content["categories"].reverse()


def addresses(content: Document) -> None:
    for image in content["images"]:
        image["coco_url"] = "http://images.cocodataset.org/" + image.pop("file_name")


def as_they_are(content: Document) -> None:
    pass


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Objects365V1Dataset", reversed_categories),
        ("LVISV1Dataset", addresses),
        ("LVISV1Dataset", reversed_categories),
        ("CityscapesDataset", as_they_are),
        ("WithNotes", as_they_are),
    ],
)
def test_a_derived_dataset_is_checked_as_its_class_reads_it(
    kind: str, change: Callable[[Document], None]
) -> None:
    for part in ("train", "val"):
        content = document()
        change(content)
        if kind == "LVISV1Dataset" and change is reversed_categories:
            addresses(content)
        Path(f"data/{part}.json").write_text(json.dumps(content))
    right = config(Path("data"), type=kind)
    assert [fault.text for fault in check_data(right)] == []
    assert errors(right) == []
    wrong = errors(config(Path("data"), (*NAMES[:2], "quoka"), type=kind))
    assert any("'quoka': did you mean 'quokka'" in text for text in wrong)


def test_the_names_of_the_class_are_compared_where_the_config_has_none() -> None:
    settings = config(Path("data"), type="WithNotes")
    for loader in (settings.train_dataloader, settings.val_dataloader):
        del loader.dataset["metainfo"]
    assert errors(settings) == []
    content = document((*NAMES[:2], "koala"))
    Path("data/train.json").write_text(json.dumps(content))
    assert any("koala" in text and "dataset's type" in text for text in errors(settings))


def test_the_image_names_of_objects365_are_their_last_two_parts() -> None:
    content = document()
    for image in content["images"]:
        image["file_name"] = "images/v2/train/" + image["file_name"]
    Path("data/train.json").write_text(json.dumps(content))
    settings = config(Path("data"), type="Objects365V2Dataset")
    settings.train_dataloader.dataset.data_prefix = {"img": ""}
    settings.val_dataloader.dataset.type = "CocoDataset"
    assert [fault.text for fault in check_data(settings)] == []
    assert errors(settings) == []


def test_a_dataset_that_reads_files_itself_is_left_alone() -> None:
    assert dataset_form({"type": "FromElsewhere"}) is None
    assert dataset_form({"type": "CocoPanopticDataset"}) is None
    assert dataset_form({"type": "LVISV05Dataset"}) == "coco"


def test_the_names_of_v3det_are_those_of_its_file() -> None:
    Path("data/names.txt").write_text("\n".join(NAMES))
    settings = config(Path("data"), type="V3DetDataset", label_file="names.txt")
    for loader in (settings.train_dataloader, settings.val_dataloader):
        del loader.dataset["metainfo"]
    assert errors(settings) == []
    Path("data/names.txt").write_text("\n".join((*NAMES[:2], "quoka")))
    assert any("'quoka': did you mean 'quokka'" in text for text in errors(settings))
