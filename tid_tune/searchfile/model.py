"""The typed form of a search-space file: what the search, the trials and the report read.

`tid_tune.searchfile.load` is the only way from YAML to here; nothing downstream sees a YAML node.
Every model is frozen and round-trips through `model_dump(mode="json")`, which is what the ledger
records; only passwords in an address are not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.errors import UsageError
from tid_tune.ledger.records import reached
from tid_tune.models import Count, Model, Positive, Seed, problems
from tid_tune.searchfile.outputs import Keep, Report, Tracking
from tid_tune.searchfile.parts import (
    SamplerOptions,
    SchedulerOptions,
    as_options,
    recorded_options,
)
from tid_tune.searchfile.transfer import Transfer
from tid_tune.space import AnyDistribution, Constraint, Value

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?$")]
Metric = Annotated[str, Field(pattern=r"^[^\s=\x00-\x1f]{1,200}$")]
Direction = Literal["max", "min"]
Evaluation = Literal["report", "rungs"]


def _students(value: object) -> object:
    """Return a count or `auto` as it is.

    Raises:
        PydanticCustomError: it is neither. A union would report each of its members.
    """
    count = int(value) if isinstance(value, float) and value.is_integer() else value
    whole = isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= MAX_STUDENTS
    if whole or count == "auto":
        return count
    raise PydanticCustomError(
        "students", f"expected auto, or a whole number from 1 to {MAX_STUDENTS}"
    )


MAX_STUDENTS = 1000
Students = Annotated[
    int | Literal["auto"],
    BeforeValidator(_students),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_STUDENTS}, {"const": "auto"}]}
    ),
]


class Interval(Model):
    """How often a trial reports (and evaluates, and checkpoints)."""

    count: int = 1
    unit: Literal["epoch", "iter"] = "epoch"
    needed: tuple[float, ...] | None = None
    """Report only where one of these lengths, in epochs, is reached, and at the end. None: at the
    end of every interval."""

    def next_stop(self, done: int, per_epoch: int, end: int) -> int:
        """Return the iteration at which a trial that has done so many reports next.

        Args:
            done: iterations so far.
            per_epoch: iterations of an epoch.
            end: iterations of the full length.
        """
        length = self.count * (per_epoch if self.unit == "epoch" else 1)
        stop = (done // length + 1) * length
        while stop < end and not self._is_needed(done / per_epoch, stop / per_epoch):
            stop += length
        return min(stop, end)

    def _is_needed(self, before: float, epoch: float) -> bool:
        if self.needed is None:
            return True
        return any(reached(epoch, one) and not reached(before, one) for one in self.needed)


class Confirm(Model):
    """Rerun the best `top` trials at full length with `seeds` new seeds each."""

    top: Count = 2
    seeds: Count = 3
    until: Positive | None = None
    """Add seeds until the winner's difference to a baseline is known to plus or minus this much."""
    max_seeds: Count = 10
    """With `until`, no more seeds than these."""


class Budget(Model):
    """The search stops cleanly when any of these is spent; None is unlimited."""

    gpu_hours: Positive | None = None
    wall_hours: Positive | None = None
    epochs: Positive | None = None
    x: Positive | None = None
    """In full trainings: x * epochs."""

    @property
    def text(self) -> str:
        """Return `wall_hours 1, epochs 500`; empty without limits."""
        limits = self.model_dump(exclude_none=True)
        return ", ".join(f"{name} {value:g}" for name, value in limits.items())


Spread = Literal["pack", "node", "any"]


