"""The contract of heads finds an adapter that does not fit its head."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from torch import Tensor, nn

from tid_tune.detectors.fcos import FCOSAdapter
from tid_tune.detectors.gfl import GFLAdapter
from tid_tune.detectors.heads import HEADS, HeadAdapter, adapt_head, register_head
from tid_tune.detectors.iou_rules import FixedRule
from tid_tune.openmmlab.models import build_model
from tid_tune.testing.detectors import detector
from tid_tune.testing.heads import HeadContract


class InPixels(GFLAdapter):
    """Forgets that distances are in strides."""

    def decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Tensor:
        distances = self.head.integral(raw)
        boxes: Tensor = self.head.bbox_coder.decode(self.head.anchor_center(priors), distances)
        return boxes


class SwappedTowers(GFLAdapter):
    """Runs each predictor after the other tower."""

    def predict_level(self, level: int, classes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        return super().predict_level(level, boxes, classes)


class OfAnyMode(FCOSAdapter):
    """Forgets that the unit depends on the mode."""

    def decode_level(self, level: int, priors: Tensor, raw: Tensor) -> Tensor:
        return HeadAdapter.decode_level(self, level, priors, raw)


class WithoutCenterness(FCOSAdapter):
    """Forgets what the class score is multiplied with."""

    score_factor: ClassVar[Any] = None


class UpsideDown(GFLAdapter):
    """Its negative threshold is above the positive one."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__(head)
        self.rule_source = FixedRule(0.3, 0.6)


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "test"),
    [
        ("gfl", "GFLHead", InPixels, "boxes_and_scores_are_those_that_the_head_itself_predicts"),
        ("gfl", "GFLHead", UpsideDown, "thresholds_are_ious_with_the_positive_one_on_top"),
        ("fcos", "FCOSHead", OfAnyMode, "boxes_do_not_depend_on_the_mode"),
        (
            "fcos",
            "FCOSHead",
            WithoutCenterness,
            "boxes_and_scores_are_those_that_the_head_itself_predicts",
        ),
    ],
)
def test_a_fault_is_found(
    kind: str,
    name: str,
    wrong: type[HeadAdapter],
    test: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite = type("Suite", (HeadContract,), {"config": detector(kind)})()
    right = HEADS.get(name)
    for adapter in (right, wrong):
        monkeypatch.setattr(HEADS, "_parts", {name: adapter})
        made = suite.build_detector()
        check = getattr(suite, f"test_{test}")
        if adapter is right:
            check(made, adapt_head(made, "student"))
        else:
            with pytest.raises(AssertionError):
                check(made, adapt_head(made, "student"))


def test_towers_that_are_swapped_are_found() -> None:
    suite = type("Suite", (HeadContract,), {"config": detector("gfl")})()
    made = suite.build_detector()
    with pytest.raises(AssertionError):
        suite.test_towers_and_predictors_give_the_heads_own_outputs(
            made, SwappedTowers(made.bbox_head), training=False
        )


def test_a_head_of_somebody_else_is_registered_by_the_name_of_its_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HEADS, "_parts", HEADS.parts())

    @register_head("GFLHeadOfMine", "AnotherOfMine")
    class Mine(GFLAdapter):
        """As GFL."""

    built = build_model(detector("gfl"))
    head = built.get_submodule("bbox_head")
    head.__class__ = type("AnotherOfMine", (type(head),), {})
    adapter = adapt_head(built, "student")
    assert isinstance(adapter, Mine)
    assert adapter.strides == (8, 16, 32)
    assert adapter.reg_max == 8
