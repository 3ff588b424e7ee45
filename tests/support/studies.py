"""Run folders of searches of every kind, simulated: for the report and what reads it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from support.search_cases import (
    OBJECTIVE,
    learning_curve,
    make_spec,
    sampler_of,
    scheduler_of,
)
from tid_tune.ledger.file import Ledger
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Objective, Simulator, VirtualClock
from tid_tune.searchfile.model import Confirm, SearchSpec

TEACHER = 0.66
BEGIN = 1_796_000_000.0


def taught(work: Assignment, epoch: float) -> dict[str, float]:
    return {**learning_curve(work, epoch), f"teacher/{OBJECTIVE}": TEACHER}


def some_fail(work: Assignment, epoch: float) -> dict[str, float]:
    if work.stage == "search" and int(work.trial[1:]) % 7 == 5 and epoch == 2:
        raise Failure("oom", "out of memory: <b>2.00 GiB</b> & more")
    if work.stage == "search" and int(work.trial[1:]) % 7 == 6:
        return {OBJECTIVE: math.nan}
    return taught(work, epoch)


def all_fail(work: Assignment, epoch: float) -> dict[str, float]:
    raise Failure("user", "KeyError: no kye_weight")


def with_latency(work: Assignment, epoch: float) -> dict[str, float]:
    params = work.params
    latency = 4 + 6 * params.get("threshold", 0.5) + params.get("weight", 1.0) / 5
    return {**taught(work, epoch), "latency_ms": latency}


def by_method(work: Assignment, epoch: float) -> dict[str, float]:
    gain = {"tid": 0.05, "mimic": 0.02}.get(work.edits.get("model.distillation.method", ""), 0.0)
    metrics = taught(work, epoch)
    return {**metrics, OBJECTIVE: metrics[OBJECTIVE] + gain}


def _spec(name: str, **changes: Any) -> SearchSpec:
    fields = {
        "sampler": sampler_of("random", seed=1),
        "scheduler": scheduler_of("asha", grace_epochs=1, reduction=3),
        "trials": 18,
    }
    return make_spec(name=name, **{**fields, **changes})


CONFIRM = Confirm(top=2, seeds=3)
STUDIES: dict[str, tuple[SearchSpec, Objective]] = {
    "finished": (_spec("finished", confirm=CONFIRM), some_fail),
    "running": (_spec("running", confirm=CONFIRM), some_fail),
    "failed": (_spec("failed", trials=6), all_fail),
    "two": (
        _spec(
            "two",
            objectives={OBJECTIVE: "max", "latency_ms": "min"},
            scheduler=scheduler_of("none"),
            epochs=3,
        ),
        with_latency,
    ),
    "methods": (
        _spec("methods", method=("none", "tid", "mimic"), confirm=Confirm(top=1, seeds=3)),
        by_method,
    ),
    "packs": (_spec("packs", resources={"students": 3, "gpus": 1}), taught),
}
STEPS = {"running": 34}
"""Of a simulation that ends before its search does."""


def write_study(name: str, folder: Path) -> Path:
    """Simulate one of `STUDIES` into a run folder below `folder`; a running one has no driver."""
    spec, objective = STUDIES[name]
    run, clock = RunFolder(folder / spec.name), VirtualClock(BEGIN)
    with Ledger.open(run.ledger, clock=clock, sync=False) as ledger:
        search = Search.open(spec, ledger)
        simulator = Simulator(search, objective, clock, workers=3, common=0.4)
        if name in STEPS:
            for _ in range(STEPS[name]):
                simulator.step()
        else:
            simulator.run()
    return run.path
