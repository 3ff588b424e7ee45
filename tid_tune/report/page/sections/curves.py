"""The learning curves of all trials, by outcome, with the rungs of the scheduler."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tid_tune.ledger.records import Report, Trial
from tid_tune.report.charts.model import Axis, Chart, Line, Mark, Panel, Rule
from tid_tune.report.page.blocks import Section
from tid_tune.report.page.sections.course import level_marks
from tid_tune.report.page.study import Study, thinned
from tid_tune.report.page.words import Outcome, label_text, outcome
from tid_tune.search.stages.plan import DEFAULTS, NONE

MOST_CURVES = 150
"""Of one outcome."""
MOST_PLACES = 60
"""Of one curve."""
MOST_DOTS = 1000
"""Of one outcome: with more reports, only the lines between them are drawn."""
BASELINES = {NONE: "none", DEFAULTS: "defaults"}


def section(study: Study) -> Section | None:
    """Return the section, if a trial of the search has reported."""
    groups = _groups(study)
    if not groups:
        return None
    return Section("curves", "Learning curves", "", [_chart(study, groups)])


def _chart(study: Study, groups: dict[Outcome, list[Trial]]) -> Chart:
    marks: list[Mark] = []
    for found, trials in groups.items():
        marks.append(_line(found.word, found.role, thinned(trials, MOST_CURVES), study, thin=True))
    for trial in study.state.trials.values():
        if trial.stage == "baseline" and trial.label in BASELINES and trial.reports:
            name = label_text(trial.label)
            marks.append(_line(name, BASELINES[trial.label], [trial], study))
    if study.winner is not None:
        marks.append(_line(f"best, {study.winner.id}", "best", [study.winner], study))
    marks += [level for level in level_marks(study) if level.role == "teacher"]
    rungs = study.spec.scheduler.rungs(study.spec.epochs) or ()
    marks += [Rule("rung", at) for at in rungs]
    epochs = Axis("epoch", limits=(0, 1.01 * study.spec.epochs))
    panel = Panel(epochs, Axis(study.objective), marks, height=420)
    counts = ", ".join(f"{len(trials)} {found.word}" for found, trials in groups.items())
    caption = (
        f"One line for each trial of the search: {counts}. A click shows a trial that is in detail "
        "below."
    )
    if rungs:
        at = ", ".join(f"{rung:g}" for rung in rungs)
        noun = "rung" if len(rungs) == 1 else "rungs"
        caption += f" At the {noun} (epoch {at}) the scheduler compares trials and stops some."
        if study.spec.scheduler.type == "asha":
            caption += (
                " It compares a trial with those that came there before it: the first ones go on, "
                "and a later one may be stopped with a better value."
            )
    if any(report.fraction != 1.0 for t in study.state.trials.values() for report in t.reports):
        caption += (
            " Reports on a part of the training images are left out, and trials without others."
        )
    if any(len(trials) > MOST_CURVES for trials in groups.values()):
        caption += f" Of each outcome, {MOST_CURVES} trials are drawn."
    return Chart("learning_curves", "Every trial of the search", caption, [panel], wide=True)


def _groups(study: Study) -> dict[Outcome, list[Trial]]:
    """Return the search trials with reports, by outcome; those that are drawn first come first."""
    groups: dict[Outcome, list[Trial]] = {}
    for trial in study.state.trials.values():
        if trial.stage == "search" and _reports(trial, study.objective):
            groups.setdefault(outcome(trial), []).append(trial)
    order = ("stopped early", "failed", "full length")
    ranks = {word: at for at, word in enumerate(order)}
    return dict(sorted(groups.items(), key=lambda item: ranks.get(item[0].word, len(order))))


def _reports(trial: Trial, objective: str) -> list[Report]:
    """Return the reports on all training images that have a value."""
    return [
        report
        for report in trial.reports
        if report.fraction == 1.0 and math.isfinite(report.metrics.get(objective, math.nan))
    ]


def _line(
    name: str, role: str, trials: Sequence[Trial], study: Study, *, thin: bool = False
) -> Line:
    """Return the curves of trials as one line with gaps."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    keys: list[str] = []
    for trial in trials:
        for report in thinned(_reports(trial, study.objective), MOST_PLACES):
            xs.append(report.epoch)
            ys.append(report.metrics.get(study.objective))
            keys.append(trial.id)
        xs.append(None)
        ys.append(None)
        keys.append("")
    dots = thin and len(xs) <= MOST_DOTS
    return Line(name, xs[:-1], ys[:-1], role, thin=thin, dots=dots, keys=keys[:-1])
