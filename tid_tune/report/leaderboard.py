"""The leaderboard as a terminal table: trials of equal length, their gain, their values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tid_tune import dotted
from tid_tune.ledger.records import Status
from tid_tune.results.ranking import Row, compared_modes
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import shortened

STYLES = {Status.FAILED: "red", Status.STOPPED: "dim", Status.INTERRUPTED: "yellow"}
REASON = 40
"""Characters of a failure's reason, about."""
VALUE = 40
"""Characters of a parameter's value."""
FIXED_WIDTH = 48
"""Columns before the values: rank, trial, what, epochs, gain."""


def leaderboard_table(
    rows: Sequence[Row], spec: SearchSpec, *, width: int, top: int | None = None
) -> Table:
    """Draw `rows`, best first; the baseline's rows are shown however far down they are.

    Args:
        rows: of `results.ranking.leaderboard`.
        spec: names the objectives and the searched parameters.
        width: of the terminal; too narrow for a column per parameter, they share one.
        top: at most so many rows besides the baseline's; None: all.
    """
    names = short_names(shown_parameters(rows, spec))
    modes = any(row.mode for row in rows)
    room = width - FIXED_WIDTH - sum(len(name) + 2 for name in spec.objectives)
    room -= max(len(row.mode) for row in rows) + 2 if modes else 0
    columns = sum(max(len(name), 8) + 2 for name in names.values()) <= room
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "trial", "what", "epochs", *spec.objectives, "gain", *["mode"] * modes):
        table.add_column(name, justify="left" if name in ("trial", "what", "mode") else "right")
    for name in names.values() if columns else ["values"]:
        table.add_column(name, justify="right" if columns else "left", overflow="fold")
    shown = 0
    for row in rows:
        if row.stage != "baseline":
            shown += 1
            if top is not None and shown > top:
                continue
        values = [short_value(row.params[path]) if path in row.params else "" for path in names]
        if not columns:
            pairs = zip(names.values(), values, strict=True)
            values = [" ".join(f"{name}={value}" for name, value in pairs if value)]
        table.add_row(*_cells(row, spec), *[row.mode] * modes, *values, style=_style(row))
    if top is not None and shown > top:
        table.add_row("", "...", f"{shown - top} more")
    compared = [mode or "the default" for mode in compared_modes(rows)]
    if len(compared) > 1:
        what = f"trained in {len(compared)} modes ({'; '.join(compared)})"
        table.caption = f"warning: {what}: compare values of the same mode only"
        table.caption_justify = "left"
    return table


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


def _cells(row: Row, spec: SearchSpec) -> list[str]:
    return [
        "" if row.rank is None else str(row.rank),
        row.trial,
        (row.label or row.stage) + _remark(row, spec),
        f"{row.epoch:g}" if row.fraction == 1.0 else f"{row.epoch:g} x {row.fraction:.3g}",
        *(_number(row.values.get(objective)) for objective in spec.objectives),
        "" if row.gain is None or row.label == "none" else f"{row.gain:+.3f}",
    ]


def _remark(row: Row, spec: SearchSpec) -> str:
    if row.status is Status.COMPLETED:
        return ", Pareto front" if row.front and len(spec.objectives) > 1 else ""
    kind = f" ({shortened(row.reason, REASON)})" if row.status is Status.FAILED else ""
    return f", {row.status}{kind}"


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


def to_text(table: Table, width: int = 200) -> str:
    """Return the table as plain text, for a file."""
    console = Console(width=width, no_color=True, highlight=False, file=None)
    with console.capture() as capture:
        console.print(table)
    lines = Text.from_ansi(capture.get()).plain.splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
