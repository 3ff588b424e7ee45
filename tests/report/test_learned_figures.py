"""The figures of what a search has learned, against values computed here from the ledger."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scipy import stats
from support.search_cases import OBJECTIVE
from support.studies import STUDIES, write_study

from tid_tune.insight.defaults import Defaults
from tid_tune.report.charts.model import Bars, Chart, Heat, Parallel, Points
from tid_tune.report.page.assemble import charts_of
from tid_tune.report.page.blocks import Cell, Details, Section, TableBlock, Text
from tid_tune.report.page.sections import (
    ablation,
    importance,
    interactions,
    learned,
    rungs,
    values,
)
from tid_tune.report.page.study import Study
from tid_tune.results.run_folder import RunFolder
from tid_tune.space import Value

WORDS = {"completed": "full length", "stopped": "stopped early", "failed": "failed"}


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals take most of the time; what they are made of is tested elsewhere."""
    monkeypatch.setattr("tid_tune.insight.importance.RESAMPLES", 4)


@dataclass
class Known:
    """What the ledger says of a search trial."""

    params: dict[str, Any]
    method: str
    curve: dict[float, float]
    status: str = ""


@dataclass
class Case:
    study: Study
    trials: dict[str, Known]

    def values(self, epoch: float, method: str = "") -> dict[str, float]:
        """The values at an epoch, by trial."""
        return {
            name: trial.curve[epoch]
            for name, trial in self.trials.items()
            if trial.method == method and epoch in trial.curve
        }


def known(ledger: Path) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for line in ledger.read_text().splitlines():
        event = json.loads(line)
        match event["event"]:
            case "suggested" if event["stage"] == "search":
                found[event["trial"]] = Known(event["params"], event["method"], {})
            case "reported" if event["trial"] in found:
                value = float(event["metrics"][OBJECTIVE])
                if math.isfinite(value):
                    found[event["trial"]].curve[event["epoch"]] = value
            case "ended" if event["trial"] in found:
                found[event["trial"]].status = event["status"]
    return found


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    found = {}
    for name in STUDIES:
        run = RunFolder.open(write_study(name, tmp_path_factory.mktemp("runs")))
        found[name] = Case(Study.of(run), known(run.ledger))
    return found


def charts(section: Section | None) -> dict[str, Chart]:
    assert section is not None
    return {chart.name: chart for chart in charts_of([section])}


