"""What a search-space file may say at its top level, field by field, as YAML gives it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from tid_tune.distill.cache.settings import CacheSettings
from tid_tune.models import Count, Model, Seed
from tid_tune.searchfile.model import (
    Budget,
    Confirm,
    Direction,
    Evaluation,
    Failures,
    Interval,
    Metric,
    Name,
    Resources,
    SearchSpec,
)
from tid_tune.searchfile.outputs import Keep, Report, Tracking
from tid_tune.searchfile.parts import DEFAULT_TYPES

DEFAULT_TRAINABLE: str = SearchSpec.model_fields["trainable"].default
INTERVAL = r"^\s*[1-9][0-9]{0,8}\s*(epochs?|iters?|iterations?)\s*$"
TRAINABLE = (
    r"^([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*|[^:]+\.py):[A-Za-z_][A-Za-z0-9_]*$"
)


class Header(Model):
    """The fields that are one value each."""

    name: Name
    """Names the run folder: letters, digits and `. _ -`."""
    trial: Annotated[str, Field(min_length=1)]
    """The mmdet config of a trial, relative to the current folder."""
    trainable: Annotated[str, Field(pattern=TRAINABLE)] = DEFAULT_TRAINABLE
    """`module:Class` or `file.py:Class`: the Ray trainable that runs a trial."""
    objective: Metric | None = None
    """The metric to maximize; the config's evaluator decides what is meant if not set."""
    objectives: Annotated[dict[Metric, Direction], Field(min_length=1)] | None = None
    """Several metrics, each `max` or `min`; the first one ranks."""
    epochs: Count | None = None
    """Full length of a trial; the config's max_epochs if not set."""
    report_every: Annotated[str, Field(pattern=INTERVAL)] = "1 epoch"
    """`1 epoch` or `2000 iters`: evaluation, rung and checkpoint interval."""
    evaluate_every: Evaluation = "report"
    """`report`: evaluate and save at every report. `rungs`: only where the scheduler compares."""
    trials: Count = 24
    """How many points of the space are tried."""
    seed: Seed = 0
    """Seeds the training of every trial."""
    baseline: bool = True
    """Run "no distillation" and the method's defaults first: gains are against these."""


SECTIONS: dict[str, type[Model]] = {
    "confirm": Confirm,
    "budget": Budget,
    "keep": Keep,
    "resources": Resources,
    "failures": Failures,
    "report": Report,
    "tracking": Tracking,
    "cache": CacheSettings,
}
"""The fields that are a map of options; those of `DEFAULT_TYPES` depend on their `type`."""

OTHERS = ("base", "space", "require", "start_from", "method")
"""The fields with a shape of their own."""

KEYS = (*Header.model_fields, *DEFAULT_TYPES, *SECTIONS, *OTHERS)


def read_interval(text: str) -> Interval:
    """`2000 iters` as an Interval; the text matches INTERVAL."""
    count, unit = re.findall(r"[0-9]+|[a-z]+", text)
    return Interval(count=int(count), unit="epoch" if unit.startswith("epoch") else "iter")
