"""mmdet config files: load them, and change values in them by dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from tid_tune.errors import ConfigError, nearest
from tid_tune.openmmlab.setup import prepare, quiet

__all__ = ["READ_BY_RUNNER", "Config", "ConfigDict", "get_value", "load_config", "set_value"]

FREE = "model.distillation"
"""Below this path a key need not be there yet: the method's own settings say which keys exist."""

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
    path: Path | str, edits: Mapping[str, object] | None = None, *, imports: bool = True
) -> Config:
    """Load the mmdet config at `path`, set `edits` in it (dotted path: value) and return it.

    A number in a path is a list index: `param_scheduler.0.end`. Relative file names in the config
    keep their meaning: relative to the current folder. With `imports`, the config's
    `custom_imports` are imported after mmdet has been prepared.

    Raises:
        ConfigError: the file cannot be read, or an edited path does not exist or has no effect.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no config file {path}")
    if imports:
        prepare()
    try:
        with quiet():
            config = Config.fromfile(str(path), import_custom_modules=imports)
    except Exception as error:  # a config is a program; anything may go wrong in it
        raise ConfigError(f"cannot read the config {path}: {_named(error)}") from error
    for dotted, value in (edits or {}).items():
        set_value(config, dotted, value)
    return config


def get_value(config: Config, dotted: str) -> Any:
    """Return the value at `dotted`.

    Raises:
        ConfigError: there is none; it names the nearest path that exists.
    """
    node: object = config._cfg_dict
    keys = dotted.split(".")
    for depth, key in enumerate(keys):
        node = _child(node, key, keys[:depth], config)
    return node


def set_value(config: Config, dotted: str, value: object) -> None:
    """Replace the value at `dotted`.

    Raises:
        ConfigError: there is none, or nothing but the config file itself reads it.
    """
    keys = dotted.split(".")
    if len(keys) > 1 and keys[0] in config and keys[0] not in READ_BY_RUNNER:
        _refuse_helper(config, keys)
    parent = get_value(config, ".".join(keys[:-1])) if len(keys) > 1 else config._cfg_dict
    if ".".join(keys[:-1]) != FREE:
        _child(parent, keys[-1], keys[:-1], config)
    if isinstance(parent, tuple):
        parts = list(parent)
        parts[int(keys[-1])] = value
        set_value(config, ".".join(keys[:-1]), tuple(parts))
    elif isinstance(parent, list):
        parent[int(keys[-1])] = _plain(value)
    else:
        parent[keys[-1]] = _plain(value)


def _plain(value: object) -> object:
    return ConfigDict(value) if isinstance(value, dict) else value


def _child(node: object, key: str, above: list[str], config: Config) -> object:
    """Return `node[key]`; `above` is the path of `node`, for the error."""
    if isinstance(node, dict) and key in node:
        return node[key]
    if isinstance(node, list | tuple) and key.isdigit() and int(key) < len(node):
        return node[int(key)]
    dotted, where = ".".join([*above, key]), ".".join(above)
    raise ConfigError(
        f"`{dotted}` is not in {config.filename}: {_what_is_there(node, where)}"
        f"{_suggestion(node, key, above)}"
    )


def _what_is_there(node: object, where: str) -> str:
    if isinstance(node, list | tuple):
        return f"`{where}` is a list of {len(node)} entries, numbered from 0"
    if isinstance(node, dict):
        here = f"`{where}`" if where else "it"
        return f"{here} has the keys {', '.join(sorted(map(str, node))) or '(none)'}"
    return f"`{where}` is {node!r}, which has no parts"


def _suggestion(node: object, key: str, above: list[str]) -> str:
    if not isinstance(node, dict):
        return f". The nearest path that exists is `{'.'.join(above)}`"
    close = nearest(key, map(str, node))
    if close is not None:
        return f". Did you mean `{'.'.join([*above, close])}`?"
    return f". The nearest path that exists is `{'.'.join(above)}`" if above else ""


def _refuse_helper(config: Config, keys: list[str]) -> None:
    """Refuse to edit a name only the config file itself used: no trial would read the change."""
    helper = config[keys[0]]
    places = [
        ".".join([where, *keys[1:]])
        for name in sorted(READ_BY_RUNNER & set(config))
        for where in _places(config[name], name, helper)
    ]
    use = f" It is in use at: {', '.join(f'`{place}`' for place in places)}." if places else ""
    raise ConfigError(
        f"`{'.'.join(keys)}`: `{keys[0]}` is only a helper of {config.filename}, copied to where "
        f"it is used when the file is read; changing it here has no effect.{use}"
    )


def _places(node: object, where: str, wanted: object) -> list[str]:
    """Return the dotted paths below `where` that hold a copy of `wanted`."""
    if node == wanted:
        return [where]
    if isinstance(node, dict):
        parts: list[tuple[object, object]] = list(node.items())
    elif isinstance(node, list | tuple):
        parts = list(enumerate(node))
    else:
        return []
    return [found for key, part in parts for found in _places(part, f"{where}.{key}", wanted)]


def _named(error: Exception) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
