"""From the defaults to the best trial, one change at a time."""

from __future__ import annotations

from tid_tune.insight.ablation import Path
from tid_tune.insight.lengths import length_text
from tid_tune.report.charts.model import Axis, Bars, Chart, Panel
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.study import Study

ERRORS = 2.0
"""A gain of fewer standard errors is within noise."""


def section(study: Study) -> Section | None:
    """Return the section; None before a trial has come to its full length."""
    if study.winner is None:
        return None
    path = study.insight.path
    if isinstance(path, str):
        note = Text(f"There is no path from the defaults to the best trial: {path}.", "note")
        return Section("ablation", "From the defaults to the best", "", [note])
    names = short_names(list(study.spec.space))
    blocks: list[Block] = [_chart(path, study, names), _table(path, names)]
    return Section("ablation", "From the defaults to the best", _intro(path, study), blocks)


def _intro(path: Path, study: Study) -> str:
    baseline = "" if path.baseline is None else f" ({path.baseline.id})"
    return (
        f"Which of the changes from the default values{baseline} to those of {path.best.id} have "
        "gained something? Estimated by a model of the results, not measured: the gains of the "
        f"steps add up to {path.gain:+.3f} +/- {path.error:.3f} in {study.objective} at "
        f"{length_text(path.length)}. At each step, the change is taken that gains most."
    )


def _chart(path: Path, study: Study, names: dict[str, str]) -> Chart:
    labels = [names[step.name] for step in path.steps]
    bars = Bars(
        "estimated by a model",
        labels,
        [step.gain for step in path.steps],
        "series1",
        [step.gain - ERRORS * step.error for step in path.steps],
        [step.gain + ERRORS * step.error for step in path.steps],
    )
    height = 90 + 30 * len(labels)
    panel = Panel(Axis(f"gain in {study.objective}"), Axis(""), [bars], height=height)
    caption = (
        "What each change adds to those above it, estimated by a model. The lines are two standard "
        "errors to both sides: a gain whose line holds 0 is within noise. The order was selected "
        "by the same model, so the first gains are likely too large."
    )
    title = f"What each change towards {path.best.id} gains"
    return Chart("ablation", title, caption, [panel], wide=True)


def _table(path: Path, names: dict[str, str]) -> TableBlock:
    columns = [
        Column("change"),
        Column("default", number=True),
        Column(path.best.id, number=True),
        Column("estimated gain", number=True),
        Column("standard error", number=True),
        Column("within noise"),
    ]
    rows: list[list[Cell | str]] = [
        [
            names[step.name],
            short_value(step.before),
            short_value(step.after),
            Cell(f"{step.gain:+.4f}", step.gain),
            Cell(f"{step.error:.4f}", step.error),
            "yes" if abs(step.gain) < ERRORS * step.error else "no",
        ]
        for step in path.steps
    ]
    rows.append(
        [
            "all changes",
            "",
            "",
            f"{path.gain:+.4f}",
            f"{path.error:.4f}",
            "yes" if abs(path.gain) < ERRORS * path.error else "no",
        ]
    )
    return TableBlock("The changes in their order, and their sum.", columns, rows)
