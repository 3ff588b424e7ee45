"""What a running search shows: a table that is kept up to date on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment, SegmentLines

from tid_tune import console
from tid_tune.ledger.events import Changed, Ended, Event, Reported
from tid_tune.ledger.records import Trial
from tid_tune.report.fitting import flowing
from tid_tune.report.live_table import (
    count_parts,
    left_parts,
    live_table,
    trial_label,
    value_text,
)
from tid_tune.report.progress import Progress
from tid_tune.results.costs import spent_text

DRAWN_A_SECOND = 2
"""The live table is drawn so often, however many events there are."""
NAMED = 4
"""Running trials that a line names."""
QUIET_SECONDS = 60.0
"""Off a terminal: print a line at the next report after so long without one."""
SUMMARY_SECONDS = 60.0
"""Off a terminal: at most so often, the summary follows a line; it is also the last line."""
INDENT = "  "


class View:
    """Shows a Progress while the search runs. Let it observe the search: `search.observe(view)`.

    Args:
        progress: what to show.
        concurrent: returns how many trials can run at once.
    """

    def __init__(self, progress: Progress, concurrent: Callable[[], int]) -> None:
        self._progress = progress
        self._objective = progress.search.spec.first_objective
        self._concurrent = concurrent
        self._started = self._last_line = self._last_summary = time.monotonic()
        self._unsaid = False
        self._live: _FollowingLive | None = None
        self._open = ExitStack()

    def __enter__(self) -> View:
        if console.is_interactive():
            self._live = _FollowingLive(self._draw)
            with ExitStack() as stack:
                stack.enter_context(self._live)
                stack.enter_context(_logging_above())
                self._open = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is None and self._unsaid:
            self._say_summary()
        self._open.close()

    def __call__(self, event: Event, trial: Trial | None) -> None:
        """Update the counts; off a terminal, print a line per ended trial, or now and then."""
        self._progress.apply(event, trial)
        if self._live is not None or trial is None:
            return
        now = time.monotonic()
        match event:
            case Ended():
                self._say_ended(trial)
            case Changed(checkpoint=str()):
                console.say(f"{INDENT}{trial.id} continues: {event.origin}")
            case Reported() if now - self._last_line > QUIET_SECONDS:
                self._say_running()
            case _:
                return
        self._last_line, self._unsaid = now, True
        if now - self._last_summary > SUMMARY_SECONDS:
            self._say_summary()

    def _draw(self) -> SegmentLines:
        """Return the lines of the live table for the terminal as it is now."""
        size = console.out.size
        elapsed = time.monotonic() - self._started
        table = live_table(self._progress, elapsed, self._concurrent(), size.width, size.height)
        lines = console.out.render_lines(table, pad=False)
        return SegmentLines(lines, new_lines=True)

    def _say_running(self) -> None:
        """Print the running trials: `running: t0004 at epoch 3/12 0.213, t0005 ...`."""
        trials = self._progress.running
        shown = []
        for trial in trials[:NAMED]:
            length = f"{trial.id} at epoch {trial.epoch_here:g}/{trial.epochs}"
            shown.append(f"{length} {value_text(trial, self._objective)}".rstrip())
        more = [f"{len(trials) - NAMED} more"] if len(trials) > NAMED else []
        _say_flowing(["running: " + shown[0], *shown[1:], *more])

    def _say_ended(self, trial: Trial) -> None:
        """Print what became of a trial; a long reason goes on lines of its own."""
        reason = next(iter(trial.reason.splitlines()), "")
        value, epoch = value_text(trial, self._objective), f"at epoch {trial.epoch_here:g}"
        what = f"{INDENT}{trial.id} {trial_label(trial)} {trial.status.words}"
        value = f": {self._objective} {value}" if value else ""
        why = f" ({reason})" if reason else ""
        lines = [f"{what} {epoch}{value}{why}" if value else f"{what}{why}"]
        if epoch in reason:
            lines.append(f"{what}{value}{why}")
        fits = next((line for line in lines if len(line) <= _width()), None)
        if fits is not None:
            console.say(fits)
            return
        console.say(f"{what} {epoch}{value}" if value else what)
        for line in textwrap.wrap(
            reason, _width() - 2 * len(INDENT), break_long_words=False, break_on_hyphens=False
        ):
            console.say(2 * INDENT + line)

    def _say_summary(self) -> None:
        """Print counts, cost and the time left."""
        progress = self._progress
        _say_flowing(
            [
                *count_parts(progress),
                spent_text(progress.search.spent, progress.search.spec.resources),
                *left_parts(progress, self._concurrent()),
            ]
        )
        self._last_summary, self._unsaid = time.monotonic(), False


def _width() -> int:
    return min(console.PLAIN_WIDTH, console.out.width)


def _say_flowing(parts: Sequence[str]) -> None:
    for line in flowing(parts, _width() - len(INDENT)):
        console.say(INDENT + line)


class _FollowingLive(Live):
    """A live display that also erases what a narrower terminal has broken into more lines."""

    def __init__(self, draw: Callable[[], SegmentLines]) -> None:
        self._draw = draw
        self._widths: list[int] = []
        self._columns = 0
        super().__init__(
            console=console.out,
            refresh_per_second=DRAWN_A_SECOND,
            transient=True,
            get_renderable=self._drawn,
        )

    def _drawn(self) -> SegmentLines:
        columns = self.console.width
        if columns < self._columns:
            broken = sum(max(0, -(-width // columns) - 1) for width in self._widths)
            up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * broken
            self.console.control(Control(*up))
        drawn = self._draw()
        self._widths = [Segment.get_line_length(line) for line in drawn.lines]
        self._columns = columns
        return drawn


@contextmanager
def _logging_above() -> Iterator[None]:
    """Let handlers of `logging` that write to the terminal print above the live display.

    Those made before it began hold the streams that it has replaced.
    """
    streams = {sys.__stdout__: sys.stdout, sys.__stderr__: sys.stderr}
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    moved = [
        (handler, handler.setStream(streams[handler.stream]))
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in streams
    ]
    try:
        yield
    finally:
        for handler, stream in moved:
            handler.setStream(stream)