@pytest.mark.parametrize("name", ["finished", "two", "packs"])
def test_the_rank_correlations_are_those_of_the_ledger(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    (chart,) = charts(rungs.section(case.study)).values()
    (heat,) = [mark for mark in chart.panels[0].marks if isinstance(mark, Heat)]
    shown = 0
    for early, row, texts in zip(heat.rows, heat.values, heat.texts, strict=True):
        for late, value, text in zip(heat.columns, row, texts, strict=True):
            a, b = (case.values(float(label.split()[1])) for label in (early, late))
            both = sorted(a.keys() & b.keys())
            if value is None:
                assert int(early.split()[1]) >= int(late.split()[1]) or len(both) < 3
                continue
            shown += 1
            wanted = stats.spearmanr([a[one] for one in both], [b[one] for one in both]).statistic
            assert value == pytest.approx(float(wanted))
            assert text == f"{value:.2f} ({len(both)})"
    assert shown


@pytest.mark.parametrize("name", ["finished", "running", "two", "methods", "packs"])
def test_slices_and_lines_are_the_trials_of_one_length(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    drawn = charts(values.section(case.study))
    assert drawn
    for method in {trial.method for trial in case.trials.values()}:
        suffix = f"_{method}" if method else ""
        if f"slices{suffix}" not in drawn:
            continue
        chart = drawn[f"slices{suffix}"]
        epoch = float(chart.caption.split("epoch ")[1].split(",")[0])
        wanted = case.values(epoch, method)
        for panel in chart.panels:
            having = {
                trial: value
                for trial, value in wanted.items()
                if panel.x.label in case.trials[trial].params
            }
            points = [mark for mark in panel.marks if isinstance(mark, Points)]
            seen = {k: y for mark in points for k, y in zip(mark.keys, mark.ys, strict=True)}
            assert seen == having
            for mark in points:
                for key, x in zip(mark.keys, mark.xs, strict=True):
                    value = case.trials[key].params[panel.x.label]
                    ticks = {text: place for place, text in panel.x.ticks}
                    assert x == (ticks[value] if isinstance(value, str) else pytest.approx(value))
                    if mark.name != "best":
                        assert mark.name == WORDS.get(case.trials[key].status, "not ended")
        (lines,) = [
            mark
            for mark in drawn[f"parallel{suffix}"].panels[0].marks
            if isinstance(mark, Parallel)
        ]
        assert dict(zip(lines.keys, lines.colours, strict=True)) == wanted
        assert all(
            place is None or 0 <= place <= 1 for one in lines.dimensions for place in one.places
        )


@pytest.mark.parametrize("name", ["two", "packs"])
def test_the_bars_of_importance_are_the_figures_of_the_table(
    cases: dict[str, Case], name: str
) -> None:
    section = importance.section(cases[name].study)
    (chart,) = charts(section).values()
    assert section is not None
    (table,) = [block for block in section.blocks if isinstance(block, TableBlock)]
    titles = [column.title for column in table.columns]
    for panel in chart.panels:
        (bars,) = [mark for mark in panel.marks if isinstance(mark, Bars)]
        at = titles.index(bars.name)
        cells = {row[0].text: row[at] for row in table.rows if isinstance(row[0], Cell)}
        for label, value, low, high in zip(
            bars.names, bars.values, bars.lows, bars.highs, strict=True
        ):
            cell = cells[label]
            assert isinstance(cell, Cell)
            assert cell.text == f"{value:.2f}"
            assert low <= value <= high
    if name == "two":
        assert "epoch 3, 18 trials" in chart.panels[0].title


@pytest.mark.parametrize(("name", "large"), [("finished", "no"), ("packs", "not known")])
def test_no_gain_is_more_than_noise_unless_it_was_confirmed(
    cases: dict[str, Case], name: str, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults: dict[str, Value] = {"weight": 0.2, "threshold": 0.9, "select": "threshold"}
    monkeypatch.setattr("tid_tune.insight.insight.defaults_of", lambda *_: Defaults(defaults, None))
    study = Study.of(cases[name].study.run)
    section = ablation.section(study)
    assert section is not None
    assert ("does not include the noise of a seed" in section.intro) == (large == "not known")
    (table,) = [block for block in section.blocks if isinstance(block, TableBlock)]
    (bars,) = charts(section)["ablation"].panels[0].marks
    assert isinstance(bars, Bars)
    for row, low, high in zip(table.rows[1:-1], bars.lows, bars.highs, strict=True):
        texts = [cell.text if isinstance(cell, Cell) else cell for cell in row]
        gain, error = map(float, texts[3:5])
        assert (gain - error, gain + error) == pytest.approx((low, high), abs=2e-4)
        assert texts[5] == ("yes" if low < 0 < high else large)
    assert any(large in row for row in table.rows)


def test_a_search_that_failed_shows_that_nothing_was_learned(cases: dict[str, Case]) -> None:
    study = cases["failed"].study
    section = learned.section(study)
    assert section is not None
    assert len(section.blocks) == 3
    for module in (rungs, importance, values, interactions, ablation):
        assert module.section(study) is None


@pytest.mark.parametrize("name", STUDIES)
def test_no_text_has_a_gap_or_a_number_that_is_none(cases: dict[str, Case], name: str) -> None:
    for module in (learned, rungs, importance, values, interactions, ablation):
        section = module.section(cases[name].study)
        for text in [] if section is None else texts_of(section):
            for bad in ("None", "nan", "  ", " ,", " .", "inf"):
                assert bad not in text.replace("information", ""), text


def texts_of(section: Section) -> list[str]:
    found = [section.title, section.intro]
    blocks = list(section.blocks)
    while blocks:
        block = blocks.pop()
        match block:
            case Text():
                found.append(block.text)
            case Chart():
                found += [block.title, block.caption, *(panel.title for panel in block.panels)]
            case TableBlock():
                found.append(block.caption)
                found += [c.text if isinstance(c, Cell) else c for row in block.rows for c in row]
            case Details():
                blocks += block.blocks
            case _:
                pass
    return found
