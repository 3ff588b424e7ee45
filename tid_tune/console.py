"""The one place that writes to the terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

PLAIN_WIDTH = 160
"""Columns of a table in a file or a pipe, where rich would assume 80."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(stderr=True, highlight=False)


def say(message: str = "", *, style: str | None = None) -> None:
    """Print one line of ordinary output; brackets in `message` are not markup."""
    out.print(message, style=style, markup=False, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table."""
    out.print(table)


def complain(message: str) -> None:
    """Print one error message to stderr."""
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


def shown_path(path: Path) -> Path:
    """`path` as a user types it: relative to the current folder where it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def is_interactive() -> bool:
    """Whether stdout is a terminal a live table can be drawn on."""
    return sys.stdout.isatty() and out.is_terminal
