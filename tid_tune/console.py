"""The one place that writes to the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
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


def pass_on(text: str) -> None:
    """Print output of another process as it is."""
    out.out(text, end="", highlight=False)


@contextlib.contextmanager
def silenced(quiet: bool = True) -> Iterator[None]:
    """Print nothing to stdout inside the block, if `quiet`."""
    before, out.quiet = out.quiet, quiet or out.quiet
    try:
        yield
    finally:
        out.quiet = before


def show(table: Table) -> None:
    """Print a table."""
    out.print(table)


def complain(message: str) -> None:
    """Print one error message to stderr."""
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


def step(what: str) -> None:
    """Show on a terminal what a command does now, where that takes some seconds."""
    if err.is_terminal:
        err.print(f"{what} ...", style="dim", markup=False, soft_wrap=True)


def shown_path(path: Path) -> Path:
    """Return `path` as a user types it: relative to the current folder where it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def is_interactive() -> bool:
    """Return whether stdout is a terminal that a live table can be drawn on."""
    return sys.stdout.isatty() and out.is_terminal


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; call what it yields with how much is done, of how much.

    Off a terminal nothing is shown.
    """
    if not is_interactive():
        yield lambda done, total: None
        return
    from rich.progress import Progress

    # Libraries write to stdout inside the block; their output must not be redirected.
    with Progress(console=out, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
