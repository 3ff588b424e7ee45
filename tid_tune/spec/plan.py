"""What a search will do, before it does it: its stages and what each costs at most."""

from __future__ import annotations

from dataclasses import dataclass

from tid_tune.spec.model import SearchSpec


@dataclass(frozen=True)
class Stage:
    """Trainings of one stage; fewer when trials are stopped early or the budget is spent."""

    name: str
    trainings: int
    epochs: int
    """Of all its trainings together."""


def stages(spec: SearchSpec) -> list[Stage]:
    """The stages in their order, with upper bounds.

    The baseline is `none` and the defaults of each method; a comparison shares `trials` evenly
    between the methods; the confirmation reruns the best points and the baseline.
    """
    arms = max(1, len(spec.method))
    share = -(-spec.trials // arms)
    found = [("search", arms * share)]
    if spec.baseline:
        found.insert(0, ("baseline", 1 + arms))
    if spec.confirm is not None:
        found.append(("confirm", (spec.confirm.top + spec.baseline) * spec.confirm.seeds))
    return [Stage(name, count, count * spec.epochs) for name, count in found]
