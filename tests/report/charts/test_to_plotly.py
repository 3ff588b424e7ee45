"""Charts for plotly.js."""

from __future__ import annotations

from tid_tune.report.charts.model import Axis, Bars, Heat, Line, Panel
from tid_tune.report.charts.to_plotly import figure


def test_names_that_look_like_numbers_stay_names_in_their_order() -> None:
    bars = Bars("AP", ["7", "1", "12"], [0.3, 0.2, 0.1], "best")
    layout = figure(Panel(Axis("AP"), Axis(""), [bars]))["layout"]
    assert layout["yaxis"]["type"] == "category"
    assert layout["yaxis"]["dtick"] == 1
    assert layout["xaxis"]["type"] == "-"


def test_the_rows_and_columns_of_a_heat_map_are_names() -> None:
    heat = Heat("AP", ["7", "1"], ["20", "3"], [[0.3, 0.2], [0.1, None]])
    layout = figure(Panel(Axis(""), Axis(""), [heat]))["layout"]
    assert layout["xaxis"]["type"] == layout["yaxis"]["type"] == "category"


def test_the_parts_of_a_stacked_bar_have_texts_only_where_these_fit() -> None:
    bars = [Bars("a", ["x"], [0.1], "best", texts=["0.10"])]
    for stacked, position in ((True, "inside"), (False, "auto")):
        drawn = figure(Panel(Axis("share"), Axis(""), bars, stacked=stacked))
        assert drawn["data"][0]["textposition"] == position
        assert (drawn["layout"].get("uniformtext", {}).get("mode") == "hide") == stacked


def test_a_line_of_one_point_is_drawn_as_a_point() -> None:
    drawn = figure(Panel(Axis("epoch"), Axis("AP"), [Line("a", [1], [0.5], "best")]))
    assert drawn["data"][0]["mode"] == "lines+markers"
    drawn = figure(Panel(Axis("epoch"), Axis("AP"), [Line("a", [1, 2], [0.5, 0.6], "best")]))
    assert drawn["data"][0]["mode"] == "lines"
