"""`load`: from a YAML file to a SearchSpec, or to one error that lists all that is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tid_tune.spec.conditions import read_conditions
from tid_tune.spec.config import check_paths, max_epochs, read_config
from tid_tune.spec.constraints import read_constraints
from tid_tune.spec.merge import SHORTHANDS, read_tree
from tid_tune.spec.model import Confirm, Distribution, Model, SearchSpec
from tid_tune.spec.points import read_start
from tid_tune.spec.problems import Problems, Where
from tid_tune.spec.sections import read_section, unknown_keys
from tid_tune.spec.source import KEYS, SECTIONS, Header, read_interval
from tid_tune.spec.space import read_space
from tid_tune.spec.tree import Node, describe


def load(
    path: Path | str, overrides: Sequence[str] = (), *, check_files: bool = True
) -> SearchSpec:
    """Read, merge and check a search space; nothing heavier than mmengine's config is imported.

    Args:
        path: the YAML file.
        overrides: `a.b=value` texts, applied last; the value is YAML, null removes.
        check_files: also require the checkpoint, data and run folders that the search will read.

    Raises:
        SpecError: lists every problem by file, line and dotted path, with the mend.
    """
    problems = Problems()
    path = Path(path)
    tree = read_tree(path, overrides, problems)
    spec = _Loader(path, tree, problems, check_files).spec() if tree is not None else None
    problems.raise_if_any()
    if spec is None:  # every None above has noted its problem
        raise RuntimeError(f"{path} gave neither a spec nor a problem")
    return spec


class _Loader:
    """The parts of one spec while they are being read."""

    def __init__(self, path: Path, tree: Node, problems: Problems, check_files: bool) -> None:
        self.path, self.tree, self.problems = path, tree, problems
        self.check_files = check_files

    def spec(self) -> SearchSpec | None:
        unknown_keys(self.tree, "", KEYS, self.problems)
        header = self._header()
        sections = {name: self._section(name, model) for name, model in SECTIONS.items()}
        space = self._space()
        config = self._config()
        if "require" in self.tree.entries:
            require = read_constraints(self.tree.entries["require"], space, self.problems)
        else:
            require = ()
        points, transfer = (), None
        if "start_from" in self.tree.entries:
            node = self.tree.entries["start_from"]
            points, transfer = read_start(node, space, require, self.problems)
        if config is not None:
            check_paths(config, space, self.tree.entries.get("space", self.tree), self.problems)
        epochs = header.epochs if header is not None else None
        if config is not None and epochs is None:
            epochs = max_epochs(config)
        if header is None or config is None or len(self.problems):
            return None
        objectives = header.objectives or {header.objective or "coco/bbox_mAP": "max"}
        return SearchSpec(
            name=header.name, trial=Path(os.path.abspath(header.trial)), trainable=header.trainable,
            objectives=objectives, epochs=epochs, report_every=read_interval(header.report_every),
            space=space, require=require, trials=header.trials, seed=header.seed,
            start_from=points, transfer=transfer, baseline=header.baseline, source=self.path.absolute(),
            **{k: v for k, v in sections.items() if v is not None},
        )

    def _header(self) -> Header | None:
        entries = {k: v for k, v in self.tree.entries.items() if k in Header.model_fields}
        return read_section(Header, "", Node(entries, self.tree.where), self.problems)

    def _section(self, name: str, model: type[Model]) -> Model | None:
        node = self.tree.entries.get(name)
        if node is None:
            return None
        word = SHORTHANDS.get(name)
        if word is not None and isinstance(node.value, str):
            node = Node({word: node}, node.where)
        if model is Confirm and isinstance(node.value, bool):
            return Confirm() if node.value else None
        return read_section(model, name, node, self.problems)

    def _space(self) -> dict[str, Distribution]:
        node = self.tree.entries.get("space")
        if node is None:
            self.problems.add(self.tree.where, "space", "missing; add it")
            return {}
        space = read_space(node, self.problems)
        conditions = read_conditions(node, space, {}, self.problems)
        return {
            path: found.model_copy(update={"when": conditions[path]})
            if path in conditions
            else found
            for path, found in space.items()
        }

    def _config(self) -> Any:
        node = self.tree.entries.get("trial")
        if node is None or not isinstance(node.value, str) or not node.value:
            return None
        return read_config(node.value, node.where, self.path, self.problems)
