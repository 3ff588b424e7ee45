"""Which class a YAML name or a recorded `kind` means: ours, registered ones, installed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, SerializeAsAny

from tid_tune.errors import suggestion
from tid_tune.plugins import Registry
from tid_tune.space.distributions.base import Distribution, EntryError, YamlForm
from tid_tune.space.values import Value

D = TypeVar("D", bound=type[Distribution])

DISTRIBUTIONS: Registry[type[Distribution]] = Registry(
    "distribution", package="tid_tune.space.distributions", group="tid_tune.distributions"
)
"""The class of every YAML name."""


def register_distribution(distribution: D) -> D:
    """Make a distribution known under the names of its YAML forms; usable as a decorator.

    Raises:
        UsageError: another distribution has one of the names.
    """
    for name in distribution.forms:
        DISTRIBUTIONS.register(name, distribution)
    return distribution


def distribution_names() -> list[str]:
    """Return the YAML names of all distributions, in alphabetical order."""
    return DISTRIBUTIONS.names()


def yaml_forms() -> dict[str, YamlForm]:
    """Return the YAML forms of all distributions by name."""
    return {name: found.forms[name] for name, found in DISTRIBUTIONS.parts().items()}


def distribution_from_yaml(entry: Value) -> Distribution:
    """Return the distribution of one parameter of a search space, without its `when`.

    Args:
        entry: plain values; what is not a map is a fixed value.

    Raises:
        EntryError: the entry is no distribution; says where in it, and how to fix it.
    """
    if not isinstance(entry, Mapping):
        return DISTRIBUTIONS.get("fixed").from_yaml("fixed", {"fixed": entry})
    forms = yaml_forms()
    names = [key for key in entry if key in forms]
    _check_keys(entry, names, forms)
    if len(names) != 1:
        got = " and ".join(names) if names else "none"
        raise EntryError(f"expected one distribution, got {got}; known: {', '.join(forms)}")
    plain = {key: value for key, value in entry.items() if key != "when"}
    return DISTRIBUTIONS.get(names[0]).from_yaml(names[0], plain)


def distribution_from_json(value: object) -> Distribution:
    """Return the distribution that a ledger recorded, or the one given.

    Raises:
        UsageError: nothing of the recorded `kind` is installed.
        ValueError: it is no record of a distribution.
    """
    if isinstance(value, Distribution):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        raise ValueError(f"expected a distribution with its kind, got {value!r}")
    return DISTRIBUTIONS.get(value["kind"]).model_validate(value)


AnyDistribution = Annotated[SerializeAsAny[Distribution], BeforeValidator(distribution_from_json)]
"""The type of a model's field that holds a distribution of any kind."""


def _check_keys(
    entry: Mapping[str, Value], names: list[str], forms: Mapping[str, YamlForm]
) -> None:
    own = forms[names[0]].options if len(names) == 1 else {}
    for key, value in entry.items():
        if key == "when" or key in own or key in forms:
            continue
        owners = [name for name, form in forms.items() if key in form.options]
        if owners and len(names) == 1:
            layout = f"{names[0]}: {forms[names[0]].layout}"
            raise EntryError(f"{key} is an option of {' and '.join(owners)}; write {layout}", key)
        if not owners or not set(owners) & set(names):
            nested = isinstance(value, Mapping) and value
            hint = "; write a nested path as one key, with dots" if nested else ""
            known = suggestion(key, [*forms, "when"])
            text = f"unknown distribution {key!r}; {known}{hint}"
            raise EntryError("; ".join([text, *DISTRIBUTIONS.failures()]), key)
