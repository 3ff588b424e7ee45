"""Checks of a search space against the mmdet config its trials are made from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.distill.model_config import PRECISION_PATH, check_precision
from tid_tune.errors import ConfigError
from tid_tune.searchfile.problems import Problems, Where
from tid_tune.searchfile.tree import Node
from tid_tune.space import Distribution, Value
from tid_tune.space.values import describe

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config

DISTILLATION = "model.distillation"


def read_config(trial: str, where: Where, spec_file: Path, problems: Problems) -> Config | None:
    """Return the config at `trial`, relative to the current folder; None with a problem noted."""
    path = Path(trial)
    if "\0" in trial or not path.is_file():
        beside = spec_file.parent / path
        hint = "paths are relative to the current folder"
        if "\0" not in trial and beside.is_file():
            hint = f"did you mean {beside}? {hint}"
        problems.add(where, "trial", f"no config file {trial!r}; {hint}")
        return None
    if path.suffix != ".py":
        problems.add(where, "trial", f"expected an mmdet config (a .py file), got {trial!r}")
        return None
    from tid_tune.openmmlab.configs import load_config

    try:
        return load_config(path, imports=False)
    except ConfigError as error:
        problems.add(where, "trial", f"{error}; fix the config")
        return None


def max_epochs(config: Config) -> int | None:
    """Return the epochs that the config trains for; None where it counts iterations."""
    loop = config.get("train_cfg") or {}
    found = loop.get("max_epochs") if isinstance(loop, dict) else None
    return found if isinstance(found, int) and found > 0 else None


def check_paths(
    config: Config, space: Mapping[str, Distribution], node: Node, problems: Problems
) -> None:
    """Note every parameter that is not a value of the config, or of another type than it."""
    from tid_tune.openmmlab.configs import get_value, set_value

    for path, distribution in space.items():
        if path.startswith(f"{DISTILLATION}."):
            continue
        where = node.entries[path].where
        if path == PRECISION_PATH:
            _check_precisions(config, distribution, where, problems)
            continue
        try:
            current = get_value(config, path)
            set_value(config, path, current)
        except ConfigError as error:
            problems.add(where, f"space.{path}", str(error))
            continue
        wrong = _type_clash(current, distribution)
        if wrong:
            problems.add(where, f"space.{path}", wrong)


def _check_precisions(
    config: Config, distribution: Distribution, where: Where, problems: Problems
) -> None:
    """Note values that are no precision of a teacher, or a config without a teacher."""
    from tid_tune.openmmlab.configs import set_value

    for value in distribution.extremes:
        try:
            check_precision(value)
            set_value(copy.deepcopy(config), PRECISION_PATH, value)
        except ConfigError as error:
            problems.add(where, f"space.{PRECISION_PATH}", str(error))
            return


def _type_clash(current: object, distribution: Distribution) -> str | None:
    """Return what makes the values of a parameter unlike the config's value, or None."""
    for value in distribution.extremes:
        if value is None or current is None or _alike(current, value):
            continue
        if distribution.is_fixed and isinstance(value, list | tuple):
            return (
                f"a list alone is one fixed value, but the config has {describe(current)} here; "
                "to search write {uniform: [low, high]} or {choice: [a, b]}"
            )
        shown = distribution.domain if distribution.size is None else describe(value)
        return (
            f"the config has {describe(current)} here, so {shown} cannot take its place; search "
            "a value inside it, or values of the same type"
        )
    return None


def _alike(current: object, value: Value) -> bool:
    if isinstance(current, bool) or isinstance(value, bool):
        return isinstance(current, bool) and isinstance(value, bool)
    if isinstance(current, dict) or isinstance(value, dict):
        return isinstance(current, dict) and isinstance(value, dict)
    if isinstance(current, list | tuple) or isinstance(value, list | tuple):
        return isinstance(current, list | tuple) and isinstance(value, list | tuple)
    return not (isinstance(current, int | float) and isinstance(value, str))
