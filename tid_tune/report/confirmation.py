"""The confirmation as a table: each candidate and baseline over the same new seeds."""

from __future__ import annotations

from rich.table import Table

from tid_tune.ledger.state import RunState
from tid_tune.results.costs import trial_cost
from tid_tune.search.stages.plan import DEFAULTS
from tid_tune.search.stages.statistics import Estimate
from tid_tune.search.stages.verdict import Group, Verdict, judge
from tid_tune.searchfile.model import SearchSpec

OWN = "its defaults"


def confirmation_table(state: RunState, spec: SearchSpec) -> Table | None:
    """Draw the latest confirmation, best mean first; None where none was planned.

    Intervals are of the differences: their scatter is that of all arms together. `epochs` counts
    what searching took, of each method apart where several are compared.
    """
    verdict = judge(state, spec)
    if verdict is None:
        return None
    comparing = len(spec.method) > 1
    references = _references(verdict)
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ["confirmed", *(["method", "epochs"] if comparing else []), "by seed"]
    for name in (*names, "mean", *(f"against {name}" for name in references)):
        right = name in ("epochs", "mean")
        # On a narrow terminal words go below each other, none is cut.
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    spent = _spent_by_method(state) if comparing else {}
    for group in (*verdict.candidates, *verdict.baselines):
        method = [group.method, f"{spent[group.method]:g}" if group.method else ""]
        table.add_row(
            group.name,
            *(method if comparing else []),
            _by_seed(group),
            "" if group.estimate is None else f"{group.estimate.mean:.3f}",
            *(_gap(group, name) for name in references),
            style="bold green" if group.name == verdict.winner else None,
        )
    return table


def verdict_text(state: RunState, spec: SearchSpec) -> str:
    """Return the verdict in a line; empty without a confirmation."""
    verdict = judge(state, spec)
    if verdict is None:
        return ""
    return verdict.text if state.closed is not None else f"so far: {verdict.text}"


def _references(verdict: Verdict) -> list[str]:
    """Return the columns: references without a teacher, and the defaults of each method."""
    found = [c.baseline for group in verdict.candidates for c in group.comparisons]
    return list(dict.fromkeys(OWN if name.endswith(DEFAULTS) else name for name in found))


def _spent_by_method(state: RunState) -> dict[str, float]:
    spent: dict[str, float] = {}
    for trial in state.trials.values():
        if trial.stage == "search":
            spent[trial.method] = spent.get(trial.method, 0.0) + trial_cost(trial).epochs
    return spent


def _by_seed(group: Group) -> str:
    values = " ".join(f"{group.values[seed]:.3f}" for seed in sorted(group.values))
    return f"{values} ({group.failures} failed)" if group.failures else values


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f" ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _gap(group: Group, reference: str) -> str:
    """Return the difference to a reference; for `OWN`, to the group's own method's defaults."""
    own = (DEFAULTS, f"{group.method} {DEFAULTS}")
    for comparison in group.comparisons:
        name = OWN if comparison.baseline in own else comparison.baseline
        if name == reference:
            gap = comparison.difference
            return f"{gap.mean:+.3f}{_interval(gap)} {comparison.verdict}"
    return ""
