"""Every figure of the report against the ledger, computed here once more from its lines."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import yaml
from support.report_page import ReportPage, Table
from support.search_cases import OBJECTIVE
from support.studies import STUDIES, write_study

from tid_tune.report.page.assemble import page, sections_of
from tid_tune.report.page.study import Study
from tid_tune.results.run_folder import RunFolder

ELSEWHERE = ("rungs", "importance", "parallel", "slices", "interactions", "ablation", "model")
"""Charts, by the beginning of their names, whose figures other tests check."""


@dataclass
class Facts:
    """What the ledger says of one trial."""

    name: str
    suggested: dict[str, Any]
    reports: list[dict[str, Any]] = field(default_factory=list)
    status: str = "pending"
    cause: str = ""
    ended: float | None = None
    other_seconds: float = 0.0

    @property
    def stage(self) -> str:
        return str(self.suggested["stage"])

    @property
    def label(self) -> str:
        return str(self.suggested["label"])

    @property
    def seed(self) -> int:
        return int(self.suggested["seed"])

    @property
    def epochs(self) -> float:
        return float(self.reports[-1]["epoch"]) if self.reports else 0.0

    @property
    def seconds(self) -> float:
        return sum(report["seconds"] for report in self.reports) + self.other_seconds

    @property
    def is_full(self) -> bool:
        return self.stage == "search" and self.status == "completed"

    def at(self, epoch: float, name: str = OBJECTIVE) -> float:
        return float(next(r["metrics"][name] for r in self.reports if r["epoch"] == epoch))

    def value(self, name: str = OBJECTIVE) -> float:
        return float(self.reports[-1]["metrics"][name])


class Recorded:
    """The ledger of a run folder, line by line."""

    def __init__(self, run: Path) -> None:
        lines = (run / "ledger.jsonl").read_text().splitlines()
        self.events = [json.loads(line) for line in lines]
        self.spec = self.events[0]["spec"]
        self.trials: dict[str, Facts] = {}
        for event in self.events:
            if event["event"] == "suggested":
                self.trials[event["trial"]] = Facts(event["trial"], event)
            elif event["event"] == "reported":
                event["metrics"] = {n: float(value) for n, value in event["metrics"].items()}
                self.trials[event["trial"]].reports.append(event)
            elif event["event"] == "started":
                self.trials[event["trial"]].status = "running"
            elif event["event"] == "ended":
                trial = self.trials[event["trial"]]
                trial.status, trial.ended = event["status"], event["time"]
                trial.cause = event["cause"] or ""
                trial.other_seconds += event["seconds"]

    @cached_property
    def full(self) -> list[Facts]:
        return [trial for trial in self.trials.values() if trial.is_full]

    @cached_property
    def plan(self) -> dict[str, Any]:
        return next(e for e in reversed(self.events) if e["event"] == "confirmation_planned")

    @cached_property
    def winner(self) -> Facts:
        decided = [e["winner"] for e in self.events if e["event"] == "result_decided"]
        return self.trials[decided[-1]] if decided else max(self.full, key=Facts.value)

    @cached_property
    def alone(self) -> Facts:
        return self.baseline("none")

    def baseline(self, label: str) -> Facts:
        (found,) = [t for t in self.trials.values() if t.stage == "baseline" and t.label == label]
        return found

    def reruns(self, label: str) -> dict[int, float]:
        """The values of the completed reruns of a candidate or a baseline, by seed."""
        return {
            trial.seed: trial.value()
            for trial in self.trials.values()
            if trial.stage == "confirm" and trial.label == label and trial.status == "completed"
        }

    def held(self, seconds: float) -> float:
        """Device hours: one device a worker in all of these searches."""
        return seconds / 3600

    def course(self) -> Iterator[tuple[float, float, Facts]]:
        """The ended search trials in order, with the epochs and hours of all trials by then."""
        epochs = seconds = 0.0
        ended = [t for t in self.trials.values() if t.ended is not None and t.reports]
        for trial in sorted(ended, key=lambda t: t.ended or 0.0):
            epochs, seconds = epochs + trial.epochs, seconds + trial.seconds
            if trial.stage == "search" and math.isfinite(trial.value()):
                yield epochs, self.held(seconds), trial


@dataclass
class Case:
    recorded: Recorded
    page: ReportPage

    def traces(self, chart: str, panel: int = 0) -> dict[str, dict[str, Any]]:
        return {trace["name"]: trace for trace in self.page.charts[chart][panel]["data"]}


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


def near(*values: float) -> Any:
    """Numbers at the six digits that a chart has."""
    return pytest.approx(list(values), rel=1e-5)


def shown(text: str, value: float, digits: int = 3) -> bool:
    return abs(float(text) - value) <= 0.5001 * 10**-digits


# ---- charts ----


def check_best_so_far(case: Case) -> None:
    course = list(case.recorded.course())
    for panel in (0, 1):
        traces = case.traces("best_so_far", panel)
        costs = {trial.name: (epochs, hours)[panel] for epochs, hours, trial in course}
        for name, full in (("full length", True), ("not of full length", False)):
            some = [entry for entry in course if entry[2].is_full == full]
            if some:
                assert traces[name]["x"] == near(*(costs[entry[2].name] for entry in some))
                assert traces[name]["y"] == near(*(entry[2].value() for entry in some))
                assert traces[name]["customdata"] == [entry[2].name for entry in some]
        values = [trial.value() for _, _, trial in course if trial.is_full]
        steps = sorted(set(accumulate(values, max)))
        assert traces["best so far"]["y"] == near(*steps, steps[-1])
        assert traces["best so far"]["x"][-1] == pytest.approx(max(costs.values()), rel=1e-5)
        check_levels(case, "best_so_far", panel)


def check_levels(case: Case, chart: str, panel: int, *, only: tuple[str, ...] = ()) -> None:
    """The reference values, in the data and in the legend."""
    recorded, traces = case.recorded, case.traces(chart, panel)
    levels = {"teacher": recorded.alone.reports[0]["metrics"][f"teacher/{OBJECTIVE}"]}
    for trial in recorded.trials.values():
        if trial.stage == "baseline":
            name = "no distillation" if trial.label == "none" else trial.label
            levels[name] = trial.value()
    for name, value in levels.items():
        if not only or name in only:
            assert traces[name]["y"] == near(value)
            assert f"{name} {value:.3f}" in case.page.legends[chart]


WORDS = {
    "completed": "full length",
    "stopped": "stopped early",
    "failed": "failed",
    "running": "interrupted",  # no driver runs it
    "interrupted": "interrupted",
}


def curves_of(trace: dict[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """The curves of a line with gaps, by trial."""
    found = defaultdict(list)
    for x, y, trial in zip(trace["x"], trace["y"], trace["customdata"], strict=True):
        if x is not None:
            found[trial].append((x, y))
    return dict(found)


def check_learning_curves(case: Case) -> None:
    traces, recorded = case.traces("learning_curves"), case.recorded
    expected: dict[str, dict[str, Any]] = defaultdict(dict)
    for trial in recorded.trials.values():
        points = [
            (report["epoch"], report["metrics"][OBJECTIVE])
            for report in trial.reports
            if math.isfinite(report["metrics"][OBJECTIVE])
        ]
        if trial.stage == "search" and points:
            expected[WORDS[trial.status]][trial.name] = points
    for word, curves in expected.items():
        drawn = curves_of(traces[word])
        assert list(drawn) == list(curves)
        for name, points in curves.items():
            assert [x for x, _ in drawn[name]] == [x for x, _ in points]
            assert [y for _, y in drawn[name]] == near(*(y for _, y in points))
    winner = recorded.winner
    ys = [report["metrics"][OBJECTIVE] for report in winner.reports]
    assert traces[f"best, {winner.name}"]["y"] == near(*ys)
    assert traces["no distillation"]["y"] == near(
        *(report["metrics"][OBJECTIVE] for report in recorded.alone.reports)
    )
    check_levels(case, "learning_curves", 0, only=("teacher",))
    layout = case.page.charts["learning_curves"][0]["layout"]
    rungs = [shape["x0"] for shape in layout["shapes"] if shape.get("yref") == "paper"]
    assert rungs == ([] if recorded.spec["scheduler"]["type"] == "none" else [1, 3])


def check_costs(case: Case) -> None:
    expected: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for trial in case.recorded.trials.values():
        word = WORDS[trial.status] if trial.status != "interrupted" else "not ended"
        word = "not ended" if word == "interrupted" else word
        spent = expected[trial.stage, word]
        for at, more in enumerate((1, trial.epochs, case.recorded.held(trial.seconds))):
            spent[at] += more
    stages = {"baseline": "baselines", "search": "search", "confirm": "confirmation"}
    for (stage, word), (_, _, hours) in expected.items():
        trace = case.traces("costs")[word]
        drawn = dict(zip(trace["y"], trace["x"], strict=True))
        assert drawn[stages[stage]] == pytest.approx(hours, rel=1e-5)
    check_costs_table(case.page.table("duplicates are no trials"), expected, stages)


def check_costs_table(
    table: Table, expected: dict[tuple[str, str], list[float]], stages: dict[str, str]
) -> None:
    totals = [sum(spent[at] for spent in expected.values()) for at in range(3)]
    wanted = {(stages[stage], word): spent for (stage, word), spent in expected.items()}
    wanted["all", ""] = totals
    assert len(table.rows) == len(wanted)
    for stage, word, trials, epochs, hours in table.rows:
        spent = wanted[stage, word]
        assert (int(trials), float(epochs)) == (spent[0], spent[1])
        assert shown(hours, spent[2], 2)


def groups(case: Case) -> dict[str, str]:
    """What each arm of the confirmation is called on the page, by its label."""
    recorded = case.recorded
    names = {}
    for trial in recorded.plan["candidates"]:
        method = recorded.trials[trial].suggested["method"]
        names[trial] = f"{trial} ({method})" if method else trial
    labels = recorded.plan["baselines"]
    return names | {n: "no distillation" if n == "none" else n for n in labels}


def check_confirmation_seeds(case: Case) -> None:
    (panel,) = case.page.charts["confirmation_seeds"]
    drawn = {trace["y"][0]: trace["x"] for trace in panel["data"]}
    for label, name in groups(case).items():
        values = case.recorded.reruns(label)
        assert drawn[name] == near(*(values[seed] for seed in sorted(values)))
    table = case.page.table("reruns, best mean first")
    rows = {row["trained again"]: row for row in table.records()}
    for label, name in groups(case).items():
        values = case.recorded.reruns(label)
        assert shown(rows[name]["mean"], mean(values.values()))
        texts = rows[name]["by seed"].partition(" (")[0].split()
        assert all(shown(t, values[s]) for t, s in zip(texts, sorted(values), strict=True))


def gap(case: Case, candidate: str, reference: str) -> float:
    """The mean difference over the seeds that both have."""
    ours, theirs = case.recorded.reruns(candidate), case.recorded.reruns(reference)
    return mean(ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys())


def check_confirmation_gains(case: Case) -> None:
    names = {name: label for label, name in groups(case).items()}
    traces = case.traces("confirmation_gains")
    assert traces
    for title, trace in traces.items():
        reference = title.removeprefix("over ").partition(" (none, tuned)")[0]
        reference = names.get(reference, reference)
        error = trace["error_x"]
        for at, (name, value) in enumerate(zip(trace["y"], trace["x"], strict=True)):
            assert value == pytest.approx(gap(case, names[name], reference), rel=1e-5)
            assert error["array"][at] == pytest.approx(error["arrayminus"][at], rel=1e-3)
            assert error["array"][at] > 0


def check_pareto_front(case: Case) -> None:
    traces = case.traces("pareto_front")
    full = [t for t in case.recorded.trials.values() if t.status == "completed"]

    def beats(a: Facts, b: Facts) -> bool:
        ours, theirs = ((t.value(), -t.value("latency_ms")) for t in (a, b))
        return all(x >= y for x, y in zip(ours, theirs, strict=True)) and ours != theirs

    front = {t.name for t in full if not any(beats(other, t) for other in full)}
    for name, wanted in (("Pareto front", True), ("dominated", False)):
        trace = traces[name]
        some = [t for t in full if (t.name in front) == wanted and t.stage == "search"]
        assert sorted(trace["customdata"]) == sorted(t.name for t in some)
        for key, x, y in zip(trace["customdata"], trace["x"], trace["y"], strict=True):
            trial = case.recorded.trials[key]
            assert [x, y] == near(trial.value("latency_ms"), trial.value())
    assert sorted(case.page.table("The Pareto front").column("trial")) == sorted(front)


def check_methods(case: Case) -> None:
    recorded = case.recorded
    table = case.page.table("best trial of each method")
    points = {t["x"][0]: t for t in case.page.charts["methods"][0]["data"]}
    courses = case.traces("methods", 1)
    for row in table.records():
        method = "none" if row["method"] == "no distillation" else row["method"]
        found = [
            t
            for t in recorded.trials.values()
            if t.stage == "search" and t.suggested["method"] == method
        ]
        full = [trial for trial in found if trial.is_full]
        best = max(full, key=Facts.value)
        default = recorded.baseline("none" if method == "none" else f"{method} defaults").value()
        assert row["best trial"] == best.name
        assert shown(row[OBJECTIVE], best.value())
        assert shown(row["over no distillation"], best.value() - recorded.alone.value())
        assert shown(row["its defaults"], default)
        assert shown(row["gain of tuning"], best.value() - default)
        epochs = sum(trial.epochs for trial in found)
        assert (row["full length"], row["trials"]) == (str(len(full)), str(len(found)))
        assert float(row["epochs"]) == epochs
        assert points[row["method"]]["y"] == near(*(trial.value() for trial in full))
        assert courses[row["method"]]["y"][-1] == pytest.approx(best.value(), rel=1e-5)
        assert courses[row["method"]]["x"][-1] == epochs
    check_levels(case, "methods", 1, only=("teacher",))


CHARTS: dict[str, Callable[[Case], None]] = {
    "best_so_far": check_best_so_far,
    "learning_curves": check_learning_curves,
    "costs": check_costs,
    "confirmation_seeds": check_confirmation_seeds,
    "confirmation_gains": check_confirmation_gains,
    "pareto_front": check_pareto_front,
    "methods": check_methods,
}


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
        references = {"gain over no distillation": "none", f"gain over {own}": own}
        assert gained.keys() == references.keys()
        for label, reference in references.items():
            assert shown(gained[label], gap(case, winner.name, reference))
            assert "real gain; 95 % interval" in tiles[label][1]
    else:
        assert shown(tiles[f"{OBJECTIVE} of {winner.name}"][0], winner.value())
        gain = winner.value() - recorded.alone.value()
        assert shown(gained["gain over no distillation"], gain)
        assert "too good to be true" in tiles["gain over no distillation"][1]
    assert shown(tiles[f"{OBJECTIVE} of the teacher"][0], 0.66)


def test_the_values_are_there_to_be_pasted(case: Case) -> None:
    if case.recorded.full:
        (values,) = [code for code in case.page.codes if "start_from" in code]
        assert yaml.safe_load(values) == [case.recorded.winner.suggested["params"]]


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
