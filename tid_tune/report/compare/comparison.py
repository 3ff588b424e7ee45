"""The comparison of searches as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tid_tune.errors import UsageError
from tid_tune.report.compare.differences import Difference, differences
from tid_tune.report.compare.figures import Figures, common_level, equal_cost, figures
from tid_tune.report.compare.pairs import Pairs, pairs
from tid_tune.report.page.study import Study


@dataclass(frozen=True)
class Comparison:
    """Searches side by side.

    `not_ranked` says why their values cannot be ranked; empty: they can. `equal_epochs` is the cost
    at which they are ranked, `level` the value whose cost is compared; both are None where they
    are not ranked.
    """

    objective: str
    direction: str
    not_ranked: tuple[str, ...]
    differences: tuple[Difference, ...]
    equal_epochs: float | None
    level: float | None
    runs: tuple[Figures, ...]
    pairs: Pairs

    @property
    def ranked(self) -> bool:
        """Whether the values of the searches can be compared."""
        return not self.not_ranked


def compare(studies: Sequence[Study], level: float | None = None) -> Comparison:
    """Compare searches.

    Args:
        studies: two or more; differences are against the first.
        level: whose cost is compared; None: the best value that all have reached.

    Raises:
        UsageError: there are fewer than two, or one twice.
    """
    names = [study.run.shown() for study in studies]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(f"compare needs two or more different runs, got {', '.join(names)}")
    found = differences(studies)
    forbidden = tuple(difference.forbids for difference in found if difference.forbids)
    first = studies[0]
    if forbidden:
        rows = [figures(study, math.inf, None) for study in studies]
        rows = [replace(row, at_equal_cost=None) for row in rows]
        equal, paired = None, Pairs((), (), ())
        level = None
    else:
        equal = equal_cost(studies)
        level = common_level(studies) if level is None else level
        rows = _ranked([figures(study, equal, level) for study in studies], first.spec.sign)
        paired = pairs(studies)
    return Comparison(
        objective=first.objective,
        direction=first.spec.objectives[first.objective],
        not_ranked=forbidden,
        differences=tuple(found),
        equal_epochs=equal,
        level=level,
        runs=tuple(rows),
        pairs=paired,
    )


def _ranked(rows: list[Figures], sign: float) -> list[Figures]:
    """Give each row its rank; those of the same value have the same one."""
    known = [sign * row.at_equal_cost for row in rows if row.at_equal_cost is not None]
    return [
        row
        if row.at_equal_cost is None
        else replace(row, rank=1 + sum(value > sign * row.at_equal_cost for value in known))
        for row in rows
    ]
