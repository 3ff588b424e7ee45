"""Search spaces: distributions of parameters, conditions and rules between them, points.

`distributions/` has one class a kind; `space` says which parameters are active together and which
points are equal; `rules` holds `require`; `conditions` sorts what depends on each other; `walk`
visits finite spaces; `values` compares and describes JSON values, `optuna_forms`
builds distributions of Optuna. Pure Python: no YAML files, no
torch, no Ray. Other packages import the names below, and from the modules what is not here.
"""

from __future__ import annotations

from tid_tune.space.distributions import (
    AnyDistribution,
    Choice,
    Distribution,
    EntryError,
    Fixed,
    Integer,
    LogUniform,
    Normal,
    Ordinal,
    Schema,
    Uniform,
    YamlForm,
    distribution_from_json,
    distribution_from_yaml,
    distribution_names,
    register_distribution,
    yaml_forms,
)
from tid_tune.space.rules import Constraint, broken_constraint
from tid_tune.space.space import Space
from tid_tune.space.values import Params, Value, as_number, is_number

__all__ = [
    "AnyDistribution",
    "Choice",
    "Constraint",
    "Distribution",
    "EntryError",
    "Fixed",
    "Integer",
    "LogUniform",
    "Normal",
    "Ordinal",
    "Params",
    "Schema",
    "Space",
    "Uniform",
    "Value",
    "YamlForm",
    "as_number",
    "broken_constraint",
    "distribution_from_json",
    "distribution_from_yaml",
    "distribution_names",
    "is_number",
    "register_distribution",
    "yaml_forms",
]
