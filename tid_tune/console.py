"""The one place that writes to the terminal."""

from __future__ import annotations

import sys

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def say(message: str = "", *, style: str | None = None) -> None:
    """Print one line of ordinary output; brackets in `message` are not markup."""
    out.print(message, style=style, markup=False, soft_wrap=True)


def complain(message: str) -> None:
    """Print one error message to stderr."""
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


def is_interactive() -> bool:
    """Whether stdout is a terminal a live table can be drawn on."""
    return sys.stdout.isatty() and out.is_terminal
