"""The leaderboard as a terminal table: trials of equal length, their gain, their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tid_tune import dotted
from tid_tune.ledger.records import Status
from tid_tune.report.fitting import Column, fitted, left_out_lines, table_of
from tid_tune.results.ranking import Row, compared_modes
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import shortened

STYLES = {Status.FAILED: "red", Status.STOPPED: "dim", Status.INTERRUPTED: "yellow"}
REASON = 40
"""Characters of a failure's reason, about."""
VALUE = 40
"""Characters of a parameter's value."""
FILE_WIDTH = 10_000
"""More columns than any table has: in a file, no row is broken."""


def leaderboard_table(
    rows: Sequence[Row], spec: SearchSpec, *, width: int | None, top: int | None = None
) -> Group:
    """Draw `rows`, best first, each on one line; the baseline's rows are always shown.

    Args:
        rows: of `results.ranking.leaderboard`.
        spec: names the objectives and the searched parameters.
        width: of the terminal. Parameters that do not fit, and then other columns, are left out
            and named below the table. None: nothing is left out.
        top: at most so many rows besides the baseline's; None: all.
    """
    chosen = _first(rows, top)
    names = short_names(shown_parameters(rows, spec))
    columns = _columns(chosen, spec, names, reasons=True)
    if fitted(columns, width) != columns and any(row.rank is not None for row in chosen):
        columns = _columns(chosen, spec, names, reasons=False)
    kept = fitted(columns, width)
    left_out = [column.name for column in columns if column not in kept]
    styles = {at: style for at, row in enumerate(chosen) if (style := _style(row))}
    table = table_of(kept, styles)
    more = len(rows) - len(chosen)
    if more:
        table.add_row(*_more_cells(kept, more))
    notes = [*left_out_lines(left_out, width), *_mode_lines(rows)]
    return Group(table, *(Text(note) for note in notes))


def _first(rows: Sequence[Row], top: int | None) -> list[Row]:
    """Return the baseline's rows and the first `top` others, in their order."""
    shown, chosen = 0, []
    for row in rows:
        shown += row.stage != "baseline"
        if row.stage == "baseline" or top is None or shown <= top:
            chosen.append(row)
    return chosen


def _columns(
    rows: Sequence[Row], spec: SearchSpec, names: dict[str, str], *, reasons: bool
) -> list[Column]:
    """Return all columns; what a reader can do without best comes last.

    `reasons`: with those of failures.
    """
    first, *others = spec.objectives
    found = [
        Column("", ["" if row.rank is None else str(row.rank) for row in rows], True, stays=True),
        Column("trial", [row.trial for row in rows], stays=True),
        Column("what", [_what(row, spec, reasons) for row in rows]),
        Column("epochs", [_epochs(row) for row in rows], True),
        _objective_column(rows, first, stays=True),
        *(_objective_column(rows, name) for name in others),
        Column("gain", [_gain(row) for row in rows], True, stays=True),
    ]
    if any(row.mode for row in rows):
        found.append(Column("mode", [row.mode for row in rows]))
    for path, name in names.items():
        cells = [short_value(row.params[path]) if path in row.params else "" for row in rows]
        found.append(Column(name, cells, True))
    return found


def _objective_column(rows: Sequence[Row], name: str, *, stays: bool = False) -> Column:
    return Column(name, [_number(row.values.get(name)) for row in rows], True, stays)


def _more_cells(columns: Sequence[Column], more: int) -> list[str]:
    """Return the cells of the row that counts the rows that are not shown."""
    text = {"trial": "...", "what": f"{more} more"}
    if not any(column.name == "what" for column in columns):
        text["trial"] = f"+{more}"
    return [text.get(column.name, "") for column in columns]


def _mode_lines(rows: Sequence[Row]) -> list[str]:
    compared = [mode or "the default" for mode in compared_modes(rows)]
    if len(compared) < 2:
        return []
    what = f"trained in {len(compared)} modes ({'; '.join(compared)})"
    return [f"warning: {what}: compare values of the same mode only"]


def shown_parameters(rows: Iterable[Row], spec: SearchSpec) -> list[str]:
    """Return the paths that get a column: what is searched, or differs between trials.

    A parameter that the space had before, and has no more or as a fixed one, is among them.
    """
    values: dict[str, list[object]] = {}
    for row in rows:
        for path, value in row.params.items():
            known = values.setdefault(path, [])
            if value not in known:
                known.append(value)
    searched = [path for path, found in spec.space.items() if not found.is_fixed]
    earlier = [
        path
        for path, known in values.items()
        if path not in searched and (path not in spec.space or len(known) > 1)
    ]
    return [path for path in [*searched, *earlier] if path in values]


def _epochs(row: Row) -> str:
    return f"{row.epoch:g}" if row.fraction == 1.0 else f"{row.epoch:g} x {row.fraction:.3g}"


def _gain(row: Row) -> str:
    return "" if row.gain is None or row.label == "none" else f"{row.gain:+.3f}"


def _what(row: Row, spec: SearchSpec, reasons: bool) -> str:
    """Return what a trial is, and what became of it."""
    what = row.label or row.stage
    if row.status is Status.COMPLETED:
        return what + (", Pareto front" if row.front and len(spec.objectives) > 1 else "")
    # Few other trials do not come to their end: their stage is no news.
    ended = f"{row.label}, {row.status.words}" if row.label else row.status.words
    failed = row.status is Status.FAILED and reasons
    return ended + (f" ({shortened(row.reason, REASON)})" if failed else "")


def _style(row: Row) -> str | None:
    if row.rank == 1:
        return "bold green"
    return STYLES.get(row.status)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return each path's last word, or as many words as make it different from the others."""
    names: dict[str, str] = {}
    for path in paths:
        words = dotted.parts(path)
        for count in range(1, len(words) + 1):
            name = ".".join(words[-count:])
            if sum(other == path or other.endswith("." + name) for other in paths) == 1:
                break
        names[path] = name
    return names


def short_value(value: object) -> str:
    """Return a number in three digits, and of a long text its beginning and its end, on a line."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.3g}"
    text = " ".join(str(value).split())
    half = VALUE // 2 - 1
    return text if len(text) <= VALUE else f"{text[:half]}...{text[-half + 1 :]}"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.3f}"


def to_text(table: RenderableType, width: int = FILE_WIDTH) -> str:
    """Return a table as plain text, for a file."""
    console = Console(width=width, no_color=True, highlight=False, file=None)
    with console.capture() as capture:
        console.print(table)
    lines = Text.from_ansi(capture.get()).plain.splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
