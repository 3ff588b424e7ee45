"""The compared methods, side by side."""

from __future__ import annotations

from tid_tune.ledger.records import Trial
from tid_tune.report.charts.model import Axis, Chart, Line, Panel, Points
from tid_tune.report.page.blocks import Cell, Column, Section, TableBlock
from tid_tune.report.page.sections.course import level_marks
from tid_tune.report.page.study import MOST_POINTS, Study, thinned
from tid_tune.report.page.words import label_text, signed, value_text
from tid_tune.results.costs import trial_cost
from tid_tune.results.ranking import gain_over_baseline, is_full_search_trial, order, undistilled
from tid_tune.search.stages.plan import DEFAULTS, NONE

GAINS = "over no distillation", "gain of tuning"


def section(study: Study) -> Section | None:
    """Return the section, if the search compares methods and one has a trial of full length."""
    if len(study.spec.method) < 2:
        return None
    trials = _by_method(study)
    if not any(is_full_search_trial(t) for found in trials.values() for t in found):
        return None
    intro = (
        "Each method was searched with the same number of points. The best of a method is the best "
        "of many noisy values: "
    )
    intro += (
        "compare methods by the confirmation, which trains their best with the same new seeds."
        if study.verdict is not None
        else "with one seed each, a small difference between methods means nothing."
    )
    return Section(
        "methods", "Methods compared", intro, [_chart(study, trials), _table(study, trials)]
    )


def _by_method(study: Study) -> dict[str, list[Trial]]:
    found: dict[str, list[Trial]] = {method: [] for method in study.spec.method}
    for trial in study.state.trials.values():
        if trial.stage == "search" and trial.method in found:
            found[trial.method].append(trial)
    return found


def _chart(study: Study, trials: dict[str, list[Trial]]) -> Chart:
    roles = study.method_roles
    full = {m: [t for t in found if is_full_search_trial(t)] for m, found in trials.items()}
    points = [
        Points(
            "",
            [trial.value(study.objective) or 0.0 for trial in some],
            [label_text(method)] * len(some),
            roles[method],
            [f"{trial.id}: {value_text(trial.value(study.objective))}" for trial in some],
            [trial.id for trial in some],
        )
        for method, found in full.items()
        if (some := thinned(found, MOST_POINTS // len(full)))
    ]
    lines = [
        _course(found, method, roles[method], study)
        for method, found in trials.items()
        if full[method]
    ]
    names = [label_text(method) for method, found in full.items() if found]
    most = max(float(line.xs[-1] or 0.0) for line in lines)
    levels = [level for level in level_marks(study) if level.role == "teacher"]
    height = max(320, 80 + 32 * len(names))
    return Chart(
        "methods",
        "The methods' trials",
        "First, trials of full length, one seed each; then the best of them so far, against what "
        "the search trials of that method had cost.",
        [
            Panel(Axis(study.objective), Axis("", names=names), points, height=height),
            Panel(
                Axis("epochs trained, of the method", limits=(0, 1.03 * most)),
                Axis(study.objective),
                [*lines, *levels],
                height=height,
            ),
        ],
    )


def _course(found: list[Trial], method: str, role: str, study: Study) -> Line:
    """Return the best full-length value so far of one method, against its own epochs."""
    xs: list[float] = []
    ys: list[float] = []
    epochs, sign = 0.0, study.spec.sign
    ended = sorted((t for t in found if t.ended is not None), key=lambda t: t.ended or 0.0)
    for trial in ended:
        epochs += trial_cost(trial).epochs
        value = trial.value(study.objective)
        better = value is not None and (not ys or sign * value > sign * ys[-1])
        if is_full_search_trial(trial) and better and value is not None:
            xs.append(epochs)
            ys.append(value)
    return Line(label_text(method), [*xs, epochs], [*ys, ys[-1]], role, step=True)


def _table(study: Study, trials: dict[str, list[Trial]]) -> TableBlock:
    rows = []
    baselines, sign = undistilled(study.state), study.spec.sign
    for method, found in trials.items():
        full = [trial for trial in found if is_full_search_trial(trial)]
        best = min(full, key=lambda trial: order(trial, study.spec), default=None)
        value = None if best is None else best.value(study.objective)
        gain = None if best is None else gain_over_baseline(best, baselines, study.spec)
        default = study.levels.get(NONE if method == NONE else f"{method} {DEFAULTS}")
        tuned = None if value is None or default is None else sign * (value - default)
        rows.append(
            [
                Cell(label_text(method), role=study.method_roles[method]),
                "" if best is None else Cell(best.id, to=best.id),
                _number(value),
                _number(gain, sign=True),
                _number(default),
                _number(tuned, sign=True),
                Cell(str(len(full)), len(full)),
                Cell(str(len(found)), len(found)),
                Cell(f"{sum(trial_cost(t).epochs for t in found):.6g}"),
            ]
        )
    columns = [
        Column("method"),
        Column("best trial"),
        Column(study.objective, number=True),
        Column(GAINS[0], number=True),
        Column("its defaults", number=True),
        Column(GAINS[1], number=True),
        Column("full length", number=True),
        Column("trials", number=True),
        Column("epochs", number=True),
    ]
    # Without baselines, there are no gains.
    kept = [at for at, _ in enumerate(columns) if any(row[at] != Cell("") for row in rows)]
    caption = "The best trial of each method, with one seed."
    if any(columns[at].title in GAINS for at in kept):
        caption += " Gains are positive where it is better."
    return TableBlock(
        caption,
        [columns[at] for at in kept],
        [[row[at] for at in kept] for row in rows],
        sortable=True,
    )


def _number(value: float | None, *, sign: bool = False) -> Cell:
    if value is None:
        return Cell("")
    return Cell(signed(value) if sign else value_text(value), value)
