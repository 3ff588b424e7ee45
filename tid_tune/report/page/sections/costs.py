"""Where the time went, and what was saved."""

from __future__ import annotations

from tid_tune.insight.savings import Cached, Pace, Packs, Savings, Untrained, savings
from tid_tune.report.charts.model import Axis, Bars, Chart, Panel
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.study import Study
from tid_tune.results.costs import (
    FAILED,
    OPEN,
    OUTCOME_WORDS,
    STOPPED,
    USEFUL,
    CostRow,
    cost_rows,
    device_name,
    overhead_text,
    worker_time,
)
from tid_tune.words import capitalized, counted

OUTCOMES = {
    USEFUL: (OUTCOME_WORDS[USEFUL], "search"),
    STOPPED: (OUTCOME_WORDS[STOPPED], "stopped"),
    FAILED: (FAILED, "failed"),
    OPEN: (OUTCOME_WORDS[OPEN], "running"),
}
"""The word and the role of each outcome."""
STAGES = {"baseline": "baselines", "search": "search", "confirm": "confirmation"}


def section(study: Study) -> Section | None:
    """Return the section, if anything was trained."""
    *rows, total = cost_rows(study.state, study.spec)
    if not total.epochs:
        return None
    device = device_name(study.spec.resources)
    saved = savings(study.state, study.spec)
    blocks: list[Block] = [_chart(rows, device), _table(rows, total, device)]
    lines = _savings_lines(saved, device)
    if lines:
        blocks.append(Text("\n\n".join(lines)))
    used = f"{overhead_text(worker_time(study.state))}: it went into starting and waiting"
    return Section("costs", "What it cost, and what was saved", f"{capitalized(used)}.", blocks)


def _chart(rows: list[CostRow], device: str) -> Chart:
    stages = list(dict.fromkeys(row.stage for row in rows))
    names = [STAGES.get(stage, stage) for stage in stages]
    marks = []
    for outcome, (word, role) in OUTCOMES.items():
        hours = {row.stage: row.device_hours for row in rows if row.outcome == outcome}
        if hours:
            values = [hours.get(stage, 0.0) for stage in stages]
            marks.append(Bars(word, names, values, role))
    panel = Panel(
        Axis(f"{device}-hours"), Axis(""), marks, stacked=True, height=90 + 45 * len(stages)
    )
    caption = (
        "Time that workers were charged for, by stage and by what became of the trials. "
        "The time of a trial that failed or was repeated counts."
    )
    return Chart("costs", "Cost by stage and outcome", caption, [panel], wide=True)


def _table(rows: list[CostRow], total: CostRow, device: str) -> TableBlock:
    cells = [
        [
            STAGES.get(row.stage, row.stage),
            Cell(OUTCOMES[row.outcome][0], role=OUTCOMES[row.outcome][1]) if row.outcome else "",
            Cell(str(row.trials), row.trials),
            Cell(f"{row.epochs:.6g}", row.epochs),
            Cell(f"{row.device_hours:.2f}", row.device_hours),
        ]
        for row in [*rows, total]
    ]
    columns = [
        Column("stage"),
        Column("outcome"),
        Column("trials", number=True),
        Column("epochs", number=True),
        Column(f"{device}-hours", number=True),
    ]
    caption = (
        "An epoch on a part of the training images counts as that part; duplicates are no trials."
    )
    return TableBlock(caption, columns, cells, marked=len(rows))


def _savings_lines(saved: Savings, device: str) -> list[str]:
    lines = []
    if saved.stopped is not None:
        lines.append(
            "Early stopping: " + _untrained_text(saved.stopped, OUTCOME_WORDS[STOPPED], device)
        )
    if saved.duplicates is not None:
        lines.append(
            "Duplicates: " + _untrained_text(saved.duplicates, "not trained again", device)
        )
    if saved.packs is not None:
        lines.append("Packs: " + _packs_text(saved.packs))
    if saved.cached is not None:
        lines.append("Cache of the teacher's work: " + _cached_text(saved.cached, device))
    if saved.pace is not None:
        lines.append("Distillation: " + _pace_text(saved.pace))
    return lines


def _untrained_text(saved: Untrained, what: str, device: str) -> str:
    return (
        f"{counted(saved.trials, 'trial')} {'was' if saved.trials == 1 else 'were'} {what}, which "
        f"left {saved.epochs:.6g} epochs untrained: about {saved.hours:.2f} {device}-hours at the "
        "pace of these trials (an estimate)."
    )


def _packs_text(packs: Packs) -> str:
    text = (
        f"{counted(packs.trials, 'trial')} were trained side by side, in "
        f"{counted(packs.packs, 'pack')}."
    )
    if packs.together is None or packs.single is None:
        return f"{text} No distilled trial was trained by itself, so there is no measured saving."
    share = packs.together / packs.single
    return (
        f"{text} A training image took {1000 * packs.together:.3g} ms of a worker's time, and "
        f"{1000 * packs.single:.3g} ms in trials by themselves: {share:.2f} times as long."
    )


def _cached_text(cached: Cached, device: str) -> str:
    text = (
        f"it had the work on {100 * cached.share:.0f} % of the training images that a teacher was "
        "needed for."
    )
    if cached.seconds is None or cached.hours is None:
        return (
            f"{text} How much time that saved cannot be said: the shares of the epochs are alike."
        )
    if cached.seconds <= 0:
        return f"{text} Epochs that found more in it were not faster."
    return (
        f"{text} Such an image took {1000 * cached.seconds:.3g} ms less: about "
        f"{cached.hours:.2f} {device}-hours (an estimate from the pace of the epochs)."
    )


def _pace_text(pace: Pace) -> str:
    return (
        f"a training image took {1000 * pace.distilled:.3g} ms with it and "
        f"{1000 * pace.alone:.3g} ms for the student alone, in the median trial, evaluation "
        f"included: {pace.ratio:.2f} times as long."
    )
