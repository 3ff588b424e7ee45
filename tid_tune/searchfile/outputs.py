"""What a search keeps and writes beside its ledger: weights, MLflow's runs, the report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PlainSerializer

from tid_tune.models import Count, Model, Positive
from tid_tune.passwords import without_secrets


class Keep(Model):
    """Which ended trials keep their weights; a trial that may go on keeps all it needs."""

    best: Count = 3
    """So many search trials of full length, of each method; candidates of `confirm` always."""
    baselines: bool = True
    """No distillation, and the method's defaults."""
    reruns: bool = True
    """The trainings of `confirm` with new seeds."""
    gib: Positive | None = None
    """All checkpoints together take no more than this, as far as trials that go on allow it."""


class Tracking(Model):
    """Where MLflow writes."""

    enabled: bool = True
    experiment: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """None: the spec's name."""
    uri: (
        Annotated[
            str,
            Field(min_length=1),
            PlainSerializer(without_secrets, return_type=str, when_used="json"),
        ]
        | None
    ) = None
    """None: `sqlite:///mlflow.db` in the current folder. Its JSON, which is recorded, has no
    password."""


class Report(Model):
    """What is recorded and evaluated for the report."""

    areas: Annotated[int, Field(ge=0, le=16)] = 2
    """Of so many validation images, the key and weak areas at each evaluation. 0: of none."""
    models: Annotated[int, Field(ge=0, le=100_000)] = 200
    """Baseline, best and teacher are compared on so many validation images at the end, if that
    takes no more than a minute there. 0: they are not."""
