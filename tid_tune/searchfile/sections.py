"""Checks a node against a pydantic model, and says in plain words what does not fit."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tid_tune.errors import nearest, suggestion
from tid_tune.models import Model
from tid_tune.searchfile.parts import Section, options_types, types_with
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.tree import Node
from tid_tune.space.values import describe

if TYPE_CHECKING:
    from tid_tune.searchfile.parts import PartOptions

M = TypeVar("M", bound=Model)

_EXPECTED = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "string_type": "expected text (in quotes)",
    "dict_type": "expected a map",
    "model_type": "expected a map",
    "literal_error": "expected one of {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must name at least one",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
}
_WORD = re.compile(r"'(\w+)'")
_PATTERNS = {
    "name": "must name a folder: letters, digits and . _ - inside, at most 100 characters",
    "report_every": "expected a length such as 1 epoch or 2000 iters",
    "trainable": "expected module:Class or file.py:Class",
    "objective": "a metric is one word such as coco/bbox_mAP",
    "objectives": "a metric is one word such as coco/bbox_mAP",
}


def read_section(model: type[M], path: str, node: Node, problems: Problems) -> M | None:
    """`node` as a `model`; None with problems noted where it is not one."""
    if not isinstance(node.value, dict):
        known = ", ".join(model.model_fields)
        problems.add(node.where, path, f"expected a map of {known}, got {describe(node.plain())}")
        return None
    before = len(problems)
    prefix = f"{path}." if path else ""
    unknown_keys(node, prefix, model.model_fields, problems)
    known_only = {k: v.plain() for k, v in node.value.items() if k in model.model_fields}
    try:
        result = model.model_validate(known_only, strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _report(detail, path, node, problems)
        return None
    return result if len(problems) == before else None


def unknown_keys(
    node: Node, prefix: str, known: Collection[str], problems: Problems, what: str = "unknown key"
) -> None:
    """Report every key of a map that is not in `known`, with the one most like it."""
    for key, child in node.entries.items():
        if key not in known:
            problems.add(child.where, f"{prefix}{key}", f"{what}; {suggestion(key, known)}")


def read_part(section: Section, default: str, node: Node, problems: Problems) -> PartOptions | None:
    """Return a section as the options of its `type`; None with problems noted if it is not one.

    Args:
        section: which one.
        default: the type where none is named.
        node: the section.
        problems: what is wrong is added here.
    """
    types = options_types(section)
    named = node.entries.get("type")
    chosen = default if named is None else str(named.value)
    if named is None or chosen in types:
        before = len(problems)
        kept = _own_options(section, chosen, node, problems)
        found = read_section(types[chosen], section, kept, problems)
        return found if len(problems) == before else None
    *names, last = [repr(name) for name in types]
    match = nearest(chosen, types)
    hint = f"; did you mean {match!r}?" if match else ""
    text = f"expected one of {', '.join(names)} or {last}, got {describe(named.plain())}{hint}"
    problems.add(named.where, f"{section}.type", text)
    every = {key for model in types.values() for key in model.model_fields}
    unknown_keys(node, f"{section}.", every, problems)
    return None


def _own_options(section: Section, chosen: str, node: Node, problems: Problems) -> Node:
    """Return a section without the options that only other types have; report those."""
    if not isinstance(node.value, dict):
        return node
    types = options_types(section)
    own = types[chosen].model_fields
    every = [key for model in types.values() for key in model.model_fields]
    kept = {}
    for key, child in node.entries.items():
        likely = key if key in every else nearest(key, own) or nearest(key, every)
        owners = [] if likely is None else types_with(section, likely)
        if chosen in owners or not owners:
            kept[key] = child
            continue
        text = f"has no effect with type {chosen}, only with {', '.join(owners)}; remove it"
        if key != likely:
            text = f"unknown key; did you mean {likely!r}? That {text}"
        problems.add(child.where, f"{section}.{key}", text)
    return Node(kept, node.where)


def _report(detail: ErrorDetails, path: str, node: Node, problems: Problems) -> None:
    kind, context = detail["type"], detail.get("ctx", {})
    found, steps = _descend(node, detail["loc"])
    if kind == "missing":
        steps.append(str(detail["loc"][-1]))
    dotted = ".".join([path, *steps] if path else steps)
    if kind == "missing":
        problems.add(found.where, dotted, "missing; add it")
        return
    formed = kind == "string_type" and steps[0] in ("report_every", "objective", "trainable")
    if formed or kind == "string_pattern_mismatch":
        text = _PATTERNS.get(steps[0], "has characters that are not allowed")
    else:
        numbers = {key: f"{v:g}" if isinstance(v, float) else v for key, v in context.items()}
        text = _EXPECTED.get(kind, detail["msg"]).format(**numbers)
    got = describe(found.plain())
    match = nearest(str(found.value), _WORD.findall(text)) if kind == "literal_error" else None
    hint = f"; did you mean {match!r}?" if match else ""
    problems.add(found.where, dotted, f"{text}, got {got}{hint}")


def _descend(node: Node, location: Sequence[int | str]) -> tuple[Node, list[str]]:
    """Return the innermost node that pydantic's location leads to, and the keys on the way."""
    steps: list[str] = []
    for step in location:
        inside = node.entries.get(step) if isinstance(step, str) else None
        if inside is None:
            break
        node = inside
        steps.append(str(step))
    return node, steps
