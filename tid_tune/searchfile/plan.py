"""What a search will do, before it does it: its stages and what each costs at most."""

from __future__ import annotations

from dataclasses import dataclass

from tid_tune.searchfile.model import SearchSpec


@dataclass(frozen=True)
class Stage:
    """Trainings of one stage; fewer when trials are stopped early or the budget is spent."""

    name: str
    trainings: int
    epochs: float
    """Of all its trainings together."""


def trials_per_method(spec: SearchSpec) -> int:
    """How many points are tried with each method that is compared."""
    return -(-spec.trials // max(1, len(spec.method)))


def rung_levels(grace: float, reduction: float, epochs: float) -> list[float]:
    """Return grace * reduction^k for k = 0, 1, ... below the full length `epochs`."""
    levels = []
    level = grace
    while level < epochs - 1e-6:
        levels.append(level)
        level *= reduction
    return levels


def search_epochs(spec: SearchSpec) -> float:
    """The epochs that a search trial costs which is never stopped.

    Where the fidelity is `data`, it is trained from scratch on each part of the data.
    """
    rules = spec.scheduler
    if rules.fidelity != "data" or len(spec.objectives) > 1:
        return float(spec.epochs)
    return sum(rung_levels(rules.grace_epochs, rules.reduction, spec.epochs)) + spec.epochs


def stages(spec: SearchSpec) -> list[Stage]:
    """The stages in their order, with upper bounds.

    The baseline is `none` and the defaults of each method; a comparison shares `trials` evenly
    between the methods; the confirmation reruns the best points of each, and the baseline.
    """
    arms = max(1, len(spec.method))
    # `none` is a baseline by itself: it has no defaults to compare it with.
    baseline = 1 + arms - ("none" in spec.method) if spec.baseline else 0
    found = [("search", arms * trials_per_method(spec))]
    if baseline:
        found.insert(0, ("baseline", baseline))
    if spec.confirm is not None:
        found.append(("confirm", (spec.confirm.top * arms + baseline) * spec.confirm.seeds))
    each = {"search": search_epochs(spec)}
    return [Stage(name, count, count * each.get(name, spec.epochs)) for name, count in found]
