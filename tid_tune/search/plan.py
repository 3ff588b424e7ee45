"""Trials that are planned, not searched: the baseline, and the reruns that confirm the best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tid_tune.search.space import METHOD_PATH, Params, Space
from tid_tune.search.stream import method_edits
from tid_tune.spec.model import Fixed, SearchSpec

NONE = "none"
DEFAULTS = "defaults"


@dataclass(frozen=True)
class Planned:
    """One trial to run; `label` and `seed` identify it within its stage."""

    stage: str
    label: str
    params: Params
    edits: dict[str, Any]
    seed: int
    origin: str
    method: str = ""
    of: str | None = None


def methods(spec: SearchSpec) -> list[str]:
    """Return the methods that get a stream each; `[""]` without a comparison."""
    return list(spec.method) or [""]


def baseline_plan(spec: SearchSpec) -> list[Planned]:
    """Return the trials every gain is measured against: no distillation, and each method as it is.

    They have the config's own values, and the fixed parameters of the space.
    """
    if not spec.baseline:
        return []
    params = _fixed(spec, NONE)
    plan = [Planned("baseline", NONE, params, {**params, METHOD_PATH: NONE}, spec.seed, "baseline")]
    for method in methods(spec):
        label = f"{method} {DEFAULTS}" if len(spec.method) > 1 else DEFAULTS
        params = _fixed(spec, method)
        edits = {**params, **method_edits(method)}
        plan.append(Planned("baseline", label, params, edits, spec.seed, "baseline", method))
    return plan


def _fixed(spec: SearchSpec, method: str) -> Params:
    fixed = {name: dist for name, dist in spec.space.items() if isinstance(dist, Fixed)}
    return Space(fixed, given=method_edits(method)).build(lambda name, dist: None)
