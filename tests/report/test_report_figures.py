"""Every figure of the report against the ledger, computed here once more from its lines."""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import yaml
from support.recorded import Facts, Recorded
from support.report_charts import CHARTS, WORDS, Case, gap, shown
from support.report_page import ReportPage
from support.search_cases import OBJECTIVE
from support.studies import STUDIES, write_study

from tid_tune.report.page.assemble import page, sections_of
from tid_tune.report.page.study import Study
from tid_tune.results.run_folder import RunFolder

ELSEWHERE = ("rungs", "importance", "parallel", "slices", "interactions", "ablation", "model")
"""Charts, by the beginning of their names, whose figures other tests check."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    found = {}
    for name in STUDIES:
        run = write_study(name, tmp_path_factory.mktemp("runs"))
        study = Study.of(RunFolder.open(run))
        found[name] = Case(Recorded(run), ReportPage(page(study, sections_of(study))))
    return found


@pytest.fixture(params=STUDIES)
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Case:
    return cases[request.param]


def test_the_charts_show_what_the_ledger_says(case: Case) -> None:
    for name in case.page.figures:
        if not name.startswith(ELSEWHERE):
            CHARTS[name](case)


def test_a_chart_is_on_the_page_of_the_search_that_has_something_to_show(
    cases: dict[str, Case],
) -> None:
    drawn = {name for case in cases.values() for name in case.page.figures}
    assert drawn >= CHARTS.keys()
    assert "pareto_front" not in cases["finished"].page.figures
    assert "methods" not in cases["finished"].page.figures
    assert not any(n.startswith("confirmation") for n in cases["two"].page.figures)
    assert not cases["failed"].page.figures


# ---- figures in texts and tables ----


def test_the_tiles_of_the_verdict(case: Case) -> None:
    recorded, tiles = case.recorded, case.page.tiles
    trials = list(recorded.trials.values())
    epochs = sum(trial.epochs for trial in trials)
    assert tiles["trained"][0] == f"{len(trials)} trials, {epochs:g} epochs"
    hours = recorded.held(sum(trial.seconds for trial in trials))
    assert shown(tiles["cost"][0].split()[0], hours, 2)
    gained = {label: value for label, (value, _) in tiles.items() if label.startswith("gain over ")}
    if not recorded.full:
        assert len(tiles) == 2
        return
    winner = recorded.winner
    if any(event["event"] == "confirmation_planned" for event in recorded.events):
        value = mean(recorded.reruns(winner.name).values())
        assert shown(tiles[f"{OBJECTIVE} of {winner.name}, confirmed"][0], value)
        own = f"{winner.suggested['method']} defaults".strip()
        references = {"gain over no distillation": "none", f"gain over the {own}": own}
        assert gained.keys() == references.keys()
        for label, reference in references.items():
            assert shown(gained[label], gap(case, winner.name, reference))
            assert "real gain; 95 % interval" in tiles[label][1]
    else:
        assert shown(tiles[f"{OBJECTIVE} of {winner.name}"][0], winner.value())
        assert gained.keys() == {"gain over no distillation", "gain over the defaults"}
        for label, reference in zip(gained, ("none", "defaults"), strict=True):
            gain = winner.value() - recorded.baseline(reference).value()
            assert shown(gained[label], gain)
            assert "too good to be true" in tiles[label][1]
    assert shown(tiles[f"{OBJECTIVE} of the teacher"][0], 0.66)


def test_the_values_are_there_to_be_pasted(case: Case) -> None:
    if case.recorded.full:
        (values,) = [code for code in case.page.codes if "start_from" in code]
        assert yaml.safe_load(values) == [case.recorded.winner.suggested["params"]]


def test_what_was_not_confirmed_comes_with_the_command_that_confirms_it(case: Case) -> None:
    commands = [code for code in case.page.codes if "confirm.seeds=3" in code]
    planned = bool(case.recorded.spec["confirm"])
    assert len(commands) == (not planned and bool(case.recorded.full))
    for command in commands:
        assert command.startswith("tid-tune run SPACE.yaml --runs ")


def test_that_command_changes_the_search_file_as_the_search_did(tmp_path: Path) -> None:
    run = RunFolder.open(write_study("finished", tmp_path))
    changed = ("name=other", "space.lr={uniform: [0, 1]}")
    study = Study.of(run)
    study = replace(study, spec=run.spec.model_copy(update={"overrides": changed}))
    words = shlex.split(study.confirming)
    assert words[-6:] == ["--set", changed[0], "--set", changed[1], "--set", "confirm.seeds=3"]


def test_the_table_of_trials(case: Case) -> None:
    recorded = case.recorded
    table = case.page.table("Trials of full length by value")
    rows = {row["trial"]: row for row in table.records()}
    assert rows.keys() == {t.name for t in recorded.trials.values() if t.stage != "confirm"}
    ranked = [row["trial"] for row in table.records() if row["rank"]]
    full = [t for t in recorded.trials.values() if t.status == "completed" and t.name in rows]
    assert ranked == [t.name for t in sorted(full, key=Facts.value, reverse=True)]
    for name, row in rows.items():
        trial = recorded.trials[name]
        assert row["outcome"].startswith(WORDS.get(trial.status, "not started"))
        assert float(row["epochs"]) == trial.epochs
        for objective in recorded.spec["objectives"]:
            if trial.reports and math.isfinite(trial.value(objective)):
                assert shown(row[objective], trial.value(objective))
            elif trial.reports:
                assert (row[objective], row["gain"]) == ("nan", "")
        if trial.reports and trial.label != "none" and math.isfinite(trial.value()):
            assert shown(row["gain"], trial.value() - recorded.alone.at(trial.epochs))
        for parameter, value in trial.suggested["params"].items():
            text = f"{value:.3g}" if isinstance(value, float) else str(value)
            assert row[parameter] == text


def test_each_trial_in_detail(case: Case) -> None:
    for name, panels in case.page.charts.items():
        if name.startswith("trial_"):
            trial = case.recorded.trials[name.removeprefix("trial_")]
            trace = panels[0]["data"][0]
            assert trace["x"] == [report["epoch"] for report in trial.reports]
            values = [report["metrics"][OBJECTIVE] for report in trial.reports]
            finite = [value if math.isfinite(value) else None for value in values]
            assert trace["y"] == pytest.approx(finite, rel=1e-5)


def test_failures_by_cause(case: Case) -> None:
    failed = defaultdict(list)
    for trial in case.recorded.trials.values():
        if trial.status == "failed":
            failed[trial.cause].append(trial.name)
    if not failed:
        assert "Failures by cause" not in case.page.headings
        return
    rows = {row["cause"]: row for row in case.page.table("fails alone").records()}
    assert {cause: int(row["trials"]) for cause, row in rows.items()} == {
        cause: len(names) for cause, names in failed.items()
    }
    for cause, names in failed.items():
        assert rows[cause]["which"] == ", ".join(names)


def test_what_early_stopping_saved(case: Case) -> None:
    stopped = [t for t in case.recorded.trials.values() if t.status == "stopped"]
    lines = [text for text in case.page.paragraphs if text.startswith("Early stopping: ")]
    assert len(lines) == bool(stopped)
    if stopped:
        left = {t.name: t.suggested["epochs"] - t.epochs for t in stopped}
        hours = sum(left[t.name] * t.seconds / t.epochs for t in stopped) / 3600
        assert f"{len(stopped)} trials" in lines[0] or f"{len(stopped)} trial " in lines[0]
        assert f"left {sum(left.values()):g} epochs untrained" in lines[0]
        assert f"about {hours:.2f} " in lines[0]


# ---- the page ----


def test_a_reader_finds_what_the_page_links_to(case: Case) -> None:
    assert len(set(case.page.ids)) == len(case.page.ids)
    inside = [link[1:] for link in case.page.links if link.startswith("#")]
    assert set(inside) <= set(case.page.ids)
    assert all(link.startswith("#") for link in case.page.links)
    assert len(set(case.page.headings)) == len(case.page.headings)
    assert not case.page.images_without_alt
    assert all(table.caption for table in case.page.tables)


def test_there_is_no_empty_panel(case: Case) -> None:
    for panels in case.page.charts.values():
        assert panels
        for panel in panels:
            values = [v for trace in panel["data"] for v in trace.get("y", trace.get("z", []))]
            assert any(value is not None for value in values)
    assert all(table.rows for table in case.page.tables)
