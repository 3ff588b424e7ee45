"""mmdet config files: load them, and change values in them by dotted path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from tid_tune import dotted
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.config_imports import import_custom_modules, is_pure_python, with_type_names
from tid_tune.openmmlab.config_suggestions import no_such_path, places
from tid_tune.openmmlab.setup import prepare, quiet
from tid_tune.variables import resolve_all

__all__ = ["READ_BY_RUNNER", "Config", "ConfigDict", "get_value", "load_config", "set_value"]

FREE = "model.distillation"
"""Below this path a key need not be there yet: the method's own settings say which keys exist."""

OPTIONAL = ("model.teacher.cache", "model.teacher.precision")
"""Paths that can be set where a config does not have them: they have a default."""

READ_BY_RUNNER = frozenset(
    (
        "activation_checkpointing",
        "auto_scale_lr",
        "compile",
        "custom_hooks",
        "custom_imports",
        "data_preprocessor",
        "default_hooks",
        "default_scope",
        "efficient_conv_bn_eval",
        "env_cfg",
        "experiment_name",
        "find_unused_parameters",
        "launcher",
        "load_from",
        "log_level",
        "log_processor",
        "model",
        "model_wrapper_cfg",
        "optim_wrapper",
        "param_scheduler",
        "randomness",
        "resume",
        "sync_bn",
        "test_cfg",
        "test_dataloader",
        "test_evaluator",
        "train_cfg",
        "train_dataloader",
        "tta_model",
        "tta_pipeline",
        "val_cfg",
        "val_dataloader",
        "val_evaluator",
        "visualizer",
        "work_dir",
    )
)
"""Top-level keys a trial is built from. All other names of a config file are its helpers."""


def load_config(
    path: Path | str,
    edits: Mapping[str, object] | None = None,
    *,
    imports: bool = True,
    resolve: bool = True,
) -> Config:
    """Load the mmdet config at `path`, set `edits` in it (dotted path: value) and return it.

    A number in a path is a list index: `param_scheduler.0.end`. Relative file names in the config
    keep their meaning: relative to the current folder. With `imports`, mmdet is prepared and the
    config's `custom_imports` are imported; modules of the current folder are found. In a config of
    mmengine's pure-Python style, the types become names, as in other configs. With `resolve`, each
    `${env:NAME}` is replaced by the value of that environment variable.

    Raises:
        ConfigError: the file cannot be read, an edited path does not exist or has no effect, or an
            environment variable is not set.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no config file {path}")
    if imports:
        prepare()
    try:
        with quiet():
            config = Config.fromfile(str(path), import_custom_modules=False)
            if imports:
                import_custom_modules(config.get("custom_imports"), path)
            if is_pure_python(config):
                config = with_type_names(config, imports=imports)
    except ConfigError:
        raise
    except Exception as error:  # a config is a program; anything may go wrong in it
        raise ConfigError(f"cannot read the config {path}: {_named(error)}") from error
    for where, value in (edits or {}).items():
        set_value(config, where, value)
    if resolve:
        for name, node in config.items():
            found = resolve_all(node)
            if found is not node:
                config[name] = found
    return config


def get_value(config: Config, path: str) -> Any:
    """Return the value at the dotted `path`.

    Raises:
        ConfigError: there is none; it names the nearest path that exists.
    """
    return _at(config, dotted.split(path))


def set_value(config: Config, path: str, value: object) -> None:
    """Replace the value at the dotted `path`.

    YAML and JSON have lists alone: where the config has a tuple, a list becomes one.

    Raises:
        ConfigError: there is none, or nothing but the config file itself reads it.
    """
    keys = dotted.split(path)
    if len(keys) > 1 and keys[0] in config and keys[0] not in READ_BY_RUNNER:
        _refuse_helper(config, keys)
    parent = _at(config, keys, len(keys) - 1)
    current = None
    free = ".".join(keys[:-1]) == FREE or (path in OPTIONAL and isinstance(parent, dict))
    if not free or keys[-1] in parent:
        current = _at(config, keys)
    new = _shaped_like(current, value)
    if isinstance(parent, tuple):
        items = list(parent)
        items[int(keys[-1])] = new
        set_value(config, dotted.join(keys[:-1]), tuple(items))
    elif isinstance(parent, list):
        parent[int(keys[-1])] = new
    else:
        parent[keys[-1]] = new


def _at(config: Config, keys: Sequence[str], depths: int | None = None) -> Any:
    """Return what is at the path of the first `depths` keys, or of all."""
    node: object = config._cfg_dict
    for depth, key in enumerate(keys[:depths]):
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list | tuple) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            read = {name: part for name, part in config.items() if name in READ_BY_RUNNER}
            raise ConfigError(no_such_path(node, keys, depth, read, config.filename))
    return node


def _shaped_like(current: object, value: object) -> object:
    """Return the value with tuples where `current`, which it replaces, has tuples."""
    if isinstance(value, Mapping):
        before = current if isinstance(current, Mapping) else {}
        return ConfigDict({key: _shaped_like(before.get(key), v) for key, v in value.items()})
    if not isinstance(value, list | tuple):
        return value
    items = [_shaped_like(_counterpart(current, i, item), item) for i, item in enumerate(value)]
    return tuple(items) if isinstance(current, tuple) or isinstance(value, tuple) else items


def _counterpart(current: object, index: int, item: object) -> object:
    """Return the entry of `current` that the new entry `item` is most like; None without one."""
    if not isinstance(current, list | tuple) or not current:
        return None
    same_place = current[min(index, len(current) - 1)]
    if not isinstance(item, Mapping) or "type" not in item:
        return same_place
    entries = [same_place, *current]
    alike = (e for e in entries if isinstance(e, Mapping) and e.get("type") == item["type"])
    return next(alike, None)


def _refuse_helper(config: Config, keys: list[str]) -> None:
    """Refuse to edit a name only the config file itself used: no trial would read the change."""
    helper = config[keys[0]]
    found = [
        ".".join([where, dotted.join(keys[1:])])
        for name in sorted(READ_BY_RUNNER & set(config))
        for where in places(config[name], [name], helper)
    ]
    use = f" It is in use at: {', '.join(f'`{place}`' for place in found)}." if found else ""
    raise ConfigError(
        f"`{dotted.join(keys)}`: `{keys[0]}` is only a helper of {config.filename}, copied to "
        f"where it is used when the file is read; changing it here has no effect.{use}"
    )


def _named(error: Exception) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
