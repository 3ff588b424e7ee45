"""The ONNX graph, run by onnxruntime, against the detector run by torch and mmdet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from support.export_models import HEADS, random_detector, write_config
from torchvision.ops import batched_nms

from tid_tune.errors import ConfigError
from tid_tune.export import export_student
from tid_tune.export.onnx import DenseGraph, Onnx, export_onnx
from tid_tune.export.readme import readme
from tid_tune.export.transforms import input_size
from tid_tune.openmmlab.configs import load_config

SIZE = (64, 96)


@pytest.fixture(scope="module", params=list(HEADS))
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Onnx]:
    """A detector and its graph."""
    folder = tmp_path_factory.mktemp(request.param)
    detector = random_detector(load_config(write_config(folder / "config.py", request.param)))
    return detector, export_onnx(detector, folder / "model.onnx", SIZE)


def run(graph: Onnx, images: torch.Tensor) -> list[torch.Tensor]:
    session = onnxruntime.InferenceSession(str(graph.path), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_outputs()] == list(graph.outputs)
    found = session.run(None, {"images": images.numpy()})
    return [torch.from_numpy(item) for item in found]


@pytest.mark.parametrize("batch", [1, 3])
def test_onnxruntime_gives_what_torch_gives_for_any_batch(
    pair: tuple[Any, Onnx], batch: int
) -> None:
    detector, graph = pair
    images = torch.randn(batch, 3, *SIZE, generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        expected = DenseGraph(detector).eval()(images)
    for got, wanted in zip(run(graph, images), expected, strict=True):
        assert got.shape == wanted.shape
        assert got.shape[0] == batch
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_with_suppression_the_graph_gives_mmdets_detections(pair: tuple[Any, Onnx]) -> None:
    detector, graph = pair
    images = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(7))
    shape = (SIZE[0] - 5, SIZE[1] - 9)
    metas = [{"img_shape": shape, "scale_factor": (1.0, 1.0)}] * 2
    test = detector.bbox_head.test_cfg
    test.nms_pre = 100_000
    with torch.no_grad():
        outputs = detector.bbox_head(detector.extract_feat(images))
        expected = detector.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas)
    boxes, scores, *factors = run(graph, images)
    for image, wanted in enumerate(expected):
        row, label = torch.nonzero(scores[image] > test.score_thr, as_tuple=True)
        score = scores[image, row, label]
        if factors:
            score = score * factors[0][image, row]
        limits = torch.tensor([shape[1], shape[0]] * 2)
        box = boxes[image, row].clamp(min=0).minimum(limits)
        inside = (box[:, 2:] > box[:, :2]).all(dim=1)
        box, score, label = box[inside], score[inside], label[inside]
        kept = batched_nms(box, score, label, test.nms.iou_threshold)[: test.max_per_img]
        assert len(kept) > 5
        torch.testing.assert_close(score[kept], wanted.scores, rtol=1e-3, atol=1e-4)
        assert (label[kept] == wanted.labels).float().mean() > 0.95
        torch.testing.assert_close(box[kept].sum(0), wanted.bboxes.sum(0), rtol=1e-3, atol=0.5)


def test_the_detector_is_left_in_evaluation_mode(pair: tuple[Any, Onnx]) -> None:
    assert not any(module.training for module in pair[0].modules())


def test_the_folder_gets_the_graph_and_says_how_to_use_it(
    distilled: tuple[Path, Path], tmp_path: Path
) -> None:
    exported = export_student(*distilled, tmp_path / "out", onnx=True)
    assert exported.onnx.size == (128, 128)
    text = exported.readme.read_text()
    for words in (
        "[N, 3, 128, 128]",
        "RGB images",
        "[123.675, 116.28, 103.53]",
        "above 0.6",
        "run_without_ops.py $TEST",
        "tools/test.py",
    ):
        assert words in text
    assert "centerness" not in text


@pytest.mark.parametrize(("scale", "size"), [((1333, 800), (800, 1344)), ((100, 50), (64, 128))])
def test_the_size_is_that_of_the_pipeline_padded(
    tmp_path: Path, scale: float, size: tuple[int, int]
) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data"))
    config.test_dataloader = config.val_dataloader
    config.test_dataloader.dataset.pipeline[1].scale = scale
    assert input_size(config) == size


@pytest.mark.parametrize(
    ("keep_ratio", "size", "told", "upright"),
    [
        (True, (800, 1344), "until the longer side has 1333 pixels or the shorter one 800", True),
        (True, (800, 800), "until the longer side has 1333 pixels", False),
        (False, (800, 1344), "resized to 1333x800 (width x height)", False),
    ],
)
def test_the_readme_says_how_images_come_to_the_size_of_the_graph(
    tmp_path: Path, keep_ratio: bool, size: tuple[int, int], told: str, upright: bool
) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL", "data"))
    config.test_dataloader = config.val_dataloader
    config.test_dataloader.dataset.pipeline[1].update(scale=(1333, 800), keep_ratio=keep_ratio)
    graph = Onnx(tmp_path / "model.onnx", size, ("boxes", "scores"))
    text = readme(config, ("a",), graph)
    assert " ".join(told.split()) in " ".join(text.split())
    assert ("`--size 1344x800`" in text) == upright


def test_a_pipeline_without_resizing_needs_a_size(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.py", "GFL"))
    with pytest.raises(ConfigError, match="--size"):
        input_size(config)
