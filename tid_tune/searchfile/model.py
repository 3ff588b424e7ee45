"""The typed form of a search-space file: what the search, the trials and the report read.

`tid_tune.searchfile.load` is the only way from YAML to here; nothing downstream sees a YAML node.
Every model is frozen and round-trips through `model_dump(mode="json")`, which is what the ledger
records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tid_tune.models import Model
from tid_tune.space import AnyDistribution, Constraint, Value


def _whole(value: object) -> object:
    """`1e3` is the number 1000 in YAML and JSON alike."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The order keeps the bounds in the JSON Schema, which does not look behind a validator.
Count = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_whole)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), BeforeValidator(_whole)]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?$")]
Metric = Annotated[str, Field(pattern=r"^[^\s=\x00-\x1f]{1,200}$")]
Direction = Literal["max", "min"]


class Interval(Model):
    """How often a trial reports (and evaluates, and checkpoints)."""

    count: int = 1
    unit: Literal["epoch", "iter"] = "epoch"


class Sampler(Model):
    """How the next point of the space is proposed."""

    type: Literal["tpe", "gp", "cmaes", "qmc", "random", "grid", "nsga2"] = "tpe"
    seed: Seed | None = None
    """None: the spec's `seed`."""
    startup_trials: Count | None = None
    """tpe, gp, cmaes: random trials before the model is used. None: 10, of gp 5."""

    @property
    def startup(self) -> int:
        """`startup_trials` as in effect."""
        return self.startup_trials or (5 if self.type == "gp" else 10)


class Scheduler(Model):
    """Which trials are stopped before their full length."""

    type: Literal["asha", "hyperband", "median", "pbt", "none"] = "asha"
    grace_epochs: Positive = 1
    """asha, hyperband, median: no trial is stopped before this many epochs."""
    reduction: Annotated[float, Field(gt=1, le=100)] = 3
    """asha, hyperband: one of `reduction` trials goes on from a rung."""
    min_trials: Count = 4
    """median: no stop before this many trials have reached the same epoch."""
    interval_epochs: Positive = 1
    """pbt: epochs between two perturbations."""
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """pbt: the worst and best fraction that exploit and are exploited."""
    fidelity: Literal["epochs", "data"] = "epochs"
    """asha, hyperband: `data` means rungs of full length on a growing fraction of the images."""


OPTIONS_OF_TYPE: dict[str, dict[str, tuple[str, ...]]] = {
    "sampler": {"startup_trials": ("tpe", "gp", "cmaes")},
    "scheduler": {
        "grace_epochs": ("asha", "hyperband", "median"),
        "reduction": ("asha", "hyperband"),
        "min_trials": ("median",),
        "interval_epochs": ("pbt",),
        "quantile": ("pbt",),
        "fidelity": ("asha", "hyperband"),
    },
}
"""The types an option of a section means something for; the others refuse it."""


class Confirm(Model):
    """Rerun the best `top` trials at full length with `seeds` new seeds each."""

    top: Count = 2
    seeds: Count = 3


class Budget(Model):
    """The search stops cleanly when any of these is spent; None is unlimited."""

    gpu_hours: Positive | None = None
    wall_hours: Positive | None = None
    epochs: Positive | None = None
    x: Positive | None = None
    """In full trainings: x * epochs."""


class Transfer(Model):
    """Start from the best `top` trials of an earlier run; `narrow` shrinks the ranges to them."""

    run: Path
    top: Count = 5
    narrow: bool = False


class Resources(Model):
    """What one trial holds while it runs, and how many run at once (None: as many as fit)."""

    cpus: Annotated[float, Field(ge=0)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    ranks: Count = 1
    concurrent: Count | None = None


class Tracking(Model):
    """Where MLflow writes. `uri` None: `sqlite:///mlflow.db` in the current folder."""

    enabled: bool = True
    experiment: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """None: the spec's name."""
    uri: Annotated[str, Field(min_length=1)] | None = None


def _mean_precision() -> dict[str, Direction]:
    return {"coco/bbox_mAP": "max"}


class SearchSpec(Model):
    """One search. `source` is the file it came from."""

    name: Name
    trial: Path
    """The mmdet config, absolute."""
    trainable: str = "trainables.distillation:DistillationTrainable"
    """The Ray trainable that runs a trial: a class, named with its module or its file."""
    objectives: dict[str, Direction] = Field(default_factory=_mean_precision)
    """Metric names and directions; see `first_objective`."""
    epochs: Count
    """Full length of a trial (the YAML may leave it to the config's max_epochs)."""
    report_every: Interval = Interval()
    space: dict[str, AnyDistribution]
    require: tuple[Constraint, ...] = ()
    method: tuple[str, ...] = ()
    """More than one: a comparison of distillation methods under equal budget. A `when` on
    `model.distillation.method`, which is then not in `space`, holds for the arm's method."""
    sampler: Sampler = Sampler()
    scheduler: Scheduler = Scheduler()
    trials: Count = 24
    seed: Seed = 0
    start_from: tuple[dict[str, Value], ...] = ()
    transfer: Transfer | None = None
    """The earlier run that `start_from` names."""
    baseline: bool = True
    confirm: Confirm | None = None
    budget: Budget = Budget()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    source: Path | None = None

    @property
    def first_objective(self) -> str:
        """The metric that ranks trials wherever a single number is needed."""
        return next(iter(self.objectives))

    @property
    def sign(self) -> float:
        """1 where the first objective is to be large, -1 where it is to be small."""
        return 1.0 if self.objectives[self.first_objective] == "max" else -1.0
