"""From the defaults to the best trial, one change at a time."""

from __future__ import annotations

import math

from tid_tune.insight.ablation import Path
from tid_tune.insight.lengths import length_text
from tid_tune.insight.measuring import FOLDER, Measuring, cost_of, measuring
from tid_tune.report.charts.model import Axis, Bars, Chart, Panel
from tid_tune.report.leaderboard import short_value
from tid_tune.report.page.blocks import Block, Cell, Code, Column, Section, TableBlock, Text
from tid_tune.report.page.study import Study
from tid_tune.results.costs import Cost, spent_text
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.suggestions import effective_of
from tid_tune.storage.places import child
from tid_tune.words import counted

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
    names = study.names
    found = _measuring(path, study)
    blocks: list[Block] = [_chart(found, study, names), _table(found, study, names)]
    return Section(
        "ablation",
        "From the defaults to the best",
        _intro(path, study),
        [*blocks, *_how_to_measure(found, study)],
    )


def _measuring(path: Path, study: Study) -> Measuring:
    """Return what is known of the path, with the search that measures it where there is one."""
    inside = RunFolder(child(study.run.place, FOLDER))
    state = inside.state if inside.exists else None
    return measuring(path, study.spec, effective_of(study.spec), state)


def _intro(path: Path, study: Study) -> str:
    baseline = "" if path.baseline is None else f" ({path.baseline.id})"
    return (
        f"Which of the changes from the default values{baseline} to those of {path.best.id} have "
        "gained something? A model of the results estimates it: the gains of the steps add up to "
        f"{path.gain:+z.3f} ± {ERRORS * path.error:.3f} in {study.objective} at "
        f"{length_text(path.length)}, where ± is two standard errors of the model. Each step takes "
        f"the change that gains most.{_caveat(study)}"
    )


def _caveat(study: Study) -> str:
    """Return what the model's errors leave out, where no rerun with a new seed tells it."""
    model = study.insight.winning.model
    if _is_confirmed(study) or isinstance(model, str):
        return ""
    return (
        f" It is a model of {counted(model.trials, 'result')} with one seed: its error does not "
        "include the noise of a seed, so whether a gain is more than that is not known."
    )


def _is_confirmed(study: Study) -> bool:
    return study.verdict is not None and study.verdict.best is not None


def _within_noise(gain: float, error: float, study: Study) -> str:
    if abs(gain) < ERRORS * error:
        return "yes"
    return "no" if _is_confirmed(study) else "not known"


def _chart(found: Measuring, study: Study, names: dict[str, str]) -> Chart:
    path = found.path
    labels = [names[step.name] for step in path.steps]
    bars = [
        Bars(
            "estimated by a model",
            labels,
            [step.gain for step in path.steps],
            "series1",
            [step.gain - ERRORS * step.error for step in path.steps],
            [step.gain + ERRORS * step.error for step in path.steps],
        )
    ]
    if found.is_begun:
        gains = found.gains(study.spec.sign)
        values = [math.nan if gain is None else gain for gain in gains]
        bars.append(Bars("measured, one seed", labels, values, "series2"))
    height = 100 + 32 * len(labels) * len(bars)
    panel = Panel(Axis(f"gain in {study.objective}"), Axis("", names=labels), bars, height=height)
    caption = (
        "What each change adds to those above it. Lines are two standard errors to both sides: an "
        "estimate whose line holds 0 is within noise. Each step takes what gains most there, so a "
        "later one may gain more than one before it. The order was selected by the same model, so "
        "the first estimates are likely too large. Errors of steps partly cancel out: the error "
        "of their sum may be smaller."
    )
    if found.is_begun:
        caption += " A measured gain is the difference of two trainings with the same seed."
    title = f"What each change towards {path.best.id} gains"
    return Chart("ablation", title, caption, [panel], wide=True)


def _table(found: Measuring, study: Study, names: dict[str, str]) -> TableBlock:
    path, measured = found.path, found.gains(study.spec.sign)
    columns = [
        Column("change"),
        Column("default", number=True),
        Column(path.best.id, number=True),
        Column("estimated gain", number=True),
        Column("± 2 standard errors", number=True),
        Column("within noise"),
        Column("measured gain", number=True),
        Column(f"{study.objective} then", number=True),
    ]
    rows: list[list[Cell | str]] = [["defaults", *[""] * 6, _value(found.values[0])]]
    rows += [
        [
            names[step.name],
            short_value(step.before),
            short_value(step.after),
            Cell(f"{step.gain:+z.4f}", step.gain),
            Cell(f"{ERRORS * step.error:.4f}", step.error),
            _within_noise(step.gain, step.error, study),
            "" if gain is None else f"{gain:+z.4f}",
            _value(value),
        ]
        for step, gain, value in zip(path.steps, measured, found.values[1:], strict=True)
    ]
    ends = found.values[0], found.values[-1]
    whole = None if None in ends else study.spec.sign * ((ends[1] or 0.0) - (ends[0] or 0.0))
    rows.append(
        [
            "all changes",
            "",
            "",
            f"{path.gain:+z.4f}",
            f"{ERRORS * path.error:.4f}",
            _within_noise(path.gain, path.error, study),
            "" if whole is None else f"{whole:+z.4f}",
            "",
        ]
    )
    caption = (
        "The changes in their order, and their sum. What is empty was not measured. A measured "
        "gain is of one seed."
    )
    return TableBlock(caption, columns, rows)


def _how_to_measure(found: Measuring, study: Study) -> list[Block]:
    blocks: list[Block] = []
    if found.failed:
        blocks.append(
            Text(f"{counted(found.failed, 'training')} of a step failed; see {_folder(study)}.")
        )
    if found.missing:
        epochs, seconds = cost_of(found, study.spec.epochs)
        cost = spent_text(Cost(epochs=epochs, seconds=seconds), study.spec.resources)
        trainings = counted(len(found.missing), "training")
        blocks.append(
            Code(
                f"tid-tune report {study.run.pasted()} --measure",
                f"Train the steps instead of estimating them: {trainings}, about {cost}.",
            )
        )
    return blocks


def _folder(study: Study) -> str:
    return study.run.shown(FOLDER)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
