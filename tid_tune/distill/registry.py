"""The distillation methods by name, and their constants by key; without torch.

A method is known once its settings are registered:

    @register_method
    class MySettings(Settings):
        method = "mine"
        implementation = "my_package.loss:Mine"

Ours are the packages in `tid_tune.distill.methods`. Those of other packages are found by their
entry points in the group `tid_tune.methods`, or registered by a module that runs before the model
is built, as one in the `custom_imports` of a config.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field, create_model

from tid_tune.distill.settings import Option, Options, Settings
from tid_tune.errors import ConfigError, nearest
from tid_tune.plugins import Registry

if TYPE_CHECKING:
    from tid_tune.detectors.heads import HeadAdapter
    from tid_tune.distill.method import Method

METHODS: Registry[type[Settings]] = Registry(
    "method", package="tid_tune.distill.methods", group="tid_tune.methods"
)
"""Settings of every method, by the name used as `model.distillation.method`."""
DEFAULT = "tid"
"""The method of a config that names none."""

SettingsClass = TypeVar("SettingsClass", bound=type[Settings])


def register_method(settings: SettingsClass) -> SettingsClass:
    """Make a method known by its settings; usable as a decorator.

    Raises:
        UsageError: another method has this name.
    """
    METHODS.register(settings.method, settings)
    return settings


def methods_without_teacher() -> list[str]:
    """Return the names of the methods that only train the student, as `none`."""
    return [name for name, settings in METHODS.parts().items() if not settings.needs_teacher]


def owners(key: str) -> list[str]:
    """Return the names of the methods that have the option `key`.

    Raises:
        ConfigError: no method has it; the message names the nearest key.
    """
    methods = METHODS.parts()
    found = [name for name, settings in methods.items() if key in settings.model_fields]
    if not found:
        known = {known for settings in methods.values() for known in settings.model_fields}
        match = nearest(key, sorted(known | {"method"}))
        hint = f"; did you mean {match!r}?" if match else ""
        text = f"distillation.{key} is an option of no method{hint}"
        raise ConfigError("\n".join([text, *METHODS.failures()]))
    return found


def option_for(key: str, method: str | None = None) -> Option:
    """Return the option behind `model.distillation.<key>`; `method` itself is an option.

    Args:
        key: one key, without dots.
        method: the method whose option is asked for; None takes the first method that has it.

    Raises:
        ConfigError: no method has the key, or `method` does not have it.
    """
    if key == "method":
        names: Any = Literal[tuple(METHODS.names())]
        field = (names, Field(DEFAULT, description="The distillation method."))
        choice: type[Options] = create_model("MethodChoice", __base__=Options, method=field)
        return choice.options()["method"]
    found = owners(key)
    if method is not None and method not in found:
        raise ConfigError(f"distillation.{key} is no option of {method}, only of {found}")
    return METHODS.get(method or found[0]).options()[key]


def parse_settings(mapping: Mapping[str, object]) -> Settings:
    """Return the settings of `mapping["method"]` (default `tid`), every value checked.

    A key that belongs only to another method is ignored, so that `method` can be searched.

    Raises:
        ConfigError: an unknown method or key (naming the nearest), or a bad value.
    """
    values = dict(mapping)
    name = values.pop("method", DEFAULT)
    if not isinstance(name, str) or name not in METHODS.names():
        known = f"it must be one of {', '.join(METHODS.names())}"
        text = f"distillation.method is {name!r}; {known}"
        raise ConfigError("\n".join([text, *METHODS.failures()]))
    for key in values:
        owners(key)
    return METHODS.get(name).parse(values)


def build_method(settings: Settings, student: HeadAdapter, teacher: HeadAdapter) -> Method:
    """Import the implementation of a method and build it for these heads.

    Raises:
        ConfigError: as `implementation_of`, or the method cannot compare these heads.
    """
    return implementation_of(settings)(settings, student, teacher)


def implementation_of(settings: Settings | type[Settings]) -> type[Method]:
    """Import the implementation of a method.

    Raises:
        ConfigError: there is no such module or class.
    """
    try:
        found: type[Method] = pkgutil.resolve_name(settings.implementation)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"the distillation method {settings.method} cannot be imported from "
            f"{settings.implementation!r}: {error}"
        ) from error
    return found
