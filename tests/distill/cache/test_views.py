"""The views of an image that a pipeline makes, and what their entries take."""

from __future__ import annotations

from typing import Any

import pytest

from tid_tune.distill.cache.views import Endless, Estimate, count_views, view

LOAD: list[dict[str, Any]] = [{"type": "LoadImageFromFile"}, {"type": "mmdet.LoadAnnotations"}]
RESIZE = {"type": "Resize", "scale": (1333, 800), "keep_ratio": True}
PACK = {"type": "PackDetInputs"}


@pytest.mark.parametrize(
    ("steps", "count"),
    [
        ([RESIZE], 1),
        ([RESIZE, {"type": "RandomFlip", "prob": 0.5}], 2),
        ([RESIZE, {"type": "mmdet.RandomFlip", "prob": 0.0}], 1),
        ([RESIZE, {"type": "RandomFlip", "prob": 1.0}], 1),
        ([{"type": "RandomFlip", "prob": 0.5, "direction": ["horizontal", "vertical"]}], 3),
        ([{"type": "RandomFlip", "prob": [0.5, 0.5], "direction": ["horizontal", "vertical"]}], 2),
        (
            [
                {"type": "RandomChoiceResize", "scales": [(1333, 640), (1333, 800), (1333, 640)]},
                {"type": "RandomFlip", "prob": 0.5},
            ],
            4,
        ),
        ([{"type": "RandomResize", "scale": (640, 640), "ratio_range": (1.0, 1.0)}], 1),
    ],
)
def test_views_are_counted_where_they_can_be(steps: list[dict[str, Any]], count: int) -> None:
    pipeline = [*LOAD, *steps, PACK]
    assert count_views(pipeline) == count
    each = [view(pipeline, number) for number in range(count)]
    assert all(count_views(one) == 1 for one in each)
    assert len({repr(one) for one in each}) == count


@pytest.mark.parametrize(
    "step",
    [
        {"type": "RandomCrop", "crop_size": (64, 64)},
        {"type": "Mosaic"},
        {"type": "PhotoMetricDistortion"},
        {"type": "RandomResize", "scale": [(1333, 640), (1333, 800)]},
        {"type": "RandomResize", "scale": (640, 640), "ratio_range": (0.5, 2.0)},
        {"type": "MyTransform"},
    ],
)
def test_others_are_named_as_the_reason(step: dict[str, Any]) -> None:
    with pytest.raises(Endless, match=step["type"]):
        count_views([*LOAD, step, PACK])


def test_the_estimate_names_all_its_factors() -> None:
    estimate = Estimate(images=118_287, views=2, entry=int(11.5 * 2**20), several_shapes=False)
    assert estimate.bytes == 118_287 * 2 * int(11.5 * 2**20)
    for part in ("118287 images", "2 views", "11.5 MiB", "2.66e+03 GiB"):
        assert part in estimate.text()
