"""Types and arguments of a config that do not exist: which they are, and what may be meant."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mmengine import registry as registries

from tid_tune.errors import nearest
from tid_tune.openmmlab.config_imports import registered_names

_UNKNOWN_TYPE = re.compile(r"(?P<name>[^\s'\"]+)'? is not in the (?P<registry>.+?) registry")
_UNKNOWN_ARGUMENT = re.compile(r"unexpected keyword argument '(?P<name>\w+)'")
_MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (?P<names>.+)")


@dataclass(frozen=True)
class Misspelling:
    """A key or a type of a part that does not exist, and the nearest one that does."""

    key: str
    """What is to be changed: `type`, or the argument."""
    meant: str | None
    """The type or the argument that is most like it; None if none is."""
    text: str


def misspelling(error: BaseException, part: Mapping[str, object]) -> Misspelling | None:
    """Return which name of `part` does not exist if that is why it cannot be built, else None.

    Args:
        error: raised when it was built.
        part: a dict of a config, with a `type`.
    """
    text, unknown = str(error), _unknown_type(error)
    if unknown is not None:
        name = unknown["name"]
        close = nearest(name.rpartition(".")[2], registered_names())
        hint = f"did you mean {close!r}?" if close else "is its module in custom_imports?"
        text = f"{name} is not in the registry {unknown['registry']}; {hint}"
        return Misspelling("type", close, text)
    argument = _UNKNOWN_ARGUMENT.search(text)
    if argument is None or not isinstance(error, TypeError) or argument["name"] not in part:
        return None
    name = argument["name"]
    known = arguments(_class_of(part.get("type"))) or frozenset()
    close = nearest(name, sorted(known))
    hint = f"did you mean {close!r}?" if close else "remove it"
    return Misspelling(name, close, f"{_shown(part)} has no argument {name!r}; {hint}")


def unknown_type(error: BaseException) -> str | None:
    """Return the `type` that no registry has if that is the error, else None."""
    found = _unknown_type(error)
    return None if found is None else found["name"]


def _unknown_type(error: BaseException) -> re.Match[str] | None:
    return _UNKNOWN_TYPE.search(str(error)) if isinstance(error, KeyError) else None


def missing_arguments(error: BaseException, part: Mapping[str, object]) -> str | None:
    """Return which arguments of the class of `part` are missing if that is the error, else None."""
    missing = _MISSING.search(str(error)) if isinstance(error, TypeError) else None
    return None if missing is None else f"{_shown(part)} lacks {missing['names']}; add it"


def arguments(kind: object) -> frozenset[str] | None:
    """Return the keyword arguments that a class takes; None if it may take any.

    What a class passes on as `**kwargs` is taken by the class that it is derived from.
    """
    found: set[str] = set()
    bases = kind.__mro__ if isinstance(kind, type) else ()
    for maker in [vars(base)["__init__"] for base in bases if _has_own(base)] or [kind]:
        if not callable(maker):
            return None
        try:
            parameters = inspect.signature(maker).parameters.values()
        except (TypeError, ValueError):
            return None
        found |= {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            return frozenset(found) - {"self", "args"}
    return None


def _has_own(base: type) -> bool:
    return base is not object and "__init__" in vars(base)


def _class_of(kind: object) -> object:
    """Return the class that a `type` names in any registry, or itself."""
    if not isinstance(kind, str):
        return kind
    name = kind.rpartition(".")[2]
    roots = [found for found in vars(registries).values() if isinstance(found, registries.Registry)]
    below = [child for root in roots for child in root.children.values()]
    known = (one.module_dict.get(name) for one in [*below, *roots])
    return next((found for found in known if found is not None), None)


def _shown(part: Mapping[str, object]) -> str:
    kind = part.get("type")
    return str(getattr(kind, "__name__", kind))
