"""Our own heads pass what the heads of other packages must."""

from __future__ import annotations

from tid_tune.detectors.heads import HEADS
from tid_tune.testing.detectors import detector
from tid_tune.testing.heads import HeadContract


class TestGFL(HeadContract):
    config = detector("gfl", stacked_convs=2)


class TestATSS(HeadContract):
    config = detector("atss", stacked_convs=2)


class TestRetinaNet(HeadContract):
    config = detector("retinanet", stacked_convs=2)


class TestRetinaNetWithSoftmax(HeadContract):
    config = detector("retinanet", loss_cls={"type": "CrossEntropyLoss", "use_sigmoid": False})


class TestFCOS(HeadContract):
    config = detector("fcos", stacked_convs=2)


class TestFCOSWithoutBoxNormalization(HeadContract):
    config = detector("fcos", norm_on_bbox=False)


def test_every_head_is_tested() -> None:
    tested = {suite.config["bbox_head"]["type"] for suite in HeadContract.__subclasses__()}
    assert tested >= set(HEADS.names())
