"""What the charts of a report are to show, computed once more from the lines of the ledger."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from statistics import mean
from typing import Any

import pytest

from support.recorded import Facts, Recorded
from support.report_page import ReportPage, Table
from support.search_cases import OBJECTIVE


@dataclass
class Case:
    recorded: Recorded
    page: ReportPage

    def traces(self, chart: str, panel: int = 0) -> dict[str, dict[str, Any]]:
        return {trace["name"]: trace for trace in self.page.charts[chart][panel]["data"]}


def near(*values: float) -> Any:
    """Numbers at the six digits that a chart has."""
    return pytest.approx(list(values), rel=1e-5)


def shown(text: str, value: float, digits: int = 3) -> bool:
    return abs(float(text) - value) <= 0.5001 * 10**-digits


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
        shown = "no distillation" if method == "none" else method
        names[trial] = f"{trial} ({shown})" if method else trial
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
        reference = title.removeprefix("over ").partition(" (no distillation, tuned)")[0]
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
    points = {t["y"][0]: t for t in case.page.charts["methods"][0]["data"]}
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
        assert points[row["method"]]["x"] == near(*(trial.value() for trial in full))
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
