"""One row a run: its state, its trials, its best one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.results.costs import run_cost
from tid_tune.results.ranking import leaderboard, winning_row
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.stages.verdict import judge, seed_count


@dataclass(frozen=True)
class RunRow:
    """A run in the list of runs. After a confirmation, value and gain are means over its seeds."""

    run: str
    standing: str
    trials: int
    epochs: float
    best: str | None
    value: float | None
    gain: float | None
    confirmed: str
    """How many seeds, and what the confirmation found; empty without one."""


def run_row(run: RunFolder) -> RunRow:
    """Return the row of one run. The row of one that cannot be read shows the error."""
    try:
        return _readable_row(run)
    except UsageError as error:
        return RunRow(_called(run), f"unreadable: {error}", 0, 0.0, None, None, None, "")


def _readable_row(run: RunFolder) -> RunRow:
    state = run.state
    cost = run_cost(state)
    best, value, gain, confirmed = _best(run)
    return RunRow(
        _called(run), run.standing(), cost.trials, cost.epochs, best, value, gain, confirmed
    )


def _called(run: RunFolder) -> str:
    """Return what stands for a run in a list; a URI would take the whole line."""
    return run.shown() if isinstance(run.place, Path) else run.name


def _best(run: RunFolder) -> tuple[str | None, float | None, float | None, str]:
    state, spec = run.state, run.spec
    verdict = judge(state, spec) if state.result is not None else None
    if verdict is not None and verdict.best is not None and verdict.best.estimate is not None:
        known = verdict.best.estimate
        against = verdict.best.comparisons[:1]
        gain = against[0].difference.mean if against else None
        words = ": ".join([seed_count(known.count), *(c.verdict for c in against)])
        return verdict.best.name, known.mean, gain, words
    row = winning_row(leaderboard(state, spec), state, spec)
    if row is None:
        return None, None, None, ""
    return row.trial, row.values[spec.first_objective], row.gain, ""
