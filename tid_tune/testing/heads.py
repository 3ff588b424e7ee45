"""The tests that every adapter of a detector's head must pass.

    class TestMine(HeadContract):
        config = {"type": "SingleStageDetector", "bbox_head": {"type": "MyHead", ...}, ...}

runs them for a tiny detector with the head; `detectors.detector` has examples of such configs.
"""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.detectors.heads import HEADS, HeadAdapter, Outputs, adapt_head
from tid_tune.detectors.towers import TowerHead, finish, tower_features
from tid_tune.export.onnx import DenseGraph, export_onnx
from tid_tune.openmmlab.detector_types import Detector
from tid_tune.openmmlab.models import build_detector
from tid_tune.testing.detectors import images, samples

SIZE = (64, 96)
"""Height and width of the images in pixels."""
TOLERANCE = 0.05
"""Pixels, or thousandths of a score, by which two predictions may differ."""
FAR = 10**5
"""An image so large that no box is clipped on the right or below."""


class HeadContract:
    """Derive from this class and set `config`."""

    config: ClassVar[dict[str, Any]]
    """Of a detector with the head, as in mmdet's configs; as small as can be."""

    @pytest.fixture(name="detector")
    def _detector(self) -> Detector:
        return self.build_detector()

    def build_detector(self) -> Detector:
        """Build the detector for evaluation, its head with weights that make points differ."""
        torch.manual_seed(0)
        built = build_detector(copy.deepcopy(self.config))
        for module in built.get_submodule("bbox_head").modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
                if module.bias is not None:
                    nn.init.normal_(module.bias, std=0.3)
        return built.eval()

    @pytest.fixture
    def head(self, detector: Detector) -> HeadAdapter:
        """Return the adapter of its head."""
        return adapt_head(detector, "student")

    def maps(self, detector: Detector) -> list[Tensor]:
        """Return what the neck gives for two images."""
        with torch.no_grad():
            return list(detector.extract_feat(images(2, *SIZE)))

    def outputs(self, detector: Detector) -> Outputs:
        """Return what the head's forward gives for two images."""
        with torch.no_grad():
            outputs: Outputs = detector.bbox_head(self.maps(detector))
            return outputs

    def test_the_adapter_is_found_by_the_name_of_the_head(self, head: HeadAdapter) -> None:
        """Registered by `register_head`, or found by an entry point."""
        assert HEADS.get(head.name) is type(head)

    def test_geometry_is_that_of_the_maps(self, detector: Detector, head: HeadAdapter) -> None:
        """Strides, channels and boxes a point are what the outputs have."""
        maps, (classes, boxes, *_) = self.maps(detector), self.outputs(detector)
        assert len(head.strides) == len(maps) == len(classes) == len(boxes)
        width = head.num_classes + (not head.uses_sigmoid)
        for stride, item, logits in zip(
            head.strides, maps, head.class_logits([classes]), strict=True
        ):
            assert item.shape[1] == head.in_channels
            assert [-(-side // stride) for side in SIZE] == list(item.shape[2:])
            assert logits.shape[1] == head.boxes_per_point * width

    def test_boxes_and_scores_are_those_that_the_head_itself_predicts(
        self, detector: Detector, head: HeadAdapter
    ) -> None:
        """Mmdet's own prediction, before suppression and without a threshold, is the reference."""
        outputs = self.outputs(detector)
        cfg = SimpleNamespace(nms_pre=10**6, score_thr=0.0, min_bbox_size=-1)
        cfg.get = lambda key, default=None: getattr(cfg, key, default)
        found = detector.bbox_head.predict_by_feat(
            *outputs,
            batch_img_metas=[{"img_shape": (FAR, FAR)}] * 2,
            cfg=cfg,
            rescale=False,
            with_nms=False,
        )
        boxes = head.decode(outputs).flatten(1, 2).clamp(min=0)
        scores = _scores(head, outputs)
        for image, own in enumerate(found):
            assert len(own.bboxes) == scores[image].numel()
            for label in range(head.num_classes):
                chosen = own.labels == label
                theirs = torch.cat([own.bboxes[chosen], 1000 * own.scores[chosen, None]], dim=1)
                ours = torch.cat([boxes[image], 1000 * scores[image, :, label, None]], dim=1)
                distance = (ours[:, None] - theirs).abs().amax(dim=2)
                assert distance.amin(dim=0).max() < TOLERANCE
                assert distance.amin(dim=1).max() < TOLERANCE

    def test_boxes_do_not_depend_on_the_mode(self, detector: Detector, head: HeadAdapter) -> None:
        """A student is decoded while it trains, a teacher while it does not."""
        expected = head.decode(self.outputs(detector))
        maps = self.maps(detector)
        detector.bbox_head.train()
        with torch.no_grad():
            found = head.decode(detector.bbox_head(maps))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)

    def test_boxes_have_a_gradient_to_the_maps_and_predictions_have_none(
        self, detector: Detector, head: HeadAdapter
    ) -> None:
        """Losses on boxes need it; what is judged must not have it."""
        outputs = detector.bbox_head(self.maps(detector))
        prediction = head.predict(outputs)
        assert not prediction.boxes.requires_grad
        assert prediction.boxes.dtype == torch.float32
        for item in outputs[1]:
            item.retain_grad()
        head.decode_maps(outputs[1]).sum().backward()
        assert all(item.grad is not None and item.grad.isfinite().all() for item in outputs[1])

    def test_thresholds_are_ious_with_the_positive_one_on_top(
        self, detector: Detector, head: HeadAdapter
    ) -> None:
        """One pair for every object, or one for all."""
        boxes = [[[4.0, 6.0, 40.0, 50.0], [20.0, 10.0, 90.0, 60.0]], [[1.0, 2.0, 30.0, 25.0]]]
        data = samples(boxes, [SIZE, SIZE])
        truth = GroundTruth.of([item.gt_instances for item in data], torch.device("cpu"))
        sizes = [(item.shape[2], item.shape[3]) for item in self.maps(detector)]
        valid = [torch.ones(2, *size, dtype=torch.bool) for size in sizes]
        rule = head.rule(truth, sizes, valid, [item.metainfo for item in data])
        assert rule.positive.shape == rule.negative.shape
        assert torch.broadcast_shapes(rule.positive.shape, truth.real.shape) == truth.real.shape
        real = truth.real if rule.positive.shape == truth.real.shape else torch.ones(1, 1) > 0
        assert (rule.negative[real] >= 0).all()
        assert (rule.positive[real] >= rule.negative[real]).all()
        assert (rule.positive[real] <= 1).all()

    @pytest.mark.parametrize("training", [True, False])
    def test_towers_and_predictors_give_the_heads_own_outputs(
        self, detector: Detector, head: HeadAdapter, training: bool
    ) -> None:
        """From every stage on; only for a head whose adapter is a TowerHead."""
        if not isinstance(head, TowerHead):
            pytest.skip(f"the adapter of {head.name} is no TowerHead")
        maps = self.maps(detector)
        detector.bbox_head.train(training)
        with torch.no_grad():
            expected = detector.bbox_head(maps)
            for stage in range(len(head.class_tower) + 1):
                begun = tower_features(head, maps, stage)
                for ours, theirs in zip(finish(head, begun, stage), expected, strict=False):
                    torch.testing.assert_close(ours, list(theirs))
        assert begun.classes[0].shape[1] == head.tower_channels

    def test_the_graph_for_onnx_gives_the_same_boxes_and_scores(
        self, detector: Detector, head: HeadAdapter
    ) -> None:
        """Its score factor, if any, is an output of its own."""
        outputs = self.outputs(detector)
        with torch.no_grad():
            boxes, scores, *factors = DenseGraph(detector).eval()(images(2, *SIZE))
        torch.testing.assert_close(boxes, head.decode(outputs).flatten(1, 2))
        final = scores * factors[0][..., None] if factors else scores
        torch.testing.assert_close(final, _scores(head, outputs))
        assert bool(factors) == (head.score_factor is not None)

    def test_onnxruntime_gives_what_torch_gives_for_any_batch(
        self, detector: Detector, tmp_path: Path
    ) -> None:
        """Needs the packages onnx and onnxruntime."""
        pytest.importorskip("onnx")
        runtime = pytest.importorskip("onnxruntime")
        graph = export_onnx(detector, tmp_path / "model.onnx", SIZE)
        session = runtime.InferenceSession(str(graph.path), providers=["CPUExecutionProvider"])
        for count in (1, 3):
            batch = images(count, *SIZE, seed=count)
            with torch.no_grad():
                expected = DenseGraph(detector).eval()(batch)
            found = session.run(None, {"images": batch.numpy()})
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(torch.from_numpy(ours), theirs, rtol=1e-3, atol=1e-3)


def _scores(head: HeadAdapter, outputs: Outputs) -> Tensor:
    """Return the final scores (N, P * A, classes) of all boxes."""
    boxes = head.decode(outputs)
    images, points, anchors, _ = boxes.shape
    prediction = head.predict(outputs)
    columns = [
        prediction.probability(
            torch.full((images, points), anchor), torch.full((images, points), label)
        )
        for anchor in range(anchors)
        for label in range(head.num_classes)
    ]
    scores = torch.stack(columns, dim=2).view(images, points * anchors, head.num_classes)
    if head.score_factor is None:
        return scores
    factor = torch.cat([item.permute(0, 2, 3, 1).flatten(1) for item in outputs[2]], dim=1)
    return scores * factor.sigmoid()[..., None]
