"""The charts of errors show the numbers of the analysis, and stay readable with many classes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from support.analysis_scenes import random_detections, random_truth

from tid_tune.errors import UsageError
from tid_tune.report.analysis.ap import coco_table
from tid_tune.report.analysis.breakdown import SHARES, break_down
from tid_tune.report.analysis.columns import Truth
from tid_tune.report.charts.model import Band, Bars, Line
from tid_tune.report.views.drawing import write_comparison
from tid_tune.report.views.error_charts import MOST_CLASSES, class_chart, curve_chart, size_chart
from tid_tune.report.views.evaluated import Evaluated, read_evaluated, require_same_images


def scene(seed: int = 0, classes: int = 6, total: int = 12) -> list[Evaluated]:
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, classes=classes, boxes=12 * classes)
    return [
        Evaluated(name, name, truth, random_detections(rng, truth), ("a.png",) * 12, total)
        for name in ("none", "best", "teacher")
    ]


def nan_mean(values: np.ndarray) -> np.ndarray:
    return np.nanmean(values, axis=0)


def test_the_curves_are_those_of_the_breakdown() -> None:
    models = scene()
    chart = curve_chart(models)
    for model, panel in zip(models, chart.panels, strict=True):
        expected = break_down(model.truth, model.detections).precision[:, 0]
        bands = [mark for mark in panel.marks if isinstance(mark, Band)]
        (strict,) = (mark for mark in panel.marks if isinstance(mark, Line))
        assert [band.name for band in bands] == list(SHARES)
        assert np.array(strict.ys, dtype=float) == pytest.approx(nan_mean(expected[0]))
        for stage, band in enumerate(bands, start=1):
            assert np.array(band.highs) == pytest.approx(nan_mean(expected[stage]))
        for below, above in itertools.pairwise(bands):
            assert above.lows == below.highs
        table = coco_table(model.truth, model.detections).overall()
        assert f"AP75 {table['AP75']:.3f}" in panel.title


def test_the_parts_of_a_bar_are_the_shares_and_add_up_to_one() -> None:
    models = scene()
    chart = size_chart(models)
    assert [panel.title.split()[0] for panel in chart.panels] == ["all", "small", "medium", "large"]
    for panel, size in zip(chart.panels, ("all", "small", "medium", "large"), strict=True):
        bars = [mark for mark in panel.marks if isinstance(mark, Bars)]
        assert np.sum([bar.values for bar in bars], axis=0) == pytest.approx(np.ones(3))
        for place, model in enumerate(models):
            expected = break_down(model.truth, model.detections).shares(size)
            found = {bar.name: bar.values[place] for bar in bars}
            assert found == pytest.approx(expected)


def test_of_many_classes_those_are_drawn_that_differ_most() -> None:
    models = scene(classes=80)
    (panel,) = class_chart(models).panels
    ap = [coco_table(model.truth, model.detections).by_class()["AP"] for model in models]
    there = [index for index in range(80) if not np.isnan(ap[0][index])]
    wanted = sorted(there, key=lambda index: -abs(ap[1][index] - ap[0][index]))[:MOST_CLASSES]
    for bars, values in zip(panel.marks, ap, strict=True):
        assert isinstance(bars, Bars)
        assert bars.names == [f"class {index}" for index in wanted]
        assert np.array(bars.values) == pytest.approx(values[wanted])
    assert f"the {MOST_CLASSES} of {len(there)} classes" in class_chart(models).caption


def test_a_chart_says_on_how_many_images_it_is_based() -> None:
    assert "the first 12 of 5000 validation images" in curve_chart(scene(total=5000)).caption
    assert "all 12 validation images" in curve_chart(scene()).caption


def test_an_evaluation_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    model = scene()[1]
    model.save(tmp_path / "kept.npz")
    again = read_evaluated(tmp_path / "kept.npz")
    assert again is not None
    assert again.analysis.as_json() == model.analysis.as_json()
    assert (again.name, again.role, again.files, again.total) == ("best", "best", model.files, 12)
    (tmp_path / "kept.npz").write_bytes((tmp_path / "kept.npz").read_bytes()[:-100])
    assert read_evaluated(tmp_path / "kept.npz") is None
    assert read_evaluated(tmp_path / "absent.npz") is None


def other(truth: Truth, **changes: object) -> Truth:
    return Truth(**{**vars(truth), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"classes": ("x",) * 6}, "names"),
        ({"image_ids": tuple(range(12))}, "other images"),
        ({"boxes": np.zeros((72, 4))}, "other objects"),
    ],
)
def test_models_of_other_data_are_not_compared(changes: dict[str, object], said: str) -> None:
    first = scene()[0]
    second = Evaluated(
        "B", "best", other(first.truth, **changes), first.detections, first.files, 12
    )
    with pytest.raises(UsageError, match=f"none and B cannot be compared.*{said}"):
        require_same_images([first, second])


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    models = scene()
    with pytest.raises(UsageError, match="no image nowhere"):
        write_comparison(models, tmp_path, chosen=["nowhere"])
    with pytest.raises(UsageError, match=r"a\.png is not there"):
        write_comparison(models, tmp_path, count=1)
