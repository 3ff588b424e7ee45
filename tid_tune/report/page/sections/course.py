"""The best value so far against what the search had cost by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tid_tune.report.charts.model import Axis, Chart, Level, Line, Mark, Panel, Points
from tid_tune.report.page.blocks import Section
from tid_tune.report.page.study import MOST_POINTS, Study, thinned
from tid_tune.report.page.words import label_text
from tid_tune.results.costs import device_name
from tid_tune.results.course import EndedTrial, ended_trials

NAME = "best_so_far"


def section(study: Study) -> Section | None:
    """Return the section, if a trial of the search has ended with a value."""
    chart = best_so_far(study)
    if chart is None:
        return None
    return Section("course", "The course of the search", "", [chart])


def best_so_far(study: Study) -> Chart | None:
    """Return the best full-length value so far, against epochs and device hours."""
    spec = study.spec
    ended = ended_trials(study.state, spec)
    if not ended:
        return None
    device = device_name(spec.resources)
    panels = [
        Panel(
            Axis(label, limits=(0, 1.02 * max(map(cost, ended)) or 1.0)),
            Axis(study.objective),
            [*_marks(ended, cost, spec.sign), *level_marks(study)],
        )
        for cost, label in (
            (lambda trial: trial.epochs, "epochs trained, all trials"),
            (lambda trial: trial.hours, f"{device}-hours, all trials"),
        )
    ]
    most = f" Of each kind, {MOST_POINTS} points are drawn." if len(ended) > MOST_POINTS else ""
    caption = (
        "Each point is a trial of the search, where it ended. Only trials of full length are "
        "compared: the value of one that was stopped early belongs to a shorter training." + most
    )
    return Chart(NAME, "Best so far, against what all trials had cost", caption, panels)


def level_marks(study: Study) -> list[Level]:
    """Return the reference values as levels."""
    roles = {"defaults": "defaults", "teacher": "teacher"} | study.method_roles
    return [
        Level(label_text(label), value, roles.get(label, "defaults"))
        for label, value in study.levels.items()
    ]


def _marks(
    ended: Sequence[EndedTrial], cost: Callable[[EndedTrial], float], sign: float
) -> list[Mark]:
    full = [trial for trial in ended if trial.full_length]
    groups = (
        ("not of full length", "stopped", [trial for trial in ended if not trial.full_length]),
        ("full length", "search", full),
    )
    marks: list[Mark] = [
        Points(
            name,
            [cost(trial) for trial in thinned(group)],
            [trial.value for trial in thinned(group)],
            role,
            [f"{trial.trial}: {trial.value:.3f}" for trial in thinned(group)],
            [trial.trial for trial in thinned(group)],
        )
        for name, role, group in groups
        if group
    ]
    if not full:
        return marks
    xs, ys, texts = steps(full, max(map(cost, ended)), cost, sign)
    return [*marks, Line("best so far", xs, ys, "best", step=True, texts=texts)]


def steps(
    full: list[EndedTrial], end: float, cost: Callable[[EndedTrial], float], sign: float
) -> tuple[list[float], list[float], list[str]]:
    """Return the best value so far: a point for each trial that was better than all before it.

    Args:
        full: the trials of full length, as they ended.
        end: the cost at which the line ends.
        cost: of the whole search when a trial ended.
        sign: -1 where less is better.

    Returns:
        Costs, values, and what to say of each.
    """
    better = full[:1]
    for trial in full:
        if sign * trial.value > sign * better[-1].value:
            better.append(trial)
    xs = [*map(cost, better), end]
    ys = [*(trial.value for trial in better), better[-1].value]
    texts = [f"{trial.trial}: {trial.value:.3f}" for trial in [*better, better[-1]]]
    return xs, ys, texts
