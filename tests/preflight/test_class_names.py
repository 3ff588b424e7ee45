"""Class names of a config against its annotation files, with mmdet as the judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.data_findings import errors, found
from support.small_data import NAMES, config, document, write_data

from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.setup import prepare

pytestmark = pytest.mark.usefixtures("place")


def warnings(settings: Config) -> list[str]:
    return [finding.text for finding in found(settings) if finding.severity == "warning"]


def mmdet_labels(settings: Config) -> dict[int, int]:
    """Return the label that mmdet gives to each category id that it uses."""
    prepare()
    from mmdet.registry import DATASETS

    dataset = DATASETS.build({**settings.train_dataloader.dataset, "pipeline": []})
    return dict(dataset.cat2label)


def test_the_names_of_the_file_in_its_order_are_right() -> None:
    assert found(config(Path("data"))) == []
    assert mmdet_labels(config(Path("data"))) == {7: 0, 10: 1, 13: 2}


def test_another_order_names_the_label_that_would_be_called_wrongly() -> None:
    settings = config(Path("data"), ("person", "cat", "quokka"))
    assert mmdet_labels(settings) == {7: 0, 10: 1, 13: 2}  # the order of the file, still
    train, val = errors(settings)
    assert "train_dataloader.dataset" in train
    assert "val_dataloader.dataset" in val
    assert "label 0 is 'cat' and would be called 'person'" in train
    assert "classes=('cat', 'person', 'quokka')" in train
    assert "data/train.json" in train


@pytest.mark.parametrize(
    ("names", "hint", "labels"),
    [
        (("cat", "person", "quoka"), "'quoka': did you mean 'quokka'?", {7: 0, 10: 1}),
        (("cat", "Person", "quokka"), "'Person': did you mean 'person'?", {7: 0, 13: 1}),
        (("cat ", "person", "quokka"), "'cat ': did you mean 'cat'?", {10: 0, 13: 1}),
        (("seven", "person", "quokka"), "the file has 'cat'", {10: 0, 13: 1}),
    ],
)
def test_a_name_that_the_file_lacks_is_an_error_in_every_part(
    names: Sequence[str], hint: str, labels: dict[int, int]
) -> None:
    settings = config(Path("data"), names)
    assert mmdet_labels(settings) == labels
    for text, part in zip(errors(settings), ("train", "val"), strict=True):
        assert f"{part}_dataloader.dataset" in text
        assert f"data/{part}.json" in text
        assert hint in text
        assert "classes=('cat', 'person', 'quokka')" in text


def test_the_names_of_the_type_count_where_the_config_has_none() -> None:
    settings = config(Path("data"))
    del settings.val_dataloader.dataset["metainfo"]
    (text,) = errors(settings)
    assert "val_dataloader.dataset: there is no metainfo.classes" in text
    assert "'bicycle'" in text


def test_boxes_of_classes_that_the_config_leaves_out_are_counted() -> None:
    settings = config(Path("data"), ("cat", "quokka"))
    assert errors(settings) == []
    train, val = warnings(settings)
    assert "4 of 12 boxes of data/train.json are not trained on" in train
    assert "'person'" in train
    assert "not evaluated" in val


def test_a_category_without_boxes_that_the_config_leaves_out_is_nothing() -> None:
    parts = [document() for _ in range(2)]
    for part in parts:
        part["categories"].insert(0, {"id": 0, "name": "animals"})
    write_data(Path("data"), *parts)
    assert found(config(Path("data"))) == []


def test_a_class_without_training_boxes_may_be_missing_at_the_end_of_the_training_file() -> None:
    write_data(Path("data"), document(NAMES[:2]), document())
    settings = config(Path("data"))
    assert errors(settings) == []
    (text,) = warnings(settings)
    assert "'quokka'" in text
    assert "no boxes to learn" in text


def test_a_class_that_the_file_of_the_evaluator_lacks_is_an_error() -> None:
    write_data(Path("data"), document(), document(NAMES[:2]))
    (text,) = errors(config(Path("data")))
    assert "val_dataloader.dataset" in text
    assert "'quokka'" in text
    assert "cannot evaluate" in text


def test_the_file_of_the_evaluator_is_compared_where_it_is_another() -> None:
    settings = config(Path("data"))
    settings.val_evaluator.ann_file = "data/other.json"
    Path("data/other.json").write_text(json.dumps(document(("cat", "quokka", "person"))))
    (text,) = errors(settings)
    assert "val_evaluator" in text
    assert "data/other.json" in text
    assert "another order" in text


def test_files_that_number_the_classes_differently_are_an_error() -> None:
    write_data(Path("data"), document(), document(("quokka", "person", "cat")))
    settings = config(Path("data"))
    settings.val_dataloader.dataset.metainfo.classes = ("quokka", "person", "cat")
    (text,) = errors(settings)
    assert "label 0 is 'cat' in the first and 'quokka' in the second" in text


@pytest.mark.parametrize(
    ("metainfo", "words"),
    [
        ({"CLASSES": NAMES}, "rename it to 'classes'"),
        ({"classes": "cat"}, "('cat',)"),
        ({"classes": ("cat", "cat", "person")}, "'cat' twice"),
        ({"classes": ("cat", 7)}, "7, which is not a text"),
        ({"classes": ()}, "a tuple of class names"),
        ("cat", "metainfo cannot be used"),
    ],
)
def test_class_names_of_a_wrong_form_are_an_error(metainfo: object, words: str) -> None:
    assert words in errors(config(Path("data"), metainfo=metainfo))[0]


def test_class_names_may_be_in_a_text_file() -> None:
    Path("names.txt").write_text("\n".join(NAMES))
    settings = config(Path("data"), metainfo={"classes": "names.txt"})
    assert mmdet_labels(settings) == {7: 0, 10: 1, 13: 2}
    assert found(settings) == []


def test_the_number_of_classes_of_the_model_is_compared() -> None:
    settings = config(Path("data"))
    settings.model.bbox_head.num_classes = 2
    assert all("num_classes = 2" in text and "3 classes" in text for text in errors(settings))
    assert len(errors(settings)) == 2


def distiller(settings: Config, **teacher: Any) -> Config:
    student = settings.model.to_dict()
    settings.model = {"type": "Distiller", "student": student, "teacher": teacher}
    return settings


@pytest.mark.parametrize(
    ("meta", "severity"),
    [
        ({"dataset_meta": {"classes": NAMES}}, None),
        ({"dataset_meta": {"classes": ("person", "cat", "quokka")}}, "error"),
        ({"CLASSES": ("quokka", "person", "cat")}, "error"),
        ({"CLASSES": ("cat", "human", "quokka")}, "warning"),
        ({"CLASSES": ("of", "another", "number", "of classes")}, None),
        ({}, None),
    ],
)
def test_the_names_in_the_teachers_checkpoint_are_compared(
    meta: dict[str, Any], severity: str | None
) -> None:
    torch.save({"state_dict": {}, "meta": meta}, "teacher.pth")
    model = config(Path("data")).model.to_dict()
    settings = distiller(config(Path("data")), model=model, checkpoint="teacher.pth")
    assert [finding.severity for finding in found(settings)] == ([severity] if severity else [])
    for finding in found(settings):
        assert "to the teacher" in finding.text


def test_the_teachers_own_data_say_what_its_labels_are() -> None:
    """Its checkpoint repeats the names of its config, which mmdet did not number by."""
    torch.save(
        {"state_dict": {}, "meta": {"dataset_meta": {"classes": ("person", "cat", "quokka")}}},
        "teacher.pth",
    )
    config(Path("data"), ("person", "cat", "quokka")).dump("teacher.py")
    settings = distiller(config(Path("data")), config="teacher.py", checkpoint="teacher.pth")
    assert found(settings) == []
    other = document(("quokka", "cat", "person"))
    write_data(Path("elsewhere"), other, other)
    config(Path("elsewhere"), ("quokka", "cat", "person")).dump("teacher.py")
    (text,) = errors(settings)
    assert "label 0 is 'quokka' to the teacher and 'cat' to the student" in text
