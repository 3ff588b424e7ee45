"""Names as MLflow takes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from tid_tune.tracking.names import LENGTH, Names


@pytest.mark.parametrize(
    ("name", "given_name"),
    [
        ("coco/bbox_mAP", "coco/bbox_mAP"),
        ("train/distill/key_raw", "train/distill/key_raw"),
        ("coco/AR@100", "coco/AR_at_100"),
        ("coco/salt & pepper_precision", "coco/salt _and_ pepper_precision"),
        ("coco/100% cotton_precision", "coco/100_percent_ cotton_precision"),
        ("coco/Straße_precision", "coco/Straße_precision"),
        ("coco/n//a_precision", "coco/n/_/a_precision"),
        ("/coco", "_/coco"),
        ("...a", "_..a"),
    ],
)
def test_what_mlflow_takes_is_kept_and_the_rest_is_replaced(name: str, given_name: str) -> None:
    assert Names()(name) == given_name


@given(st.lists(st.text("a1@%&+#(),./_ -:\u00e9\n\"'", max_size=300), max_size=12))
def test_every_name_becomes_one_of_its_own_that_mlflow_takes(names: list[str]) -> None:
    written = Names()
    found = {name: written(name) for name in names}
    assert len(set(found.values())) == len(found)
    for name in found.values():
        _validate_metric_name(name)
        _validate_param_name(name)
        assert len(name) <= LENGTH
    again = Names()
    assert {name: again(name) for name in names} == found


def test_only_replaced_names_are_listed() -> None:
    names = Names()
    for name in ("mAP", "AR@1", "AR_at_1"):
        names(name)
    assert names.replaced == {"AR@1": "AR_at_1", "AR_at_1": "AR_at_1_2"}
