"""Which of a config's hooks a trial keeps, and which cannot work with a Distiller."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeAlias

from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.registries import HOOKS
from tid_tune.openmmlab.runner import Hook

AnyHook: TypeAlias = "Hook | Mapping[str, object]"
DROPPED = ("timer", "logger", "checkpoint", "visualization")
"""Default hooks that are left out."""
_DROPPED_TYPES = (
    "CheckpointHook",
    "DetVisualizationHook",
    "GroundingVisualizationHook",
    "IterTimerHook",
    "LoggerHook",
    "NaiveVisualizationHook",
    "TrackVisualizationHook",
    "TrainAugmentDetVisualizationHook",
)
_REFUSED = {
    "MeanTeacherHook": "it would replace the teacher's weights by an average of the student's; "
    "remove it, or use EMAHook for averaged weights of the student",
}
"""Hooks, also as base classes, that do harm where the model is a Distiller."""


def hooks_of(cfg: Config) -> list[tuple[list[str], AnyHook]]:
    """Return the hooks of a config that a trial keeps, with the keys that lead to them.

    Left out are those that log, draw or save.
    """
    return [(keys, hook) for keys, hook in _all_hooks(cfg) if not _is_dropped(keys, hook)]


def dropped_hooks(cfg: Config) -> list[tuple[list[str], AnyHook]]:
    """Return the hooks of a config that a trial leaves out, with the keys that lead to them."""
    return [(keys, hook) for keys, hook in _all_hooks(cfg) if _is_dropped(keys, hook)]


def _all_hooks(cfg: Config) -> list[tuple[list[str], AnyHook]]:
    named, own = cfg.get("default_hooks") or {}, cfg.get("custom_hooks") or []
    return [
        *((["default_hooks", name], hook) for name, hook in named.items() if hook is not None),
        *((["custom_hooks", str(index)], hook) for index, hook in enumerate(own)),
    ]


def _is_dropped(keys: list[str], hook: AnyHook) -> bool:
    if keys[0] == "default_hooks":
        return keys[1] in DROPPED
    return not isinstance(hook, Hook) and _type_name(hook) in _DROPPED_TYPES


def _type_name(hook: Mapping[str, object]) -> str:
    return str(hook.get("type")).rpartition(".")[2]


def refuse_harmful(model: object, hook: AnyHook) -> None:
    """Check that a hook can work with the model of a config.

    Raises:
        ConfigError: it cannot.
    """
    for name in _classes(hook) if is_distiller(model) else ():
        if name in _REFUSED:
            raise ConfigError(f"{name} cannot be used with a Distiller: {_REFUSED[name]}")


def _classes(hook: AnyHook) -> list[str]:
    """Return the names of a hook's class and of those it is derived from."""
    kind = hook.get("type") if isinstance(hook, Mapping) else type(hook)
    found = HOOKS.get(kind) if isinstance(kind, str) else kind
    if inspect.isclass(found):
        return [base.__name__ for base in found.__mro__]
    return [str(kind).rpartition(".")[2]]
