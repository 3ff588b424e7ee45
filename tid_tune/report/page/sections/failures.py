"""Trials that failed, and runs that were cut short, by cause."""

from __future__ import annotations

from collections.abc import Sequence

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status, Trial
from tid_tune.report.page.blocks import Block, Cell, Column, Section, TableBlock, Text
from tid_tune.report.page.study import Study
from tid_tune.words import counted, shortened

CAUSES = {
    Cause.USER: "the config or the code of the trial is wrong",
    Cause.NAN: "an objective is missing or not finite",
    Cause.OOM: "out of memory",
    Cause.CRASH: "any other error",
    Cause.LOST: "its process or node was lost too often",
}
"""What each cause of a failure means."""
REASON = 140
MOST = 8
"""Trials that are named for each cause."""


def section(study: Study) -> Section | None:
    """Return the section, if a trial failed or lost its worker."""
    failed: dict[Cause | None, list[Trial]] = {}
    for trial in study.state.trials.values():
        if trial.status is Status.FAILED:
            failed.setdefault(trial.cause, []).append(trial)
    lost = [trial for trial in study.state.trials.values() if trial.losses]
    if not failed and not lost:
        return None
    blocks: list[Block] = []
    if failed:
        blocks.append(_table(failed))
    if lost:
        times = sum(trial.losses for trial in lost)
        blocks.append(
            Text(
                f"{counted(len(lost), 'trial')} lost {'its' if len(lost) == 1 else 'their'} worker "
                f"or node, {counted(times, 'time')} in all, and went on from the last checkpoint."
            )
        )
    count = sum(map(len, failed.values()))
    ended = sum(trial.status.final for trial in study.state.trials.values())
    intro = f"{counted(count, 'trial')} of {ended} that ended failed." if failed else ""
    return Section("failures", "Failures by cause", intro, blocks)


def _table(failed: dict[Cause | None, list[Trial]]) -> TableBlock:
    rows: list[list[Cell | str]] = [
        [
            Cell("" if cause is None else cause.value, role="failed"),
            "" if cause is None else CAUSES.get(cause, ""),
            Cell(str(len(trials)), len(trials)),
            shortened(trials[0].reason, REASON),
            _names(trials),
        ]
        for cause, trials in sorted(failed.items(), key=lambda item: -len(item[1]))
    ]
    columns = [
        Column("cause"),
        Column("meaning"),
        Column("trials", number=True),
        Column("reason of the first one"),
        Column("which"),
    ]
    return TableBlock("A failed trial fails alone; its time counts as cost.", columns, rows)


def _names(trials: Sequence[Trial]) -> str:
    names = ", ".join(trial.id for trial in trials[:MOST])
    return f"{names} and {len(trials) - MOST} more" if len(trials) > MOST else names
