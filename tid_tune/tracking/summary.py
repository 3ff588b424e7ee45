"""What the run of a whole search shows: its figures, its description, and its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from tid_tune.dotted import last
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.costs import spent_text
from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.names import param_names, plain, short_names
from tid_tune.tracking.standing import Standing
from tid_tune.words import counted

Link = Callable[[Trial], str]
"""Returns a trial as a link, in Markdown."""
ALONE = {"none": "student alone"}
TEACHER_LEVEL = "teacher"
SPACE = "&nbsp;&nbsp;&nbsp;"


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
    return {
        "sampler": spec.sampler.type,
        "scheduler": spec.scheduler.type,
        "budget": spec.budget.text or "none",
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


def description(
    standing: Standing,
    spec: SearchSpec,
    link: Link,
    pages: Mapping[str, str],
    pictures: Iterable[str] = (),
) -> str:
    """Return the description of a search in Markdown: verdict, the best trials, pictures.

    Args:
        standing: the search so far.
        spec: the search.
        link: returns a trial as a link.
        pages: addresses of lists of its trials, by what they list.
        pictures: in Markdown, like links to files.
    """
    lists = ", ".join(f"[{words}]({address})" for words, address in pages.items())
    blocks = [
        f"{verdict(standing, spec)} Lists: {lists}.",
        "\n".join(_table(standing, spec, link)),
        *pictures,
    ]
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
        return f"**{plain(state.result.text).rstrip('.')}.** {cost}"
    value, gain = best.value(spec.first_objective), standing.gain(best)
    shown = f"{best.id}: {spec.first_objective} {math.nan if value is None else value:.3f}"
    over = "" if gain is None else f", {gain:+.3f} over the student alone, with one seed"
    return f"**{'Best' if state.closed is not None else 'Best so far'}: {shown}{over}.** {cost}"


def _table(standing: Standing, spec: SearchSpec, link: Link) -> Iterator[str]:
    """Yield the lines of a table with a column for each of the best trials, and for each level.

    Columns of values would not fit beside each other: MLflow widens the page for them.
    """
    if not (standing.best or standing.levels):
        return
    best = standing.best
    ordered = sorted(standing.levels, key=lambda one: (one == TEACHER_LEVEL, one not in ALONE))
    levels = {one: standing.levels[one] for one in ordered}
    yield _row("", *map(link, best), *(ALONE.get(one, plain(one)) for one in levels))
    yield "|" + "---|" * (1 + len(best) + len(levels))
    for name, short in short_names(spec.objectives).items():
        first = name == spec.first_objective
        known = levels.values() if first else [None for _ in levels]
        yield _row(short, *(_number(one.value(name), ".3f") for one in best), *map(_exact, known))
    gains = [standing.gain(one) for one in best]
    if any(gain is not None for gain in gains):
        yield _row("gain", *(_number(gain, "+.3f") for gain in gains), *("" for _ in levels))
    for path, name in param_names(spec.space).items():
        if any(path in one.params for one in best):
            values = (_number(one.params.get(path), ".3g") for one in best)
            yield _row(name, *values, *("" for _ in levels))


def _row(*cells: str) -> str:
    """Return a line of a table; MLflow draws its cells without any space between them."""
    return f"| {' | '.join(f'{cell}{SPACE}' for cell in cells)} |"


def _exact(value: float | None) -> str:
    return _number(value, ".3f")


def _number(value: object, form: str) -> str:
    """Return a value for a cell; a number that is no integer in the form."""
    if value is None:
        return ""
    return format(value, form) if isinstance(value, float) else plain(str(value))
