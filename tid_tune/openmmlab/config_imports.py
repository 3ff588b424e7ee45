"""What a config imports: the modules of `custom_imports`, and the types of the pure-Python style.

mmengine has two styles of configs. In the older one types are names, looked up in registries that
`custom_imports` fills. In the pure-Python one (`with read_base():`) types are imported; it ignores
`custom_imports`. Here the second becomes the first, so that everything that reads configs meets one
style, and both import their `custom_imports`.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine import registry as registries
from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject

from tid_tune.errors import ConfigError
from tid_tune.import_path import search_current_folder

_LOG = logging.getLogger(__name__)
_REGISTERING = ("mmcv", "mmdet", "mmengine")
"""Packages whose types are known by their short names."""


def import_custom_modules(wanted: object, source: Path) -> None:
    """Import the modules of a config's `custom_imports`; the current folder is searched too.

    Raises:
        ConfigError: it has another form, or a module cannot be imported (and may not fail).
    """
    search_current_folder()
    if not wanted:
        return
    names = wanted.get("imports") if isinstance(wanted, Mapping) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigError(
            f"{source}: custom_imports is {wanted!r}; expected "
            "dict(imports=['package.module'], allow_failed_imports=False)"
        )
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            text = _not_imported(name, error, source)
            if not (isinstance(wanted, Mapping) and wanted.get("allow_failed_imports")):
                raise ConfigError(text) from error
            _LOG.warning("%s", text)


def is_pure_python(config: Config) -> bool:
    """Return whether a loaded config is of mmengine's pure-Python style."""
    return "_imported_names" in config.__dict__


def with_type_names(config: Config, *, imports: bool) -> Config:
    """Return a pure-Python config in the older style: with names in place of imported types.

    Types of mmdet, mmengine and mmcv get their registered names, others their dotted ones. With
    `imports`, imported objects elsewhere than at a `type` are put in as they are.

    Raises:
        ImportError: with `imports`, what the config imports is not there.
    """
    named = registered_names() if imports else None

    def resolve(key: object, value: LazyAttr | LazyObject) -> object:
        if named is None:
            return _type_name(value)
        found = value.build()
        if key != "type":
            return found
        return _type_name(value, known=getattr(found, "__name__", None) in named)

    plain: dict[str, Any] = _resolved(None, config._to_lazy_dict(), resolve)
    if not plain.get("default_scope"):  # the style needs none, the names do
        plain["default_scope"] = "mmdet"
    return Config(plain, filename=config.filename)


def _resolved(
    key: object, node: Any, resolve: Callable[[object, LazyAttr | LazyObject], object]
) -> Any:
    if isinstance(node, dict):
        return {name: _resolved(name, part, resolve) for name, part in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_resolved(None, part, resolve) for part in node)
    return resolve(key, node) if isinstance(node, LazyAttr | LazyObject) else node


def _type_name(lazy: LazyAttr | LazyObject, *, known: bool = True) -> str:
    if known and lazy.module.split(".")[0] in _REGISTERING:
        return str(lazy)
    return f"{lazy.module}.{lazy}"


def registered_names() -> set[str]:
    """Return the names in all registries of mmengine and of the packages that extend them."""
    roots = [found for found in vars(registries).values() if isinstance(found, registries.Registry)]
    below = [child for root in roots for child in root.children.values()]
    return {name for registry in [*roots, *below] for name in registry.module_dict}


def _not_imported(name: str, error: ImportError, source: Path) -> str:
    top = name.split(".")[0]
    return (
        f"{source}: custom_imports names {name!r}, which cannot be imported ({error}). Modules are "
        f"looked for in the installed packages, in PYTHONPATH and in the current folder, "
        f"{os.getcwd()}. Start the command in the folder that holds {top!r}, or set PYTHONPATH"
    )
