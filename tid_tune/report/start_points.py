"""The points of `start_from` as a table: which values each has, and which are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table

from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.tables import plain_table
from tid_tune.search.stages.plan import methods
from tid_tune.search.transfer import read_transfer, start_points
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Distribution, Value
from tid_tune.space.values import same

Points = list[tuple[str, Mapping[str, Value]]]


@dataclass(frozen=True)
class StartingPoints:
    """The points that are tried first, each with its name, and notes on lost values."""

    points: Points
    notes: list[str]


def points_to_try(spec: SearchSpec) -> StartingPoints:
    """Return the points of `start_from`.

    Raises:
        UsageError: the earlier run of `start_from` has no trial to start from.
    """
    points: Points = [(str(at + 1), values) for at, values in enumerate(spec.start_from)]
    if spec.transfer is None:
        return StartingPoints(points, [])
    by_method, notes = start_points(read_transfer(spec), spec)
    taken = {point.of or "": point.values for m in methods(spec) for point in by_method[m]}
    return StartingPoints(list(taken.items()), notes)


def start_table(points: Points, space: Mapping[str, Distribution]) -> Table:
    """Draw a line for each point: the values that it has, and the parameters that are drawn."""
    searched = [path for path, one in space.items() if not one.is_fixed]
    names = short_names(searched)
    table = plain_table("start from", "values", "drawn")
    for name, values in points:
        given = [f"{names[path]} {short_value(values[path])}" for path in names if path in values]
        drawn = [
            names[path]
            for path in searched
            if path not in values and not _inactive(space[path], values)
        ]
        table.add_row(name, ", ".join(given) or "none", ", ".join(drawn) or "none")
    return table


def _inactive(one: Distribution, values: Mapping[str, Value]) -> bool:
    """Return whether the values of a point switch a parameter off."""
    return any(
        parent in values and not any(same(values[parent], value) for value in allowed)
        for parent, allowed in one.when.items()
    )
