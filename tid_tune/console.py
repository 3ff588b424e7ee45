"""The one place that writes to the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, ConsoleDimensions, RenderableType

from tid_tune.plain import json_text

PLAIN_WIDTH = 100
"""Columns of lines and tables in a log, a file or a pipe, unless the environment has COLUMNS."""


class _Output(Console):
    """Where ordinary output goes: as wide as the terminal; off one, as COLUMNS or `PLAIN_WIDTH`."""

    @property
    def size(self) -> ConsoleDimensions:
        """The columns and lines there are, asked anew each time."""
        found = super().size
        if self.is_terminal:
            return found
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isdecimal() and int(columns) > 0 else PLAIN_WIDTH
        return ConsoleDimensions(width, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size


out: Console = _Output(highlight=False)
err = Console(stderr=True, highlight=False)


def say(message: str = "", *, style: str | None = None) -> None:
    """Print one line of ordinary output; brackets in `message` are not markup."""
    out.print(message, style=style, markup=False, soft_wrap=True)


def explain(text: str) -> None:
    """Print sentences on lines as wide as the output, which break between words.

    Commands and names in backticks, and paths, stay whole: they can be copied.
    """
    for line in text.splitlines():
        whole = re.sub(r"`[^`]*`", lambda quoted: quoted[0].replace(" ", "\0"), line)
        indent = line[: len(line) - len(line.lstrip())] + "  "
        for part in textwrap.wrap(
            whole,
            out.width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            say(part.replace("\0", " "))


@contextlib.contextmanager
def answering(as_json: bool) -> Iterator[None]:
    """Keep stdout for `answer`, if `as_json`: inside the block all else goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        yield


def answer(document: object) -> None:
    """Print the result of a command as one JSON document; see `plain.plain` for what it may be."""
    sys.stdout.write(json_text(document))


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


def show(table: RenderableType) -> None:
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
    """Return whether ordinary output goes to a terminal that a live table can be drawn on."""
    return out.is_terminal and not out.is_dumb_terminal


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
