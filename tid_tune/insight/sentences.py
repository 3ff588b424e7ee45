"""The three sentences that open a report: what mattered, what did not, what is within noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tid_tune.insight.chance import LEVEL
from tid_tune.insight.gains import baseline_text, gains_over_baselines
from tid_tune.insight.insight import ArmInsight, Insight
from tid_tune.ledger.records import Status
from tid_tune.search.stages.verdict import (
    REAL_GAIN,
    WORSE,
    Comparison,
    Verdict,
    seed_count,
)
from tid_tune.words import capitalized, counted

SMALL = 0.05
"""A parameter did not matter if its share of the variation is surely below this."""
NAMED = 4
"""Parameters that a sentence names."""


@dataclass(frozen=True)
class Sentences:
    """One sentence each, or two; never empty."""

    mattered: str
    did_not: str
    noise: str


def sentences(insight: Insight, verdict: Verdict | None, names: Mapping[str, str]) -> Sentences:
    """Return the three sentences.

    Args:
        insight: of the search.
        verdict: of its confirmation; None: there was none.
        names: what a parameter's path is called.
    """
    one = insight.winning
    luck = _luck(insight, verdict)
    if not one.arm.trials:
        return Sentences(_unreported(insight), "Nothing can be ruled out either.", luck)
    if isinstance(one.told, str):
        mattered = _scoped(f"What mattered is not known: {one.told}.", insight, one)
        lead = _gained(insight, verdict)
        return Sentences(
            f"{lead}{mattered}", "For the same reason, nothing can be ruled out.", luck
        )
    found = Findings.of(one)
    undecided = _undecided(found, names, len(one.told.results.values))
    lead, noise = "", [undecided, luck]
    if not found.mattered:  # the gain comes first where it is all that is known
        lead = _gained(insight, verdict)
        if not lead and undecided:
            lead, noise = f"{luck} ", [undecided]
    return Sentences(
        lead + _scoped(_mattered(one, found, names), insight, one),
        _did_not(found, names),
        " ".join(text for text in noise if text),
    )


def _unreported(insight: Insight) -> str:
    searched = [t for t in insight.state.trials.values() if t.stage == "search"]
    failed = sum(trial.status is Status.FAILED for trial in searched)
    why = f": {failed} of {counted(len(searched), 'trial')} failed" if failed else ""
    return f"No trial of the search has reported a value{why}. So it is not known what matters."


@dataclass(frozen=True)
class Findings:
    """Parameters, each by its share of the variation, the largest first, in one of three groups."""

    mattered: tuple[str, ...]
    """They stand out from chance."""
    did_not: tuple[str, ...]
    """They do not, and their share is surely small."""
    undecided: tuple[str, ...]

    @classmethod
    def of(cls, one: ArmInsight) -> Findings:
        """Return what the trials of a method say of its parameters."""
        ordered = [share.name for share in one.shares]
        chances, high = one.chances, {share.name: share.high for share in one.shares}
        mattered = [name for name in ordered if chances[name] <= LEVEL]
        rest = [name for name in ordered if name not in mattered]
        return cls(
            tuple(mattered),
            tuple(name for name in rest if high[name] < SMALL),
            tuple(name for name in rest if high[name] >= SMALL),
        )


def _scoped(text: str, insight: Insight, one: ArmInsight) -> str:
    """Return a sentence with what it speaks of, where a search has several of it."""
    spec = insight.spec
    parts = []
    if insight.state.closed is None:
        parts.append("so far")
    if len(spec.method) > 1:
        parts.append(f"with the method {one.arm.method}")
    if len(spec.objectives) > 1:
        parts.append(f"for {spec.first_objective} alone")
    if not parts:
        return text
    scope = ", ".join(parts)
    return f"{capitalized(scope)}, {text[0].lower()}{text[1:]}"


def _mattered(one: ArmInsight, found: Findings, names: Mapping[str, str]) -> str:
    count = counted(one.told.known if not isinstance(one.told, str) else 0, "result")
    if not found.mattered:
        return (
            f"What mattered cannot be told from chance: among {count}, no parameter stands out "
            "from what shuffled results would show."
        )
    share = {share.name: share.value for share in one.shares}
    shown = [f"{names.get(n, n)} ({100 * share[n]:.0f} %)" for n in found.mattered[:NAMED]]
    more = len(found.mattered) - len(shown)
    if more:
        shown.append(f"{more} more")
    return (
        f"What mattered: {_listed(shown)}. The shares are of the variation over the whole space, "
        f"estimated from {count}."
    )


def _did_not(found: Findings, names: Mapping[str, str]) -> str:
    if not found.did_not:
        why = (
            f"no {'other ' if found.mattered else ''}parameter's share is surely below "
            f"{100 * SMALL:.0f} % of the variation"
            if found.undecided
            else "every searched parameter stands out"
        )
        return f"What did not matter: nothing can be named; {why}."
    what = "it accounts" if len(found.did_not) == 1 else "each accounts"
    return (
        f"What did not matter: {_named(found.did_not, names)}; {what} for less than "
        f"{100 * SMALL:.0f} % of the variation."
    )


def _undecided(found: Findings, names: Mapping[str, str], count: int) -> str:
    if not found.undecided:
        return ""
    theirs = "its effect" if len(found.undecided) == 1 else "their effects"
    return (
        f"Within noise: {_named(found.undecided, names)}; {counted(count, 'result')} cannot tell "
        f"{theirs} from chance."
    )


def _gained(insight: Insight, verdict: Verdict | None) -> str:
    """Return what the best trial gained with one seed, as a sentence to put before others.

    Empty where reruns tell it: with new seeds, the gain is another one.
    """
    if verdict is not None and verdict.best is not None:
        return ""
    best, spec = insight.best, insight.spec
    gains = {} if best is None else gains_over_baselines(best, insight.state, spec)
    if best is None or not gains:
        return ""
    so_far = " so far" if insight.state.closed is None else ""
    shown = _listed([f"{gain:+.3f} over {baseline_text(label)}" for label, gain in gains.items()])
    return (
        f"The best trial{so_far}, {best.id}, gained {shown} in {spec.first_objective}, with one "
        "seed. "
    )


def _luck(insight: Insight, verdict: Verdict | None) -> str:
    """Return how sure the gain of the best trial is."""
    best = None if verdict is None else verdict.best
    if best is not None and best.comparisons:
        return " ".join(_gain(best.name, comparison) for comparison in best.comparisons)
    if verdict is not None and best is None:
        yet = "has been completed yet" if insight.state.closed is None else "was completed"
        return f"Whether the gain is real is not known: no rerun with a new seed {yet}."
    if insight.best is None:
        yet = (
            "has reached its full length yet"
            if insight.state.closed is None
            else ("reached its full length")
        )
        return f"No trial {yet}, so there is no gain to judge."
    return (
        "How much of the gain is luck is not known: every trial was trained with one seed. Reruns "
        "with new seeds tell: `--set confirm.seeds=3`."
    )


def _gain(name: str, comparison: Comparison) -> str:
    gap = comparison.difference
    seeds = seed_count(gap.count)
    interval = "" if gap.low is None else f" (95 % interval {gap.low:+.3f} to {gap.high:+.3f})"
    against = baseline_text(comparison.baseline)
    shown = f"{gap.mean:+.3f}{interval} over {seeds}"
    if comparison.verdict == WORSE:
        return f"{name} is worse than {against}: {shown}, which is not noise."
    what = "is not noise" if comparison.verdict == REAL_GAIN else "is within noise"
    return f"The gain of {name} over {against}, {shown}, {what}."


def _named(paths: Sequence[str], names: Mapping[str, str]) -> str:
    shown = [names.get(path, path) for path in paths[:NAMED]]
    more = len(paths) - len(shown)
    return _listed([*shown, f"{more} more"] if more else shown)


def _listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
