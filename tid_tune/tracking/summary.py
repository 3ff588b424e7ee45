"""What the run of a whole search shows: its figures, its description, and its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from tid_tune.dotted import last
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.costs import spent_text
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.names import short_names
from tid_tune.tracking.standing import Standing
from tid_tune.words import counted

Link = Callable[[Trial], str]
"""Returns a trial as a link, in Markdown."""


def figures(standing: Standing, spec: SearchSpec) -> dict[str, float]:
    """Return how a search stands, by metric: best so far, levels, trials, cost."""
    best, ended = standing.winner, standing.ended
    found: dict[str, float | None] = {f"level/{k}": v for k, v in standing.levels.items()}
    if best is not None:
        short = short_names(spec.objectives)
        found |= {f"best/{short[name]}": best.value(name) for name in spec.objectives}
        found["best/gain"] = standing.gain(best)
    found |= {
        "trials/done": done(standing),
        "trials/running": len(standing.state.running),
        "trials/completed": ended[Status.COMPLETED],
        "trials/stopped": ended[Status.STOPPED],
        "trials/failed": ended[Status.FAILED],
        "cost/epochs": standing.spent.epochs,
        "cost/device_hours": standing.spent.device_hours(spec.resources),
    }
    return {k: float(v) for k, v in found.items() if v is not None and math.isfinite(v)}


def done(standing: Standing) -> int:
    """Return how many trials are over: completed, stopped or failed."""
    return sum(standing.ended[one] for one in (Status.COMPLETED, Status.STOPPED, Status.FAILED))


def search_params(spec: SearchSpec) -> dict[str, object]:
    """Return what a search is, by parameter: how it samples, stops, and what it may cost."""
    budget = {name: value for name, value in spec.budget if value is not None}
    return {
        "sampler": spec.sampler.type,
        "scheduler": spec.scheduler.type,
        "budget": ", ".join(f"{name} {value:g}" for name, value in budget.items()) or "none",
        "epochs": spec.epochs,
        "trials": spec.trials,
        "seed": spec.seed,
        "objectives": ", ".join(f"{name} {way}" for name, way in spec.objectives.items()),
        **({"methods": ", ".join(spec.method)} if spec.method else {}),
        "searched": ", ".join(last(path) for path, d in spec.space.items() if not d.is_fixed),
        "confirm": "none"
        if spec.confirm is None
        else f"the best {spec.confirm.top}, {counted(spec.confirm.seeds, 'new seed')}",
        "cache": "none" if spec.cache is None else f"{spec.cache.precision}, {spec.cache.store}",
        "students": spec.resources.students,
        "devices": f"{spec.resources.ranks} x {spec.resources.gpus:g} GPU"
        if spec.resources.gpus
        else f"{spec.resources.ranks} x {spec.resources.cpus:g} CPU",
    }


def description(standing: Standing, spec: SearchSpec, link: Link, pictures: Iterable[str]) -> str:
    """Return the description of a search in Markdown: verdict, the best trials, pictures."""
    blocks = [verdict(standing, spec), "\n".join(_table(standing, spec, link)), *pictures]
    return "\n\n".join(filter(None, blocks))


def verdict(standing: Standing, spec: SearchSpec) -> str:
    """Return in a sentence what a search has found; once it is over, also what it has cost."""
    best, state = standing.winner, standing.state
    cost = ""
    if state.closed is not None:
        cost = f"{counted(done(standing), 'trial')}, {spent_text(standing.spent, spec.resources)}."
    if best is None:
        yet = "" if state.closed is not None else " yet"
        return f"**No trial of the search has reached its full length{yet}.** {cost}"
    if state.result is not None and state.result.confirmed and state.result.text:
        return f"**{_plain(state.result.text)}** {cost}"
    value, gain = best.value(spec.first_objective), standing.gain(best)
    shown = f"{best.id}: {spec.first_objective} {math.nan if value is None else value:.3f}"
    over = "" if gain is None else f", {gain:+.3f} over the student alone, with one seed"
    return f"**{'Best' if state.closed is not None else 'Best so far'}: {shown}{over}.** {cost}"


def _table(standing: Standing, spec: SearchSpec, link: Link) -> Iterator[str]:
    """Yield the lines of a table of the best trials and of what they are compared with."""
    if not (standing.best or standing.levels):
        return
    short = short_names(spec.objectives)
    searched = [path for path in spec.space if any(path in one.params for one in standing.best)]
    yield _row("trial", *short.values(), "gain", *(last(path) for path in searched))
    yield _row("---", *("---:" for _ in chain(short, [""], searched)))
    for trial in standing.best:
        gain = standing.gain(trial)
        yield _row(
            link(trial),
            *(_number(trial.value(name)) for name in short),
            "" if gain is None else f"{gain:+.3f}",
            *(_number(trial.params.get(path)) for path in searched),
        )
    for label, value in standing.levels.items():
        yield _row(_plain(label), f"{value:.3f}", *("" for _ in [*list(short)[1:], "", *searched]))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Return a text that means nothing in Markdown."""
    return "".join(f"\\{one}" if one in "\\|*_`[]<>#" else one for one in text)
