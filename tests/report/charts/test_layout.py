"""What both renderers share."""

from __future__ import annotations

import pytest

from tid_tune.report.charts.layout import bundles, log_ticks
from tid_tune.report.charts.model import Dimension, Parallel


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.3, 10, ["0.5", "1", "2", "5", "10"]),
        (0.004, 0.03, ["0.005", "0.01", "0.02"]),
        (1e-5, 1.0, ["1e-05", "0.0001", "0.001", "0.01", "0.1", "1"]),
        (1.0, 1.0, ["1"]),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers_as_ticks(
    low: float, high: float, texts: list[str]
) -> None:
    ticks = log_ticks(low, high)
    assert [text for _, text in ticks] == texts
    assert [place for place, _ in ticks] == [float(text) for text in texts]


def test_a_line_of_parallel_coordinates_passes_by_an_axis_that_it_has_no_value_on() -> None:
    axes = [
        Dimension("weight", [0.1, 0.2], []),
        Dimension("quantile", [None, 0.5], []),
        Dimension("result", [0.0, 1.0], []),
    ]
    mark = Parallel(axes, [0.3, 0.4], "mAP", ["a", "b"], ["t1", "t2"])
    worse, better = bundles(mark)
    assert (worse.xs, worse.ys) == ([0, 2, 2], [0.1, 0.0, None])
    assert (better.xs, better.ys) == ([0, 1, 2, 2], [0.2, 0.5, 1.0, None])
