"""The sentences and cells that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Iterator

from tid_tune.report.compare.comparison import Comparison
from tid_tune.report.compare.figures import Figures
from tid_tune.report.compare.pairs import Pair, seeds_text
from tid_tune.report.page.words import signed, value_text
from tid_tune.search.stages.statistics import Estimate
from tid_tune.search.stages.verdict import REAL_GAIN, UNCLEAR, WORSE
from tid_tune.words import counted

UNDISTILLED = "no distillation"


def ranking_text(comparison: Comparison) -> str:
    """Return how the searches are ranked, or why they are not."""
    if not comparison.ranked:
        return f"not ranked: {'; '.join(dict.fromkeys(comparison.not_ranked))}"
    epochs = counted(comparison.equal_epochs or 0.0, "epoch")
    return (
        f"ranked by the best {comparison.objective} that each had after {epochs} in all, which is "
        "what the cheapest search has cost. It is the best of many single trainings, and higher "
        "by chance where more were tried: whether a difference is real, only pairs of equal seeds "
        "can tell"
    )


def control_lines(comparison: Comparison) -> Iterator[str]:
    """Yield a warning for each search whose undistilled student differs from the first one's."""
    for pair in comparison.pairs.undistilled:
        if pair.verdict != UNCLEAR and pair.difference.low is not None:
            yield (
                f"warning: without distillation, {pair.arm} is {estimate_text(pair.difference)} "
                f"apart from {pair.reference}: the students are trained differently, so "
                "compare gains and not values"
            )


def estimate_text(estimate: Estimate | None, sign: bool = True) -> str:
    """Return a mean with its interval: `+0.012 (+0.003 to +0.021)`; empty for None."""
    if estimate is None:
        return ""
    shown = signed if sign else value_text
    text = shown(estimate.mean)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({shown(estimate.low)} to {shown(estimate.high)})"


def pair_columns(comparison: Comparison) -> list[str]:
    """Return the columns of `pair_rows`."""
    best = comparison.pairs.best
    reference = best[0].reference if best else comparison.runs[0].run
    return ["pairs of equal seeds", f"difference to {reference}", "over", "verdict"]


def pair_rows(comparison: Comparison) -> list[list[str]]:
    """Return each pair as cells; the baselines are compared with that of the first search."""
    pairs = comparison.pairs
    return [
        *(_pair_cells(pair, pair.arm) for pair in pairs.best),
        *(
            _pair_cells(pair, f"{pair.arm}: {UNDISTILLED}", _CONTROL.get(pair.verdict))
            for pair in pairs.undistilled
        ),
    ]


_CONTROL = {REAL_GAIN: "another training", WORSE: "another training"}
"""What a difference between students without distillation means: it is no gain."""


def _pair_cells(pair: Pair, arm: str, verdict: str | None = None) -> list[str]:
    found = verdict or pair.verdict
    return [arm, estimate_text(pair.difference), seeds_text(pair.seeds), found]


def number(value: float | None, digits: int = 6) -> str:
    """Return a number, or nothing."""
    return "" if value is None else f"{value:.{digits}g}"


def figure_cells(row: Figures) -> dict[str, str]:
    """Return the figures of a search as text, by what they are."""
    return {
        "trials": str(row.trials),
        "epochs": number(row.epochs),
        "hours": f"{row.device_hours:.2f}",
        "value": "" if row.value is None else value_text(row.value),
        "gain": "" if row.gain is None else signed(row.gain),
        "at equal cost": "" if row.at_equal_cost is None else value_text(row.at_equal_cost),
        "epochs to level": number(row.epochs_to_level),
        "hours to level": "" if row.hours_to_level is None else f"{row.hours_to_level:.2f}",
        "confirmed": estimate_text(row.confirmed, sign=False),
        "confirmed gain": estimate_text(row.confirmed_gain),
    }
