"""`load`: from a YAML file to a SearchSpec, or to one error that lists all that is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tid_tune.distill.model_config import is_distiller
from tid_tune.models import Model
from tid_tune.passwords import without_secrets
from tid_tune.searchfile.checks.config import check_against_config
from tid_tune.searchfile.checks.data import check_run
from tid_tune.searchfile.checks.methods import read_methods
from tid_tune.searchfile.checks.objectives import read_objectives
from tid_tune.searchfile.checks.together import check_together
from tid_tune.searchfile.conditions import read_conditions
from tid_tune.searchfile.config import max_epochs, read_config
from tid_tune.searchfile.constraints import read_constraints
from tid_tune.searchfile.merge import SHORTHANDS, read_tree
from tid_tune.searchfile.model import Confirm, SearchSpec
from tid_tune.searchfile.parts import DEFAULT_TYPES, Section, default_type
from tid_tune.searchfile.points import read_start
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.sections import read_part, read_section, unknown_keys
from tid_tune.searchfile.source import (
    DEFAULT_TRAINABLE,
    KEYS,
    SECTIONS,
    Header,
    read_interval,
)
from tid_tune.searchfile.space import read_space
from tid_tune.searchfile.tree import Node
from tid_tune.space import Choice, Distribution, Fixed, Value
from tid_tune.space.space import METHOD_PATH

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config

Space = dict[str, Distribution]


def load(
    path: Path | str, overrides: Sequence[str] = (), *, check_files: bool = True
) -> SearchSpec:
    """Read, merge and check a search space. Imports nothing heavier than mmengine's config.

    Args:
        path: the YAML file.
        overrides: `a.b=value` texts, applied last; the value is YAML, null removes.
        check_files: also require the checkpoint, the data and the earlier run to be there.

    Raises:
        SpecError: lists every problem by file, line and dotted path, with the fix.
    """
    reading = read(path, overrides, check_files=check_files)
    reading.problems.raise_if_any()
    if reading.spec is None:  # whatever keeps a spec from being made has noted its problem
        raise RuntimeError(f"{path} gave neither a spec nor a problem")
    return reading.spec


@dataclass
class Reading:
    """What could be read of a search space, right or wrong."""

    problems: Problems = field(default_factory=Problems)
    spec: SearchSpec | None = None
    """The whole of it, where nothing is wrong that keeps it from being made."""
    trial: Path | None = None
    """The config of a trial, if it can be read and the default trainable trains it."""
    fixed: dict[str, Value] = field(default_factory=dict)
    """The values that every trial has, by their path in that config."""


def read(path: Path | str, overrides: Sequence[str] = (), *, check_files: bool = True) -> Reading:
    """Read what can be read of a search space, and note every problem. See `load`."""
    reading = Reading()
    path = Path(path)
    tree = read_tree(path, overrides, reading.problems)
    if tree is not None:
        spec = _build(path, tree, check_files, reading)
        shown = tuple(map(without_secrets, overrides))
        reading.spec = spec and spec.model_copy(update={"overrides": shown})
    return reading


def _build(path: Path, tree: Node, check_files: bool, reading: Reading) -> SearchSpec | None:
    problems = reading.problems
    _check_keys(tree, problems)
    header = _read_header(tree, problems)
    _check_trainable(tree, problems)
    trials = header.trials if header is not None else Header.model_fields["trials"].default
    sections: dict[str, Any] = {
        **{section: _read_part(section, trials, tree, problems) for section in DEFAULT_TYPES},
        **{name: _read(name, model, tree, problems) for name, model in SECTIONS.items()},
    }
    methods, space = _read_parameters(tree, problems)
    config = _read_trial(path, tree, problems)
    if config is not None:
        space = check_against_config(config, space, methods, tree, check_files, problems)
        _remember(config, space, tree, reading)
    rest = _read_relations(tree, space, check_files, problems) if _all_read(tree, space) else {}
    if header is None or config is None:
        return None
    objectives = read_objectives(header, config, tree, problems)
    epochs = header.epochs or max_epochs(config)
    if epochs is None and "model" in config:
        problems.add(
            tree.where,
            "epochs",
            "missing, and the config's train_cfg has no max_epochs; add epochs",
        )
    if len(problems) or epochs is None:
        return None
    spec = SearchSpec(
        **_plain_fields(header),
        trial=Path(os.path.abspath(header.trial)),
        objectives=objectives,
        epochs=epochs,
        report_every=read_interval(header.report_every),
        space=space,
        method=methods,
        baseline=header.baseline and is_distiller(config.get("model")),
        source=Path(os.path.abspath(path)),
        **{name: section for name, section in sections.items() if section is not None},
        **rest,
    )
    check_together(spec, tree, problems)
    return spec


def _remember(config: Config, space: Space, tree: Node, reading: Reading) -> None:
    """Note what can be checked further, whatever is wrong with the rest."""
    trainable = tree.entries.get("trainable")
    if "model" in config and (trainable is None or trainable.value == DEFAULT_TRAINABLE):
        reading.trial = Path(config.filename)
        fixed = {path: one for path, one in space.items() if one.is_fixed and not one.when}
        reading.fixed = {path: one.value_at(0) for path, one in fixed.items()}


_PLAIN = ("name", "trainable", "trials", "seed", "evaluate_every")


def _plain_fields(header: Header) -> dict[str, Any]:
    return {name: getattr(header, name) for name in _PLAIN}


def _check_keys(tree: Node, problems: Problems) -> None:
    unknown_keys(tree, "", KEYS, problems)
    if {"objective", "objectives"} <= tree.entries.keys():
        where = tree.entries["objectives"].where
        problems.add(where, "objectives", "given beside objective; keep one")


def _read_header(tree: Node, problems: Problems) -> Header | None:
    entries = {key: node for key, node in tree.entries.items() if key in Header.model_fields}
    return read_section(Header, "", Node(entries, tree.where), problems)


def _check_trainable(tree: Node, problems: Problems) -> None:
    node = tree.entries.get("trainable")
    file = str(node.value).rpartition(":")[0] if node is not None else ""
    if node is not None and file.endswith(".py") and not Path(file).is_file():
        text = f"no file {file!r}; paths are relative to the current folder"
        problems.add(node.where, "trainable", text)


def _read_part(
    section: Section, trials: int, tree: Node, problems: Problems
) -> dict[str, object] | None:
    """Return the options that a section sets: a spec tells a named type from the default one."""
    node = tree.entries.get(section)
    if node is None:
        return None
    word = SHORTHANDS.get(section)
    if word is not None and isinstance(node.value, str):
        node = Node({word: node}, node.where)
    options = read_part(section, default_type(section, trials), node, problems)
    return None if options is None else options.model_dump(exclude_unset=True)


def _read(name: str, model: type[Model], tree: Node, problems: Problems) -> Model | None:
    node = tree.entries.get(name)
    if node is None:
        return None
    if model is Confirm and isinstance(node.value, bool):
        return Confirm() if node.value else None
    return read_section(model, name, node, problems)


def _read_parameters(tree: Node, problems: Problems) -> tuple[tuple[str, ...], Space]:
    """Return the methods to compare, and the space with its conditions."""
    listed = tree.entries.get("method")
    methods = read_methods(listed, problems) if listed is not None else ()
    node = tree.entries.get("space")
    if node is None:
        problems.add(tree.where, "space", "missing; add it")
        return methods, {}
    space = read_space(node, problems)
    if methods and METHOD_PATH in space:
        where = node.entries[METHOD_PATH].where
        problems.add(where, f"space.{METHOD_PATH}", "given beside method; keep one")
    arms: Mapping[str, Distribution] = {METHOD_PATH: Choice(values=methods)} if methods else {}
    conditions = read_conditions(node, space, arms, problems)
    space = {
        path: found.model_copy(update={"when": conditions.get(path, {})})
        for path, found in space.items()
    }
    if len(methods) == 1:  # nothing to compare: a value that every trial has
        return (), {**space, METHOD_PATH: Fixed(value=methods[0])}
    return methods, space


def _all_read(tree: Node, space: Space) -> bool:
    """Return whether no parameter was dropped: what names a dropped one is not wrong for that."""
    node = tree.entries.get("space")
    return node is None or not isinstance(node.value, dict) or node.value.keys() <= space.keys()


def _read_trial(path: Path, tree: Node, problems: Problems) -> Config | None:
    node = tree.entries.get("trial")
    if node is None or not isinstance(node.value, str) or not node.value:
        return None
    return read_config(node.value, node.where, path, problems)


def _read_relations(
    tree: Node, space: Space, check_files: bool, problems: Problems
) -> dict[str, Any]:
    """Return the fields that name parameters: `require`, `start_from` and its transfer."""
    fields: dict[str, Any] = {}
    node = tree.entries.get("require")
    if node is not None:
        fields["require"] = read_constraints(node, space, problems)
    node = tree.entries.get("start_from")
    if node is not None:
        points, transfer = read_start(node, space, fields.get("require", ()), problems)
        fields |= {"start_from": points, "transfer": transfer}
        # A store is asked when the run is read: it may be seen from the cluster alone.
        if transfer is not None and isinstance(transfer.run, Path) and check_files:
            check_run(transfer.run, node.where, problems)
    return fields
