"""What a summary says of baselines that are not beaten, and of a search without a result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tid_tune.ledger.records import Status
from tid_tune.results.ranking import Row
from tid_tune.searchfile.model import SearchSpec

NOTHING_LEARNED = (
    "warning: {objective} is 0 in every trial: nothing has learned yet. Check the learning rate "
    "(optim_wrapper.optimizer.lr), the number of epochs, and that the class names of the config "
    "are those of the annotation files"
)


def unbeaten_lines(rows: Iterable[Row], best: Row, spec: SearchSpec) -> Iterator[str]:
    """Yield a line for each full-length baseline whose value is not worse than the best trial's.

    Args:
        rows: of `results.ranking.leaderboard`.
        best: the row of the best search trial.
        spec: names the first objective.
    """
    objective = spec.first_objective
    for row in rows:
        if row.stage != "baseline" or row.rank is None:
            continue
        ahead = spec.sign * (row.values[objective] - best.values[objective])
        what = f"the untuned {row.label} ({row.trial})"
        if ahead > 0:
            better = "higher" if spec.sign > 0 else "lower"
            yield f"warning: {what} score {better}; the search did not improve on them"
        elif ahead == 0 and not nothing_learned([row, best], spec):
            yield f"note: {what} score the same; the search did not improve on them"


def nothing_learned(rows: Iterable[Row], spec: SearchSpec) -> bool:
    """Return whether a first objective that is to be large is exactly 0 in every report shown."""
    values = [row.values[spec.first_objective] for row in rows if row.values]
    return spec.sign > 0 and bool(values) and all(value == 0 for value in values)


def why_nothing(rows: Iterable[Row]) -> str:
    """Return why a search has no best trial."""
    reasons = [f"{row.trial}: {row.reason}" for row in rows if row.status is Status.FAILED]
    first = f" The first failure: {reasons[0]}" if reasons else ""
    return f"no trial of the search reached its full length.{first}"
