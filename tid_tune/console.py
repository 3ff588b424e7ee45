"""The one place that writes to the terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def say(message: str = "", *, style: str | None = None) -> None:
    """Print one line of ordinary output; brackets in `message` are not markup."""
    out.print(message, style=style, markup=False, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table, in a pipe as wide as `width`."""
    out.print(table, width=width())


def complain(message: str) -> None:
    """Print one error message to stderr."""
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


PLAIN_WIDTH = 160
"""Columns of a table in a file or a pipe, where rich would assume 80."""


def width() -> int:
    """Columns a table may use."""
    return out.width if out.is_terminal else PLAIN_WIDTH


def is_interactive() -> bool:
    """Whether stdout is a terminal a live table can be drawn on."""
    return sys.stdout.isatty() and out.is_terminal
