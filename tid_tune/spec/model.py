"""The typed form of a search-space file: what the search, the trials and the report read.

`tid_tune.spec.load` is the only way from YAML to here; nothing downstream sees a YAML node.
Every model is frozen and round-trips through `model_dump(mode="json")`, which is what the ledger
records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Value = Any
"""A JSON value a parameter may take: None, bool, int, float, str, or a list or dict of those."""


class Model(BaseModel):
    """Base of every part of a spec: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Distribution(Model):
    when: dict[str, tuple[Value, ...]] = {}
    """Active only while every named parameter has one of the given values."""


class Uniform(_Distribution):
    """A float in [low, high]; with `step`, low + k * step."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float
    step: float | None = None


class LogUniform(_Distribution):
    """A float in [low, high], uniform in its logarithm; with `step`, rounded to multiples of it."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: float
    high: float
    step: float | None = None


class Integer(_Distribution):
    """An integer in [low, high], both included; `log` searches its logarithm (then step is 1)."""

    kind: Literal["integer"] = "integer"
    low: int
    high: int
    step: int = 1
    log: bool = False


class Choice(_Distribution):
    """One of `values`, without order."""

    kind: Literal["choice"] = "choice"
    values: tuple[Value, ...]


class Ordinal(_Distribution):
    """One of `values`, in their order: neighbours are taken to behave alike."""

    kind: Literal["ordinal"] = "ordinal"
    values: tuple[Value, ...]


class Normal(_Distribution):
    """A normally distributed float, truncated to [low, high] (mean +- 3 std if unsaid)."""

    kind: Literal["normal"] = "normal"
    mean: float
    std: float
    low: float
    high: float


class Fixed(_Distribution):
    """Not searched: every trial has this value."""

    kind: Literal["fixed"] = "fixed"
    value: Value


Distribution = Annotated[
    Uniform | LogUniform | Integer | Choice | Ordinal | Normal | Fixed, Field(discriminator="kind")
]


class Constraint(Model):
    """`left op right`; each side a parameter's dotted path or a number. Checked when both are set."""

    left: str | float
    op: Literal["<", "<=", ">", ">=", "==", "!="]
    right: str | float


class Interval(Model):
    """How often a trial reports (and evaluates, and checkpoints)."""

    count: int = 1
    unit: Literal["epoch", "iter"] = "epoch"


class Sampler(Model):
    """How the next point of the space is proposed."""

    type: Literal["tpe", "gp", "cmaes", "qmc", "random", "grid", "nsga2"] = "tpe"
    seed: int | None = None
    """None: the spec's `seed`."""
    startup_trials: int = 10
    """Random trials before the model is used (tpe, gp, cmaes)."""


class Scheduler(Model):
    """Which trials are stopped before their full length."""

    type: Literal["asha", "hyperband", "median", "pbt", "none"] = "asha"
    grace_epochs: float = 1
    """No trial is stopped before this many epochs."""
    reduction: float = 3
    """asha, hyperband: one of `reduction` trials goes on from a rung."""
    min_trials: int = 4
    """median: no stop before this many trials have reached the same epoch."""
    interval_epochs: float = 1
    """pbt: epochs between two perturbations."""
    quantile: float = 0.25
    """pbt: the worst and best fraction that exploit and are exploited."""
    fidelity: Literal["epochs", "data"] = "epochs"
    """`data`: rungs train full length on a growing fraction of the training images."""


class Confirm(Model):
    """Rerun the best `top` trials at full length with `seeds` new seeds each."""

    top: int = 2
    seeds: int = 3


class Budget(Model):
    """The search stops cleanly when any of these is spent; None is unlimited."""

    gpu_hours: float | None = None
    wall_hours: float | None = None
    epochs: float | None = None
    x: float | None = None
    """In full trainings: x * epochs."""


class Transfer(Model):
    """Start from the best `top` trials of an earlier run; `narrow` shrinks the ranges to them."""

    run: Path
    top: int = 5
    narrow: bool = False


class Resources(Model):
    """What one trial holds while it runs, and how many run at once (None: as many as fit)."""

    cpus: float = 1
    gpus: float = 0
    ranks: int = 1
    concurrent: int | None = None


class Tracking(Model):
    """Where MLflow writes. `uri` None: `sqlite:///mlflow.db` in the current folder."""

    enabled: bool = True
    experiment: str | None = None
    """None: the spec's name."""
    uri: str | None = None


class SearchSpec(Model):
    """One search. `source` is the file it came from."""

    name: str
    trial: Path
    """The mmdet config, absolute."""
    trainable: str = "trainables.distillation:DistillationTrainable"
    """`module:Class` or `file.py:Class`: the Ray trainable that runs a trial."""
    objectives: dict[str, Literal["max", "min"]] = {"coco/bbox_mAP": "max"}
    epochs: int
    """Full length of a trial (the YAML may leave it to the config's max_epochs)."""
    report_every: Interval = Interval()
    space: dict[str, Distribution]
    require: tuple[Constraint, ...] = ()
    method: tuple[str, ...] = ()
    """More than one: a comparison of distillation methods under equal budget."""
    sampler: Sampler = Sampler()
    scheduler: Scheduler = Scheduler()
    trials: int = 24
    seed: int = 0
    start_from: tuple[dict[str, Value], ...] = ()
    transfer: Transfer | None = None
    """From `start_from: {run: ..., top: ...}`."""
    baseline: bool = True
    confirm: Confirm | None = None
    budget: Budget = Budget()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    source: Path | None = None
