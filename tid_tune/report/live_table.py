"""The table of a running search: the best trials, those that run, counts, rate, cost, time left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from tid_tune import console
from tid_tune.ledger.records import Report, Status, Trial
from tid_tune.report.fitting import Column, fitted, flowing, table_of
from tid_tune.report.leaderboard import short_names, short_value
from tid_tune.report.progress import Progress
from tid_tune.results.costs import spent_text
from tid_tune.searchfile.model import SearchSpec
from tid_tune.words import duration

RUNNING_ROWS = 8
OTHER_LINES = 12
"""Of the live table beside the rows of running trials, about."""
BAR = 10
"""Characters of a bar."""


def live_table(
    progress: Progress, elapsed: float, concurrent: int, width: int, height: int
) -> RenderableType:
    """Draw a running search in a terminal of a size.

    Args:
        progress: of the search.
        elapsed: seconds since this command began to search.
        concurrent: trials that can run at once.
        width: columns of the terminal; columns of the table that do not fit are left out.
        height: lines of the terminal; running trials that do not fit are counted.
    """
    running = progress.running
    rows = max(1, min(RUNNING_ROWS, height - OTHER_LINES))
    parts: list[RenderableType] = [_best(progress, width)]
    if running:
        parts.append(_running(running[:rows], progress, width))
    more = [f"{len(running) - rows} more running"] if len(running) > rows else []
    levels = [f"{name} {value:.3f}" for name, value in progress.levels.items()]
    if levels:
        parts += _dim([f"reference: {levels[0]}", *levels[1:]], width)
    parts += _dim([*count_parts(progress), *more], width)
    parts += _dim(_cost_parts(progress, elapsed, concurrent), width)
    return Group(*parts)


def count_parts(progress: Progress) -> list[str]:
    """Return how many trainings are over, of how many, and how they ended."""
    ended = progress.ended
    found = [f"{ended[status]} {status.words}" for status in (Status.COMPLETED, Status.STOPPED)]
    found += [f"{ended[Status.FAILED]} failed"] if ended[Status.FAILED] else []
    return [f"{ended.total()} of {progress.planned} done", *found]


def left_parts(progress: Progress, concurrent: int) -> list[str]:
    """Return the rough time to the end, if it is known."""
    left = progress.remaining_seconds(concurrent)
    return [] if left is None else [f"about {duration(left)} left"]


def trial_label(trial: Trial) -> str:
    """Return what a trial is: its stage, or which baseline, or what it repeats."""
    if trial.stage == "confirm":
        return f"confirm {trial.label}"
    return trial.label or trial.stage


def value_text(trial: Trial, objective: str) -> str:
    """Return the value of a trial on the data that it is trained on now; empty without one."""
    last = trial.last_here
    value = None if last is None else last.metrics.get(objective)
    return "" if value is None else f"{value:.3f}"


def _best(progress: Progress, width: int) -> RenderableType:
    """Draw the best trials of full length."""
    leaders, spec = progress.leaders, progress.search.spec
    if not leaders:
        return Text("no trial of the search has reached its full length yet", style="dim")
    first, *others = spec.objectives
    gains = [progress.gain(trial) for trial in leaders]
    columns = [
        Column("best", [trial.id for trial in leaders], stays=True),
        Column(first, [value_text(trial, first) for trial in leaders], right=True, stays=True),
        Column("gain", ["" if gain is None else f"{gain:+.3f}" for gain in gains], right=True),
        *(Column(name, [value_text(one, name) for one in leaders], True) for name in others),
    ]
    if len(spec.method) > 1:
        columns.append(Column("method", [trial.method for trial in leaders]))
    columns += _parameters(leaders, spec)
    return table_of(fitted(columns, width), {0: "bold green"})


def _parameters(trials: Sequence[Trial], spec: SearchSpec) -> Iterator[Column]:
    """Yield a column for each searched parameter that one of the trials has."""
    searched = [path for path, found in spec.space.items() if not found.is_fixed]
    for path, name in short_names(searched).items():
        if any(path in trial.params for trial in trials):
            cells = [short_value(t.params[path]) if path in t.params else "" for t in trials]
            yield Column(name, cells, right=True)


def _running(trials: Sequence[Trial], progress: Progress, width: int) -> RenderableType:
    """Draw trials that run, with how far they are and when each is at its end if it goes on."""
    spec, now = progress.search.spec, progress.search.ledger.clock()
    rates = [_epoch_seconds(trial, _beside(trial, progress)) for trial in trials]
    lefts = [
        "" if rate is None else duration(_seconds_left(trial, rate, now))
        for trial, rate in zip(trials, rates, strict=True)
    ]
    nodes = [trial.node for trial in trials]
    lengths = [f"{trial.epoch_here:g}/{trial.epochs}" for trial in trials]
    values = [value_text(trial, spec.first_objective) for trial in trials]
    columns = [
        Column("running", [trial.id for trial in trials], stays=True),
        Column("epoch", lengths, right=True, stays=True),
        Column(spec.first_objective, values, right=True),
        Column("what", [trial_label(trial) for trial in trials]),
        Column("left", lefts, right=True),
        Column("progress", [_bar(trial) for trial in trials]),
        Column("s/epoch", ["" if rate is None else f"{rate:.3g}" for rate in rates], right=True),
    ]
    if len(set(nodes)) > 1:
        columns.append(Column("node", nodes))
    return table_of(fitted(columns, width))


def _beside(trial: Trial, progress: Progress) -> int:
    """Return how many trials its worker trains side by side."""
    pack = progress.search.state.packs.get(trial.pack)
    return 1 if pack is None else max(1, len(pack.running))


def _epoch_seconds(trial: Trial, beside: int) -> float | None:
    """Return how long the last epoch took; None before there is a report of this run.

    Args:
        trial: that runs.
        beside: the trials of its worker; it is charged its share of their time.
    """
    here = [report for report in trial.reports[-2:] if _is_of_this_run(report, trial)]
    if not here:
        return None
    last = here[-1]
    if len(here) == 2 and last.epoch > here[0].epoch:
        return (last.time - here[0].time) / (last.epoch - here[0].epoch)
    before = trial.reports[-2] if len(trial.reports) > 1 else None
    begun = before.epoch if before is not None and before.fraction == last.fraction else 0.0
    return beside * last.seconds / (last.epoch - begun) if last.epoch > begun else None


def _is_of_this_run(report: Report, trial: Trial) -> bool:
    return report.fraction == trial.fraction and report.segment == trial.segment


def _seconds_left(trial: Trial, rate: float, now: float) -> float:
    last = trial.last_here
    since = now - last.time if last is not None else 0.0
    return max(0.0, (trial.epochs - trial.epoch_here) * rate - since)


def _bar(trial: Trial) -> str:
    done = min(BAR, int(BAR * trial.epoch_here / trial.epochs))
    full, empty = ("\u2501", "\u2500") if console.out.encoding.startswith("utf") else ("#", ".")
    return full * done + empty * (BAR - done)


def _cost_parts(progress: Progress, elapsed: float, concurrent: int) -> list[str]:
    rate = progress.epochs_a_minute(elapsed)
    return [
        duration(elapsed),
        *([] if rate is None else [f"{rate:.3g} epochs/min"]),
        spent_text(progress.search.spent, progress.search.spec.resources),
        *left_parts(progress, concurrent),
    ]


def _dim(parts: Sequence[str], width: int) -> list[Text]:
    return [Text(line, style="dim") for line in flowing(parts, width)]
