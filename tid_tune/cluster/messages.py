"""The messages between driver and worker: a WorkOrder there, a StepAnswer back, both as JSON.

Tune would flatten nested dictionaries at their slashes, and metric names contain slashes: so each
message travels as one string under one key.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, TypeAdapter, ValidationError

from tid_tune.ledger.decisions import Cause
from tid_tune.models import problems
from tid_tune.searchfile.model import Interval

ORDER = "order"
"""The key of a WorkOrder in the config that Tune passes to a trainable."""
ANSWER = "answer"
"""The key of a StepAnswer in the result that a trainable returns to Tune."""


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
    work_dir: Path
    root: Path
    """The folder `tid-tune run` was started in: relative data paths of the config start here."""
    fraction: float = 1.0
    """Of the training images to use."""
    checkpoint: Path | None = None
    measure_teacher: bool = False
    check_teacher: bool = False
    """Build the teacher once, though the trial needs none: one that does not fit fails at once."""
    costs: tuple[str, ...] = ()
    """The objectives that are costs of the student; see `checks.objectives.COSTS`."""


class IntervalDone(_Message):
    """One report interval was trained, evaluated and saved."""

    type: Literal["interval"] = "interval"
    step: int
    epoch: float
    metrics: dict[str, float]
    images: int
    seconds: float
    """Wall time of the whole step: the budget pays for building and saving too."""
    checkpoint: Path
    done: bool
    """Whether the trial has reached its full length."""
    effective: dict[str, object] | None = None
    """First interval of a run: the values in effect, read back from the live objects."""


class IntervalFailed(_Message):
    """The trial failed, and has been closed."""

    type: Literal["failure"] = "failure"
    cause: Cause
    text: str


StepAnswer = IntervalDone | IntervalFailed
_ANSWERS: TypeAdapter[StepAnswer] = TypeAdapter(Annotated[StepAnswer, Discriminator("type")])


def read_answer(result: Mapping[str, object]) -> StepAnswer:
    """Return the answer in a result that Tune hands on.

    One that cannot be read is a failure of its trial: the worker runs another version of tid_tune.
    """
    try:
        return _ANSWERS.validate_json(str(result.get(ANSWER, "")))
    except ValidationError as error:
        text = (
            "the worker's answer cannot be read; install the same version of tid_tune on all "
            f"nodes ({problems(error)})"
        )
        return IntervalFailed(cause=Cause.USER, text=text)