class Resources(Model):
    """What one worker holds while it runs, and how many run at once.

    A worker of several ranks holds `cpus` and `gpus` for each of them.
    """

    cpus: Annotated[float, Field(ge=0)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    ranks: Count = 1
    """Processes that train one trial together."""
    spread: Spread = "pack"
    """Where they run: on as few nodes as possible; all on one node; one on each node where that is
    possible."""
    concurrent: Count | None = None
    """Workers that run at once; None: as many as fit."""
    students: Students = 1
    """Trials that one worker trains side by side; `auto`: as many as fit in its memory."""

    @property
    def packs(self) -> bool:
        """Whether a worker may train several trials side by side."""
        return self.students != 1


class Failures(Model):
    """What is tried again. A mistake in a config, in code or in data is not."""

    retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a trial is started again after its process or node was lost. Nodes that are
    announced to go away do not count."""
    stall_minutes: Annotated[float, Field(ge=0, le=100_000)] = 30
    """A worker that trains and evaluates nothing for so long is ended, and counts as lost. 0: never
    end one."""
    smaller_parts: bool = False
    """Try a trial that was out of memory once more, each batch in two parts whose gradients are
    added up: its values are those of another training, and are marked."""

    @property
    def stall_seconds(self) -> float:
        """`stall_minutes` in seconds."""
        return 60 * self.stall_minutes


def _mean_precision() -> dict[str, Direction]:
    return {"coco/bbox_mAP": "max"}


def _sampler(value: object, info: ValidationInfo) -> object:
    return as_options("sampler", value, info.data.get("trials", 1))


def _scheduler(value: object) -> object:
    return as_options("scheduler", value)


class SearchSpec(Model):
    """One search. `source` is the file it came from, `overrides` what it was changed with."""

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
    evaluate_every: Evaluation = "report"
    """`rungs`: trials report only where the scheduler compares them, and at the end."""
    space: dict[str, AnyDistribution]
    require: tuple[Constraint, ...] = ()
    method: tuple[str, ...] = ()
    """More than one: a comparison of distillation methods under equal budget. A `when` on
    `model.distillation.method`, which is then not in `space`, holds for the arm's method."""
    trials: Count = 24
    sampler: Annotated[SerializeAsAny[SamplerOptions], BeforeValidator(_sampler)] = Field(
        default_factory=lambda data: as_options("sampler", {}, data.get("trials", 1))
    )
    """The options of one registered sampler; a map is read by its `type`, or the default one."""
    scheduler: Annotated[SerializeAsAny[SchedulerOptions], BeforeValidator(_scheduler)] = Field(
        default_factory=lambda: as_options("scheduler", {})
    )
    """The options of one registered scheduler; a map is read by its `type`."""
    seed: Seed = 0
    start_from: tuple[dict[str, Value], ...] = ()
    transfer: Transfer | None = None
    """The earlier run that `start_from` names."""
    baseline: bool = True
    confirm: Confirm | None = None
    budget: Budget = Budget()
    keep: Keep = Keep()
    resources: Resources = Resources()
    failures: Failures = Failures()
    report: Report = Report()
    tracking: Tracking = Tracking()
    cache: CacheSettings | None = None
    """Of the teacher's work; None: the teacher is run at every step."""
    source: Path | None = None
    overrides: tuple[str, ...] = ()
    """Texts of `--set`; passwords and tokens in addresses are masked."""

    @property
    def fixed(self) -> dict[str, Value]:
        """The values that are the same in every trial, by their path in the config."""
        found = self.space.items()
        return {path: d.value_at(0) for path, d in found if d.is_fixed and not d.when}

    @classmethod
    def recorded(cls, fields: Mapping[str, Any]) -> SearchSpec:
        """Return the spec that a ledger has recorded.

        Raises:
            UsageError: `fields` are not those of a spec.
        """
        try:
            return cls.model_validate({**fields, **recorded_options(fields)})
        except ValidationError as error:
            raise UsageError(
                "the search space that the ledger has recorded cannot be read by this version of "
                f"tid-tune: {problems(error)}"
            ) from None

    @property
    def trials_per_method(self) -> int:
        """How many points are tried with each method that is compared."""
        return -(-self.trials // max(1, len(self.method)))

    @property
    def reports(self) -> Interval:
        """When trials report: every interval, or those of them that are needed."""
        if self.evaluate_every == "report":
            return self.report_every
        needed = self.scheduler.rungs(self.epochs)
        return self.report_every.model_copy(update={"needed": needed})

    @property
    def first_objective(self) -> str:
        """The metric that ranks trials wherever a single number is needed."""
        return next(iter(self.objectives))

    @property
    def sign(self) -> float:
        """1 where the first objective is to be large, -1 where it is to be small."""
        return 1.0 if self.objectives[self.first_objective] == "max" else -1.0
