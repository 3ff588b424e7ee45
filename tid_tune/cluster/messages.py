"""The messages between driver and worker: a PackOrder there, Answers back, both as JSON.

Tune would flatten nested dictionaries at their slashes, and metric names contain slashes: so each
message travels as one string under one key. A worker may train several trials side by side; what
the driver decides on their reports is sent as Changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, TypeAdapter, ValidationError

from tid_tune.ledger.decisions import Cause
from tid_tune.models import problems
from tid_tune.searchfile.model import Interval

ORDER = "order"
"""The key of a PackOrder in the config that Tune passes to a trainable."""
ANSWER = "answers"
"""The key of Answers in the result that a trainable returns to Tune."""
WORKER = "worker"
"""The key of the worker's handle in that result, where its members may change."""


class _Message(BaseModel):
    # NaN and infinities are metrics like others.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class WorkOrder(_Message):
    """One assignment of the search engine as it is sent to a worker."""

    trial: str
    segment: int
    config: Path
    edits: dict[str, Any]
    """Values to set in the config, by dotted path."""
    seed: int
    epochs: int
    report_every: Interval
    run: str = ""
    """The run folder, as `worker_files` takes it."""
    work_dir: Path
    """The trial's folder: a name in the run folder, until a worker makes it a path of its own."""
    root: Path
    """The folder `tid-tune run` was started in: relative data paths of the config start here."""
    fraction: float = 1.0
    """Of the training images to use."""
    checkpoint: Path | None = None
    """To go on from; named as `work_dir`."""
    digest: str = ""
    """Of the checkpoint's content; empty: unknown."""
    parts: int = 1
    """In so many is each batch trained, one after the other: less memory, nearly the same step."""
    measure_teacher: bool = False
    check_teacher: bool = False
    """Build the teacher once, though the trial needs none: one that does not fit fails at once."""
    costs: tuple[str, ...] = ()
    """The objectives that are costs of the student; see `checks.objectives.COSTS`."""
    areas: int = 0
    """Of so many validation images, record the key and weak areas."""


class PackOrder(_Message):
    """What a worker begins with: the trials that it trains side by side, often one."""

    members: tuple[WorkOrder, ...]
    packs: bool = False
    """Whether trials leave one by one, and others join: then the worker takes Changes."""
    measure: bool = False
    """Measure how many trials the worker can train side by side, in the memory of `cpus` and
    `gpus`: what the worker holds."""
    cpus: float = 1.0
    gpus: float = 0.0
    ranks: int = 1
    """Processes that train each trial together."""
    stall_seconds: float = 0.0
    """The worker ends itself when it has made no progress for so long. 0: never."""

    @property
    def first(self) -> WorkOrder:
        """Of the worker's first trial; in its folder the worker leaves its last words."""
        return self.members[0]


class Changes(_Message):
    """What the driver decided on a worker's answers: who leaves and who joins."""

    leave: tuple[str, ...] = ()
    join: tuple[WorkOrder, ...] = ()
    quit: bool = False
    """The worker's node is about to go: nothing may be started in the worker any more."""


class IntervalDone(_Message):
    """One report interval was trained, evaluated and saved."""

    type: Literal["interval"] = "interval"
    step: int
    epoch: float
    metrics: dict[str, float]
    images: int
    seconds: float
    """The trial's share of the step's wall time: the budget pays for building and saving too."""
    checkpoint: str
    """Its name in the run folder."""
    digest: str = ""
    done: bool
    """Whether the trial has reached its full length."""
    effective: dict[str, object] | None = None
    """First interval of a run: the values in effect, read back from the live objects."""
    mode: dict[str, str] = {}
    """First interval of a run: what changes the trial's numbers beside its config."""
    fits: int | None = None
    """How many trials the worker can train side by side, where that was to be measured."""


class IntervalFailed(_Message):
    """The trial failed, and has been closed."""

    type: Literal["failure"] = "failure"
    cause: Cause
    text: str


StepAnswer = IntervalDone | IntervalFailed
_ANSWERS: TypeAdapter[StepAnswer] = TypeAdapter(Annotated[StepAnswer, Discriminator("type")])


class Answers(_Message):
    """A worker's answers to one step, each a StepAnswer as JSON, by trial.

    Each for itself: a value that JSON cannot hold fails its own trial.
    """

    answers: dict[str, str]
    nodes: dict[str, str] = {}
    """Of its other ranks: the address of each node, by its id."""

    @classmethod
    def read(cls, result: Mapping[str, object]) -> Answers:
        """Return those in a result that Tune hands on; none where another version has sent it."""
        try:
            return cls.model_validate_json(str(result.get(ANSWER, "")))
        except ValidationError:
            return cls(answers={})

    def of(self, trials: Iterable[str]) -> dict[str, StepAnswer]:
        """Return the answer of each of `trials`.

        One that cannot be read is a failure of its trial: the worker runs another version of
        tid_tune.
        """
        return {trial: _read(self.answers.get(trial, "")) for trial in trials}


def _read(text: str) -> StepAnswer:
    try:
        return _ANSWERS.validate_json(text)
    except ValidationError as error:
        reason = (
            "the worker's answer cannot be read; install the same version of tid_tune on all "
            f"nodes ({problems(error)})"
        )
        return IntervalFailed(cause=Cause.USER, text=reason)
