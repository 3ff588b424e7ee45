"""Distributions of parameters: one module and one class each.

`base.Distribution` is the contract, `registry` finds the class of a YAML name or of a recorded
`kind`, and a new module in this package is found by itself. `reading` and `numeric` are helpers for
writing one. From outside, import the names below from `tid_tune.space`.
"""

from __future__ import annotations

from tid_tune.space.distributions.base import Distribution, EntryError, Schema, YamlForm
from tid_tune.space.distributions.choice import Choice
from tid_tune.space.distributions.fixed import Fixed
from tid_tune.space.distributions.integer import Integer
from tid_tune.space.distributions.log_uniform import LogUniform
from tid_tune.space.distributions.normal import Normal
from tid_tune.space.distributions.ordinal import Ordinal
from tid_tune.space.distributions.registry import (
    AnyDistribution,
    distribution_from_json,
    distribution_from_yaml,
    distribution_names,
    register_distribution,
    yaml_forms,
)
from tid_tune.space.distributions.uniform import Uniform

__all__ = [
    "AnyDistribution",
    "Choice",
    "Distribution",
    "EntryError",
    "Fixed",
    "Integer",
    "LogUniform",
    "Normal",
    "Ordinal",
    "Schema",
    "Uniform",
    "YamlForm",
    "distribution_from_json",
    "distribution_from_yaml",
    "distribution_names",
    "register_distribution",
    "yaml_forms",
]
