"""Pictures: areas lie where the points are, many objects stay readable, files keep to a size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tid_tune.distill.area_codes import KEY, WEAK
from tid_tune.report.analysis.columns import Detections, Truth
from tid_tune.report.views.area_charts import record_chart
from tid_tune.report.views.area_picture import TINTS, draw_areas_of, shown_moments, tinted
from tid_tune.report.views.canvas import Canvas, shortened, webp_within
from tid_tune.report.views.detection_picture import draw_panels, model_panel, truth_panel
from tid_tune.report.views.judged import judge_images
from tid_tune.trial.area_file import AreaRecord, RecordedImage


@pytest.mark.parametrize("stride", [8, 16])
def test_the_squares_of_a_level_lie_around_its_points(stride: int) -> None:
    height, width = 50, 90
    rows, columns = -(-height // stride), -(-width // stride)
    codes = np.random.default_rng(0).integers(0, 4, (rows, columns), dtype=np.uint8)
    ground = np.full((height, width, 3), 100, dtype=np.uint8)
    found = tinted(ground, codes, stride, (height, width))
    for y in range(height):
        for x in range(width):
            # A point is at (column * stride, row * stride); the nearest one colours the pixel,
            # if it is in its square: beside the last points, there may be half a stride more.
            down = min(range(rows), key=lambda r: (abs(y + 0.5 - r * stride), -r))
            across = min(range(columns), key=lambda c: (abs(x + 0.5 - c * stride), -c))
            far = y + 0.5 > (down + 0.5) * stride or x + 0.5 > (across + 0.5) * stride
            code = 0 if far else int(codes[down, across])
            tint = [int(TINTS[code][i : i + 2], 16) for i in (1, 3, 5)] if code else []
            wanted = [round(40 + 0.6 * part) for part in tint] or [80, 80, 80]
            assert found[y, x].tolist() == wanted


def record(epochs: int) -> AreaRecord:
    boxes = ((2.0, 3.0, 40.0, 30.0),)
    image = RecordedImage(0, "absent.png", (50, 90), boxes, ((7, 12), (4, 6)), (8, 16), "7")
    codes = np.random.default_rng(1).integers(0, 4, (epochs, 108), dtype=np.uint8)
    return AreaRecord((image,), tuple(float(e + 1) for e in range(epochs)), codes, "weak")


def test_a_record_is_drawn_whatever_its_length_and_without_its_image() -> None:
    assert shown_moments(range(12)) == [0, 4, 7, 11]
    for epochs in (1, 2, 12):
        picture = draw_areas_of(record(epochs), 0, None, "t0001")
        assert picture.width <= 1000
        assert picture.height <= 800


def test_the_shares_are_counted_over_the_points_of_a_level() -> None:
    found = record(3)
    chart = record_chart(found, "t0001")
    assert chart is not None
    levels = {(panel.title, line.name[:7]): line for panel in chart.panels for line in panel.marks}
    second = found.codes[:, 84:]
    weak = ((second == WEAK) | (second == KEY | WEAK)).mean(axis=1)
    assert levels["weak area", "level 1"].ys == pytest.approx(weak)
    key = (found.codes[:, :84] == KEY).mean(axis=1)
    assert levels["key area", "level 0"].ys == pytest.approx(key)
    assert record_chart(record(1), "t0001") is None


def test_a_thousand_objects_and_long_names_are_drawn_within_bounds() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 3900, (1000, 2))
    boxes = np.concatenate([corner, rng.uniform(10, 90, (1000, 2))], axis=1)
    label, image = rng.integers(0, 80, 1000), np.zeros(1000, dtype=np.int64)
    names = tuple(f"a class with a rather long name {index}" for index in range(80))
    none = np.zeros(1000, dtype=bool)
    ids = np.arange(80).astype(object)
    areas = boxes[:, 2] * boxes[:, 3]
    truth = Truth(names, ("",) * 80, ids, (7,), image, label, boxes, areas, none)
    judged = judge_images(truth, Detections(image, label, boxes, rng.random(1000)))
    pixels = rng.integers(0, 255, (4000, 4000, 3), dtype=np.uint8)
    shown = truth_panel(truth, 0), model_panel("a model", truth, judged, 0)
    assert len(shown[1].marks) == 1000
    picture = draw_panels(pixels, shown)
    assert picture.width <= 1000
    data = webp_within(picture, 60_000)
    assert len(data) <= 60_000
    assert Image.open(io.BytesIO(data)).format == "WEBP"


def test_a_label_is_written_where_no_other_one_is() -> None:
    canvas = Canvas(200, 100)
    assert canvas.label("one", [(10, 10)], "#FFFFFF")
    assert not canvas.label("two", [(12, 12)], "#FFFFFF")
    assert canvas.label("two", [(12, 12), (12, 60)], "#FFFFFF")
    assert canvas.label("outside", [(500, -500)], "#FFFFFF")


def test_a_text_that_is_too_long_ends_in_an_ellipsis() -> None:
    assert shortened("short", 200, 12) == "short"
    cut = shortened("a name that is much too long for this place", 100, 12)
    assert cut.endswith("\u2026")
    assert len(cut) > 5
