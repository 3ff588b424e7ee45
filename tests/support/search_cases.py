"""Specs and function trials for the search tests."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from tid_tune.search.decision import Assignment, Decision
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import SearchSpec
from tid_tune.searchfile.parts import SAMPLERS, SCHEDULERS, SamplerOptions, SchedulerOptions
from tid_tune.space import Choice, LogUniform, Uniform

OBJECTIVE = "coco/bbox_mAP"
SPACE = {
    "weight": LogUniform(low=0.1, high=10),
    "threshold": Uniform(low=0, high=1),
    "select": Choice(values=("threshold", "quantile")),
    "quantile": Uniform(low=0, high=0.2, when={"select": ("quantile",)}),
}


def make_spec(**changes: Any) -> SearchSpec:
    """A small search of the space above."""
    fields: dict[str, Any] = {
        "name": "test",
        "trial": Path("/configs/trial.py"),
        "epochs": 9,
        "space": SPACE,
        "trials": 12,
    }
    return SearchSpec(**{**fields, **changes})


def quality(params: dict[str, Any]) -> float:
    """The final value of a trial without noise: at most 0.6."""
    value = 0.6
    value -= 0.05 * (math.log(params.get("weight", 1.0)) - 1.0) ** 2
    value -= 0.3 * (params.get("threshold", 0.5) - 0.3) ** 2
    if params.get("select") == "quantile":
        value -= 2.0 * (params.get("quantile", 0.1) - 0.05) ** 2
    else:
        value -= 0.02
    return value


def learning_curve(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Like training: rises with the epochs, differs a little between seeds."""
    digest = hashlib.sha256(f"{assignment.seed} {sorted(assignment.edits.items())}".encode())
    noise = (digest.digest()[0] / 255 - 0.5) * 0.01
    base = quality(assignment.params)
    if assignment.edits.get("model.distillation.method") == "none":
        base = 0.4
    return {OBJECTIVE: base * (1 - math.exp(-epoch / 3)) + noise, "loss": math.exp(-epoch)}


def report(search: Search, work: Assignment, epoch: float, value: float) -> Decision:
    """Report a value of a trial, two reports an epoch, and return the decision."""
    return search.report(
        work.trial,
        step=round(2 * epoch),
        epoch=epoch,
        metrics={OBJECTIVE: value},
        seconds=1.0,
        images=1,
        checkpoint=f"{work.trial}/{epoch:g}.pth",
    )


def start(search: Search) -> Assignment:
    """Return the next piece of work; there is one."""
    work = search.next()
    assert isinstance(work, Assignment)
    return work


def sampler_of(type: str = "tpe", **options: Any) -> SamplerOptions:
    """Return the options of a sampler, as a search space states them."""
    found = SAMPLERS.get(type).Options.model_validate(options)
    assert isinstance(found, SamplerOptions)
    return found


def scheduler_of(type: str = "asha", **options: Any) -> SchedulerOptions:
    """Return the options of a scheduler, as a search space states them."""
    found = SCHEDULERS.get(type).Options.model_validate(options)
    assert isinstance(found, SchedulerOptions)
    return found
